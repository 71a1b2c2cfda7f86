-- SPDX-License-Identifier: MIT
-- Parallel: all branches at the same time on the same input; the first one that fails ends the others. Pure.

local data = require "flowhost.dialect.asl.data"
local execution = require "flowhost.dialect.asl.execution"
local history = require "flowhost.dialect.asl.history"

local M = {}

local add = history.add

local ABORTS = { Task = "TaskStateAborted", Wait = "WaitStateAborted", Parallel = "ParallelStateAborted",
    Map = "MapStateAborted" }

--- The event of the state that a branch stood in when it was ended; none for states that are over at once.
function M.note_abort(f, inner)
    local kind = inner.state and ABORTS[inner.state.kind]
    if kind then
        add(f, kind, inner.last)
    end
end

local function note_aborts(f, frames, ended)
    for i = 1, #frames do
        if frames[i] and not ended[i] then
            M.note_abort(f, frames[i])
        end
    end
end

--- What fn() returns, or its failure as a value, so that the group can tell it.
function M.guard(inner, fn)
    local ok, result = pcall(fn)
    if ok then
        return result
    end
    return { is_failure = true, failure = inner.host:to_failure(result), last = inner.last }
end

--- Runs a branch: { output }, or a failure as a value.
local function run_branch(inner, machine, input)
    return M.guard(inner, function()
        return { output = execution.run(inner, machine, input) }
    end)
end

M.run_branch = run_branch

local function run_all(f, branches, input)
    f.last = add(f, "ParallelStateStarted", f.last)
    local started = f.last
    local frames, ended = {}, {}
    local results, failed = f.host:parallel(#branches, #branches, function(i)
        local inner = execution.branch(f, started)
        frames[i] = inner
        local result = run_branch(inner, branches[i], input)
        ended[i] = not result.is_failure
        f.last = inner.last
        return result
    end)
    if failed then
        f.last = failed.last
        note_aborts(f, frames, ended)
        failed.failure.is_inner = true
        error(failed.failure, 0)
    end
    add(f, "ParallelStateSucceeded", f.last)
    return results
end

function M.compile(given, c, compile_states)
    local flow, next_name, branches = data.compile(given, c), given.Next, {}
    for i, branch in ipairs(given.Branches) do
        branches[i] = compile_states(branch, c)
    end
    return function(f, input)
        local results = run_all(f, branches, flow.prepare(f, input))
        local outputs = c.json.array {}
        for i = 1, #branches do
            outputs[i] = results[i].output
        end
        local output, assigned = flow.finish(f, input, outputs)
        return output, next_name, assigned
    end
end

return M
