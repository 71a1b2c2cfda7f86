-- SPDX-License-Identifier: MIT
-- Times as text: RFC 3339 (the API), HTTP dates (RFC 9110). Pure.

local M = {}

--- Days since 1970-01-01 of a date of the Gregorian calendar.
local function days_of(year, month, day)
    if month <= 2 then
        year, month = year - 1, month + 12
    end
    return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
        + math.floor((153 * (month - 3) + 2) / 5) + day - 1 - 719468
end

local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11,
    Dec = 12 }

--- Unix seconds of "Sat, 21 Nov 2026 12:36:02 GMT"; nil when it is no time.
function M.parse_http(text)
    local day, month, year, hour, minute, second = text:match "(%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT"
    return MONTHS[month] and days_of(tonumber(year), MONTHS[month], tonumber(day)) * 86400 + tonumber(hour) * 3600
        + tonumber(minute) * 60 + tonumber(second) or nil
end

--- Milliseconds of "2026-11-21T09:30:00.123Z" (or +01:00); nil when it is no time.
function M.parse(text)
    local year, month, day, hour, minute, second, rest = tostring(text):match
        "^(%d%d%d%d)-(%d%d)-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)(.*)$"
    if not year then
        return nil
    end
    local fraction, zone = rest:match "^(%.?%d*)(.*)$"
    local sign, zone_hour, zone_minute = zone:match "^([+-])(%d%d):(%d%d)$"
    if not sign and zone ~= "Z" and zone ~= "z" then
        return nil
    end
    local offset = sign and (tonumber(zone_hour) * 60 + tonumber(zone_minute)) * 60 * (sign == "+" and 1 or -1) or 0
    local seconds = days_of(tonumber(year), tonumber(month), tonumber(day)) * 86400 + tonumber(hour) * 3600
        + tonumber(minute) * 60 + tonumber(second) - offset
    return seconds * 1000 + math.floor((tonumber("0" .. fraction) or 0) * 1000 + 0.5)
end

return M
