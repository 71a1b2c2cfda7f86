-- SPDX-License-Identifier: MIT
-- The `os` table of flows: time, date, clock and difftime over the recorded time of the run, in UTC
-- whatever the machine's zone, so that a replay elsewhere gives the same. Nothing else of os.

local M = {}

local error, floor, format, tonumber, type = error, math.floor, string.format, tonumber, type
local date, sub = os.date, string.sub

--- Days from 1970-01-01 to a date of the Gregorian calendar; month 1..12, any day.
local function days_from_civil(year, month, day)
    -- Counted in years that begin in March, so that the leap day is the last one.
    if month <= 2 then year = year - 1 end
    local era = floor(year / 400)
    local year_of_era = year - era * 400
    local day_of_year = floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
    local day_of_era = year_of_era * 365 + floor(year_of_era / 4) - floor(year_of_era / 100)
        + day_of_year
    return era * 146097 + day_of_era - 719468
end

local function date_field(fields, name, default)
    local value = tonumber(fields[name])
    if value then return floor(value) end
    if not default then error(format("field '%s' missing in date table", name), 4) end
    return default
end

--- Seconds since 1970 of a date table in UTC; fields beyond their range carry over.
local function time_of(fields)
    local day, month = date_field(fields, "day"), date_field(fields, "month") - 1
    local year = date_field(fields, "year") + floor(month / 12)
    return days_from_civil(year, month % 12 + 1, day) * 86400
        + date_field(fields, "hour", 12) * 3600 + date_field(fields, "min", 0) * 60
        + date_field(fields, "sec", 0)
end

--- A new `os` table; `now` answers the recorded time in seconds.
---@param now fun(state: table): number
---@param state table
function M.new(now, state)
    return {
        time = function(fields)
            if fields == nil then return floor(now(state)) end
            if type(fields) ~= "table" then
                error("bad argument #1 to 'time' (table expected, got " .. type(fields) .. ")", 2)
            end
            return (time_of(fields))
        end,
        date = function(text, time)
            if text == nil then text = "%c" end
            if type(text) == "string" and sub(text, 1, 1) ~= "!" then text = "!" .. text end
            return date(text, time or floor(now(state)))
        end,
        clock = function() return now(state) end,
        difftime = function(later, earlier) return later - (earlier or 0) end,
    }
end

return M
