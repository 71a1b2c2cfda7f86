-- SPDX-License-Identifier: MIT
-- One state on its own, as TestState runs it: by the interpreter of whole machines, on a host whose tasks, branches and
-- readers are mocked. What the data was after each part is told by the frame's `inspect`. Pure.
--
--   outcome: { status = "SUCCEEDED" | "FAILED" | "RETRIABLE" | "CAUGHT_ERROR", output (a value), error, cause, next,
--            details { catchIndex, retryIndex, retryBackoffIntervalSeconds }, data (name -> value), variables }

local data = require "flowhost.dialect.asl.data"
local execution = require "flowhost.dialect.asl.execution"
local failure_module = require "flowhost.dialect.asl.failure"
local states = require "flowhost.dialect.asl.states"
local test_state_check = require "flowhost.dialect.asl.test_state_check"

local M = {}

-- what is shown --------------------------------------------------------------------------------------

local function set(text)
    local own = {}
    for name in text:gmatch "%S+" do
        own[name] = true
    end
    return own
end

local MAP = " afterItemSelector afterItemBatcher afterItemsPointer maxConcurrency toleratedFailureCount "
    .. "toleratedFailurePercentage"

--- The parts that AWS shows of each type of state.
local PARTS = {
    JSONPath = {
        Pass = set "afterInputPath afterParameters result afterResultSelector afterResultPath",
        Task = set "afterInputPath afterParameters result afterResultSelector afterResultPath",
        Parallel = set "afterResultSelector afterResultPath",
        Map = set("afterInputPath afterItemsPath afterResultSelector afterResultPath" .. MAP),
        Choice = set "afterInputPath", Wait = set "afterInputPath", Succeed = set "afterInputPath",
        Fail = set "afterInputPath", Join = set "afterInputPath",
    },
    JSONata = { Task = set "afterArguments result", Map = set(MAP) },
}
local NONE = {}

--- What `inspect` fills: data (name -> value) of those parts.
local function new_record(test)
    local language = test.state.QueryLanguage or test.language or "JSONPath"
    local shown = PARTS[language][test.state.Type] or NONE
    local record = { data = { input = test.input } }
    if test.state.Type == "Fail" and language == "JSONPath" then
        record.data.afterInputPath = test.input
    end
    function record.inspect(name, value)
        if name == "catchIndex" then
            record.catch_index = value
        elseif shown[name] then
            record.data[name] = value
        end
        if name == "result" and test.state.Type == "Pass" then -- a Result stands for all that came before it
            record.data.afterInputPath, record.data.afterParameters = nil, nil
        end
    end
    return record
end

-- the host -------------------------------------------------------------------------------------------

local TIMEOUTS = { ["States.Timeout"] = true, ["States.HeartbeatTimeout"] = true }

--- The mocked error as a failure; of a task when the state inside that caused it is one.
local function mocked_failure(test)
    local one = test.mock.error
    return failure_module.new(one.error, one.cause, { is_timeout = TIMEOUTS[one.error], is_of_task = test.causer ~= nil
        and test.causer.Type == "Task" })
end

local function is_over(limits, failed, total)
    local count, percentage = limits.toleratedFailureCount, limits.toleratedFailurePercentage
    return (count and failed > count) or (percentage and failed * 100 > percentage * total) or false
end

--- Branches and iterations: what the mock says that they brought.
local function mock_parallel(test, record, total, o)
    local failed, mock = test.failed_iterations or 0, test.mock
    if test.state.Type == "Map" and failed > total and (mock.error or not o.is_array(mock.result)) then
        error({ problem = { code = "ValidationException", message = test_state_check.TOO_MANY } }, 0)
    elseif mock.error then
        error(mocked_failure(test), 0)
    elseif is_over(record.data, failed, total) then
        return nil, { is_failure = true }
    end
    local results = {}
    for i, value in ipairs(o.is_array(mock.result) and mock.result or {}) do
        results[i] = { output = value }
    end
    return results
end

local function mock_host(test, record, host)
    local own = setmetatable({}, { __index = host })
    own.needs_context = not test.context
    function own.check_task() end
    function own.task()
        if test.mock.error then
            error(mocked_failure(test), 0)
        end
        return test.mock.result
    end
    function own.parallel(_, total)
        return mock_parallel(test, record, total, host.json)
    end
    function own.map_run()
        return ""
    end
    function own.write_results()
        return test.mock.result
    end
    function own.read_items(_, _, _, config, limit)
        return host.parse_items(test.reader_data or "[]", config, limit, record.inspect)
    end
    return own
end

-- the run --------------------------------------------------------------------------------------------

local function new_frame(test, record, host)
    local f = execution.new_frame(host)
    f.history, f.inspect = { n = 1 }, record.inspect
    f.scope.variables = {}
    for name, value in pairs(test.variables) do
        f.scope.variables[name] = value
    end
    if test.context then
        f.scope.context, f.has_given_context = test.context, true
    end
    return f
end

--- After a failure: to be tried again, caught, or the end.
local function settle(f, state, test, failure)
    local counts = {}
    for i = 1, #(state.retriers or NONE) do
        counts[i] = test.retries or 0
    end
    local wait_s, retrier = failure_module.find_retry(f, state.retriers or NONE, counts, failure)
    local outcome = { status = "RETRIABLE", error = failure.error, cause = failure.cause,
        details = { retryIndex = retrier and retrier - 1 } }
    if wait_s then
        outcome.details.retryBackoffIntervalSeconds = math.floor(wait_s)
        return outcome
    end
    local ok, output, next_name = pcall(execution.catch, f, state, test.input, failure)
    if ok then
        outcome.status, outcome.output, outcome.next = "CAUGHT_ERROR", output, next_name
        return outcome
    end
    local last = execution.to_failure(f, output)
    outcome.status, outcome.error, outcome.cause = "FAILED", last.error, last.cause
    return outcome
end

local function attempt(f, state, test)
    local ok, output, next_name = pcall(state.attempt, f, test.input)
    if ok then
        return { status = "SUCCEEDED", output = output, next = next_name, details = {} }
    elseif type(output) == "table" and output.problem then
        error(output, 0)
    end
    return settle(f, state, test, execution.to_failure(f, output))
end

--- Runs the state of a test. Raises { problem } when the request turns out to be wrong, else what ends the run.
---@param test table   test_state_check.read
---@param c table      the compilers, see dialect/asl.lua
---@param host table   what machines run on, and parse_items(text, reader config, limit, inspect)
function M.run(test, c, host)
    local record = new_record(test)
    local state = states.compile_alone(test.name, test.state, test.language, c)
    local own = test.mock and mock_host(test, record, host) or host
    own.needs_context = not test.context
    local f = new_frame(test, record, own)
    execution.enter(f, state, test.input)
    local context = f.scope.context.State
    if test.retries and not test.context and state.is_work then
        data.note(f, "State", { Name = context.Name, EnteredTime = context.EnteredTime, RetryCount = test.retries })
    end
    local outcome = attempt(f, state, test)
    outcome.details.catchIndex = record.catch_index
    outcome.data, outcome.variables = record.data, f.scope.variables
    return outcome
end

--- A test of a request: nil, problem { code, message } when it cannot be run.
M.read = test_state_check.read

return M
