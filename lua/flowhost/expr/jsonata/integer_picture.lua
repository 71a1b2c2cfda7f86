-- SPDX-License-Identifier: MIT
-- Integers by a picture (XPath and XQuery Functions 3.1, 4.6.1): "0001", "#,##0", "I", "a", "w", "Ww", "1;o" ...

local number_text = require "flowhost.expr.number_text"
local text = require "flowhost.expr.jsonata.text"
local utf8_char = require "flowhost.expr.utf8_char"

local M = {}

local floor, abs = math.floor, math.abs
local concat = table.concat

local FEW = { [0] = "Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven",
    "Twelve", "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen" }
local FEW_ORDINALS = { [0] = "Zeroth", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth",
    "Ninth", "Tenth", "Eleventh", "Twelfth", "Thirteenth", "Fourteenth", "Fifteenth", "Sixteenth", "Seventeenth",
    "Eighteenth", "Nineteenth" }
local TENS = { "Ten", "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety" }
local MAGNITUDES = { "Thousand", "Million", "Billion", "Trillion" }
local ROMAN = { { 1000, "m" }, { 900, "cm" }, { 500, "d" }, { 400, "cd" }, { 100, "c" }, { 90, "xc" }, { 50, "l" },
    { 40, "xl" }, { 10, "x" }, { 9, "ix" }, { 5, "v" }, { 4, "iv" }, { 1, "i" } }
local ROMAN_VALUES = { M = 1000, D = 500, C = 100, L = 50, X = 10, V = 5, I = 1 }
local MAX_ROMAN = 1e6
-- the zero of each script that has decimal digits (Unicode category Nd)
local ZEROS = { 0x30, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0,
    0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10 }

-- words ---------------------------------------------------------------------------------------------

local below_hundred, below_thousand, words

function below_hundred(number, lead, is_ordinal)
    if number <= 19 then
        return lead .. (is_ordinal and FEW_ORDINALS or FEW)[number]
    end
    local tens, rest = TENS[floor(number / 10)], number % 10
    if rest > 0 then
        return lead .. tens .. "-" .. below_hundred(rest, "", is_ordinal)
    end
    return lead .. (is_ordinal and tens:gsub("y$", "ieth") or tens)
end

--- What stands behind a hundred or a magnitude.
local function rest_of(number, is_ordinal)
    if number == 0 then
        return is_ordinal and "th" or ""
    elseif number < 100 then
        return below_hundred(number, " and ", is_ordinal)
    end
    return ", " .. words(number, is_ordinal)
end

function below_thousand(number, is_ordinal)
    return FEW[floor(number / 100)] .. " Hundred" .. rest_of(number % 100, is_ordinal)
end

function words(number, is_ordinal)
    if number < 100 then
        return below_hundred(number, "", is_ordinal)
    elseif number < 1000 then
        return below_thousand(number, is_ordinal)
    end
    local magnitude = 1
    while magnitude < #MAGNITUDES and number >= 1000 ^ (magnitude + 1) do
        magnitude = magnitude + 1
    end
    local factor = 1000 ^ magnitude
    local many = floor(number / factor)
    return words(many, false) .. " " .. MAGNITUDES[magnitude] .. rest_of(number - many * factor, is_ordinal)
end

local WORD_VALUES = {}
for i = 0, 19 do
    WORD_VALUES[FEW[i]:lower()], WORD_VALUES[FEW_ORDINALS[i]:lower()] = i, i
end
for i = 2, 9 do
    local word = TENS[i]:lower()
    WORD_VALUES[word], WORD_VALUES[word:sub(1, -2) .. "ieth"] = i * 10, i * 10
end
WORD_VALUES.hundred, WORD_VALUES.hundredth = 100, 100
for i, word in ipairs(MAGNITUDES) do
    WORD_VALUES[word:lower()], WORD_VALUES[word:lower() .. "th"] = 1000 ^ i, 1000 ^ i
end

--- The number that words spell; nil when one of them is none.
local function read_words(str)
    local parts = { 0 }
    str = str:lower():gsub(",%s", "\0"):gsub("%sand%s", "\0"):gsub("[%s\\-]", "\0")
    for word in (str .. "\0"):gmatch "(%Z*)%z" do
        local value = WORD_VALUES[word]
        if not value then
            return nil
        elseif value < 100 then
            local top = table.remove(parts)
            if top >= 1000 then
                parts[#parts + 1] = top
                top = 0
            end
            parts[#parts + 1] = top + value
        else
            parts[#parts] = parts[#parts] * value
        end
    end
    local sum = 0
    for _, part in ipairs(parts) do
        sum = sum + part
    end
    return sum
end

-- other notations -----------------------------------------------------------------------------------

local function roman(number)
    local parts = {}
    for _, numeral in ipairs(ROMAN) do
        local count = floor(number / numeral[1])
        parts[#parts + 1] = numeral[2]:rep(count)
        number = number - count * numeral[1]
    end
    return concat(parts)
end

local function read_roman(str)
    local sum, most = 0, 1
    for ch in str:upper():reverse():gmatch "." do
        local value = ROMAN_VALUES[ch]
        if not value then
            return nil
        elseif value < most then
            sum = sum - value
        else
            most, sum = value, sum + value
        end
    end
    return sum
end

local function alphabetic(number, first)
    local parts = {}
    while number > 0 do
        table.insert(parts, 1, string.char((number - 1) % 26 + first))
        number = floor((number - 1) / 26)
    end
    return concat(parts)
end

local function read_alphabetic(str, first)
    local sum = 0
    for i = 1, #str do
        sum = sum * 26 + str:byte(i) - first + 1
    end
    return sum
end

-- pictures ------------------------------------------------------------------------------------------

local function zero_of(code)
    for _, zero in ipairs(ZEROS) do
        if code >= zero and code <= zero + 9 then
            return zero
        end
    end
end

local function gcd(a, b)
    return b == 0 and a or gcd(b, a % b)
end

--- The distance at which positions lie, if they lie regularly.
function M.regular_distance(positions)
    if #positions == 0 then
        return nil
    end
    local factor, known = positions[1], {}
    for _, position in ipairs(positions) do
        factor, known[position] = gcd(factor, position), true
    end
    for i = 1, #positions do
        if not known[i * factor] then
            return nil
        end
    end
    return factor > 0 and factor or nil
end

--- Where separators stand, counted in digits from the right.
local function add_separators(format, separators)
    local positions, is_same = {}, true
    for i, separator in ipairs(separators) do
        positions[i] = separator.position
        is_same = is_same and separator.character == separators[1].character
    end
    local distance = is_same and M.regular_distance(positions) or nil
    format.is_regular, format.distance = distance ~= nil, distance
    format.separators = separators
end

local function parse_digits(format, picture, fail)
    local separators, digits, position = {}, 0, 0
    local characters = text.characters(picture)
    format.optional = 0
    for i = #characters, 1, -1 do
        local code = text.decode(characters[i], 1)
        local zero = zero_of(code)
        if zero then
            digits, position = digits + 1, position + 1
            if format.zero and format.zero ~= zero then
                fail("D3131", {})
            end
            format.zero = zero
        elseif characters[i] == "#" then
            position, format.optional = position + 1, format.optional + 1
        else
            separators[#separators + 1] = { position = position, character = characters[i] }
        end
    end
    if digits == 0 then
        format.kind, format.token = "sequence", picture
        return
    end
    format.kind, format.digits = "decimal", digits
    add_separators(format, separators)
end

local KINDS = { A = "letters", a = "letters", I = "roman", i = "roman", W = "words", w = "words", Ww = "words" }

--- What a picture says: { kind, case, is_ordinal, digits, zero, separators, is_regular, distance }.
---@param fail fun(code: string, fields: table) raises
function M.parse(picture, fail)
    local format, primary = {}, picture
    local before, modifier = picture:match "^(.*);([^;]*)$"
    if before then
        primary, format.is_ordinal = before, modifier:sub(1, 1) == "o"
    end
    format.kind = KINDS[primary]
    if format.kind then
        format.case = primary == "Ww" and "title" or primary:find "%u" and "upper" or "lower"
        format.zero = 0x30
    else
        parse_digits(format, primary, fail)
    end
    return format
end

local function cased(str, format)
    return format.case == "upper" and str:upper() or format.case == "lower" and str:lower() or str
end

--- The characters with a separator before the last `position` of them.
local function insert_separator(characters, position, separator)
    local at = #characters - position
    if at < 0 then
        for _ = 1, -at - #characters > 0 and 0 or #characters + at do
            table.remove(characters, 1)
        end
        at = 0
    end
    table.insert(characters, at + 1, separator)
end

local function group_digits(characters, format)
    if format.is_regular then
        local separator = format.separators[1].character
        for k = floor((#characters - 1) / format.distance), 1, -1 do
            insert_separator(characters, k * format.distance, separator)
        end
        return
    end
    for i = #format.separators, 1, -1 do
        insert_separator(characters, format.separators[i].position, format.separators[i].character)
    end
end

local SUFFIXES = { ["1"] = "st", ["2"] = "nd", ["3"] = "rd" }

local function decimal(number, format)
    local digits = number_text.full(number)
    digits = ("0"):rep(format.digits - #digits) .. digits
    local characters = text.characters(digits)
    for i, ch in ipairs(characters) do
        if format.zero ~= 0x30 then
            characters[i] = utf8_char(ch:byte() + format.zero - 0x30)
        end
    end
    group_digits(characters, format)
    if format.is_ordinal then
        local count = #characters
        local suffix = SUFFIXES[characters[count]]
        if not suffix or count > 1 and characters[count - 1] == "1" then
            suffix = "th"
        end
        characters[count + 1] = suffix
    end
    return concat(characters)
end

--- An integer as a parsed picture says.
function M.format(number, format, fail)
    local sign = number < 0 and "-" or ""
    number = abs(number)
    if format.kind == "letters" then
        return sign .. alphabetic(number, format.case == "upper" and 65 or 97)
    elseif format.kind == "roman" then
        if number > MAX_ROMAN then
            fail("D3130", { value = "I" })
        end
        return sign .. cased(roman(number), format)
    elseif format.kind == "words" then
        return sign .. cased(words(number, format.is_ordinal), format)
    elseif format.kind == "sequence" then
        fail("D3130", { value = format.token })
    end
    return sign .. decimal(number, format)
end

local function read_decimal(str, format)
    if format.is_ordinal then
        str = str:gsub("%a%a$", "")
    end
    local digits = {}
    for _, ch in ipairs(text.characters(str)) do
        local is_separator = format.is_regular and ch == ","
        for _, separator in ipairs(format.is_regular and {} or format.separators) do
            is_separator = is_separator or ch == separator.character
        end
        if not is_separator then
            local code = text.decode(ch, 1)
            local digit = code - format.zero
            digits[#digits + 1] = digit >= 0 and digit <= 9 and tostring(digit) or ch
        end
    end
    return tonumber((concat(digits):match "^%s*([-+]?%d+)"))
end

--- The integer of a text that a picture wrote; nil when it is none.
function M.read(str, format, fail)
    if format.kind == "letters" then
        return read_alphabetic(str, format.case == "upper" and 65 or 97)
    elseif format.kind == "roman" then
        return read_roman(str)
    elseif format.kind == "words" then
        return read_words(str)
    elseif format.kind == "sequence" then
        fail("D3130", { value = format.token })
    end
    return read_decimal(str, format)
end

--- The regular expression of the texts that a picture writes.
function M.pattern(format, fail)
    if format.kind == "letters" then
        return format.case == "upper" and "[A-Z]+" or "[a-z]+"
    elseif format.kind == "roman" then
        return format.case == "upper" and "[MDCLXVI]+" or "[mdclxvi]+"
    elseif format.kind == "words" then
        local list = {}
        for word in pairs(WORD_VALUES) do
            list[#list + 1] = word
        end
        table.sort(list, function(a, b)
            return #a > #b or #a == #b and a < b
        end)
        return "(?:" .. concat(list, "|") .. "|and|[-, ])+"
    elseif format.kind == "sequence" then
        fail("D3130", { value = format.token })
    end
    return (format.width and "[0-9]{" .. format.width .. "}" or "[0-9]+")
        .. (format.is_ordinal and "(?:th|st|nd|rd)" or "")
end

return M
