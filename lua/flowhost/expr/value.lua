-- SPDX-License-Identifier: MIT
-- What decoded JSON is in Lua: arrays, numbers as text, copies. Pure.

local number_text = require "flowhost.expr.number_text"

local M = {}

--- Whether a table is an array where nobody says better: decoded ones carry a protected metatable, plain ones are told
--- by their entries.
function M.is_array(value)
    return type(value) == "table" and (getmetatable(value) ~= nil or rawget(value, 1) ~= nil)
end

--- A number by its shortest print: 1, 1.5, 1e+21, NaN. Integers of 64 bits (cdata) by their digits.
M.number_text = number_text.full

local MAX_EXACT = 2 ^ 53

--- The number that digits with an optional sign spell: an int64 where a double would be another number; nil for any
--- other text.
function M.parse_integer(text)
    local sign, digits = text:match "^([+-]?)0*(%d+)$"
    if not digits then
        return nil
    end
    local number, count = tonumber(digits), #digits
    local most = sign == "-" and "9223372036854775808" or "9223372036854775807"
    if number >= MAX_EXACT and digits ~= "9007199254740992" and (count < 19 or (count == 19 and digits <= most)) then
        number = (0LL + tonumber(digits:sub(1, -10))) * 1000000000LL + tonumber(digits:sub(-9))
    end
    return sign == "-" and -number or number
end

--- The number that a decimal text spells ("12", "-1.5", ".5", "1e3"), finite or not; nil for any other text.
function M.parse_decimal(text)
    local integer = M.parse_integer(text)
    if integer then
        return integer
    end
    local whole, fraction, exponent = text:match "^[+-]?(%d*)%.?(%d*)(.*)$"
    if (whole ~= "" or fraction ~= "") and (exponent == "" or exponent:find "^[eE][+-]?%d+$") then
        return tonumber(text)
    end
end

--- A copy that shares no table with `value`; arrays stay arrays.
function M.copy(value)
    if type(value) ~= "table" then
        return value
    end
    local own = {}
    for key, inner in next, value do
        own[key] = type(inner) == "table" and M.copy(inner) or inner
    end
    return setmetatable(own, debug.getmetatable(value))
end

return M
