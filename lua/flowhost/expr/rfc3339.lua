-- SPDX-License-Identifier: MIT
-- Timestamps of RFC 3339 as Amazon States Language takes them ("2012-10-09T19:00:55.5+01:00": a capital T, a capital Z
-- or an offset). Pure.

local M = {}

local DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_leap(year)
    return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local function days_in(year, month)
    return month == 2 and is_leap(year) and 29 or DAYS[month] or 0
end

--- Days since 1970-01-01 of a date of the Gregorian calendar.
local function days_since_epoch(year, month, day)
    local y = month <= 2 and year - 1 or year
    local era = math.floor(y / 400)
    local year_of_era = y - era * 400
    local day_of_year = math.floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
    local day_of_era = year_of_era * 365 + math.floor(year_of_era / 4) - math.floor(year_of_era / 100) + day_of_year
    return era * 146097 + day_of_era - 719468
end

--- Seconds that "Z" or "+01:30" is ahead of UTC; nil for any other text.
local function offset_seconds(text)
    if text == "Z" then
        return 0
    end
    local sign, hours, minutes = text:match "^([+-])(%d%d):(%d%d)$"
    if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then
        return nil
    end
    return (sign == "-" and -1 or 1) * (hours * 3600 + minutes * 60)
end

--- Seconds since the epoch, with the fraction; nil for what is no timestamp.
---@param text string
---@return number?
function M.parse(text)
    local year, month, day, hour, minute, second, rest = text:match
        "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)(.+)$"
    if not year then
        return nil
    end
    local fraction, zone = rest:match "^(%.%d+)(.+)$"
    local offset = offset_seconds(zone or rest)
    year, month, day, hour, minute, second = tonumber(year), tonumber(month), tonumber(day), tonumber(hour),
        tonumber(minute), tonumber(second)
    if not offset or day < 1 or day > days_in(year, month) or hour > 23 or minute > 59 or second > 59 then
        return nil
    end
    return days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
        + tonumber("0" .. (fraction or ""))
end

return M
