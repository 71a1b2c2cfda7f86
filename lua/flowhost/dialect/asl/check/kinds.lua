-- SPDX-License-Identifier: MIT
-- Checks of the simple kinds of values: numbers, texts, enumerations, timestamps, paths.

local expression = require "flowhost.dialect.asl.check.expression"
local object = require "flowhost.dialect.asl.check.object"
local report = require "flowhost.dialect.asl.check.report"
local rfc3339 = require "flowhost.expr.rfc3339"

local M = {}

local kinds = object.kinds

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

-- Times and paths ----------------------------------------------------------------------------------

function kinds.timestamp(ctx, value, location, field)
    if field.dynamic and expression.check_dynamic(ctx, value, location) then
        return
    elseif type(value) ~= "string" then
        expected(ctx, location, "String")
    elseif not rfc3339.parse(value) then
        report.schema(ctx, location, "String does not match RFC3339 timestamp")
    end
end

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

function kinds.template(ctx, value, location, field)
    expression.check_template(ctx, value, location, field.offers)
end

return M
