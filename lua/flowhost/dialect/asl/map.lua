-- SPDX-License-Identifier: MIT
-- Map: the same states for each item of a list, MaxConcurrency at a time. Inline: iterations of this execution, the
-- first failure ends the others. Distributed: a map run of child executions that have histories of their own, of which
-- some may fail. Pure.

local data = require "flowhost.dialect.asl.data"
local execution = require "flowhost.dialect.asl.execution"
local failure = require "flowhost.dialect.asl.failure"
local history = require "flowhost.dialect.asl.history"
local items_module = require "flowhost.dialect.asl.items"
local parallel = require "flowhost.dialect.asl.parallel"
local query = require "flowhost.dialect.asl.query"
local results_module = require "flowhost.dialect.asl.results"

local M = {}

local add, run_branch = history.add, parallel.run_branch

local MOST_INLINE, MOST_DISTRIBUTED = 40, 1000

-- items ----------------------------------------------------------------------------------------------

--- fun(f, input, value) -> what an iteration gets for an item; nil: the item itself. The item is in the context.
local function compile_selector(given, c)
    local selector = given.ItemSelector
    if selector == nil then
        selector = given.Parameters
    end
    if selector == nil then
        return nil
    elseif c.is_jsonata then
        local make = query.compile(selector, "ItemSelector", c)
        return function(f, input)
            return make(f, data.bindings(f, input))
        end
    end
    local make = data.template(selector, c)
    return function(f, _, value)
        return make(f, value)
    end
end

local function map_context(index, item)
    return { Item = { Index = index - 1, Value = item } }
end

--- Inputs of the iterations.
local function select_all(f, select, input, value, items)
    if not select then
        return items
    end
    local selected, context = {}, f.scope.context
    for i = 1, #items do
        data.note(f, "Map", map_context(i, items[i]))
        selected[i] = select(f, input, value)
    end
    f.scope.context = context
    if f.inspect then
        f.inspect("afterItemSelector", f.host.json.array(selected))
    end
    return selected
end

-- inline ---------------------------------------------------------------------------------------------

local function note_iteration(f, state, what, previous, i)
    return add(f, "MapIteration" .. what, previous, history.iteration, ("mapIteration%sEventDetails"):format(what),
        state.name, i - 1)
end

local function run_inline(f, state, items, inputs, concurrency)
    local final
    local running = {} -- frames by number
    local results, failed = f.host:parallel(#inputs, concurrency, function(i)
        local inner = execution.branch(f, note_iteration(f, state, "Started", f.last, i))
        running[i] = inner
        data.note(inner, "Map", map_context(i, items[i]))
        local result = run_branch(inner, state.machine, inputs[i])
        running[i], f.last = nil, inner.last
        final = note_iteration(f, state, result.is_failure and "Failed" or "Succeeded", inner.last, i)
        return result
    end)
    if failed then
        for i = 1, #inputs do
            if running[i] then
                parallel.note_abort(f, running[i])
                note_iteration(f, state, "Aborted", running[i].last, i)
            end
        end
        f.last = failed.last
        failed.failure.is_inner = true
        error(failed.failure, 0)
    end
    f.last = final or f.last
    add(f, "MapStateSucceeded", f.last)
    return results
end

-- distributed ----------------------------------------------------------------------------------------

local function fail_run(f, started, one)
    f.last = add(f, "MapRunFailed", started, history.failure, "mapRunFailedEventDetails", one)
    one.is_inner = true
    error(one, 0)
end

local function is_over_threshold(record)
    local failed, total, limits = record.executions.failed, record.executions.total, record.limits
    return (limits.count and failed > limits.count) or (limits.percentage and failed * 100 > limits.percentage * total)
        or (not limits.count and not limits.percentage and failed > 0)
end

--- Counts a child: `what` "running", "succeeded" or "failed", of `items` items.
local function count(record, what, items, by)
    record.executions[what] = record.executions[what] + by
    record.items[what] = record.items[what] + by * items
end

--- What the context of a child execution says of it.
local function child_context(f, child, names)
    local parent = f.scope.context.Execution
    return { Execution = { Id = names.execution, Name = names.name, Input = child.input, RoleArn = parent.RoleArn,
        RedriveCount = parent.RedriveCount, StartTime = f.host.iso(child.started) },
        StateMachine = { Id = names.machine, Name = names.machine_name } }
end

--- A child execution: nothing of its history shows in its parent's, but somebody who reads that may read its own.
local function child_frame(f, record, i, child)
    local inner = execution.branch(f, 0)
    inner.scope.variables, inner.history = {}, { n = 0 }
    if f.history.sink then
        child.events, record.children[i] = {}, child
        function inner.history.sink(event)
            child.events[event.id] = event
        end
    end
    if f.host.needs_context then
        inner.scope.context = child_context(f, child, f.host:name_child(record, i))
    end
    return inner
end

--- Runs a child: what it brought, as results.lua has it; is_failure when that is too much for the map run.
local function run_child(f, state, record, i, input, items)
    local child = { input = input, items = items, started = f.host:now_ms() }
    local inner = child_frame(f, record, i, child)
    count(record, "running", items, 1)
    child.output, child.failure = execution.run_whole(inner, state.machine, input)
    child.ended = f.host:now_ms()
    count(record, "running", items, -1)
    count(record, child.failure and "failed" or "succeeded", items, 1)
    child.is_failure = child.failure and is_over_threshold(record) or nil
    return child
end

local function note_total(record, inputs, has_batches)
    record.executions.total, record.items.total = #inputs, #inputs
    if has_batches then
        record.items.total = 0
        for i = 1, #inputs do
            record.items.total = record.items.total + #inputs[i].Items
        end
    end
end

--- What the children brought, in order. Ends early once too many have failed.
local function run_children(f, state, inputs, plan, record)
    note_total(record, inputs, plan.has_batches)
    return f.host:parallel(#inputs, math.min(plan.concurrency, MOST_DISTRIBUTED), function(i)
        return run_child(f, state, record, i, inputs[i], plan.has_batches and #inputs[i].Items or 1)
    end)
end

local function new_counts()
    return { total = 0, running = 0, succeeded = 0, failed = 0 }
end

local function run_distributed(f, state, value, plan)
    local record = { label = state.label, status = "RUNNING", started = f.host:now_ms(), executions = new_counts(),
        items = new_counts(), concurrency = plan.concurrency, limits = plan.limits, children = {} }
    record.arn = f.host:map_run(record)
    local started = add(f, "MapRunStarted", f.last, history.plain, "mapRunStartedEventDetails",
        { mapRunArn = record.arn })
    f.last = started
    local ok, inputs = pcall(plan.inputs, f, value)
    if not ok then
        local one = f.host:to_failure(inputs)
        if one.error ~= "States.ItemReaderFailed" then
            error(one, 0)
        end
        one.is_final = true
        record.status, record.ended = "FAILED", f.host:now_ms()
        fail_run(f, started, one)
    end
    local results, failed = run_children(f, state, inputs, plan, record)
    record.status, record.ended = failed and "FAILED" or "SUCCEEDED", f.host:now_ms()
    if failed then
        fail_run(f, started, failure.new("States.ExceedToleratedFailureThreshold",
            "The specified tolerated failure threshold was exceeded"))
    end
    local run_succeeded = add(f, "MapRunSucceeded", started)
    add(f, "MapStateSucceeded", run_succeeded)
    return results, record
end

-- the state ------------------------------------------------------------------------------------------

local function outputs_of(results, c)
    local outputs = c.json.array {}
    for i = 1, #results do
        outputs[i] = results[i].output
    end
    return outputs
end

local function most_at_once(wanted, most)
    return (wanted == nil or wanted == 0) and most or wanted
end

local function compile_inline(state, given, c, flow)
    local select, read_items = compile_selector(given, c), items_module.compile_inline(given, c)
    local concurrency = items_module.number(given, "MaxConcurrency", c, "integer")
    return function(f, input)
        local value = flow.prepare(f, input)
        local most = concurrency and concurrency(f, input, value)
        local items = read_items(f, input, value)
        f.last = add(f, "MapStateStarted", f.last, history.plain, "mapStateStartedEventDetails", { length = #items })
        if f.inspect then
            f.inspect("maxConcurrency", most or 0)
        end
        local inputs = select_all(f, select, input, value, items)
        local results = run_inline(f, state, items, inputs, most_at_once(most, MOST_INLINE))
        return flow.finish(f, input, outputs_of(results, c))
    end
end

local function inspect_plan(f, most, limits)
    f.inspect("maxConcurrency", most or 0)
    f.inspect("toleratedFailureCount", limits.count)
    f.inspect("toleratedFailurePercentage", limits.percentage)
end

local function compile_distributed(state, given, c, flow)
    local select, source = compile_selector(given, c), items_module.compile_distributed(given, c)
    local batch, result_of = items_module.compile_batcher(given, c), results_module.compile(given, c)
    local concurrency = items_module.number(given, "MaxConcurrency", c, "integer")
    local tolerated = items_module.number(given, "ToleratedFailureCount", c, "integer")
    local percentage = items_module.number(given, "ToleratedFailurePercentage", c, "float")
    return function(f, input)
        local value = flow.prepare(f, input)
        local open = source(f, input, value)
        f.last = add(f, "MapStateStarted", f.last, history.plain, "mapStateStartedEventDetails",
            { length = open.length })
        local most = concurrency and concurrency(f, input, value)
        local plan = { concurrency = most_at_once(most, MOST_DISTRIBUTED),
            limits = { count = tolerated and tolerated(f, input, value),
                percentage = percentage and percentage(f, input, value) }, has_batches = batch ~= nil }
        if f.inspect then
            inspect_plan(f, most, plan.limits)
        end
        function plan.inputs()
            local inputs = select_all(f, select, input, value, open.items())
            return batch and batch(f, input, value, inputs) or inputs
        end
        local children, record = run_distributed(f, state, value, plan)
        return flow.finish(f, input, result_of(f, input, value, record, children))
    end
end

function M.compile(given, c, compile_states)
    local processor = given.ItemProcessor or given.Iterator
    local config = processor.ProcessorConfig or {}
    local next_name, own = given.Next, {}
    for name, value in pairs(given) do
        own[name] = value
    end
    own.Parameters = nil -- the items' own
    local flow = data.compile(own, c)
    local state = { name = c.state_name, label = given.Label, machine = compile_states(processor, c) }
    local attempt = (config.Mode == "DISTRIBUTED" and compile_distributed or compile_inline)(state, given, c, flow)
    return function(f, input)
        state.name = f.state.name
        local output, assigned = attempt(f, input)
        return output, next_name, assigned
    end
end

return M
