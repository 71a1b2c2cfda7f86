-- SPDX-License-Identifier: MIT
-- The Gregorian calendar over milliseconds since 1970-01-01 UTC, and the components of times by the letters of
-- pictures. Days from civil dates: Howard Hinnant, "chrono-compatible low-level date algorithms".

local M = {}

local floor = math.floor
local DAY_MS = 86400000

--- Days since 1970-01-01 of a date; months beyond 1..12 run into other years.
local function days_of(year, month, day)
    year, month = year + floor((month - 1) / 12), (month - 1) % 12 + 1
    if month <= 2 then
        year = year - 1
    end
    local era = floor(year / 400)
    local year_of_era = year - era * 400
    local day_of_year = floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
    return era * 146097 + year_of_era * 365 + floor(year_of_era / 4) - floor(year_of_era / 100) + day_of_year - 719468
end

--- Milliseconds of a date and time of day; fields out of range run over.
function M.millis(year, month, day, hour, minute, second, milli)
    return days_of(year, month, 1) * DAY_MS + ((day or 1) - 1) * DAY_MS + (hour or 0) * 3600000
        + (minute or 0) * 60000 + (second or 0) * 1000 + (milli or 0)
end

--- year, month, day
local function civil(days)
    days = days + 719468
    local era = floor(days / 146097)
    local of_era = days - era * 146097
    local year = floor((of_era - floor(of_era / 1460) + floor(of_era / 36524) - floor(of_era / 146096)) / 365)
    local of_year = of_era - (365 * year + floor(year / 4) - floor(year / 100))
    local shifted = floor((5 * of_year + 2) / 153)
    local month = shifted + (shifted < 10 and 3 or -9)
    return year + era * 400 + (month <= 2 and 1 or 0), month, of_year - floor((153 * shifted + 2) / 5) + 1
end

--- { millis, days, year, month, day, hour, minute, second, milli }
function M.split(millis)
    local days = floor(millis / DAY_MS)
    local rest = millis - days * DAY_MS
    local year, month, day = civil(days)
    return { millis = millis, days = days, year = year, month = month, day = day, hour = floor(rest / 3600000),
        minute = floor(rest / 60000) % 60, second = floor(rest / 1000) % 60, milli = floor(rest) % 1000 }
end

--- 1 Monday .. 7 Sunday
local function weekday(days)
    return (days + 3) % 7 + 1
end

--- The day on which the first week of a year or month begins: that with its first Thursday.
local function first_week(year, month)
    local first = days_of(year, month, 1)
    local of_week = weekday(first)
    return of_week > 4 and first + 8 - of_week or first - (of_week - 1)
end

local function week_number(days, start, following, previous, most)
    local week = (days - start) / 7 + 1
    if week > most then
        week = days >= following and 1 or week
    elseif week < 1 then
        week = (days - previous) / 7 + 1
    end
    return floor(week)
end

local function week_of_year(t)
    return week_number(t.days, first_week(t.year, 1), first_week(t.year + 1, 1), first_week(t.year - 1, 1), 52)
end

local function week_of_month(t)
    return week_number(t.days, first_week(t.year, t.month), first_week(t.year, t.month + 1),
        first_week(t.year, t.month - 1), 4)
end

local function week_year(t)
    if t.days < first_week(t.year, 1) then
        return t.year - 1
    end
    return t.days >= first_week(t.year + 1, 1) and t.year + 1 or t.year
end

local function week_month(t)
    local month = t.month
    if t.days < first_week(t.year, month) then
        month = month - 1
    elseif t.days >= first_week(t.year, month + 1) then
        month = month + 1
    end
    return (month - 1) % 12 + 1
end

--- By the letter of a picture: fun(time) -> value
M.components = {
    Y = function(t) return t.year end,
    M = function(t) return t.month end,
    D = function(t) return t.day end,
    d = function(t) return t.days - days_of(t.year, 1, 1) + 1 end,
    F = function(t) return weekday(t.days) end,
    W = week_of_year,
    w = week_of_month,
    X = week_year,
    x = week_month,
    H = function(t) return t.hour end,
    h = function(t) return (t.hour + 11) % 12 + 1 end,
    P = function(t) return t.hour >= 12 and "pm" or "am" end,
    m = function(t) return t.minute end,
    s = function(t) return t.second end,
    f = function(t) return t.milli end,
    C = function() return "ISO" end,
    E = function() return "ISO" end,
}

M.DAYS = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" }
M.MONTHS = { "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December" }

return M
