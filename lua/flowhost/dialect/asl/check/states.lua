-- SPDX-License-Identifier: MIT
-- Checks the states of a container by their types.

local object = require "flowhost.dialect.asl.check.object"
local report = require "flowhost.dialect.asl.check.report"
local schema = require "flowhost.dialect.asl.check.schema"

local M = {}

local NAME_LENGTH = 80

local TYPES = {}
for name in pairs(schema.STATE) do
    if name ~= "Join" then
        TYPES[#TYPES + 1] = name
    end
end
table.sort(TYPES)

local function length_of(text)
    return #text:gsub("[\128-\191]", "")
end

local function check_name(ctx, name, location)
    if name == "" then
        report.add(ctx, "INVALID_STATE_NAME", location, "State name must not be empty")
    elseif length_of(name) > NAME_LENGTH then
        report.add(ctx, "INVALID_STATE_NAME", location, "State name '%s' is longer than %d characters", name,
            NAME_LENGTH)
    elseif ctx.names[name] then
        report.add(ctx, "DUPLICATE_STATE_NAME", location, "Duplicate State name: %s", name)
    end
    ctx.names[name] = true
end

--- The query language of a state: its own, else the machine's.
local function language_of(ctx, state, location)
    local own = state.QueryLanguage
    if own == "JSONPath" and ctx.machine_language == "JSONata" then
        report.schema(ctx, location,
            "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
        return "JSONPath"
    end
    return own == "JSONata" and "JSONata" or ctx.machine_language
end

local function check_state(ctx, state, location)
    if not object.is_object(ctx, state) then
        return report.schema(ctx, location, "Expected value of type Object")
    elseif state.Type == nil then
        return report.schema(ctx, location, "These fields are required: [Type]")
    elseif type(state.Type) ~= "string" then
        return report.schema(ctx, location .. "/Type", "Expected value of type String")
    end
    local spec = schema.STATE[state.Type]
    if not spec then
        return report.schema(ctx, location .. "/Type", "Value must be one of the following: [%s]",
            table.concat(TYPES, ", "))
    end
    local language = language_of(ctx, state, location)
    object.check(report.within(ctx, { language = language }), state, spec, location)
end

function object.kinds.states(ctx, value, location)
    if not object.is_object(ctx, value) then
        return report.schema(ctx, location, "Expected value of type Object")
    elseif next(value) == nil then
        return report.schema(ctx, location, "Minimum number of fields is 1")
    end
    for _, name in ipairs(report.sorted_keys(value)) do
        local at = object.at(location, name)
        check_name(ctx, name, at)
        check_state(ctx, value[name], at)
    end
end

return M
