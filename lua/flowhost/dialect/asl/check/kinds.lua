-- SPDX-License-Identifier: MIT
-- Checks of the simple kinds of values: numbers, texts, enumerations, timestamps, paths.

local expression = require "flowhost.dialect.asl.check.expression"
local object = require "flowhost.dialect.asl.check.object"
local report = require "flowhost.dialect.asl.check.report"

local M = {}

local kinds = object.kinds
local MONTH_DAYS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_number(value)
    return type(value) == "number" or type(value) == "cdata"
end

local function expected(ctx, location, name)
    report.schema(ctx, location, "Expected value of type %s", name)
end

--- A check of a Lua type, or of an expression where the field takes one.
local function typed(lua_type, name)
    return function(ctx, value, location, field)
        if type(value) == lua_type and lua_type ~= "string" then
            return
        elseif field.dynamic and expression.check_dynamic(ctx, value, location) then
            return
        elseif type(value) ~= lua_type then
            expected(ctx, location, name)
        end
    end
end

kinds.string = typed("string", "String")
kinds.boolean = typed("boolean", "Boolean")

local function check_range(ctx, value, location, field, format)
    if field.min and value < field.min then
        report.schema(ctx, location, "Minimum value is " .. format, field.min)
    elseif field.max and value > field.max then
        report.schema(ctx, location, "Maximum value is " .. format, field.max)
    end
end

local function numeric(name, format, accepts)
    return function(ctx, value, location, field)
        if field.dynamic and expression.check_dynamic(ctx, value, location) then
            return
        elseif not is_number(value) or not accepts(value) then
            return expected(ctx, location, name)
        end
        check_range(ctx, value, location, field, format)
    end
end

kinds.integer = numeric("Integer", "%d", function(value)
    return type(value) == "cdata" or value == math.floor(value)
end)

kinds.number = numeric("Number", "%.1f", function()
    return true
end)

function kinds.enum(ctx, value, location, field)
    if field.dynamic and expression.check_dynamic(ctx, value, location) then
        return
    elseif type(value) ~= "string" then
        return expected(ctx, location, "String")
    end
    for _, allowed in ipairs(field.values) do
        if allowed == value then
            return
        end
    end
    report.schema(ctx, location, "Value must be one of the following: [%s]", table.concat(field.values, ", "))
end

function kinds.strings(ctx, value, location)
    if not ctx.o.is_array(value) then
        return expected(ctx, location, "Array")
    end
    for i, entry in ipairs(value) do
        if type(entry) ~= "string" then
            expected(ctx, ("%s[%d]"):format(location, i - 1), "String")
        end
    end
end

-- Times --------------------------------------------------------------------------------------------

local function is_time(hour, minute, second)
    return tonumber(hour) <= 23 and tonumber(minute) <= 59 and tonumber(second) <= 60
end

local function is_date(year, month, day)
    month, day, year = tonumber(month), tonumber(day), tonumber(year)
    local days = MONTH_DAYS[month]
    if month == 2 and not (year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)) then
        days = 28
    end
    return days ~= nil and day >= 1 and day <= days
end

local function is_zone(zone)
    local hour, minute = zone:match "^[+-](%d%d):(%d%d)$"
    return zone == "Z" or (hour ~= nil and tonumber(hour) <= 23 and tonumber(minute) <= 59)
end

local TIMESTAMP = "^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)(.+)$"

--- Whether a text is a timestamp of RFC 3339 as ASL narrows it: capital T, and capital Z where it has no offset.
function M.is_timestamp(text)
    local year, month, day, hour, minute, second, rest = text:match(TIMESTAMP)
    if not year then
        return false
    end
    return is_date(year, month, day) and is_time(hour, minute, second) and is_zone((rest:gsub("^%.%d+", "")))
end

function kinds.timestamp(ctx, value, location, field)
    if field.dynamic and expression.check_dynamic(ctx, value, location) then
        return
    elseif type(value) ~= "string" then
        expected(ctx, location, "String")
    elseif not M.is_timestamp(value) then
        report.schema(ctx, location, "String does not match RFC3339 timestamp")
    end
end

-- Paths --------------------------------------------------------------------------------------------

--- InputPath and OutputPath: any path; null discards.
function kinds.path(ctx, value, location)
    if value ~= ctx.o.null and not expression.path_of(ctx, value) then
        report.schema(ctx, location, "Value must be a valid JSONPath.")
    end
end

function kinds.result_path(ctx, value, location)
    if value ~= ctx.o.null then
        expression.check_reference(ctx, value, location, {})
    end
end

function kinds.reference(ctx, value, location)
    expression.check_reference(ctx, value, location, { variable = true })
end

function kinds.reference_or_context(ctx, value, location)
    expression.check_reference(ctx, value, location, { variable = true, context = true })
end

function kinds.items_path(ctx, value, location)
    expression.check_reference(ctx, value, location, { variable = true, context = true })
end

function kinds.reference_or_intrinsic(ctx, value, location)
    expression.check_reference_or_intrinsic(ctx, value, location)
end

function kinds.template(ctx, value, location)
    expression.check_template(ctx, value, location)
end

return M
