-- SPDX-License-Identifier: MIT
-- Checks of the parts of states: resources, credentials, retriers, catchers, choice rules, variables, and of the
-- containers of states inside of states.

local expression = require "flowhost.dialect.asl.check.expression"
require "flowhost.dialect.asl.check.kinds"
local object = require "flowhost.dialect.asl.check.object"
local report = require "flowhost.dialect.asl.check.report"
local schema = require "flowhost.dialect.asl.check.schema"

local M = {}

local kinds = object.kinds
local ARN = "^arn:[^:]+:[^:]+:[^:]*:[^:]*:.+$"
local LABEL_LENGTH, VARIABLE_LENGTH = 40, 80

local function each(ctx, value, location, check)
    if not ctx.o.is_array(value) then
        return report.schema(ctx, location, "Expected value of type Array")
    end
    for i, entry in ipairs(value) do
        check(entry, ("%s[%d]"):format(location, i - 1), i)
    end
end

--- A list that must hold something.
local function each_of_some(ctx, value, location, check)
    if ctx.o.is_array(value) and value[1] == nil then
        return report.schema(ctx, location, "Minimum number of items is 1")
    end
    each(ctx, value, location, check)
end

function kinds.object(ctx, value, location, field)
    object.check(ctx, value, schema[field.object], location)
end

--- A state's name; whether there is such a state is seen with the graph. A list of them fans out (not of AWS).
function kinds.next(ctx, value, location)
    if ctx.o.is_array(value) then
        return kinds.strings(ctx, value, location)
    end
    kinds.string(ctx, value, location, {})
end

-- Tasks --------------------------------------------------------------------------------------------

local PATTERNS = { { "%.sync:?2?$", ".sync" }, { "%.waitForTaskToken$", ".waitForTaskToken" } }

local function check_express_resource(ctx, value, location)
    for _, pattern in ipairs(PATTERNS) do
        if value:find(pattern[1]) then
            report.schema(ctx, location, "Express state machine does not support '%s' service integration", pattern[2])
        end
    end
    if value:find "^arn:[^:]+:states:[^:]*:[^:]*:activity:" then
        report.schema(ctx, location, "Express state machine does not support Activity ARN '%s'", value)
    end
end

function kinds.resource(ctx, value, location)
    if type(value) ~= "string" then
        report.schema(ctx, location, "Expected value of type String")
    elseif not value:find(ARN) then
        report.schema(ctx, location, "Value is not a valid resource ARN")
    elseif ctx.type == "EXPRESS" then
        check_express_resource(ctx, value, location)
    end
end

function kinds.credentials(ctx, value, location, field)
    if not object.is_object(ctx, value) then
        return kinds.template(ctx, value, location, field)
    elseif value.RoleArn == nil and value["RoleArn.$"] == nil then
        return report.schema(ctx, location, "The field 'RoleArn' is required but was missing")
    end
    object.check(ctx, value, schema.CREDENTIALS, location)
end

-- Errors -------------------------------------------------------------------------------------------

function kinds.errors(ctx, value, location)
    each_of_some(ctx, value, location, function(name, at)
        kinds.string(ctx, name, at, {})
        if name == "States.ALL" and #value > 1 then
            report.schema(ctx, at, "States.ALL must appear alone")
        end
    end)
end

--- States.ALL, if anywhere, is in the last entry of a list of retriers or catchers.
local function check_last(ctx, list, location)
    for i = 1, #list - 1 do
        local names = type(list[i]) == "table" and list[i].ErrorEquals
        if type(names) == "table" and names[1] == "States.ALL" then
            report.schema(ctx, ("%s[%d]/ErrorEquals"):format(location, i - 1),
                "States.ALL must be in the last position of the list")
        end
    end
end

local function handlers(name)
    return function(ctx, value, location)
        each(ctx, value, location, function(entry, at)
            object.check(ctx, entry, schema[name], at)
        end)
        if ctx.o.is_array(value) then
            check_last(ctx, value, location)
        end
    end
end

kinds.retry, kinds.catch = handlers "RETRIER", handlers "CATCHER"

-- Choices ------------------------------------------------------------------------------------------

local check_rule

local function combination_of(rule)
    for _, name in ipairs { "And", "Or", "Not" } do
        if rule[name] ~= nil then
            return name
        end
    end
end

local function operators_of(rule)
    local found = {}
    for _, name in ipairs(report.sorted_keys(rule)) do
        if schema.COMPARISONS[name] then
            found[#found + 1] = name
        end
    end
    return found
end

--- The fields that a rule may have; nested ones have no outcome.
local function fields_of(rule, is_nested)
    local fields = { Comment = { kind = "string" } }
    for _, more in ipairs(is_nested and {} or { schema.RULE_OUTCOME, schema.RULE_JSONATA }) do
        for name, field in pairs(more) do
            fields[name] = field
        end
    end
    local combination = combination_of(rule)
    if combination then
        fields[combination] = { kind = combination == "Not" and "rule" or "rules" }
        return fields
    end
    fields.Variable = { kind = "reference_or_context" }
    for name, field in pairs(schema.COMPARISONS) do
        fields[name] = field
    end
    return fields
end

local function required_of(rule, is_nested)
    local required = is_nested and {} or { "Next" }
    if not combination_of(rule) and rule.Condition == nil then
        required[#required + 1] = "Variable"
    end
    return required
end

function check_rule(ctx, rule, location, is_nested)
    if not object.is_object(ctx, rule) then
        return report.schema(ctx, location, "Expected value of type Object")
    end
    object.check(ctx, rule, { fields = fields_of(rule, is_nested), required = required_of(rule, is_nested),
        one_of = {}, exclusive = {} }, location)
    local operators = operators_of(rule)
    if not combination_of(rule) and not operators[1] and rule.Condition == nil then
        report.schema(ctx, location, "There should be one comparison operator")
    elseif #operators > 1 then
        report.schema(ctx, location, "There should only be one of the following fields: %s", report.names(operators))
    end
end

function kinds.rule(ctx, value, location)
    check_rule(ctx, value, location, true)
end

function kinds.rules(ctx, value, location)
    each_of_some(ctx, value, location, function(rule, at)
        check_rule(ctx, rule, at, true)
    end)
end

function kinds.choices(ctx, value, location)
    each_of_some(ctx, value, location, function(rule, at)
        if ctx.language == "JSONata" then
            object.check(ctx, rule, schema.RULE_CONDITION, at)
        else
            check_rule(ctx, rule, at, false)
        end
    end)
end

function kinds.condition(ctx, value, location)
    if type(value) ~= "boolean" and not expression.check_dynamic(ctx, value, location) then
        report.schema(ctx, location, "Expected value of type Boolean")
    end
end

-- Data ---------------------------------------------------------------------------------------------

--- The name that a field of Assign gives a value to.
local function variable_name(ctx, name)
    return ctx.language == "JSONPath" and name:gsub("%.%$$", "") or name
end

--- Letters, digits, _ and what is beyond ASCII, not beginning with a digit.
local function check_variable(ctx, name, location)
    if not name:find "^[%a_\128-\255][%w_\128-\255]*$" then
        report.schema(ctx, location, "Variable name '%s' is not valid", name)
    elseif name == "states" then
        report.schema(ctx, location, "Variable name 'states' is reserved")
    elseif #name:gsub("[\128-\191]", "") > VARIABLE_LENGTH then
        report.schema(ctx, location, "Maximum length of a variable name is %d", VARIABLE_LENGTH)
    end
end

function kinds.assign(ctx, value, location, field)
    if not object.is_object(ctx, value) then
        return report.schema(ctx, location, "Expected value of type Object")
    end
    for _, name in ipairs(report.sorted_keys(value)) do
        check_variable(ctx, (variable_name(ctx, name)), location)
    end
    kinds.template(ctx, value, location, field)
end

local function looks_static(value)
    if type(value) ~= "table" then
        return false
    end
    for name, inner in pairs(value) do
        if (type(name) == "string" and name:find "%.%$$") or looks_static(inner) then
            return true
        end
    end
    return false
end

--- Any value as it is; one that means to be a template is worth a warning.
function kinds.result(ctx, value, location)
    if looks_static(value) then
        report.warn(ctx, "PASS_RESULT_IS_STATIC", location, "The result of a Pass state is static; use Parameters")
    end
end

function kinds.items(ctx, value, location, field)
    if ctx.o.is_array(value) then
        kinds.template(ctx, value, location, field)
    elseif not expression.check_dynamic(ctx, value, location) then
        report.schema(ctx, location, "Expected value of type Array")
    end
end

-- Containers ---------------------------------------------------------------------------------------

local function check_container(ctx, value, container, location)
    object.check(report.within(ctx, { language = ctx.machine_language }), value, container, location)
end

function kinds.branches(ctx, value, location)
    each_of_some(ctx, value, location, function(branch, at)
        check_container(ctx, branch, schema.BRANCH, at)
    end)
end

function kinds.processor(ctx, value, location)
    check_container(ctx, value, schema.PROCESSOR, location)
    local config = type(value) == "table" and value.ProcessorConfig
    if type(config) == "table" and config.Mode == "DISTRIBUTED" then
        if config.ExecutionType == nil then
            report.schema(ctx, location .. "/ProcessorConfig", "These fields are required: [ExecutionType]")
        elseif ctx.type == "EXPRESS" then
            report.schema(ctx, location .. "/ProcessorConfig/Mode",
                "Express state machine does not support 'DISTRIBUTED' mode")
        end
    end
end

function kinds.reader_config(ctx, value, location)
    if object.check(ctx, value, schema.READER_CONFIG, location) and value.CSVHeaderLocation == "GIVEN"
        and value.CSVHeaders == nil then
        report.schema(ctx, location, "These fields are required: [CSVHeaders]")
    end
end

function kinds.label(ctx, value, location)
    if type(value) ~= "string" then
        report.schema(ctx, location, "Expected value of type String")
    elseif #value > LABEL_LENGTH or value:find "[%s%c?*<>{}%[%]:;,\\|^~$#%%&`\"]" then
        report.add(ctx, "INVALID_LABEL_NAME", location, "Invalid label name: %s", value)
    elseif ctx.labels[value] then
        report.add(ctx, "DUPLICATE_LABEL_NAME", location, "Duplicate label name: %s", value)
    else
        ctx.labels[value] = true
    end
end

return M
