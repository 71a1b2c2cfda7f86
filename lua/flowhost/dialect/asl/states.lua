-- SPDX-License-Identifier: MIT
-- A definition as states that execution.lua runs. Here: the machine, and states that do nothing outside: Pass, Choice,
-- Wait, Succeed, Fail. Pure.

local data = require "flowhost.dialect.asl.data"
local failure = require "flowhost.dialect.asl.failure"
require "flowhost.dialect.asl.join"
local map = require "flowhost.dialect.asl.map"
local parallel = require "flowhost.dialect.asl.parallel"
local query = require "flowhost.dialect.asl.query"
local rfc3339 = require "flowhost.expr.rfc3339"
local task = require "flowhost.dialect.asl.task"

local M = {}

local KINDS = {}

local function raise(cause)
    failure.raise("States.Runtime", cause)
end

-- Pass, Succeed --------------------------------------------------------------------------------------

function KINDS.Pass(given, c)
    local flow, next_name, result = data.compile(given, c), given.Next, given.Result
    local has_result = result ~= nil and not c.is_jsonata
    return function(f, input)
        local value = flow.prepare(f, input)
        if has_result then
            value = result
            if f.inspect then
                f.inspect("result", result)
            end
        end
        local output, assigned = flow.finish(f, input, value)
        return output, next_name, assigned
    end
end

function KINDS.Succeed(given, c)
    local flow = data.compile(given, c)
    return function(f, input)
        local output, assigned = flow.finish(f, input, flow.prepare(f, input))
        return output, nil, assigned
    end
end

-- Fail -----------------------------------------------------------------------------------------------

--- fun(f, input) -> text of Error or Cause, however it is given.
local function failure_text(given, field, c)
    local text, by_path = given[field], given[field .. "Path"]
    if by_path then
        local read = c.templates.text(by_path, field .. "Path")
        return function(f, input)
            f.scope.input = input
            local value = read(f.scope)
            if type(value) ~= "string" then
                raise(("The value for the field '%sPath' must be a STRING but was: %s"):format(field,
                    data.show(value, c)))
            end
            return value
        end
    elseif c.is_jsonata and query.expression_of(text) then
        local compute = query.typed(text, field, c, "string", function(value)
            return type(value) == "string"
        end)
        return function(f, input)
            return compute(f, data.bindings(f, input))
        end
    end
    return function()
        return text
    end
end

function KINDS.Fail(given, c)
    local error_of, cause_of = failure_text(given, "Error", c), failure_text(given, "Cause", c)
    return function(f, input)
        error(failure.new(error_of(f, input), cause_of(f, input)), 0)
    end
end

-- Choice ---------------------------------------------------------------------------------------------

local function is_boolean(value)
    return type(value) == "boolean"
end

--- A rule of a Choice: holds(f, input, effective input), next, output(f, input, ...) -> output, assigned.
local function compile_rule(rule, i, c)
    local place = ("Choices[%d]/"):format(i - 1)
    if c.is_jsonata then
        local holds = query.typed(rule.Condition, place .. "Condition", c, "boolean", is_boolean)
        return { next = rule.Next, output = data.output(rule, c, place), holds = function(f, input)
            return holds(f, data.bindings(f, input))
        end }
    end
    local test, problem = c.choices.compile(rule)
    if not test then
        error({ problem = problem }, 0)
    end
    return { next = rule.Next, variables = data.template(rule.Assign, c), holds = function(f, _, value)
        f.scope.input = value
        return test(f.scope)
    end }
end

local function find_rule(rules, f, input, value)
    for i = 1, #rules do
        if rules[i].holds(f, input, value) then
            return rules[i]
        end
    end
end

--- What the state itself has of Output and Assign counts for the default alone.
function KINDS.Choice(given, c)
    local rules = {}
    for i, rule in ipairs(given.Choices) do
        rules[i] = compile_rule(rule, i, c)
    end
    local flow, default = data.compile(given, c), given.Default
    return function(f, input)
        local value = flow.prepare(f, input)
        local rule = find_rule(rules, f, input, value)
        if not rule and not default then
            failure.raise("States.NoChoiceMatched",
                "Failed to transition out of the state. The state does not point to a next state.")
        elseif not rule then
            local output, assigned = flow.finish(f, input, value)
            return output, default, assigned
        elseif rule.output then
            local output, assigned = rule.output(f, input, nil, input)
            return output, rule.next, assigned
        end
        local assigned = rule.variables and data.assign(f, rule.variables(f, value))
        return flow.pass(f, value), rule.next, assigned
    end
end

-- Wait -----------------------------------------------------------------------------------------------

local MOST_SECONDS = 99999999

local function is_seconds(value)
    return type(value) == "number" and value % 1 == 0 and value >= 0
end

--- fun(f, value) -> what is at the path of a field; raises what AWS says when there is nothing.
local function path_reader(path, field, c)
    local read = data.reader(path, c) or function(_, input)
        return input
    end
    return function(f, value)
        local ok, found = pcall(read, f, value)
        if ok then
            return found
        elseif type(found) ~= "table" or not found.is_path then
            error(found, 0)
        end
        raise(("The %s parameter does not reference an input value: %s"):format(field, path))
    end
end

local function wait_seconds(given, c)
    local path = given.SecondsPath
    if path then
        local read = path_reader(path, "SecondsPath", c)
        return function(f, _, value)
            local seconds = read(f, value)
            if not is_seconds(seconds) then
                raise(("The SecondsPath parameter cannot be parsed as a long value: %s == %s"):format(path,
                    data.show(seconds, c)))
            end
            f.host:sleep(math.min(seconds, MOST_SECONDS))
        end
    end
    local number = data.number(given, "Seconds", c, function(value)
        if not is_seconds(value) then
            query.refuse_value(("The Seconds field must be a non-negative integer, but was: %s"):format(
                c.json.encode(value)), "Seconds")
        end
        return math.min(value, MOST_SECONDS)
    end)
    return function(f, input)
        f.host:sleep(number(f, input))
    end
end

local function wait_timestamp(given, c)
    local path = given.TimestampPath
    if path then
        local read = path_reader(path, "TimestampPath", c)
        return function(f, _, value)
            local text = read(f, value)
            local time = type(text) == "string" and rfc3339.parse(text)
            if not time then
                raise(("The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time "
                    .. "format string: %s == %s"):format(path, data.show(text, c)))
            end
            f.host:sleep_until(time)
        end
    end
    local compute = query.typed(given.Timestamp, "Timestamp", c, "string", function(value)
        return type(value) == "string"
    end)
    return function(f, input)
        local text = compute(f, data.bindings(f, input))
        local time = rfc3339.parse(text)
        if not time then
            query.refuse_value(("The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format "
                .. "string: %s"):format(text), "Timestamp")
        end
        f.host:sleep_until(time)
    end
end

function KINDS.Wait(given, c)
    local flow, next_name = data.compile(given, c), given.Next
    local is_timestamp = given.Timestamp ~= nil or given.TimestampPath ~= nil
    local wait = (is_timestamp and wait_timestamp or wait_seconds)(given, c)
    return function(f, input)
        local value = flow.prepare(f, input)
        wait(f, input, value)
        local output, assigned = flow.finish(f, input, value)
        return output, next_name, assigned
    end
end

-- the machine ----------------------------------------------------------------------------------------

--- What has come to a Join is its input.
KINDS.Join = KINDS.Pass

KINDS.Task, KINDS.Parallel, KINDS.Map = task.compile, parallel.compile, map.compile

local IS_WORK = { Task = true, Parallel = true, Map = true }
local FAILED_EVENTS = { Parallel = "ParallelStateFailed", Map = "MapStateFailed" }

local function of_state(c, given)
    local language = given.QueryLanguage or c.language
    return setmetatable({ language = language, is_jsonata = language == "JSONata" }, { __index = c })
end

local function compile_state(name, given, outer)
    local c = of_state(outer, given)
    local compile = KINDS[given.Type] or error({ problem = ("state '%s': unknown Type"):format(name) }, 0)
    return {
        name = name, kind = given.Type, is_work = IS_WORK[given.Type], attempt = compile(given, c, M.compile_states),
        entered_event = given.Type .. "StateEntered", exited_event = given.Type .. "StateExited",
        failed_event = FAILED_EVENTS[given.Type], join_on = given.JoinOn, retriers = failure.compile_retry(given.Retry),
        catchers = failure.compile_catch(given.Catch, c),
    }
end

--- One state of a definition by itself.
---@param language string?  of the machine that it is in
function M.compile_alone(name, given, language, c)
    return compile_state(name, given, setmetatable({ language = language or "JSONPath" }, { __index = c }))
end

--- The states of a definition, of a branch or of an item processor.
function M.compile_states(definition, c)
    local states = {}
    for name, given in pairs(definition.States) do
        states[name] = compile_state(name, given, c)
    end
    return { start = definition.StartAt, states = states }
end

--- A machine of a checked definition.
---@param c table  json, templates, paths, choices, jsonata
function M.compile(definition, c)
    local own = setmetatable({ language = definition.QueryLanguage or "JSONPath" }, { __index = c })
    return M.compile_states(definition, own)
end

return M
