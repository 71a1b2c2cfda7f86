-- SPDX-License-Identifier: MIT
-- Functions of JSONata on numbers and booleans.

local number_text = require "flowhost.expr.number_text"

local M = {}

local floor, huge = math.floor, math.huge

--- The nearest integer; halves go to the even one.
local function round_even(number)
    local low = floor(number)
    local rest = number - low
    if rest > 0.5 or rest == 0.5 and low % 2 ~= 0 then
        low = low + 1
    end
    return low
end

--- Moves the decimal point in the number's digits, because multiplying would make it inexact.
local function shift(number, places)
    local digits, exponent = number_text.full(number):match "^([^e]*)e?(.*)$"
    return tonumber(("%se%d"):format(digits, (tonumber(exponent) or 0) + places)) or number
end

local function round(number, places)
    places = places and (places < 0 and math.ceil(places) or floor(places)) or 0
    if number == huge or number == -huge or number ~= number then
        return number
    end
    if places ~= 0 then
        number = shift(round_even(shift(number, places)), -places)
    else
        number = round_even(number)
    end
    return number == 0 and 0 or number
end
M.round = round

local DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

local function in_base(number, radix)
    local sign, digits = number < 0 and "-" or "", {}
    number = math.abs(number)
    repeat
        local digit = number % radix
        table.insert(digits, 1, DIGITS:sub(digit + 1, digit + 1))
        number = floor(number / radix)
    until number == 0
    return sign .. table.concat(digits)
end

local function with_prefix(str)
    local hex = str:match "^0[xX](%x+)$"
    local octal, binary = str:match "^0[oO]([0-7]+)$", str:match "^0[bB]([01]+)$"
    return hex and tonumber(hex, 16) or octal and tonumber(octal, 8) or binary and tonumber(binary, 2)
end

local function to_number(value)
    if type(value) == "boolean" then
        return value and 1 or 0
    elseif type(value) == "string" then
        local rest = value:match "^%-?%d+(.*)$"
        rest = rest and (rest:match "^%.%d+(.*)$" or rest)
        if rest and (rest == "" or rest:find "^[eE][-+]?%d+$") then
            local number = tonumber(value)
            return number and math.abs(number) < huge and number or nil
        end
        return with_prefix(value)
    end
    return value
end

local function add_totals(rt, define)
    local function total(list)
        local sum = 0
        for i = 1, #list do
            local value = list[i]
            sum = sum + (type(value) == "number" and value or tonumber(value))
        end
        return sum
    end

    define("sum", "<a<n>:n>", 1, function(list)
        if list ~= nil then
            return total(list)
        end
    end)
    define("count", "<a:n>", 1, function(list)
        return list == nil and 0 or #list
    end)
    define("average", "<a<n>:n>", 1, function(list)
        if list ~= nil and #list > 0 then
            return total(list) / #list
        end
    end)
    define("max", "<a<n>:n>", 1, function(list)
        if list ~= nil and #list > 0 then
            local best = tonumber(list[1])
            for i = 2, #list do
                local value = tonumber(list[i])
                best = value > best and value or best
            end
            return best
        end
    end)
    define("min", "<a<n>:n>", 1, function(list)
        if list ~= nil and #list > 0 then
            local best = tonumber(list[1])
            for i = 2, #list do
                local value = tonumber(list[i])
                best = value < best and value or best
            end
            return best
        end
    end)
    rt.total = total
end

local function add_rounding(rt, define)
    local function of_one(name, fn)
        define(name, "<n-:n>", 1, function(number)
            if number ~= nil then
                return fn(tonumber(number))
            end
        end)
    end
    of_one("floor", floor)
    of_one("ceil", math.ceil)
    of_one("abs", math.abs)
    of_one("sqrt", function(number)
        return number >= 0 and math.sqrt(number) or rt.fail("D3060", { value = number, index = 1 })
    end)
    define("round", "<n-n?:n>", 2, function(number, places)
        if number ~= nil then
            return round(tonumber(number), places)
        end
    end)
    define("power", "<n-n:n>", 2, function(number, exponent)
        if number == nil then
            return nil
        end
        local result = exponent and number ^ exponent or huge
        if result ~= result or result == huge or result == -huge then
            rt.fail("D3061", { value = number, exp = exponent, index = 1 })
        end
        return result
    end)
end

function M.add(rt, define)
    add_totals(rt, define)
    add_rounding(rt, define)
    define("formatBase", "<n-n?:s>", 2, function(number, radix)
        if number == nil then
            return nil
        end
        radix = radix and round(radix) or 10
        if radix < 2 or radix > 36 then
            rt.fail("D3100", { value = radix })
        end
        return in_base(round(tonumber(number)), radix)
    end)
    define("number", "<(nsb)-:n>", 1, function(value)
        if value == nil then
            return nil
        end
        return to_number(value) or rt.fail("D3030", { value = value, index = 1 })
    end)
    define("random", "<:n>", 0, function()
        return rt.random()
    end)
    define("boolean", "<x-:b>", 1, rt.to_boolean)
    define("not", "<x-:b>", 1, function(value)
        if value ~= nil then
            return not rt.to_boolean(value)
        end
    end)
end

return M
