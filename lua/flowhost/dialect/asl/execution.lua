-- SPDX-License-Identifier: MIT
-- One execution of a state machine: states one after the other, each tried, retried and caught. Pure: everything else
-- is asked of the host (ctx/machine_host.lua).
--
--   frame f (one a branch):  host, history, scope (data.lua), state (in it now), entered (id of its event),
--                            entered_previous, last (id of the event that the next one follows), retries, at (time
--                            of the next event, ms, where that is not the branch's)
--   state:                   name, kind, next (nil: the end), attempt(f, input) -> output, next, assigned
--                            retriers, catchers, failed_event; is_terminal
--   machine:                 start (name), states (name -> state)
--
-- attempt raises { error, cause }, see failure.lua.

local data = require "flowhost.dialect.asl.data"
local failure_module = require "flowhost.dialect.asl.failure"
local history = require "flowhost.dialect.asl.history"

local M = {
    fan_out = nil, -- fn(f, machine, names, input) -> output: join.lua
}

local add = history.add

local function copy(variables)
    local own = {}
    for name, value in pairs(variables) do
        own[name] = value
    end
    return own
end

--- A frame for a branch. Variables that it assigns are its own.
function M.branch(f, last)
    local scope = f.scope
    return {
        host = f.host, history = f.history, machine = f.machine, last = last or f.last, outer = f,
        scope = { context = scope.context, variables = copy(scope.variables), random = scope.random,
            uuid = scope.uuid },
    }
end

local function note_state(f, state)
    data.note(f, "State", { Name = state.name, EnteredTime = f.host:iso_now(),
        RetryCount = state.is_work and 0 or nil })
end

local function enter(f, state, input)
    f.state, f.retries, f.entered_previous = state, nil, f.last
    f.entered = add(f, state.entered_event, f.last, history.entered, state.name, input)
    f.last = f.entered
    f.host:enter(state.name)
    if f.host.needs_context then
        note_state(f, state)
    end
end

local function exit(f, state, output, assigned)
    f.last = add(f, state.exited_event, f.last, history.exited, state.name, output, assigned)
    if f.scope.context.Task then
        data.note(f, "Task", nil)
    end
end

--- What is wrong, as a failure; whatever ends the run goes on.
local function to_failure(f, raised)
    local failure = failure_module.finish(f, f.host:to_failure(raised))
    if failure.is_evaluation and not failure.is_noted then
        failure.is_noted = true
        local previous = f.last == f.entered and not failure.is_of_value and f.entered_previous or f.last
        f.last = add(f, "EvaluationFailed", previous, history.evaluation, failure)
    end
    return failure
end

--- Whether the state is to be tried again; waits until then. A redrive lets it count its attempts anew.
local function wait_for_retry(f, state, failure)
    if not state.retriers then
        return false
    end
    local now_ms = f.host:now_ms()
    if not f.retries or f.host:was_redriven(f.retries.at, now_ms) then
        f.retries = {}
    end
    f.retries.at = now_ms
    local wait_s = failure_module.find_retry(f, state.retriers, f.retries, failure)
    if not wait_s then
        return false
    end
    f.host:sleep(wait_s)
    if f.host.needs_context then
        local own = f.scope.context.State
        data.note(f, "State", { Name = own.Name, EnteredTime = own.EnteredTime,
            RetryCount = own.RetryCount + 1 })
    end
    return true
end

--- The catcher's output and next state; raises the failure when no catcher takes it.
local function catch(f, state, input, failure)
    if state.failed_event and (failure.is_inner or failure.is_noted) then
        failure.is_inner = nil
        f.last = add(f, state.failed_event, f.last)
    end
    local catcher, index = failure_module.find_catch(state.catchers, failure)
    if not catcher then
        error(failure, 0)
    elseif f.inspect then
        f.inspect("catchIndex", index - 1)
    end
    local ok, output, assigned = pcall(catcher.take, f, input, failure_module.thrown(failure, f.host.json.null))
    if not ok then
        error(to_failure(f, output), 0)
    end
    exit(f, state, output, assigned)
    return output, catcher.next
end

--- One state: output, name of the next one (nil: none).
local function run_state(f, state, input)
    enter(f, state, input)
    while true do
        local ok, output, next_name, assigned = pcall(state.attempt, f, input)
        if ok then
            exit(f, state, output, assigned)
            return output, next_name
        end
        local failure = to_failure(f, output)
        if not wait_for_retry(f, state, failure) then
            return catch(f, state, input, failure)
        end
    end
end

--- Runs a machine's states from its first one; returns the output, raises a failure. A state with several next ones
--- is gone on from in join.lua.
function M.run(f, machine, input)
    local states, name = machine.states, machine.start
    while name do
        if type(name) == "table" then
            return M.fan_out(f, machine, name, input)
        end
        input, name = run_state(f, states[name], input)
    end
    return input
end

M.run_state = run_state
M.enter, M.to_failure, M.catch = enter, to_failure, catch -- for one that is tested on its own: test_state.lua

local function new_frame(host)
    return {
        host = host, history = host.history, last = 0,
        scope = {
            context = { Execution = host.execution, StateMachine = host.state_machine }, variables = {},
            random = function()
                return host:random()
            end,
            uuid = function()
                return host:uuid()
            end,
        },
    }
end

M.new_frame = new_frame

--- From the first event to the last one: output; or nil, failure.
function M.run_whole(f, machine, input)
    add(f, "ExecutionStarted", 0, history.started, input, f.host.execution.RoleArn)
    local ok, output = pcall(M.run, f, machine, input)
    if ok then
        add(f, "ExecutionSucceeded", f.last, history.output, "executionSucceededEventDetails", output)
        return output
    end
    local failure = f.host:to_failure(output)
    add(f, "ExecutionFailed", f.last, history.failure, "executionFailedEventDetails", failure)
    return nil, failure
end

--- The function of a run of the machine.
function M.main(machine, host)
    host.needs_context = machine.needs_context
    local output, failure = M.run_whole(new_frame(host), machine, host.input)
    if failure then
        host:fail(failure)
    end
    return output
end

return M
