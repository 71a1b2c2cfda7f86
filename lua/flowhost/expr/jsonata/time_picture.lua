-- SPDX-License-Identifier: MIT
-- Times by a picture (XPath and XQuery Functions 3.1, 9.8.4): "[Y0001]-[M01]-[D01]", "[FNn], [D1o] [MNn]" ... with X
-- and x for the year and month to which a week belongs. Writing here, reading in time_parse.lua.

local calendar = require "flowhost.expr.jsonata.calendar"
local integer_picture = require "flowhost.expr.jsonata.integer_picture"
local text = require "flowhost.expr.jsonata.text"

local M = {}

local concat, floor = table.concat, math.floor

local DEFAULTS = { Y = "1", M = "1", D = "1", d = "1", F = "n", W = "1", w = "1", X = "1", x = "1", H = "1", h = "1",
    P = "n", m = "01", s = "01", f = "1", Z = "01:01", z = "01:01", C = "n", E = "n" }
local ISO = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]"
local NUMERIC = "^[YMDdFWwXxHhmsf]$"

local function parse_width(width)
    local min, dash, max = width:match "^([^-]*)(-?)(.*)$"
    return { min = tonumber(min:match "^%d+"), max = dash ~= "" and tonumber(max:match "^%d+") or nil }
end

--- The year is cut to its last digits when the picture has no room for more.
local function year_digits(part)
    local format = part.format
    if part.width and part.width.max then
        format.digits = part.width.max
        return part.width.max
    end
    local room = (format.digits or 0) + (format.optional or 0)
    return room >= 2 and room or nil
end

local function add_format(part, modifier, list, fail)
    local pattern = part.presentation .. (modifier and ";" .. modifier or "")
    part.format = integer_picture.parse(pattern, fail)
    local min = part.width and part.width.min
    if min and part.format.digits and part.format.digits < min then
        part.format.digits = min
    end
    if part.letter == "Y" then
        part.year_digits = year_digits(part)
    end
    local before = list[#list]
    if before and before.format then
        before.format.width = before.format.digits
    end
end

--- What stands in [...].
local function parse_marker(marker, list, fail)
    marker = marker:gsub("%s+", "")
    local part = { letter = marker:sub(1, 1) }
    local presentation, width = marker:match "^.(.*),([^,]*)$"
    part.width = width and parse_width(width)
    presentation = presentation or marker:sub(2)
    local modifier = #presentation > 1 and presentation:match "[atco]$"
    part.presentation = modifier and presentation:sub(1, -2) or presentation
    part.modifier = modifier
    if presentation == "" then
        part.presentation = DEFAULTS[part.letter]
    end
    if not part.presentation then
        fail("D3132", { value = part.letter })
    end
    local first, second = part.presentation:sub(1, 1), part.presentation:sub(2, 2)
    if first == "n" or first == "N" then
        part.names = first == "n" and "lower" or second == "n" and "title" or "upper"
    elseif part.letter:find(NUMERIC) then
        add_format(part, modifier, list, fail)
    end
    if part.letter == "Z" or part.letter == "z" then
        part.format = integer_picture.parse(part.presentation, fail)
    end
    list[#list + 1] = part
end

local function add_literal(list, literal)
    if literal ~= "" then
        list[#list + 1] = { literal = literal:gsub("%]%]", "]") }
    end
end

--- Parts of a picture: { literal } | { letter, presentation, modifier, width, names, format, year_digits }
function M.parse(picture, fail)
    local list, at = {}, 1
    while true do
        local open = picture:find("[", at, true)
        add_literal(list, picture:sub(at, open and open - 1 or nil))
        if not open then
            return list
        elseif picture:sub(open + 1, open + 1) == "[" then
            list[#list + 1] = { literal = "[" }
            at = open + 2
        else
            local close = picture:find("]", open, true)
            if not close then
                fail("D3135", {})
            end
            parse_marker(picture:sub(open + 1, close - 1), list, fail)
            at = close + 1
        end
    end
end

local function name_of(part, value, fail)
    local name
    if part.letter == "M" or part.letter == "x" then
        name = calendar.MONTHS[value]
    elseif part.letter == "F" then
        name = calendar.DAYS[value]
    else
        fail("D3133", { value = part.letter })
    end
    name = part.names == "upper" and name:upper() or part.names == "lower" and name:lower() or name
    return part.width and part.width.max and text.slice(name, 0, part.width.max) or name
end

local function zone_text(part, hours, minutes, fail)
    local format, offset = part.format, hours * 100 + minutes
    if offset == 0 and part.modifier == "t" then
        return "Z"
    end
    local str
    local digits = format.digits or 0
    if format.is_regular or digits == 3 or digits == 4 then
        str = integer_picture.format(offset, format, fail)
    elseif digits == 1 or digits == 2 then
        str = integer_picture.format(hours, format, fail)
        if minutes ~= 0 then
            str = str .. (":%02d"):format(minutes)
        end
    else
        fail("D3134", { value = digits })
    end
    return (part.letter == "z" and "GMT" or "") .. (offset >= 0 and "+" or "") .. str
end

local function component_text(part, time, hours, minutes, fail)
    local letter = part.letter
    if letter == "Z" or letter == "z" then
        return zone_text(part, hours, minutes, fail)
    end
    local get = calendar.components[letter]
    local value = get and get(time) or fail("D3132", { value = letter })
    if type(value) == "string" then
        return part.names == "upper" and letter == "P" and value:upper() or value
    elseif part.names then
        return name_of(part, value, fail)
    elseif part.year_digits then
        value = math.fmod(value, 10 ^ part.year_digits)
    end
    return integer_picture.format(value, part.format, fail)
end

--- A time as a picture says, in a timezone such as "+0130".
---@param millis number
---@param picture string? ISO 8601 without it
---@param timezone string?
---@param fail fun(code: string, fields: table) raises
function M.format(millis, picture, timezone, fail)
    local offset = tonumber(((timezone or "0"):match "^%s*([+-]?%d+)")) or 0
    local hours, minutes = floor(offset / 100), math.fmod(offset, 100)
    local time = calendar.split(millis + (60 * hours + minutes) * 60000)
    local out = {}
    for i, part in ipairs(M.parse(picture or ISO, fail)) do
        out[i] = part.literal or component_text(part, time, hours, minutes, fail)
    end
    return concat(out)
end

return M
