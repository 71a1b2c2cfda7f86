-- SPDX-License-Identifier: MIT
-- The life of a run on its shard: started, or loaded and replayed; suspended or ended; answered.
--
--   queued ─► running ─► succeeded | failed | broken | cancelled | timed_out
--              ▲  │ ▲
--        alarm, │  ▼ └─(recover)─ suspended
--        signal waiting (parked)
--
-- How it ends lies in ending.lua, how a parked one comes back in wake.lua.

local core = require "flowhost.core"
local commit = require "flowhost.engine.commit"
local effect_module = require "flowhost.engine.effect"
local ending = require "flowhost.engine.ending"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local interrupt = require "flowhost.engine.interrupt"
local journal = require "flowhost.engine.journal"
local live = require "flowhost.engine.live"
local parking = require "flowhost.engine.parking"

local json, system, timer = core.json, core.system, core.timer
local fault = system.fault

local M = {
    on_queued = nil,   -- fn(run): it is stored as queued
    keeps_all = false, -- setting record_all: flows with durable = "never" are kept as well
}

local function on_root_end(fiber, ok, value)
    local run = fiber.run
    if run.ending then
        return -- it replays what it did before; its compensations come next
    elseif ok then
        return ending.finish_ok(run, value)
    end
    return ending.fail_or_suspend(run, value)
end

--- What the run that this one was forked from got at the same step; nil when it never came to it.
local function stub_of(run, effect)
    if not run.stubs then
        local entries = journal.load(system.id_bytes(run.forked_from.run))
        run.stubs = journal.index(entries or {})
    end
    local entry = run.stubs[effect.path]
    local is_same = entry and entry.kind == effect.kind and entry.name == effect.name
    return is_same and (entry.state == "k" or entry.state == "e") and entry or nil
end

--- What every run begins with; a run of its own makes a table only when it needs one, for most never do.
local class = { __index = {
    status = "running", attempt = 1, recorded = 0, submitted = 0, durable_mark = 0, next_chunk = 0, busy = 0,
    lua_us = 0, commit_us = 0, network_ms = 0, wait_ms = 0, is_row_dirty = false, stub_of = stub_of,
    on_commit_failed = ending.on_commit_failed, on_batch_failed = ending.on_batch_failed,
    suspend = ending.suspend, fail_or_suspend = ending.fail_or_suspend, guarded = ending.guarded,
} }

local function prepare(run)
    run.pending, run.durable_waiters, run.waiters = run.pending or {}, {}, run.waiters or {}
    live.add(setmetatable(run, class))
end

--- Ends the run when its time is over, be it parked until then.
local function start_deadline(run)
    local guard = { kind = "deadline", name = "", is_wait = true, is_guard = true, due = run.deadline }
    effect_module.add(run, guard)
    guard.cancel = effect_module.at(run, guard.due, function()
        if not guard.is_over and not run.is_over then
            effect_module.remove(run, guard)
            guard.is_over = true
            ending.time_out(run)
        end
    end)
end

--- Runs the flow's function from the top; recorded steps are answered from the journal.
local function execute(run)
    if run.input == json.null then
        run.input = nil -- a flow may ask `if input`
    end
    if run.deadline and not run.ending and not run.probe then
        start_deadline(run)
    end
    local fiber = fiber_module.new(run, run.code.main, "", on_root_end)
    fiber.is_lost = run.ending and true or false
    run.root = fiber
    fiber_module.resume(fiber, run)
    effect_module.play(run)
    if run.ending and not run.is_over and not run.is_undoing then
        interrupt.kill(fiber)
        ending.start_undo(run)
    end
end

---@class flowhost.Start
---@field flow table            from flow/catalog: name, version, durable, on_error, code; is_one_off: of no release, so
---                             that nothing of it can be kept
---@field input any             JSON value
---@field trace_id string?     the caller's; else one is made when it is needed
---@field waiter function?      waiter(run, answer) once there is an answer; answer nil: see run.status
---@field on_failure function?  on_failure(run, answer) when a rule has failed, its layer may still be settling
---@field idempotency table?    { key, hash }
---@field on_key_taken function? called instead when another run has taken the key
---@field id string?            a child's, reserved by its parent
---@field bytes string?
---@field parent table?         { run, step, is_awaited }
---@field depth integer?        how many runs are above it
---@field is_written boolean?   its journal is not held back: somebody will ask for it by its id
---@field tags table?          name -> value, set from the beginning
---@field are_tags_hidden boolean?  they are kept with the run, and no run is found by them
---@field is_queued boolean?    it is stored and begins when there is room (admission.lua)

local function begin_queued(run)
    run.status, run.started = "queued", nil
    fault "engine.queue"
    commit.when_durable(run, function()
        fault "engine.queued"
        if run.waiters[1] then
            parking.waiters[run.id] = run.waiters
        end
        run.is_over = true
        live.remove(run)
        M.on_queued(run)
    end)
end

--- Tags that a run has from the beginning.
local function set_tags(run, tags, are_hidden)
    if are_hidden then
        run.tags, run.has_more = tags, true
        return
    end
    run.tags, run.new_tags, run.has_more = {}, {}, true
    for name, value in pairs(tags) do
        run.tags[name], run.new_tags[name] = value, { new = value }
    end
end

--- A run without a journal.
local function new_unrecorded(flow, o, id, bytes)
    local now = timer.now_ms()
    local run = {
        id = id, bytes = bytes, flow = flow.name, version = flow.version, release = flow.release, durable = "never",
        on_error = flow.on_error, trace_id = o.trace_id, created = now, started = now, input = o.input,
        code = flow.code, waiters = { o.waiter }, parent = o.parent, depth = o.depth, root = false, is_over = false,
        status = "running", tags = o.are_tags_hidden and o.tags or nil, on_failure = o.on_failure,
    }
    live.add(setmetatable(run, class))
    if flow.code.timeout_ms then
        run.deadline = now + flow.code.timeout_ms
    end
    return run
end

local function new_recorded(flow, o, id, bytes, durable)
    local now = timer.now_ms()
    local key = o.idempotency and o.idempotency.key
    local deadline = flow.code.timeout_ms and now + flow.code.timeout_ms
    local run = {
        id = id, bytes = bytes, flow = flow.name, version = flow.version, release = flow.release, durable = durable,
        on_error = flow.on_error, trace_id = o.trace_id or live.new_trace_id(), created = now, started = now,
        input = o.input, input_json = json.encode_stored(o.input == nil and json.null or o.input), code = flow.code,
        waiters = { o.waiter }, pending = {}, durable_waiters = {}, idempotency = o.idempotency,
        on_key_taken = o.on_key_taken, parent = o.parent, depth = o.depth, key = key, deadline = deadline,
        has_more = (o.parent or key or deadline) ~= nil, recorded = 1, is_row_dirty = true,
        is_held_back = durable == "on_error" and not (o.idempotency or o.is_queued or o.is_written),
        -- asked for at every step; a table of its final size costs less than one that grows
        status = "running", root = false, probe = false, journal = false, is_over = false, is_summary = false,
        submitted = 0, durable_mark = 0, lua_us = 0, commit_us = 0, network_ms = 0, wait_ms = 0, also = false,
        after = false, new_tags = false, ending = false, on_failure = o.on_failure or false,
    }
    if o.tags then
        set_tags(run, o.tags, o.are_tags_hidden)
    end
    live.add(setmetatable(run, class))
    return run
end

--- Starts a run; it may have ended when this returns.
---@param o flowhost.Start
function M.start(o)
    local flow = o.flow
    local id, bytes = o.id, o.bytes
    if not id then
        id, bytes = live.reserve()
    end
    local durable = M.keeps_all and not flow.is_one_off and "always" or flow.durable
    local run = durable == "never" and new_unrecorded(flow, o, id, bytes) or new_recorded(flow, o, id, bytes, durable)
    fault "engine.start"
    if o.is_queued then
        begin_queued(run)
        return run
    end
    ending.guarded(run, execute, run)
    return run
end

--- Replays a run in memory up to where it stands: nothing is started, nothing written. Returns the run: status
--- "running" when it got there, else how it ended ("suspended" with error DIVERGED, ...).
---@param row table       from rows.read; it becomes the run
---@param by_path table   journal.index
---@param on_step fun(fiber: table, path: string, kind: string, name: string, entry: table?)
function M.rehearse(row, code, by_path, on_step)
    local run = setmetatable(row, class)
    run.journal, run.code, run.on_error = by_path, code, code.on_error
    run.probe = { on_step = on_step }
    run.pending, run.durable_waiters, run.waiters = {}, {}, {}
    run.status, run.error, run.deadline = "running", nil, nil
    local ok, raised = xpcall(execute, debug.traceback, run)
    if not ok then
        run.status, run.error = "failed", error_object.new("INTERNAL", tostring(raised))
    end
    run.is_over = true
    return run
end

--- Brings a stored run back and replays it. nil, error object when it cannot be.
---@param row table   from rows.read
---@param code table  the flow's code of the release that the run is pinned to
function M.load(row, code)
    local entries, next_chunk = journal.load(row.bytes)
    if not entries then
        return nil, error_object.new("CORRUPT", next_chunk)
    end
    local run = row
    run.journal = journal.index(entries)
    run.entry_count, run.next_chunk = #entries, next_chunk
    for i = 1, #entries do
        run.has_tasks = run.has_tasks or entries[i].kind == "task"
    end
    run.code, run.on_error = code, code.on_error
    run.input_json = json.encode_stored(run.input == nil and json.null or run.input)
    prepare(run)
    return run
end

--- After M.load: goes on where the journal ends.
function M.replay(run)
    ending.guarded(run, execute, run)
end

--- Lets a suspended run (just loaded, changed by recover.lua) go on. `on_recovered(run)` is called once the decision is
--- durable.
function M.go_on(run, on_recovered)
    run.status, run.error, run.redo = "running", nil, nil
    run.attempt = (run.attempt or 1) + 1
    if run.code.timeout_ms then
        run.deadline, run.has_more = timer.now_ms() + run.code.timeout_ms, true
    end
    run.is_row_dirty = true
    run.recorded = run.recorded + 1
    fault "engine.recover"
    commit.when_durable(run, function()
        fault "engine.recovered"
        on_recovered(run)
        execute(run)
    end)
end

--- A queued run begins.
function M.begin(run)
    fault "engine.begin"
    run.status, run.started = "running", timer.now_ms()
    if run.code.timeout_ms then
        run.deadline, run.has_more = run.started + run.code.timeout_ms, true
    end
    run.is_row_dirty = true
    run.recorded = run.recorded + 1
    ending.guarded(run, execute, run)
end

local function has_defers(run)
    for _, entry in pairs(run.journal or {}) do
        if entry.kind == "defer" then
            return true
        end
    end
    return false
end

--- Children of a run that is not executed are known from its journal.
local function cancel_children(run)
    for _, entry in pairs(run.journal or {}) do
        if entry.kind == "call" and entry.state == "o" then
            ending.cancel_child(run, entry.value.child)
        end
    end
end

--- Ends a run by decision from outside. One that is not in memory (suspended, queued: just loaded) is replayed when it
--- has compensations to run.
---@param is_loaded boolean?
---@param data table?  of the error
function M.cancel(run, reason, is_loaded, data)
    run.reason = reason
    run.error = error_object.new("CANCELLED", reason and reason ~= "" and reason or "the run was cancelled",
        data and { data = data } or nil)
    if not is_loaded then
        return ending.guarded(run, ending.end_with, run, "cancelled")
    end
    cancel_children(run)
    if not has_defers(run) or not run.code.main then
        return ending.guarded(run, ending.close, run, "cancelled")
    end
    run.ending = { status = "cancelled", error = error_object.to_plain(run.error), reason = reason }
    run.status, run.has_more, run.is_row_dirty = "running", true, true
    run.recorded = run.recorded + 1
    commit.when_durable(run, function()
        ending.guarded(run, execute, run)
    end)
end

--- A run that cannot even be replayed (its code or journal is unreadable): it can be parked or ended, nothing else.
function M.load_broken(row)
    local run = row
    run.code = { files = {} }
    run.input_json = json.encode_stored(run.input == nil and json.null or run.input)
    prepare(run)
    return run
end

--- Lets such a run wait for a person.
function M.park_broken(row, err)
    ending.suspend(M.load_broken(row), err)
end

--- Calls fn once the run is durable; not when it was refused (then its waiters are told).
function M.when_taken(run, fn)
    commit.when_durable(run, fn)
end

--- Takes up a run that was made otherwise (a fork): its first batch is still to be written.
function M.adopt(run, code)
    run.code, run.on_error, run.trace_id = code, code.on_error, live.new_trace_id()
    prepare(run)
end

--- Lets go of a run that was loaded for a moment and stands where it stood.
function M.release(run)
    run.is_over = true
    live.remove(run)
    live.answer_all(run)
end

--- Runs that something is being done for; those that only wait can be left to the next start.
function M.count_busy()
    local count = 0
    for _, run in pairs(live.runs) do
        local is_asleep = not run.is_in_flight and run.busy == 0 and run.effects and next(run.effects) ~= nil
        count = count + (is_asleep and run.durable ~= "never" and not run.is_held_back and 0 or 1)
    end
    return count
end

--- Before the process ends: runs whose journal is held back and that only wait go on at the next start.
function M.write_waiting()
    for _, run in pairs(live.runs) do
        if run.is_held_back and run.busy == 0 and not run.is_over and run.effects and next(run.effects) then
            ending.guarded(run, M.write_held, run)
        end
    end
end

--- A journal that was held back is written from now on: the run has come to wait, or is to be kept over a stop.
function M.write_held(run)
    if run.is_held_back then
        run.is_held_back = false
        commit.flush(run)
    end
end

--- The caller is answered now, the run goes on. Later answers go nowhere.
function M.respond(run, answer)
    if not run.has_responded then
        run.has_responded = true
        commit.when_durable(run, function()
            run.response = answer
            live.answer_all(run, answer)
        end)
    end
end

--- Who started the run is told that it will fail.
function M.tell_failure(run, answer)
    local tell = run.on_failure
    if tell then
        commit.when_durable(run, function()
            tell(run, answer)
        end)
    end
end

return M
