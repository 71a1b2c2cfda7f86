-- SPDX-License-Identifier: MIT
-- What operators of ECMAScript 5.1 do to values (ECMA-262, sections 9 and 11): conversions, comparisons, sums. Pure.
--
-- Values: numbers (64-bit integers as cdata, too), strings, booleans, tables (arrays have a metatable or entries),
-- M.NULL, M.UNDEFINED.

local number_text = require("flowhost.expr.template").number_text

local M = { NULL = {}, UNDEFINED = {} }

local NULL, UNDEFINED = M.NULL, M.UNDEFINED
local NAN = 0 / 0

--- "number", "string", "boolean", "null", "undefined" or "object".
local function type_of(value)
    if value == NULL then
        return "null"
    elseif value == UNDEFINED then
        return "undefined"
    end
    local kind = type(value)
    return kind == "cdata" and "number" or kind == "table" and "object" or kind
end

M.type_of = type_of

local to_string

local function object_text(value)
    if getmetatable(value) == nil and #value == 0 then
        return "[object Object]"
    end
    local parts = {}
    for i = 1, #value do
        local inner = value[i]
        parts[i] = (type(inner) == "userdata" or inner == NULL) and "" or to_string(inner)
    end
    return table.concat(parts, ",")
end

function to_string(value)
    local kind = type_of(value)
    if kind == "number" then
        if value ~= value then
            return "NaN"
        elseif value == math.huge or value == -math.huge then
            return value > 0 and "Infinity" or "-Infinity"
        end
        return number_text(value)
    elseif kind == "object" then
        return object_text(value)
    elseif kind == "null" or kind == "undefined" then
        return kind
    end
    return tostring(value)
end

M.to_string = to_string

local function text_to_number(text)
    text = text:match "^%s*(.-)%s*$"
    if text == "" then
        return 0
    elseif text:find "^[+-]?Infinity$" then
        return text:sub(1, 1) == "-" and -math.huge or math.huge
    elseif text:find "^0[xX]%x+$" or text:find "^[+-]?%d+%.?%d*[eE]?[+-]?%d*$"
        or text:find "^[+-]?%.%d+[eE]?[+-]?%d*$" then
        return tonumber((text:gsub("^%+", ""))) or NAN
    end
    return NAN
end

local NUMBERS = {
    number = tonumber,
    string = text_to_number,
    boolean = function(value)
        return value and 1 or 0
    end,
    null = function()
        return 0
    end,
    undefined = function()
        return NAN
    end,
    object = function(value)
        return text_to_number(object_text(value))
    end,
}

local function to_number(value)
    if type(value) == "number" then
        return value
    end
    return NUMBERS[type_of(value)](value)
end

M.to_number = to_number

function M.is_truthy(value)
    if value == true then
        return true
    elseif value == false or value == NULL or value == UNDEFINED or value == "" then
        return false
    elseif type(value) == "number" or type(value) == "cdata" then
        return value ~= 0 and value == value
    end
    return true
end

local function to_primitive(value)
    if type_of(value) == "object" then
        return object_text(value)
    end
    return value
end

function M.strict_equal(a, b)
    local kind = type_of(a)
    if kind ~= type_of(b) then
        return false
    end
    return a == b
end

local NOTHING = { null = true, undefined = true }

function M.loose_equal(a, b)
    local kind, other = type_of(a), type_of(b)
    if kind == other then
        return a == b
    elseif NOTHING[kind] or NOTHING[other] then
        return (NOTHING[kind] and NOTHING[other]) or false
    end
    a, b = to_primitive(a), to_primitive(b)
    if type(a) == "string" and type(b) == "string" then
        return a == b
    end
    return to_number(a) == to_number(b)
end

--- Whether a < b; with `or_equal` a <= b.
function M.is_less(a, b, or_equal)
    a, b = to_primitive(a), to_primitive(b)
    if type(a) ~= "string" or type(b) ~= "string" then
        a, b = to_number(a), to_number(b)
    end
    if or_equal then
        return a <= b
    end
    return a < b
end

function M.add(a, b)
    a, b = to_primitive(a), to_primitive(b)
    if type(a) == "string" or type(b) == "string" then
        return to_string(a) .. to_string(b)
    end
    return to_number(a) + to_number(b)
end

--- The remainder with the sign of the dividend.
function M.remainder(a, b)
    a, b = to_number(a), to_number(b)
    if b == 0 or a ~= a or b ~= b or a == math.huge or a == -math.huge then
        return NAN
    elseif b == math.huge or b == -math.huge then
        return a
    end
    return math.fmod(a, b)
end

return M
