-- SPDX-License-Identifier: MIT
-- Tasks on the shard of their run: a step of kind "task" that waits for what a worker, or whoever has its token, makes
-- of it.
--
--   scheduled ─(a worker takes it)─► taken ─(heartbeats)─► ended: result, failure, out of time, dropped
--
-- The step is an engine wait: it is recorded ("o" with { task, scheduled, due }), parked and brought back as any. What
-- lies between its beginning and its end stands in task_rows.lua; a heartbeat that stays away is told by an alarm
-- ("task") there, so neither worker nor heartbeat wakes a parked run. A result comes with its token (M.finish); one for
-- a callback that the run has not come to wait for yet, or whose run stands still, is kept as a signal "task.ID".

local core = require "flowhost.core"
local commit = require "flowhost.engine.commit"
local effect = require "flowhost.engine.effect"
local ending = require "flowhost.engine.ending"
local error_object = require "flowhost.engine.error"
local live = require "flowhost.engine.live"
local remote = require "flowhost.engine.remote"
local replay_order = require "flowhost.engine.replay"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"
local signals = require "flowhost.engine.signals"
local step = require "flowhost.engine.step"
local task_queue = require "flowhost.engine.task_queue"
local task_rows = require "flowhost.engine.task_rows"

local json, keystore, system, timer = core.json, core.keystore, core.system, core.timer

local M = {}

local ID_BYTES = 16

local function is_unwritten(run)
    return run.durable == "never"
end

-- how a task ends ----------------------------------------------------------------------------------

local function timeout_error(current)
    return error_object.new("States.Timeout", ("task '%s' was not finished in time"):format(current.name),
        { data = { error = "States.Timeout" } })
end

local function heartbeat_error(current)
    return error_object.new("States.HeartbeatTimeout", ("task '%s' gave no sign of life in time"):format(current.name),
        { data = { error = "States.HeartbeatTimeout" } })
end

--- What a worker reports: { output = JSON value } or { error = text?, cause = text? }.
function M.give(current, outcome)
    if outcome.output ~= nil then
        return current.done(json.encode_stored(outcome.output), effect.to_flow(outcome.output))
    end
    local name = outcome.error ~= "" and outcome.error or nil
    local message = outcome.cause or name or "the task failed"
    current.done(nil, error_object.new(name or "States.TaskFailed", message,
        { data = { error = outcome.error, cause = outcome.cause } }))
end

-- who has it ---------------------------------------------------------------------------------------

--- A worker has taken it: what the step keeps of that.
local function note_taken(current, worker, taken)
    if current.taken == taken then
        return
    end
    current.taken = taken
    current.extra = current.extra or {}
    current.extra.task = { worker = worker, taken = taken }
    current.on_started(worker, taken)
end

--- The same of one that had been taken before the run was brought back: in its turn, for a branch.
local function tell_taken(current, worker, taken)
    if not current.fiber.parent then
        return note_taken(current, worker, taken)
    end
    replay_order.tell(current.fiber.run, taken, nil, function()
        note_taken(current, worker, taken)
    end)
end

local function forget_taken(current)
    current.taken, current.extra.task = nil, nil
end

--- The step of a task of a run in memory; nil when there is none. false: a callback's that is over.
local function find(run_id, id)
    local run = live.runs[run_id]
    return run and run.tasks and run.tasks[id]
end

remote.on("task_taken", function(task, reply)
    reply {}
    local current = find(task.run, task_queue.unhex(task.id))
    if current then
        local run = current.fiber.run
        run.guarded(run, note_taken, current, task.worker, task.taken)
    end
end)

remote.on("task_untaken", function(task, reply)
    reply {}
    local current = find(task.run, task_queue.unhex(task.id))
    if current and current.taken == task.taken then
        forget_taken(current)
    end
end)

--- A result may come before it was told who had taken the task.
local function learn_taken(current)
    local row = not current.taken and not is_unwritten(current.fiber.run)
        and task_rows.read(current.fiber.run.bytes, current.id)
    if row and row.taken then
        note_taken(current, row.worker, row.taken)
    end
end

-- in memory only -----------------------------------------------------------------------------------

--- The heartbeat of a run that is not written.
local function watch_heartbeat(current)
    local row = current.row
    current.stop_watch = effect.at(current.fiber.run, row.beat + row.heartbeat, function()
        current.stop_watch = nil
        if row.beat + row.heartbeat > timer.now_ms() then
            return watch_heartbeat(current)
        end
        current.done(nil, heartbeat_error(current))
    end)
end

local function begin_in_memory(current)
    local row = current.row
    if row.is_callback then
        local early = current.fiber.run.early_results
        local outcome = early and early[current.id]
        if outcome then
            return M.give(current, outcome)
        end
    else
        task_queue.offer(row.name, current.fiber.run.id, current.id, row.scheduled)
    end
    if row.beat and row.heartbeat then
        watch_heartbeat(current)
    end
end

remote.on("task_claim", function(task, reply)
    local current = find(task.run, task_queue.unhex(task.id))
    if not current or current.taken or current.fiber.run.is_over then
        return reply {}
    end
    reply { input = keystore.redact_json(current.input) }
    local run = current.fiber.run
    run.guarded(run, function()
        note_taken(current, task.worker, task.taken)
        current.row.beat = math.floor(task.taken)
        if current.row.heartbeat then
            watch_heartbeat(current)
        end
    end)
end)

remote.on("task_unclaim", function(task, reply)
    reply {}
    local current = find(task.run, task_queue.unhex(task.id))
    if current and current.taken == task.taken then
        forget_taken(current)
        if current.stop_watch then
            current.stop_watch()
            current.stop_watch = nil
        end
        task_queue.offer(current.row.name, task.run, current.id, current.row.scheduled)
    end
end)

-- the step -----------------------------------------------------------------------------------------

local function write_new(run, id, row, input)
    run.has_tasks = true
    task_rows.open(run, id, row, input)
    if input then
        rows.after(run, function()
            task_queue.note(row.name, run.id, id, row.scheduled)
        end)
    end
end

--- What the fork of a run has got already needs no worker.
local function has_stub(run, path, name)
    return run.stub and run.stub_of(run, { path = path, kind = "task", name = name })
end

--- A callback's heartbeat counts from its beginning.
local function new_row(o, scheduled)
    local is_callback = o.callback ~= nil
    return { name = o.name, scheduled = scheduled, heartbeat = o.heartbeat_ms, is_callback = is_callback or nil,
        beat = is_callback and scheduled or nil, alarm = is_callback and o.heartbeat_ms and scheduled + o.heartbeat_ms
        or nil }
end

local function open(o)
    return function(fiber, path)
        local run, now = fiber.run, timer.now_ms()
        local id = o.callback or system.random(ID_BYTES)
        if not is_unwritten(run) and not has_stub(run, path, o.name) then
            write_new(run, id, new_row(o, now), o.input)
        end
        return { task = system.hex(id), scheduled = now, due = o.timeout_ms and now + o.timeout_ms }
    end
end

--- Something is to be written though nothing was recorded.
local function write(run)
    run.recorded = run.recorded + 1
    commit.flush(run)
end

--- A task that an earlier life of the run has opened.
local function take_up(current)
    local run, id = current.fiber.run, current.id
    local row = task_rows.read(run.bytes, id)
    if not row then
        write_new(run, id, current.row, current.input) -- a fork has its own
        return write(run)
    end
    current.row = row
    if row.taken then
        tell_taken(current, row.worker, row.taken)
    elseif not row.is_callback and not task_rows.is_queued(run, id, row) then
        write_new(run, id, row, current.input) -- the run had stood still
        return write(run)
    end
    if row.beat and row.heartbeat and row.beat + row.heartbeat <= timer.now_ms() then
        current.stop_watch = effect.at(run, timer.now_ms(), function()
            current.done(nil, heartbeat_error(current))
        end)
    elseif task_rows.renew_alarm(run, id, row) then
        write(run)
    end
end

--- The wait is over, or its run, or it is parked.
local function leave(current)
    local run, id, row = current.fiber.run, current.id, current.row
    if run.tasks then
        run.tasks[id] = nil
    end
    if is_unwritten(run) and row.is_callback then
        run.early_results = run.early_results or {}
        run.early_results[id] = true -- no other counts
    elseif is_unwritten(run) then
        task_queue.withdraw(row.name, id)
    elseif run.is_over and run.status == "waiting" then
        return -- parked
    elseif run.is_over and not row.is_callback then
        task_rows.dequeue(run, id, row) -- it may stand still only
    elseif not run.is_over then
        if row.is_callback then
            current.extra = current.extra or {}
            current.extra.task = { id = system.hex(id) }
            run.tasks[id] = false
        end
        task_rows.close(run, id, row)
    end
end

--- Its run has ended: so has it, though it may not even be stored yet.
local function abort(current)
    local run = current.fiber.run
    if run.is_over and current.row and not is_unwritten(run) then
        task_rows.close(run, current.id, current.row)
    end
end

local function listen(current)
    return signals.listen(current, M.signal_name(current.id), nil, function(outcome)
        M.give(current, outcome)
    end)
end

local function begin(current)
    local run = current.fiber.run
    run_module.write_held(run)
    if is_unwritten(run) then
        return begin_in_memory(current)
    end
    if current.row.is_callback or current.entry then
        current.stop_listening = listen(current)
    end
    if current.entry and not current.is_given then -- a result that was acknowledged comes before any time that is over
        take_up(current)
    end
end

local function act(o)
    return function(current, done)
        local run = current.fiber.run
        current.id, current.done, current.input = task_queue.unhex(current.opened.task), done, o.input
        current.on_started = o.on_started
        current.row = new_row(o, current.opened.scheduled)
        run.tasks = run.tasks or {}
        run.tasks[current.id] = current
        begin(current)
        local stop = current.due and effect.at(run, current.due, function()
            learn_taken(current)
            done(nil, timeout_error(current))
        end)
        return function()
            for _, fn in pairs { stop or nil, current.stop_listening, current.stop_watch } do
                fn()
            end
            leave(current)
        end
    end
end

--- A forked run that may not leave the process stops before a task that it has no result for.
local function refuse_stub(fiber, path, entry, o)
    local run = fiber.run
    if run.stub and not entry and not effect.is_held(fiber) and not has_stub(run, path, o.name) then
        step.halt(function()
            run.suspend(run, error_object.new("EFFECT_NOT_ALLOWED", ("task '%s' would leave the process: fork with "
                .. "allow_effects, or recover with a value"):format(o.name), { step = path,
                data = { kind = "task", name = o.name } }))
        end)
    end
end

--- An unfinished task is shown with the worker that has it, also where the flow goes no further: a replay in memory, a
--- branch that has lost. The latter's task is over.
local function on_held(o)
    return function(current)
        local run = current.fiber.run
        local id = task_queue.unhex(current.entry.value.task)
        local row = task_rows.read(run.bytes, id)
        if row and row.taken and current.fiber.parent then
            replay_order.tell(run, row.taken, nil, function()
                o.on_started(row.worker, row.taken)
            end)
        elseif row and row.taken then
            o.on_started(row.worker, row.taken)
        end
        if row and current.fiber.is_lost and not run.probe then
            task_rows.close(run, id, row)
        end
    end
end

---@class flowhost.Task
---@field name string           the queue; of a callback what it is shown as
---@field callback string?      16 bytes: nobody takes it, whoever has the token ends it
---@field input string?         JSON, of a task for a queue
---@field timeout_ms number?    from its beginning
---@field heartbeat_ms number?  from when a worker took it, of a callback from its beginning; anew with each heartbeat
---@field on_started fun(worker: string, taken_ms: number)   live and on replay

--- Waits for a task's end: returns the output, raises what it failed with.
---@param o flowhost.Task
function M.wait(o)
    local fiber = step.current_fiber "task"
    local path, entry = step.peek(fiber)
    refuse_stub(fiber, path, entry, o)
    local recorded = entry and entry.state ~= "o" and entry.extra and entry.extra.task
    if recorded and recorded.taken and fiber.parent then
        replay_order.tell(fiber.run, recorded.taken, entry, function()
            o.on_started(recorded.worker, recorded.taken)
        end)
    elseif recorded and recorded.taken then
        o.on_started(recorded.worker, recorded.taken)
    end
    return effect.wait("task", o.name, {
        hash = o.input and system.hash64(o.input) or "", input = o.input, open = open(o), act = act(o),
        abort = abort, on_held = on_held(o),
    })
end

function M.signal_name(id)
    return "task." .. system.hex(id)
end

M.find, M.learn_taken, M.heartbeat_error = find, learn_taken, heartbeat_error

ending.on_tasks_end = task_rows.close_all

return M
