-- SPDX-License-Identifier: MIT
-- How long ended runs are kept: { age = "30d" | seconds, count = n }, either or both. Pure.

local M = {}

local UNITS = { s = 1, m = 60, h = 3600, d = 86400 }
local MAX_AGE_S, MAX_COUNT = 1e10, 1e9

local function is_count(value)
    return type(value) == "number" and value >= 0 and value <= MAX_COUNT and value == math.floor(value)
end

--- Seconds of an age; nil when it is none.
function M.parse_age(age)
    if type(age) == "string" then
        local number, unit = age:match "^(%d+)([smhd]?)$"
        age = number and tonumber(number) * (UNITS[unit] or 1)
    end
    return type(age) == "number" and age > 0 and age <= MAX_AGE_S and age or nil
end

--- { age_ms, count }; nil for nil; nil, sentence when it cannot be.
function M.parse(retention)
    if retention == nil then
        return nil
    end
    for name in pairs(retention) do
        if name ~= "age" and name ~= "count" then
            return nil, ("retention has the unknown field '%s': use age, count"):format(tostring(name))
        end
    end
    local age, count = retention.age and M.parse_age(retention.age), retention.count
    if retention.age ~= nil and not age then
        return nil, "retention.age must be a number of seconds above 0 or a text such as \"30d\", \"12h\""
    elseif count ~= nil and not is_count(count) then
        return nil, "retention.count must be a whole number"
    end
    return { age_ms = age and math.ceil(age * 1000), count = count }
end

return M
