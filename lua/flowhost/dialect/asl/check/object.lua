-- SPDX-License-Identifier: MIT
-- Checks an object of a definition against check/schema.lua: fields that are unknown, of the other query language,
-- missing or too many, then the value of each by its kind.

local report = require "flowhost.dialect.asl.check.report"

local M = {}

--- fun(ctx, value, location, field) by kind; filled by check/kinds.lua and check/parts.lua.
M.kinds = {}

function M.is_object(ctx, value)
    return type(value) == "table" and not ctx.o.is_array(value)
end

local function check_field_names(ctx, value, object, location)
    for _, name in ipairs(report.sorted_keys(value)) do
        local field = object.fields[name]
        if not field and not object.is_open then
            report.schema(ctx, location, "Field '%s' is not supported", name)
        elseif field and field.only and field.only ~= ctx.language then
            report.schema(ctx, location,
                "The QueryLanguage is set to '%s', but field '%s' is only supported for the '%s' QueryLanguage",
                ctx.language, name, field.only)
        end
    end
end

local function present(value, names)
    local found = {}
    for _, name in ipairs(names) do
        if value[name] ~= nil then
            found[#found + 1] = name
        end
    end
    return found
end

local function check_required(ctx, value, names, location)
    local missing = {}
    for _, name in ipairs(names) do
        if value[name] == nil then
            missing[#missing + 1] = name
        end
    end
    if missing[1] then
        report.schema(ctx, location, "These fields are required: %s", report.names(missing))
    end
end

--- The names of a list that are of the query language in use: what can be asked for.
local function usable(ctx, object, names)
    local own = {}
    for _, name in ipairs(names) do
        local only = object.fields[name].only
        if not only or only == ctx.language then
            own[#own + 1] = name
        end
    end
    return own
end

local function check_combinations(ctx, value, object, location)
    check_required(ctx, value, object.required, location)
    for _, names in ipairs(object.one_of) do
        local count = #present(value, names)
        if count == 0 then
            report.schema(ctx, location, "There should be one of the following fields: %s",
                report.names(usable(ctx, object, names)))
        elseif count > 1 then
            report.schema(ctx, location, "There should only be one of the following fields: %s",
                report.names(usable(ctx, object, names)))
        end
    end
    for _, names in ipairs(object.exclusive) do
        if #present(value, names) > 1 then
            report.schema(ctx, location, "There should only be one of the following fields: %s", report.names(names))
        end
    end
end

--- Where a field is: "/" has no further slash before it.
function M.at(location, name)
    return (location == "/" and "" or location) .. "/" .. name
end

--- Checks the values of the fields that are known and allowed.
function M.check_values(ctx, value, object, location)
    for _, name in ipairs(report.sorted_keys(value)) do
        local field = object.fields[name]
        if field and not (field.only and field.only ~= ctx.language) then
            M.kinds[field.kind](ctx, value[name], M.at(location, name), field, value)
        end
    end
end

--- Checks an object whole; false when it is none.
function M.check(ctx, value, object, location)
    if not M.is_object(ctx, value) then
        report.schema(ctx, location, "Expected value of type Object")
        return false
    end
    check_field_names(ctx, value, object, location)
    check_combinations(ctx, value, object, location)
    M.check_values(ctx, value, object, location)
    return true
end

return M
