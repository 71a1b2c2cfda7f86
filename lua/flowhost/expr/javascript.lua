-- SPDX-License-Identifier: MIT
-- What JavaScript's operators do with decoded JSON (ECMAScript 5.1, chapters 9 and 11). Pure.
--
-- null is nil (who reads a value turns json.null into it), undefined is M.UNDEFINED; other tables are arrays and
-- objects, equal only to themselves. Integers of 64 bits (cdata) compare exactly, where JavaScript would have rounded
-- them; arithmetic rounds them to doubles.

local value_module = require "flowhost.expr.value"

local M = {}

local concat, find, match, sub = table.concat, string.find, string.match, string.sub
local floor, fmod = math.floor, math.fmod
local number_text = value_module.number_text

M.UNDEFINED = setmetatable({}, { __tostring = function() return "undefined" end, __metatable = false })
local UNDEFINED = M.UNDEFINED
local NAN = 0 / 0

function M.is_true(value)
    local kind = type(value)
    if kind == "boolean" then
        return value
    elseif kind == "number" then
        return value ~= 0 and value == value
    elseif kind == "string" then
        return value ~= ""
    elseif kind == "cdata" then
        return value ~= 0
    end
    return value ~= nil and value ~= UNDEFINED
end

-- text -----------------------------------------------------------------------------------------------

local to_text

--- An array is its entries with commas between them, those of null and undefined empty.
local function array_text(list)
    local parts = {}
    for i = 1, #list do
        local entry = rawget(list, i)
        local is_nothing = entry == nil or entry == UNDEFINED or type(entry) == "userdata"
        parts[i] = is_nothing and "" or to_text(entry)
    end
    return concat(parts, ",")
end

function to_text(value)
    local kind = type(value)
    if kind == "string" then
        return value
    elseif kind == "number" or kind == "cdata" then
        return number_text(value)
    elseif kind ~= "table" then
        return kind == "boolean" and tostring(value) or "null"
    elseif value == UNDEFINED then
        return "undefined"
    end
    return value_module.is_array(value) and array_text(value) or "[object Object]"
end

M.to_text = to_text

-- numbers --------------------------------------------------------------------------------------------

local BASES = { b = 2, B = 2, o = 8, O = 8, x = 16, X = 16 }
local WORDS = { [""] = 0, Infinity = math.huge, ["+Infinity"] = math.huge, ["-Infinity"] = -math.huge }

--- Digits of a base, of any length: the nearest double.
local function digits_of(base, digits)
    local number = 0
    for digit in digits:gmatch "." do
        number = number * base + (tonumber(digit, base) or NAN)
    end
    return number
end

--- The number a text spells, white space around it aside; NaN for any other text.
function M.parse_number(text)
    local from = find(text, "%S")
    local plain = from and sub(text, from, #match(text, "^.*%S")) or ""
    local number = value_module.parse_decimal(plain)
    if number then
        return number
    end
    local base, rest = match(plain, "^0([bBoOxX])(%x+)$")
    return base and digits_of(BASES[base], rest) or WORDS[plain] or NAN
end

--- A double, or the int64 that the value is or spells.
local function to_number(value)
    local kind = type(value)
    if kind == "number" or kind == "cdata" then
        return value
    elseif kind == "string" then
        return M.parse_number(value)
    elseif kind == "boolean" then
        return value and 1 or 0
    elseif kind == "table" then
        return value == UNDEFINED and NAN or M.parse_number(to_text(value))
    end
    return 0
end

local function to_double(value)
    return tonumber(to_number(value))
end

M.to_double = to_double

-- comparing ------------------------------------------------------------------------------------------

--- -1, 0, 1 of an int64 and a double, without rounding the integer; nil for NaN.
local function order_of_wide(wide, double)
    if double ~= double then
        return nil
    elseif double >= 2 ^ 63 or double < -2 ^ 63 then
        return double > 0 and -1 or 1
    end
    local whole = 0LL + floor(double)
    if wide == whole then
        return double > floor(double) and -1 or 0
    end
    return wide < whole and -1 or 1
end

--- -1, 0, 1 of two numbers; nil when one is NaN.
local function order_of_numbers(a, b)
    local is_wide = type(a) == "cdata"
    if is_wide ~= (type(b) == "cdata") then
        if is_wide then
            return order_of_wide(a, b)
        end
        local order = order_of_wide(b, a)
        return order and -order
    end
    return a < b and -1 or a > b and 1 or a == b and 0 or nil
end

local function is_number(kind)
    return kind == "number" or kind == "cdata"
end

local function is_nothing(value)
    return value == nil or value == UNDEFINED
end

--- An array or object as the text that it is where a plain value is needed.
local function to_primitive(value)
    return type(value) == "table" and value ~= UNDEFINED and to_text(value) or value
end

--- ===
function M.is_same(a, b)
    local kind_a, kind_b = type(a), type(b)
    if kind_a == "cdata" or kind_b == "cdata" then
        return is_number(kind_a) and is_number(kind_b) and order_of_numbers(a, b) == 0
    end
    return a == b
end

--- ==
function M.is_equal(a, b)
    local kind_a, kind_b = type(a), type(b)
    if kind_a == kind_b and kind_a ~= "table" then
        return a == b
    elseif is_nothing(a) or is_nothing(b) then
        return is_nothing(a) and is_nothing(b)
    elseif kind_a == "table" and kind_b == "table" then
        return rawequal(a, b)
    end
    a, b = to_primitive(a), to_primitive(b)
    if type(a) == "string" and type(b) == "string" then
        return a == b
    end
    return order_of_numbers(to_number(a), to_number(b)) == 0
end

--- What <, <=, >, >= look at: -1, 0, 1; nil when the two have no order (NaN). Text goes by its bytes.
function M.order(a, b)
    a, b = to_primitive(a), to_primitive(b)
    if type(a) == "string" and type(b) == "string" then
        return a < b and -1 or a > b and 1 or 0
    end
    return order_of_numbers(to_number(a), to_number(b))
end

-- arithmetic -----------------------------------------------------------------------------------------

--- +: puts texts together when one side is text, an array or an object.
function M.add(a, b)
    a, b = to_primitive(a), to_primitive(b)
    if type(a) == "string" or type(b) == "string" then
        return to_text(a) .. to_text(b)
    end
    return to_double(a) + to_double(b)
end

--- %: the remainder has the sign of the left side.
function M.remainder(a, b)
    a, b = to_double(a), to_double(b)
    return b == 0 and NAN or fmod(a, b)
end

return M
