-- SPDX-License-Identifier: MIT
-- Checks definitions in Amazon States Language as AWS does when a state machine is created, updated or validated: the
-- same codes, texts and places where they were recorded, else of the same form. Pure.
--
--   problem = { code, severity = "ERROR" | "WARNING", message, location = "/States/A/Next" or nil }
--
-- First the schema (check/states.lua and what it names); only a definition of the right form is looked at as a graph.

local graph = require "flowhost.dialect.asl.check.graph"
local intrinsic = require "flowhost.expr.intrinsic"
local json_text = require "flowhost.dialect.asl.json_text"
local jsonata = require "flowhost.expr.jsonata"
local jsonpath = require "flowhost.expr.jsonpath"
local object = require "flowhost.dialect.asl.check.object"
local schema = require "flowhost.dialect.asl.check.schema"
local scope = require "flowhost.dialect.asl.check.scope"
require "flowhost.dialect.asl.check.parts"
require "flowhost.dialect.asl.check.states"

local M = {}

--- The name that TestState gives to a state that comes without one.
local TESTED = "StateName"

local function new_context(o, options)
    return { o = o, problems = {}, warnings = {}, names = {}, labels = {}, type = options.type or "STANDARD" }
end

local function language_of(definition)
    return definition.QueryLanguage == "JSONata" and "JSONata" or "JSONPath"
end

local function check_machine(ctx, definition)
    ctx.machine_language = language_of(definition)
    ctx.language = ctx.machine_language
    object.check(ctx, definition, schema.MACHINE, "/")
end

--- A state on its own as a machine of that state.
local function wrap(state)
    return { StartAt = TESTED, States = { [TESTED] = state } }
end

local function check(o, definition, options)
    local ctx = new_context(o, options)
    if not object.is_object(ctx, definition) then
        return { { code = "SCHEMA_VALIDATION_FAILED", severity = "ERROR",
            message = "Definition must be a valid JSON object" } }
    end
    local is_alone = options.is_test_state and definition.States == nil
    check_machine(ctx, is_alone and wrap(definition) or definition)
    if not ctx.problems[1] and not is_alone then
        graph.check(ctx, definition, "")
        scope.check(ctx, definition)
    end
    for _, warning in ipairs(ctx.warnings) do
        ctx.problems[#ctx.problems + 1] = warning
    end
    return ctx.problems
end

---@class flowhost.AslValidateOptions
---@field null any what stands for null
---@field is_array fun(value: any): boolean
---@field array fun(list: table): table marks a table as an array
---@field encode fun(value: any): string
---@field decode fun(text: string): any, string?

local function check_text(o, text, options)
    local problem = json_text.check(text)
    if problem then
        return { problem }
    end
    local definition, reason = o.decode(text)
    if definition == nil then
        return { { code = "INVALID_JSON_DESCRIPTION", severity = "ERROR", message = reason } }
    end
    return check(o, definition, options), definition
end

--- A validator:
---
---   check(definition, { type = "STANDARD" | "EXPRESS", is_test_state }) -> problems
---   check_text(text, the same) -> problems, definition or nil where it is not JSON
---
--- In a test of one state the definition may be that state alone; where it leads to is not looked at then.
---@param o flowhost.AslValidateOptions
function M.new(o)
    local own = { null = o.null, is_array = o.is_array, encode = o.encode, jsonpath = jsonpath.new(o),
        intrinsic = intrinsic, jsonata = jsonata.new(o), decode = o.decode }
    return {
        check = function(definition, options)
            return check(own, definition, options or {})
        end,
        check_text = function(text, options)
            return check_text(own, text, options or {})
        end,
    }
end

--- What is wrong with a definition's text: a problem, or nil where it is a JSON object.
M.check_text = json_text.check

local MOST_DIAGNOSTICS = 100

--- The answer of ValidateStateMachineDefinition: errors, with severity "WARNING" also warnings, `most` of them.
---@param problems table[]
---@param o { severity: string?, most: integer?, array: fun(list: table): table }
---@return { result: "OK"|"FAIL", diagnostics: table[], truncated: boolean }
function M.diagnose(problems, o)
    local answer = { result = "OK", diagnostics = o.array {}, truncated = false }
    local most = o.most and o.most > 0 and o.most or MOST_DIAGNOSTICS
    for _, problem in ipairs(problems) do
        local is_error = problem.severity == "ERROR"
        if is_error then
            answer.result = "FAIL"
        end
        if is_error or o.severity == "WARNING" then
            answer.truncated = #answer.diagnostics >= most
            answer.diagnostics[#answer.diagnostics + 1] = not answer.truncated and problem or nil
        end
    end
    return answer
end

--- The problems that refuse a definition, in AWS's one sentence; nil when there are none.
---@param problems table[]
---@return string?
function M.first_text(problems)
    local parts = {}
    for _, problem in ipairs(problems) do
        if problem.severity == "ERROR" then
            parts[#parts + 1] = ("%s: %s at %s"):format(problem.code, problem.message, problem.location or "null")
        end
    end
    return parts[1] and ("Invalid State Machine Definition: '%s'"):format(table.concat(parts, ", ")) or nil
end

return M
