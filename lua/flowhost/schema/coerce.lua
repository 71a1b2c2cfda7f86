-- SPDX-License-Identifier: MIT
-- From a value to the type its field declares. Pure.
--
--   M.strict   flows in Lua: what is one, and text that spells a number or a boolean
--   M.wide     rules: what ps-go takes, see docs/reference/rules.md
--
-- Each type is fun(value, o) -> value of the type, or nil and what it must be. `value` is never nil; null is a userdata
-- and no type takes it. `o` may bring encode and decode of JSON text; without them text is no array and an array no
-- text.

local value_module = require "flowhost.expr.value"

local M = { strict = {}, wide = {} }

local strict, wide = M.strict, M.wide
local floor, ceil = math.floor, math.ceil
local number_text, parse_decimal, parse_integer =
    value_module.number_text, value_module.parse_decimal, value_module.parse_integer

local MUST_BE = { int = "must be a whole number", float = "must be a number", string = "must be a string",
    bool = "must be true or false", slice = "must be an array", object = "must be an object" }

--- Decoded arrays carry a protected metatable; plain tables of a default may be told by their length.
function M.is_list(value)
    return type(value) == "table" and (getmetatable(value) ~= nil or #value > 0)
end

local is_list = M.is_list

--- nil for NaN and infinities, which JSON does not know.
local function finite(number)
    if type(number) == "cdata" or (number and number - number == 0) then
        return number
    end
end

-- strict -----------------------------------------------------------------------------------------------

--- The number a value is or spells. Integers of 64 bits (cdata) stay what they are.
local function to_number(value)
    local kind = type(value)
    if kind == "number" or kind == "cdata" then
        return finite(value)
    end
    return kind == "string" and finite(parse_decimal(value)) or nil
end

function strict.int(value)
    local number = to_number(value)
    if number and (type(number) == "cdata" or number == floor(number)) then
        return number
    end
    return nil, MUST_BE.int
end

function strict.float(value)
    local number = to_number(value)
    if number then
        return number
    end
    return nil, MUST_BE.float
end

function strict.string(value)
    if type(value) == "string" then
        return value
    end
    return nil, MUST_BE.string
end

local BOOLEANS = { ["true"] = true, ["false"] = false, ["1"] = true, ["0"] = false }

function strict.bool(value)
    if type(value) == "boolean" then
        return value
    elseif BOOLEANS[value] == nil then
        return nil, MUST_BE.bool
    end
    return BOOLEANS[value]
end

function strict.slice(value)
    if is_list(value) or (type(value) == "table" and next(value) == nil) then
        return value
    end
    return nil, MUST_BE.slice
end

function strict.object(value)
    if type(value) == "table" and not is_list(value) then
        return value
    end
    return nil, MUST_BE.object
end

-- wide -------------------------------------------------------------------------------------------------

local function truncate(number)
    if type(number) == "cdata" then
        return number
    end
    local whole = number < 0 and ceil(number) or floor(number)
    return whole == 0 and 0 or whole -- not -0
end

function wide.int(value)
    local kind = type(value)
    local number
    if kind == "number" or kind == "cdata" then
        number = finite(value)
    elseif kind == "string" then
        number = finite(parse_integer(value))
    elseif kind == "boolean" then
        number = value and 1 or 0
    end
    if number then
        return truncate(number)
    end
    return nil, MUST_BE.int
end

function wide.float(value)
    if type(value) == "boolean" then
        return value and 1 or 0
    end
    return strict.float(value)
end

function wide.string(value, o)
    local kind, text = type(value), nil
    if kind == "string" then
        return value
    elseif kind == "number" or kind == "cdata" then
        text = finite(value) and number_text(value)
    elseif kind == "boolean" then
        text = value and "true" or "false"
    elseif kind == "table" and o and o.encode then
        text = o.encode(value)
    end
    return text or nil, not text and MUST_BE.string or nil
end

local SPELLED = {
    ["1"] = true, t = true, T = true, ["true"] = true, TRUE = true, True = true,
    ["0"] = false, f = false, F = false, ["false"] = false, FALSE = false, False = false,
}

function wide.bool(value)
    local kind = type(value)
    if kind == "boolean" then
        return value
    elseif kind == "number" or kind == "cdata" then
        return value == 1
    elseif SPELLED[value] == nil then
        return nil, MUST_BE.bool
    end
    return SPELLED[value]
end

--- What JSON text holds; any other value as it is.
local function read_text(value, o)
    if type(value) == "string" and o and o.decode then
        return o.decode(value)
    end
    return value
end

function wide.slice(value, o)
    local list = read_text(value, o)
    if is_list(list) then
        return list
    end
    return nil, MUST_BE.slice
end

function wide.object(value, o)
    return strict.object(read_text(value, o))
end

return M
