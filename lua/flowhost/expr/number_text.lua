-- SPDX-License-Identifier: MIT
-- Numbers as text the way JavaScript prints them.

local M = {}

local floor, huge = math.floor, math.huge
local format = string.format

--- Digits and exponent as JavaScript lays them out.
local function lay_out(sign, digits, exponent)
    local count = #digits
    if exponent >= 21 or exponent < -6 then
        local fraction = count > 1 and "." .. digits:sub(2) or ""
        return format("%s%s%se%s%d", sign, digits:sub(1, 1), fraction, exponent < 0 and "-" or "+", math.abs(exponent))
    elseif exponent < 0 then
        return sign .. "0." .. ("0"):rep(-exponent - 1) .. digits
    elseif count <= exponent + 1 then
        return sign .. digits .. ("0"):rep(exponent + 1 - count)
    end
    return sign .. digits:sub(1, exponent + 1) .. "." .. digits:sub(exponent + 2)
end

local function from_exponential(text)
    local sign, first, rest, exponent = text:match "^(%-?)(%d)%.?(%d*)e([+-]%d+)$"
    return lay_out(sign, (first .. rest):gsub("0+$", "", 1), tonumber(exponent))
end

--- The shortest text that reads back as the same number; NaN, Infinity.
function M.full(number)
    if type(number) == "cdata" then
        return (tostring(number):gsub("U?LL$", ""))
    elseif number == floor(number) and number > -1e15 and number < 1e15 then
        return format("%d", number)
    elseif number ~= number then
        return "NaN"
    elseif number == huge or number == -huge then
        return number > 0 and "Infinity" or "-Infinity"
    end
    for precision = math.abs(number) < 2.3e-308 and 0 or 14, 16 do
        local text = format("%." .. precision .. "e", number)
        if tonumber(text) == number then
            return from_exponential(text)
        end
    end
end

--- The same with at most 15 digits unless it is an integer.
function M.short(number)
    if type(number) == "cdata" or number == floor(number) then
        return M.full(number)
    end
    return from_exponential(format("%.14e", number))
end

return M
