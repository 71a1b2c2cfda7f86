-- SPDX-License-Identifier: MIT
-- Reads times: ISO 8601, or by a picture. Of a picture's components those right of the last given one are zero, those
-- left of the first given one are of the present time; a gap between is an error.

local calendar = require "flowhost.expr.jsonata.calendar"
local integer_picture = require "flowhost.expr.jsonata.integer_picture"
local regex = require "flowhost.expr.jsonata.regex"
local time_picture = require "flowhost.expr.jsonata.time_picture"

local M = {}

local concat = table.concat

--- Minutes of "+01:30", "-0500", "+3".
local function read_zone(str, separator)
    str = str:gsub("^GMT", "")
    local hours, minutes = str, 0
    if separator then
        local at = str:find(separator, 1, true)
        hours, minutes = str:sub(1, at - 1), str:sub(at + #separator)
    elseif #str > 3 then
        hours, minutes = str:sub(1, 3), str:sub(4)
    end
    return tonumber(hours) * 60 + tonumber(minutes)
end

local function zone_reader(part)
    local format = part.format
    local separator = format.is_regular and format.separators[1].character
    local pattern = (part.letter == "z" and "GMT" or "") .. "[-+][0-9]+"
    if separator then
        pattern = pattern .. regex.quote(separator) .. "[0-9]+"
    end
    return pattern, function(str)
        return read_zone(str, separator)
    end
end

local function name_reader(part, fail)
    local names, values = nil, {}
    if part.letter == "M" or part.letter == "x" then
        names = calendar.MONTHS
    elseif part.letter == "F" then
        names = calendar.DAYS
    elseif part.letter == "P" then
        values = { am = 0, AM = 0, pm = 1, PM = 1 }
    else
        fail("D3133", { value = part.letter })
    end
    for i, name in ipairs(names or {}) do
        values[part.width and part.width.max and name:sub(1, part.width.max) or name] = i
    end
    return "[a-zA-Z]+", function(str)
        return values[str]
    end
end

--- The regular expression of a part and what reads it.
local function part_reader(part, fail)
    if part.literal then
        return regex.quote(part.literal)
    elseif part.letter == "Z" or part.letter == "z" then
        return zone_reader(part)
    elseif part.letter == "f" then
        return "[0-9]+", function(str)
            return tonumber("0." .. str:sub(1, 3)) * 1000
        end
    elseif part.format then
        return integer_picture.pattern(part.format, fail), function(str)
            return integer_picture.read(str, part.format, fail)
        end
    end
    return name_reader(part, fail)
end

--- Values by letter of what the picture finds; nil when the text is another.
local function read_components(str, picture, rt)
    local patterns, readers = {}, {}
    local parts = time_picture.parse(picture, rt.fail)
    for i, part in ipairs(parts) do
        local pattern, read = part_reader(part, rt.fail)
        patterns[i], readers[i] = "(" .. pattern .. ")", read or false
    end
    local first, _, groups = regex.compile("^" .. concat(patterns) .. "$", "i", rt.tick)(str, 1)
    if not first then
        return nil
    end
    local values = {}
    for i, part in ipairs(parts) do
        if readers[i] then
            values[part.letter] = readers[i](groups[i])
        end
    end
    return values
end

--- Whether the given letters are all among `allowed`, and at least one is.
local function is_of(values, letters, allowed)
    local any = false
    for letter in letters:gmatch "." do
        local value = values[letter]
        if value and value ~= 0 then
            if not allowed:find(letter, 1, true) then
                return false
            end
            any = true
        end
    end
    return any
end

--- Which components a time of these is made of.
local function choose(values)
    local date = "YMD"
    if is_of(values, "YXMxWwdD", "YMD") then
        date = "YMD"
    elseif is_of(values, "YXMxWwdD", "Yd") then
        date = "Yd"
    elseif is_of(values, "YXMxWwdD", "Xxw") then
        date = "XxwF"
    elseif is_of(values, "YXMxWwdD", "XW") then
        date = "XWF"
    end
    local is_half_day = not is_of(values, "PHhmsf", "Hmsf") and is_of(values, "PHhmsf", "Phmsf")
    return date, is_half_day and "Phmsf" or "Hmsf"
end

local function fill_in(values, letters, now, fail)
    local has_begun, has_ended = false, false
    for letter in letters:gmatch "." do
        if values[letter] ~= nil then
            has_begun = true
            if has_ended then
                fail("D3136", {})
            end
        elseif has_begun then
            values[letter] = (letter == "M" or letter == "D" or letter == "d") and 1 or 0
            has_ended = true
        else
            values[letter] = calendar.components[letter](now)
        end
    end
end

local function hour_of(values, time)
    if time == "Hmsf" then
        return values.H
    end
    return (values.h == 12 and 0 or values.h) + (values.P == 1 and 12 or 0)
end

--- Milliseconds of a text by a picture; nil when it does not fit.
---@param rt table the runtime: fail, tick, now()
function M.parse(str, picture, rt)
    local values = read_components(str, picture, rt)
    if not values or next(values) == nil then
        return nil
    end
    local date, time = choose(values)
    -- the day of a year is looked for as a date's day, as the reference does
    fill_in(values, (date == "Yd" and "YD" or date) .. time, calendar.split(rt.now()), rt.fail)
    if date == "XxwF" or date == "XWF" then
        rt.fail("D3136", {})
    end
    local month, day = values.M and values.M > 0 and values.M or 1, values.D
    if date == "Yd" then
        month, day = 1, values.d
    end
    local millis = calendar.millis(values.Y, month, day, hour_of(values, time), values.m, values.s, values.f)
    local zone = values.Z ~= 0 and values.Z or values.z
    return millis - (zone or 0) * 60000
end

-- ISO 8601 ------------------------------------------------------------------------------------------

local DAYS_IN_MONTH = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function read_offset(str)
    local sign, hours, minutes = str:match "^([+-])([0-2]%d):?([0-5]%d)$"
    if sign then
        return (sign == "-" and -1 or 1) * (tonumber(hours) * 60 + tonumber(minutes))
    end
    return (str == "" or str == "Z") and 0 or nil
end

--- Milliseconds of an ISO 8601 time, without a zone in UTC; nil when it is none.
function M.parse_iso(str)
    local year, rest = str:match "^(%d%d%d%d)(.*)$"
    if not year then
        return nil
    end
    local month, day, hour, minute, second
    month, rest = rest:match "^%-([01]%d)(.*)$" or 1, rest:match "^%-[01]%d(.*)$" or rest
    day, rest = rest:match "^%-([0-3]%d)(.*)$" or 1, rest:match "^%-[0-3]%d(.*)$" or rest
    local behind = rest:match "^T[0-2]%d:[0-5]%d:[0-5]%d(.*)$"
    if behind then
        hour, minute, second = rest:match "^T(%d%d):(%d%d):(%d%d)"
        rest = behind
    end
    local fraction = rest:match "^%.(%d+)"
    rest = fraction and rest:sub(#fraction + 2) or rest
    local offset = read_offset(rest)
    month, day, hour = tonumber(month), tonumber(day), tonumber(hour or 0)
    if not offset or month < 1 or month > 12 or day < 1 or day > DAYS_IN_MONTH[month] or hour > 24 then
        return nil
    end
    local milli = fraction and math.floor(tonumber("0." .. fraction) * 1000 + 1e-6) or 0
    return calendar.millis(tonumber(year), month, day, hour, tonumber(minute or 0), tonumber(second or 0), milli)
        - offset * 60000
end

return M
