-- SPDX-License-Identifier: MIT
-- Numbers by a decimal picture (XPath and XQuery Functions 3.1, 4.7): "#,##0.00", "0.0e0", "00%;(00%)" ... Texts are
-- lists of characters here, because the symbols may be any.

local integer_picture = require "flowhost.expr.jsonata.integer_picture"
local number_text = require "flowhost.expr.number_text"
local round = require("flowhost.expr.jsonata.functions_number").round
local text = require "flowhost.expr.jsonata.text"
local utf8_char = require "flowhost.expr.utf8_char"

local M = {}

local concat = table.concat

local DEFAULTS = { ["decimal-separator"] = ".", ["grouping-separator"] = ",", ["exponent-separator"] = "e",
    ["minus-sign"] = "-", percent = "%", ["per-mille"] = "‰", ["zero-digit"] = "0", digit = "#",
    ["pattern-separator"] = ";" }

--- Index from 0 of a character, or nil.
local function index_of(list, ch, from)
    for i = (from or 0) + 1, #list do
        if list[i] == ch then
            return i - 1
        end
    end
end

local function count_of(list, ch)
    local count = 0
    for i = 1, #list do
        count = count + (list[i] == ch and 1 or 0)
    end
    return count
end

--- How often a symbol of one or more characters occurs.
local function count_symbol(list, symbol)
    local str, count, at = concat(list), 0, 1
    while symbol ~= "" do
        local first, last = str:find(symbol, at, true)
        if not first then
            break
        end
        count, at = count + 1, last + 1
    end
    return count
end

--- Characters from..to-1, indices from 0.
local function slice(list, from, to)
    local out = {}
    for i = from + 1, math.min(to or #list, #list) do
        out[#out + 1] = list[i]
    end
    return out
end

local function new_symbols(options)
    local symbols = {}
    for name, value in pairs(DEFAULTS) do
        symbols[name] = options and type(options[name]) == "string" and options[name] or value
    end
    local zero = text.decode(symbols["zero-digit"], 1) or 0x30
    symbols.family, symbols.active = {}, {}
    for i = 0, 9 do
        symbols.family[utf8_char(zero + i)] = i
        symbols[i] = utf8_char(zero + i)
        symbols.active[symbols[i]] = true
    end
    for _, name in ipairs { "decimal-separator", "exponent-separator", "grouping-separator", "digit",
        "pattern-separator" } do
        symbols.active[symbols[name]] = true
    end
    return symbols
end

local function count_digits(list, symbols, with_optional)
    local count = 0
    for i = 1, #list do
        if symbols.family[list[i]] or with_optional and list[i] == symbols.digit then
            count = count + 1
        end
    end
    return count
end

--- Prefix, suffix and the parts between of a sub-picture.
local function split_parts(list, symbols)
    local exponent = symbols["exponent-separator"]
    local first, last
    for i = 1, #list do
        if symbols.active[list[i]] and list[i] ~= exponent then
            first, last = first or i, i
        end
    end
    local prefix, suffix = first and first - 1 or 0, last and #list - last or 0
    local parts = { list = list, prefix = slice(list, 0, prefix), suffix = slice(list, #list - suffix) }
    parts.active = slice(list, prefix, #list - suffix)
    local at = index_of(list, exponent, prefix)
    parts.mantissa = parts.active
    if at and at <= #list - suffix then
        parts.mantissa, parts.exponent = slice(parts.active, 0, at), slice(parts.active, at + 1)
    end
    local decimal = index_of(parts.mantissa, symbols["decimal-separator"])
    parts.integer = decimal and slice(parts.mantissa, 0, decimal) or parts.mantissa
    parts.fraction = decimal and slice(parts.mantissa, decimal + 1) or parts.suffix
    return parts
end

--- Whether a required digit stands behind an optional one (is_fraction) or before it.
local function is_mixed(list, symbols, is_fraction)
    local has_required, has_optional = false, false
    for i = 1, #list do
        if symbols.family[list[i]] then
            has_required = true
            if is_fraction and has_optional then
                return true
            end
        elseif list[i] == symbols.digit then
            has_optional = true
            if not is_fraction and has_required then
                return true
            end
        end
    end
    return false
end

local function is_passive(list, symbols)
    for i = 1, #list do
        if not symbols.active[list[i]] then
            return true
        end
    end
    return false
end

local function has_double_group(list, group)
    for i = 2, #list do
        if list[i] == group and list[i - 1] == group then
            return true
        end
    end
    return false
end

--- The error of a sub-picture: the last rule that it breaks.
local function find_error(parts, symbols)
    local list, group = parts.list, symbols["grouping-separator"]
    local percents, milles = count_symbol(list, symbols.percent), count_symbol(list, symbols["per-mille"])
    local decimal = index_of(list, symbols["decimal-separator"])
    local exponent = parts.exponent
    local rules = {
        { "D3081", count_of(list, symbols["decimal-separator"]) > 1 },
        { "D3082", percents > 1 },
        { "D3083", milles > 1 },
        { "D3084", percents > 0 and milles > 0 },
        { "D3085", count_digits(parts.mantissa, symbols, true) == 0 },
        { "D3086", is_passive(parts.active, symbols) },
        { "D3087", decimal and (list[decimal] == group or list[decimal + 2] == group) },
        { "D3088", not decimal and parts.integer[#parts.integer] == group },
        { "D3089", has_double_group(list, group) },
        { "D3090", is_mixed(parts.integer, symbols, false) },
        { "D3091", is_mixed(parts.fraction, symbols, true) },
        { "D3092", exponent and #exponent > 0 and percents + milles > 0 },
        { "D3093", exponent and (#exponent == 0 or count_digits(exponent, symbols) < #exponent) },
    }
    local code
    for _, rule in ipairs(rules) do
        code = rule[2] and rule[1] or code
    end
    return code
end

--- How many digits stand right (or left) of each grouping separator.
local function grouping_positions(list, integer, symbols, to_left)
    local positions, group = {}, symbols["grouping-separator"]
    local at = index_of(list, group)
    while at do
        local side = to_left and slice(list, 0, at) or slice(list, at)
        positions[#positions + 1] = count_digits(side, symbols, true)
        at = index_of(integer, group, at + 1)
    end
    return positions
end

local function analyse(parts, symbols)
    local min_integer = count_digits(parts.integer, symbols)
    local picture = { parts = parts, scale = min_integer, prefix = concat(parts.prefix), suffix = concat(parts.suffix),
        groups = grouping_positions(parts.integer, parts.integer, symbols, false),
        fraction_groups = grouping_positions(parts.fraction, parts.integer, symbols, true) }
    picture.distance = integer_picture.regular_distance(picture.groups)
    local min_fraction = count_digits(parts.fraction, symbols)
    local max_fraction = count_digits(parts.fraction, symbols, true)
    if min_integer == 0 and max_fraction == 0 then
        if parts.exponent then
            min_fraction, max_fraction = 1, 1
        else
            min_integer = 1
        end
    end
    if parts.exponent and min_integer == 0 and index_of(parts.integer, symbols.digit) then
        min_integer = 1
    end
    if min_integer == 0 and min_fraction == 0 then
        min_fraction = 1
    end
    picture.min_integer, picture.min_fraction, picture.max_fraction = min_integer, min_fraction, max_fraction
    picture.min_exponent = parts.exponent and count_digits(parts.exponent, symbols) or 0
    return picture
end

--- Digits of a number in the picture's script; the decimal point stays a point.
local function digits_of(number, places, symbols)
    number = math.abs(number)
    local str = number < 1e21 and ("%." .. math.min(places, 99) .. "f"):format(number) or number_text.full(number)
    local characters = text.characters(str)
    for i, ch in ipairs(characters) do
        characters[i] = ch:find "%d" and symbols[tonumber(ch)] or ch
    end
    return characters
end

--- Mantissa and exponent of a number so that the mantissa has as many digits as the picture's integer part.
local function scale(number, picture)
    if picture.min_exponent == 0 then
        return number
    end
    local exponent, most, least = 0, 10 ^ picture.scale, 10 ^ (picture.scale - 1)
    while number ~= 0 and math.abs(number) < least do
        number, exponent = number * 10, exponent - 1
    end
    while math.abs(number) > most and exponent < 400 do
        number, exponent = number / 10, exponent + 1
    end
    return number, exponent
end

--- The integer and fraction digits, without zeros at the ends, padded to what the picture asks for.
local function split_digits(number, picture, symbols)
    local characters = digits_of(number, picture.max_fraction, symbols)
    local point = index_of(characters, ".") or #characters
    local integer, fraction = slice(characters, 0, point), slice(characters, point + 1)
    local zero = symbols["zero-digit"]
    while integer[1] == zero do
        table.remove(integer, 1)
    end
    while fraction[#fraction] == zero do
        fraction[#fraction] = nil
    end
    while #integer < picture.min_integer do
        table.insert(integer, 1, zero)
    end
    while #fraction < picture.min_fraction do
        fraction[#fraction + 1] = zero
    end
    return integer, fraction
end

local function group_integer(integer, picture, separator)
    if picture.distance then
        for k = math.floor((#integer - 1) / picture.distance), 1, -1 do
            table.insert(integer, #integer - k * picture.distance + 1, separator)
        end
        return
    end
    for i = 1, #picture.groups do
        local before = #integer - picture.groups[i]
        table.insert(integer, math.max(before, 0) + 1, separator)
    end
end

local function group_fraction(fraction, picture, separator)
    for _, position in ipairs(picture.fraction_groups) do
        table.insert(fraction, math.min(position, #fraction) + 1, separator)
    end
end

local function exponent_text(exponent, picture, symbols)
    local digits = digits_of(exponent, 0, symbols)
    while #digits < picture.min_exponent do
        table.insert(digits, 1, symbols["zero-digit"])
    end
    return symbols["exponent-separator"] .. (exponent < 0 and symbols["minus-sign"] or "") .. concat(digits)
end

local function split_picture(picture, symbols)
    local list, current = {}, {}
    for _, ch in ipairs(text.characters(picture)) do
        if ch == symbols["pattern-separator"] then
            list[#list + 1], current = current, {}
        else
            current[#current + 1] = ch
        end
    end
    list[#list + 1] = current
    return list
end

--- The parsed pictures for numbers from 0 on and below.
local function parse(picture, symbols, fail)
    local list = split_picture(picture, symbols)
    if #list > 2 then
        fail("D3080", {})
    end
    local parts = {}
    for i, characters in ipairs(list) do
        parts[i] = split_parts(characters, symbols)
        local code = find_error(parts[i], symbols)
        if code then
            fail(code, {})
        end
    end
    local positive = analyse(parts[1], symbols)
    local negative = analyse(parts[2] or parts[1], symbols)
    if not parts[2] then
        negative.prefix = symbols["minus-sign"] .. negative.prefix
    end
    return positive, negative
end

--- A number as a picture says.
---@param options table? other symbols: { ["decimal-separator"] = ",", ... }
---@param fail fun(code: string, fields: table) raises
function M.format(number, picture, options, fail)
    local symbols = new_symbols(options)
    local positive, negative = parse(picture, symbols, fail)
    local chosen = number >= 0 and positive or negative
    if count_symbol(chosen.parts.list, symbols.percent) > 0 then
        number = number * 100
    elseif count_symbol(chosen.parts.list, symbols["per-mille"]) > 0 then
        number = number * 1000
    end
    local mantissa, exponent = scale(number, chosen)
    mantissa = round(mantissa, chosen.max_fraction)
    local integer, fraction = split_digits(mantissa, chosen, symbols)
    group_integer(integer, chosen, symbols["grouping-separator"])
    group_fraction(fraction, chosen, symbols["grouping-separator"])
    local has_point = #fraction > 0 and index_of(chosen.parts.list, symbols["decimal-separator"])
    return concat { chosen.prefix, concat(integer), has_point and symbols["decimal-separator"] or "", concat(fraction),
        exponent and exponent_text(exponent, chosen, symbols) or "", chosen.suffix }
end

return M
