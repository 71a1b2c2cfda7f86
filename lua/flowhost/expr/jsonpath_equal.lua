-- SPDX-License-Identifier: MIT
-- Whether two JSON values are the same: numbers by value, arrays and objects by what is in them. Pure.

local type = type

local function is_number(value)
    return type(value) == "number" or type(value) == "cdata"
end

local function equal(left, right)
    if is_number(left) then
        return is_number(right) and left == right
    elseif type(left) ~= "table" or type(right) ~= "table" then
        return type(left) == type(right) and left == right -- a cdata number must not meet a string here
    end
    local is_list = debug.getmetatable(left) ~= nil
    if is_list ~= (debug.getmetatable(right) ~= nil) then
        return false
    end
    for key, inner in next, left do
        if right[key] == nil or not equal(inner, right[key]) then
            return false
        end
    end
    for key in next, right do
        if left[key] == nil then
            return false
        end
    end
    return true
end

return equal
