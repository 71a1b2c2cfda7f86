-- SPDX-License-Identifier: MIT
-- The life of a run on its shard: started, or loaded and replayed; suspended or ended; answered.
--
--   queued ─► running ─► succeeded | failed | broken | cancelled | timed_out
--              ▲  │ ▲
--        alarm, │  ▼ └─(recover)─ suspended
--        signal waiting (parked)
--
-- A run that fails, is cancelled or runs out of time and has compensations (ctx.defer) is *ending* before that: its own
-- functions do nothing new, the compensations run, each as a step under "undo".
--
-- `live` holds the runs that are being worked on here. A run leaves it once its last batch is durable, or it is parked.

local core = require "flowhost.core"
local alarms = require "flowhost.engine.alarms"
local commit = require "flowhost.engine.commit"
local effect_module = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local journal = require "flowhost.engine.journal"
local parking = require "flowhost.engine.parking"
local rows = require "flowhost.engine.rows"
local scope = require "flowhost.engine.scope"

local json, system, timer = core.json, core.system, core.timer
local fault = system.fault

local M = {
    live = {},       -- id -> run
    live_count = 0,
    on_room = nil,   -- called when a run has left it
    on_queued = nil, -- fn(run): it is stored as queued
    on_orphan = nil, -- fn(bytes, reason): a child run is not wanted any more
    on_counted_end = nil, -- fn(flow, keep): a run has ended of which only so many are kept
    find_code = nil, -- fn(row) -> code | nil, reason
    keeps_all = false, -- setting record_all: flows with durable = "never" are kept as well
}


--- Partitions of this shard, taken in turn so that runs spread over them.
local next_partition = system.shard

local function take_partition()
    local partition = next_partition
    next_partition = partition + system.shards
    if next_partition >= 64 then
        next_partition = system.shard
    end
    return partition
end

local function add_live(run)
    M.live[run.id] = run
    M.live_count = M.live_count + 1
end

local function remove_live(run)
    parking.forget(run)
    if M.live[run.id] == run then
        M.live[run.id] = nil
        M.live_count = M.live_count - 1
        if M.on_room then
            M.on_room()
        end
    end
end

--- Tells everybody who waits for the end. `answer` is nil when the run's own outcome is the answer.
local function answer_all(run, answer)
    local waiters = run.waiters
    run.waiters = {}
    fault "engine.answer"
    for _, waiter in ipairs(waiters) do
        local ok, raised = xpcall(waiter, debug.traceback, run, answer)
        if not ok then
            system.log("error", "a caller could not be answered: " .. tostring(raised), { "run", run.id })
        end
    end
end

--- The line by which an operator learns of it.
local function log_trouble(run, status)
    system.log("warn", ("run %s: %s"):format(status, tostring(run.error)), {
        "flow", run.flow, "run", run.id, "trace_id", run.trace_id or "", "step", run.error.step or "",
    })
end

--- The run that called it learns of the end by an alarm: it may be parked, its shard may die before it is told.
local function tell_parent(run)
    local parent = run.parent
    if parent and parent.is_awaited then
        fault "engine.child.end"
        alarms.set(run, system.id_bytes(parent.run), timer.now_ms(), run.bytes, "child")
    end
end

--- What is left to be done by others when the run has ended.
local function leave_notes(run)
    tell_parent(run)
    local retention = run.code.retention
    if retention and retention.age_ms then
        alarms.set(run, run.bytes, run.ended + retention.age_ms, "x", "expire")
    end
    if retention and retention.count then
        M.on_counted_end(run.flow, retention.count)
    end
end

--- Whether nothing of the run is on disk, now.
function M.is_unwritten(run)
    return (run.durable == "never" and not run.is_summary) or run.is_held_back or false
end

--- A run without a journal leaves its row, if that is asked for.
local function summarize(run)
    run.is_summary = true
    run.trace_id = run.trace_id or M.new_trace_id()
    run.input_json = json.encode_stored(run.input == nil and json.null or run.input)
    run.pending, run.durable_waiters = {}, {}
    run.has_more = run.has_more or run.parent ~= nil
end

local OF_FLOW = { "defers", "journal", "data", "inbox", "calls", "signal_waits", "stubs" }

--- The flow's own values are garbage from now on, though something may still hold the run.
local function forget_flow(run)
    run.root = false
    if run.has_flow_values or run.journal then
        for _, name in ipairs(OF_FLOW) do
            run[name] = nil
        end
    end
end

--- Nothing more happens in the run; what it has recorded is written, then those who wait are told.
local function close(run, status)
    run.is_over = true
    if run.probe then
        run.status = status
        return effect_module.cancel_all(run)
    elseif run.status == "waiting" or run.alarm then
        parking.unpark(run)
    end
    local is_end = rows.TERMINAL[status]
    effect_module.cancel_all(run, is_end)
    forget_flow(run)
    run.status = status
    run.ended = is_end and timer.now_ms() or nil
    run.is_row_dirty = true
    run.recorded = run.recorded + 1
    if status == "suspended" or status == "failed" then
        log_trouble(run, status)
    end
    if is_end and run.durable == "never" and run.code.record then
        summarize(run)
    end
    if run.is_held_back then
        run.hold_to_end(run, status)
    end
    if is_end and not M.is_unwritten(run) then
        leave_notes(run)
    end
    commit.when_durable(run, function()
        remove_live(run)
        answer_all(run)
    end)
end

--- What a run whose journal was held back leaves behind: everything when it did not end well; its row when it is to be
--- shown (record = true); else nothing.
local function hold_to_end(run, status)
    if status ~= "succeeded" then
        run.is_held_back = false
    elseif run.code.record then
        run.is_held_back, run.pending = false, {}
    end
end

--- A run without a journal leaves its row, if that is asked for.
local function summarize(run)
    run.is_summary = true
    run.trace_id = run.trace_id or M.new_trace_id()
    run.input_json = json.encode_stored(run.input == nil and json.null or run.input)
    run.pending, run.durable_waiters = {}, {}
    run.has_more = run.has_more or run.parent ~= nil
end

local start_undo

--- Ends the run, after its compensations.
local function end_with(run, status)
    if run.ending or not run.defers or run.probe then
        return close(run, status)
    end
    parking.stay(run)
    run.ending = { status = status, error = run.error and error_object.to_plain(run.error), reason = run.reason }
    run.has_more, run.is_row_dirty = true, true
    run.recorded = run.recorded + 1
    effect_module.kill(run.root)
    effect_module.cancel_all(run, true)
    fault "engine.ending"
    commit.flush(run)
    start_undo(run)
end

--- The output is answered as it is stored: bytes that are not UTF-8 become U+FFFD.
local function finish_ok(run, value)
    local has_room, text, reason = pcall(json.encode, value)
    if not has_room then
        collectgarbage()
        return M.fail_or_suspend(run, error_object.from_raised(text))
    end
    if value == nil then
        text = "null"
    end
    if not text then
        local message = "the flow returned what JSON cannot hold: " .. reason
        return M.fail_or_suspend(run, error_object.new("NOT_JSON", message))
    end
    run.output_json = text
    close(run, "succeeded")
end

function M.suspend(run, err)
    if run.ending and not run.is_undoing then
        return M.end_without_undo(run, err)
    end
    run.error = err
    -- an error of the flow's own right behind a failed step: most likely because of it
    local step_path = err.step or run.trailing_error
    run.redo = err.redo or (step_path and { step_path }) or {}
    if run.durable == "never" then
        return end_with(run, "failed")
    end
    close(run, "suspended")
end

--- Whether the run replays what it did, to be ended otherwise: how it wanted to end itself does not count any more.
local function is_being_ended(run)
    return run.ending and not run.is_undoing
end

function M.fail(run, err)
    if is_being_ended(run) then
        return
    end
    run.error = err
    end_with(run, "failed")
end

--- An error that nobody caught.
function M.fail_or_suspend(run, err)
    if run.on_error == "fail" then
        return M.fail(run, err)
    end
    return M.suspend(run, err)
end

function M.stop(run, reason)
    if is_being_ended(run) then
        return
    end
    run.reason = reason
    run.error = error_object.new("BROKEN", reason ~= "" and reason or "the flow ended the run")
    close(run, "broken")
end

local function on_root_end(fiber, ok, value)
    local run = fiber.run
    if run.ending then
        return -- it replays what it did before; its compensations come next
    elseif ok then
        return finish_ok(run, value)
    end
    return M.fail_or_suspend(run, value)
end

--- The time of the whole run is over.
local function time_out(run)
    run.error = error_object.new("TIMEOUT", ("the run did not end within %.14g s"):format(run.code.timeout_ms / 1000))
    end_with(run, "timed_out")
end

local REFUSALS = {
    DISK_FULL = "no space left for the data folder: nothing was changed",
    MEMORY_LIMIT = "what the run recorded does not fit into memory: nothing was changed",
}

--- The first batch was refused: nothing of the run exists, nothing of it has left the process. Or the store has failed
--- for good: what is on disk stands, the rest is lost with the process.
local function on_commit_failed(run, code)
    run.is_over = true
    effect_module.cancel_all(run)
    remove_live(run)
    if run.on_key_taken and code == "CONFLICT" then
        return run.on_key_taken(run)
    end
    run.status = "failed"
    run.error = error_object.new(code, REFUSALS[code] or "the store cannot be written (" .. code .. ")")
    run.has_commit_failed = true
    run.was_refused = run.stored_status == nil
    answer_all(run)
end

--- The engine itself raised while it worked on the run: nothing else may suffer. The run ends as any other that meets
--- an error; if not even that can be done it is dropped here, and the next start finds what is on disk.
local function fail_inside(run, raised)
    raised = tostring(raised)
    system.log("error", "the engine failed in a run: " .. raised, { "run", run.id, "flow", run.flow })
    local is_memory = raised:find("not enough memory", 1, true)
    if is_memory then
        collectgarbage()
    end
    local err = error_object.new(is_memory and "MEMORY_LIMIT" or "INTERNAL", raised:match "^[^\n]*")
    if not run.is_over and pcall(M.fail_or_suspend, run, err) then
        return
    end
    run.is_over, run.has_commit_failed = true, true
    run.status, run.error = "failed", err
    pcall(effect_module.cancel_all, run)
    remove_live(run)
    answer_all(run)
end

--- Calls fn(...) for a run; an error there is that run's alone.
local function guarded(run, fn, ...)
    local ok, raised = xpcall(fn, debug.traceback, ...)
    if not ok then
        fail_inside(run, raised)
    end
end

--- What the run recorded cannot be put into a batch, most likely for want of memory. A run that is not stored yet is
--- refused. Of one that is, what was recorded since its last commit is given up: it waits for a person there.
local function on_batch_failed(run, raised)
    local code = tostring(raised):find("not enough memory", 1, true) and "MEMORY_LIMIT" or "INTERNAL"
    collectgarbage()
    system.log("error", "a batch could not be made: " .. tostring(raised), { "run", run.id, "flow", run.flow })
    if run.stored_status == nil or run.has_given_up then
        return on_commit_failed(run, code)
    end
    run.has_given_up = true
    run.is_over = true
    effect_module.cancel_all(run)
    run.pending, run.output_json, run.ended = {}, nil, nil
    run.status, run.redo = "suspended", {}
    run.error = error_object.new(code, "what the run recorded last could not be stored; it stands where it was before")
    run.is_row_dirty = true
    run.recorded = run.recorded + 1
    commit.when_durable(run, function()
        remove_live(run)
        answer_all(run)
    end)
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
    lua_us = 0, commit_us = 0, network_ms = 0, wait_ms = 0, is_row_dirty = false, hold_to_end = hold_to_end, stub_of = stub_of, on_commit_failed = on_commit_failed, on_batch_failed = on_batch_failed,
    suspend = M.suspend, fail_or_suspend = M.fail_or_suspend, guarded = guarded,
} }

local function prepare(run)
    run.pending, run.durable_waiters, run.waiters = run.pending or {}, {}, run.waiters or {}
    add_live(setmetatable(run, class))
end

--- Ends the run when its time is over, be it parked until then.
local function start_deadline(run)
    local guard = { kind = "deadline", name = "", is_wait = true, is_guard = true, due = run.deadline }
    effect_module.add(run, guard)
    guard.cancel = effect_module.at(run, guard.due, function()
        if not guard.is_over and not run.is_over then
            effect_module.remove(run, guard)
            guard.is_over = true
            time_out(run)
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
        effect_module.kill(fiber)
        start_undo(run)
    end
end

-- compensations ----------------------------------------------------------------------------------

--- The body of the fiber that undoes: each function in reverse, one that fails does not keep the others from running.
local function undo_all(run)
    local failed = {}
    for i = #run.defers, 1, -1 do
        fault "engine.undo"
        local ok, err = pcall(scope.run, "undo", tostring(i), "", run.defers[i])
        if not ok then
            failed[#failed + 1] = tostring(err)
        end
    end
    return failed
end

local function on_undo_end(fiber, ok, failed)
    local run = fiber.run
    local ending = run.ending
    run.error = ending.error and error_object.from_plain(ending.error) or nil
    run.reason = ending.reason
    if not ok then
        failed = { tostring(failed) }
    end
    if failed[1] then
        local text = ("%d compensation%s failed: %s"):format(#failed, failed[2] and "s" or "",
            table.concat(failed, "; "))
        run.error = run.error or error_object.new("CANCELLED", "the run was cancelled")
        run.error.cause = text
        system.log("warn", text, { "run", run.id, "flow", run.flow })
    end
    close(run, ending.status)
end

function start_undo(run)
    run.is_undoing, run.suspending = true, nil
    run.defers = run.defers or {}
    local fiber = fiber_module.new(run, undo_all, "undo.", on_undo_end)
    fiber.scope.prefix = "undo."
    fiber_module.resume(fiber, run)
    effect_module.play(run)
end

--- The run cannot be replayed to where it was: its compensations are not known, it ends as it was to.
function M.end_without_undo(run, err)
    run.error = run.ending.error and error_object.from_plain(run.ending.error) or err
    run.error.cause = "compensations did not run: " .. tostring(err)
    run.reason = run.ending.reason
    close(run, run.ending.status)
end

function M.defer(run, fn)
    run.defers = run.defers or {}
    run.defers[#run.defers + 1] = fn
    run.has_flow_values = true
end

--- 32 hex characters, as W3C trace context has them.
function M.new_trace_id()
    return system.hex(system.random(16))
end

--- The run's trace id; a run that is not kept gets it only when somebody asks.
function M.trace_id(run)
    if not run.trace_id then
        run.trace_id = M.new_trace_id()
    end
    return run.trace_id
end

---@class flowhost.Start
---@field flow table            from flow/catalog: name, version, durable, on_error, code
---@field input any             JSON value
---@field trace_id string?     the caller's; else one is made when it is needed
---@field waiter function?      waiter(run, answer) once there is an answer; answer nil: see run.status
---@field idempotency table?    { key, hash }
---@field on_key_taken function? called instead when another run has taken the key
---@field id string?            a child's, reserved by its parent
---@field bytes string?
---@field parent table?         { run, step, is_awaited }
---@field depth integer?        how many runs are above it
---@field is_written boolean?   its journal is not held back: somebody will ask for it by its id
---@field is_queued boolean?    it is stored and begins when there is room (admission.lua)

--- An id of this shard for a run to come: 26 characters, 16 bytes.
function M.reserve()
    return system.run_id(take_partition())
end

local function begin_queued(run)
    run.status, run.started = "queued", nil
    fault "engine.queue"
    commit.when_durable(run, function()
        fault "engine.queued"
        if run.waiters[1] then
            parking.waiters[run.id] = run.waiters
        end
        run.is_over = true
        remove_live(run)
        M.on_queued(run)
    end)
end

--- A run without a journal.
local function new_unrecorded(flow, o, id, bytes)
    local now = timer.now_ms()
    local run = {
        id = id, bytes = bytes, flow = flow.name, version = flow.version, release = flow.release, durable = "never",
        on_error = flow.on_error, trace_id = o.trace_id, created = now, started = now, input = o.input,
        code = flow.code, waiters = { o.waiter }, parent = o.parent, depth = o.depth, root = false, is_over = false,
        status = "running",
    }
    add_live(setmetatable(run, class))
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
        on_error = flow.on_error, trace_id = o.trace_id or M.new_trace_id(), created = now, started = now,
        input = o.input, input_json = json.encode_stored(o.input == nil and json.null or o.input), code = flow.code,
        waiters = { o.waiter }, pending = {}, durable_waiters = {}, idempotency = o.idempotency,
        on_key_taken = o.on_key_taken, parent = o.parent, depth = o.depth, key = key, deadline = deadline,
        has_more = (o.parent or key or deadline) ~= nil, recorded = 1, is_row_dirty = true,
        is_held_back = durable == "on_error" and not (o.idempotency or o.is_queued or o.is_written),
        -- asked for at every step; a table of its final size costs less than one that grows
        status = "running", root = false, probe = false, journal = false, is_over = false, is_summary = false,
        submitted = 0, durable_mark = 0, lua_us = 0, commit_us = 0, network_ms = 0, wait_ms = 0, also = false, after = false, new_tags = false,
        ending = false,
    }
    add_live(setmetatable(run, class))
    return run
end

--- Starts a run; it may have ended when this returns.
---@param o flowhost.Start
function M.start(o)
    local flow = o.flow
    local id, bytes = o.id, o.bytes
    if not id then
        id, bytes = M.reserve()
    end
    local durable = M.keeps_all and "always" or flow.durable
    local run = durable == "never" and new_unrecorded(flow, o, id, bytes) or new_recorded(flow, o, id, bytes, durable)
    fault "engine.start"
    if o.is_queued then
        begin_queued(run)
        return run
    end
    guarded(run, execute, run)
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
    run.code, run.on_error = code, code.on_error
    run.input_json = json.encode_stored(run.input == nil and json.null or run.input)
    prepare(run)
    return run
end

--- After M.load: goes on where the journal ends.
function M.replay(run)
    guarded(run, execute, run)
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
    guarded(run, execute, run)
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
            M.cancel_child(run, entry.value.child)
        end
    end
end

--- Ends a run by decision from outside. One that is not in memory (suspended, queued: just loaded) is replayed when it
--- has compensations to run.
---@param is_loaded boolean?
function M.cancel(run, reason, is_loaded)
    run.reason = reason
    run.error = error_object.new("CANCELLED", reason and reason ~= "" and reason or "the run was cancelled")
    if not is_loaded then
        return guarded(run, end_with, run, "cancelled")
    end
    cancel_children(run)
    if not has_defers(run) or not run.code.main then
        return guarded(run, close, run, "cancelled")
    end
    run.ending = { status = "cancelled", error = error_object.to_plain(run.error), reason = reason }
    run.status, run.has_more, run.is_row_dirty = "running", true, true
    run.recorded = run.recorded + 1
    commit.when_durable(run, function()
        guarded(run, execute, run)
    end)
end

--- A child run is not wanted any more: it learns so by an alarm, or at once when its parent writes nothing.
function M.cancel_child(run, child_id)
    local bytes = system.id_bytes(child_id)
    local reason = ("its parent %s does not wait for it any more"):format(run.id)
    if M.is_unwritten(run) then
        M.on_orphan(bytes, reason)
    else
        alarms.set(run, bytes, timer.now_ms(), "c", "cancel", reason)
    end
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
    M.suspend(M.load_broken(row), err)
end

--- Calls fn once the run is durable; not when it was refused (then its waiters are told).
function M.when_taken(run, fn)
    commit.when_durable(run, fn)
end

--- Takes up a run that was made otherwise (a fork): its first batch is still to be written.
function M.adopt(run, code)
    run.code, run.on_error, run.trace_id = code, code.on_error, M.new_trace_id()
    prepare(run)
end

--- Lets go of a run that was loaded for a moment and stands where it stood.
function M.release(run)
    run.is_over = true
    remove_live(run)
    answer_all(run)
end

--- Runs that something is being done for; those that only wait can be left to the next start.
function M.count_busy()
    local count = 0
    for _, run in pairs(M.live) do
        local is_asleep = not run.is_in_flight and run.busy == 0 and run.effects and next(run.effects) ~= nil
        count = count + (is_asleep and run.durable ~= "never" and not run.is_held_back and 0 or 1)
    end
    return count
end

--- Before the process ends: runs whose journal is held back and that only wait go on at the next start.
function M.write_waiting()
    for _, run in pairs(M.live) do
        if run.is_held_back and run.busy == 0 and not run.is_over and run.effects and next(run.effects) then
            guarded(run, M.write_held, run)
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
            answer_all(run, answer)
        end)
    end
end

-- parked runs ------------------------------------------------------------------------------------

parking.count_live = function()
    return M.live_count
end

parking.on_parked = function(run)
    run.is_over = true
    effect_module.cancel_all(run)
    if run.waiters[1] then
        parking.waiters[run.id] = run.waiters
    end
    remove_live(run)
end

--- Calls waiter(run, answer) at the run's end. false when it is over already or suspended: then the row says all.
---@param row table
function M.on_end(row, waiter)
    local live = M.live[row.id]
    if live then
        if live.response then
            waiter(live, live.response)
        else
            live.waiters[#live.waiters + 1] = waiter
        end
        return true
    elseif row.status == "waiting" or row.status == "queued" then
        local waiters = parking.waiters[row.id] or {}
        waiters[#waiters + 1] = waiter
        parking.waiters[row.id] = waiters
        return true
    end
    return false
end

--- The run in memory, brought back when it is parked; nil when it is neither. `find_code` as for recovery.
function M.wake(bytes)
    local live = M.live[system.id_text(bytes)]
    if live then
        return live
    end
    local row = rows.read(bytes)
    if not row or row.status ~= "waiting" then
        return nil, row
    end
    row.waiters = parking.waiters[row.id]
    parking.waiters[row.id] = nil
    local code, reason = M.find_code(row)
    local run, err
    if code then
        run, err = M.load(row, code)
    else
        err = error_object.new("RELEASE_MISSING", reason)
    end
    if not run then
        run = M.load_broken(row)
        M.suspend(run, err)
        return nil, row
    end
    parking.unpark(run)
    fault "engine.wake"
    M.replay(run)
    return run
end

return M
