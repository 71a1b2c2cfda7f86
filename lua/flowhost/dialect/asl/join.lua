-- SPDX-License-Identifier: MIT
-- SFC's extension of Amazon States Language: a state whose Next is a list goes on in several branches; a Join waits for
-- the states in its JoinOn and goes on once, with an object of what they brought, by their names. A branch that a
-- Choice led elsewhere is not waited for: its name is missing. Pure.
--
--   arrival: { join (name), from (state before it), output }
--
-- Branches that end by themselves bring nothing to a Join.
-- When no branch reaches one, the output is the list of theirs.

local execution = require "flowhost.dialect.asl.execution"
local parallel = require "flowhost.dialect.asl.parallel"

local M = {}

local fan_out

--- Runs a branch from a state on: { output } of one that ended, or { arrivals }.
local function run_branch(f, machine, start)
    local states, name, input, from = machine.states, start.name, start.input, nil
    local is_fired = start.is_fired
    while name do
        if type(name) == "table" then
            return fan_out(f, machine, name, input, true)
        elseif states[name].kind == "Join" and not is_fired then
            return { arrivals = { { join = name, from = from, output = input } } }
        end
        from, is_fired = name, false
        input, name = execution.run_state(f, states[name], input)
    end
    return { output = input }
end

local function run_branches(f, machine, starts)
    local last = f.last
    local results, failed = f.host:parallel(#starts, #starts, function(i)
        local inner = execution.branch(f, last)
        local result = parallel.guard(inner, function()
            return run_branch(inner, machine, starts[i])
        end)
        f.last = inner.last
        return result
    end)
    if failed then
        f.last = failed.last
        error(failed.failure, 0)
    end
    return results
end

--- What has come, by the names of Joins, and these in order.
local function collect(results)
    local by_join, names = {}, {}
    for _, result in ipairs(results) do
        for _, arrival in ipairs(result.arrivals or {}) do
            if not by_join[arrival.join] then
                by_join[arrival.join] = {}
                names[#names + 1] = arrival.join
            end
            by_join[arrival.join][arrival.from] = arrival.output
        end
    end
    table.sort(names)
    return by_join, names
end

local function is_complete(join, arrived)
    for _, name in ipairs(join.join_on) do
        if arrived[name] == nil then
            return false
        end
    end
    return true
end

local function all_complete(machine, by_join)
    for name, arrived in pairs(by_join) do
        if not is_complete(machine.states[name], arrived) then
            return false
        end
    end
    return true
end

local function all_arrivals(results)
    local list = {}
    for _, result in ipairs(results) do
        for _, arrival in ipairs(result.arrivals or {}) do
            list[#list + 1] = arrival
        end
    end
    return list
end

local function outputs_of(f, results)
    local outputs = f.host.json.array {}
    for i, result in ipairs(results) do
        outputs[i] = result.output
    end
    return { output = outputs }
end

--- Runs the branches, then what their Joins lead to. Inside of another branch Joins that wait for more are left to it.
local function go_on(f, machine, starts, is_inner)
    local results = run_branches(f, machine, starts)
    local by_join, names = collect(results)
    if #names == 0 then
        return outputs_of(f, results)
    elseif is_inner and not all_complete(machine, by_join) then
        return { arrivals = all_arrivals(results) }
    end
    local next_starts = {}
    for i, name in ipairs(names) do
        next_starts[i] = { name = name, input = by_join[name], is_fired = true }
    end
    if #next_starts == 1 then
        return run_branch(f, machine, next_starts[1])
    end
    return go_on(f, machine, next_starts, is_inner)
end

function fan_out(f, machine, names, input, is_inner)
    local starts = {}
    for i, name in ipairs(names) do
        starts[i] = { name = name, input = input }
    end
    return go_on(f, machine, starts, is_inner)
end

--- Output of the branches that a state with several next ones begins.
function execution.fan_out(f, machine, names, input)
    local result = fan_out(f, machine, names, input, false)
    while result.arrivals do -- a Join was reached again after the first one
        local by_join, reached = collect { result }
        result = run_branch(f, machine, { name = reached[1], input = by_join[reached[1]], is_fired = true })
    end
    return result.output
end

return M
