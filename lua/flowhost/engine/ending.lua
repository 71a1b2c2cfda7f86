-- SPDX-License-Identifier: MIT
-- How runs end, or come to stand: by themselves, by an error, by decision from outside, by a failing store.
--
-- A run that fails, is cancelled or runs out of time and has compensations (ctx.defer) is *ending* before that: its own
-- functions do nothing new, the compensations run in reverse, each as a step under "undo".

local core = require "flowhost.core"
local alarms = require "flowhost.engine.alarms"
local commit = require "flowhost.engine.commit"
local effect_module = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local interrupt = require "flowhost.engine.interrupt"
local live = require "flowhost.engine.live"
local parking = require "flowhost.engine.parking"
local rows = require "flowhost.engine.rows"
local scope = require "flowhost.engine.scope"

local json, keystore, system, timer = core.json, core.keystore, core.system, core.timer
local fault = system.fault

local M = {
    on_orphan = nil,      -- fn(bytes, reason): a child run is not wanted any more
    on_counted_end = nil, -- fn(flow, keep): a run has ended of which only so many are kept
    on_tasks_end = nil,   -- fn(run): a run has ended that may have had tasks for workers
}

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
    if run.has_tasks then
        M.on_tasks_end(run)
    end
    local retention = run.code.retention
    if retention and retention.age_ms then
        alarms.set(run, run.bytes, run.ended + retention.age_ms, "x", "expire")
    end
    if retention and retention.count then
        M.on_counted_end(run.flow, retention.count)
    end
end

--- A run without a journal leaves its row, if that is asked for.
local function summarize(run)
    run.is_summary = true
    run.trace_id = run.trace_id or live.new_trace_id()
    run.input_json = json.encode_stored(run.input == nil and json.null or run.input)
    run.pending, run.durable_waiters = {}, {}
    run.has_more = run.has_more or run.parent ~= nil
end

local OF_FLOW = { "defers", "journal", "data", "inbox", "calls", "signal_waits", "stubs", "tasks" }

--- The flow's own values are garbage from now on, though something may still hold the run.
local function forget_flow(run)
    run.root = false
    if run.has_flow_values or run.journal then
        for _, name in ipairs(OF_FLOW) do
            run[name] = nil
        end
    end
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

--- Nothing more happens in the run; what it has recorded is written, then those who wait are told.
function M.close(run, status)
    run.is_over = true
    if run.probe then
        run.status = status
        return interrupt.cancel_all(run)
    elseif run.status == "waiting" or run.alarm then
        parking.unpark(run)
    end
    if run.document and status ~= "succeeded" then
        run.document.on_end(run)
    end
    local is_end = rows.TERMINAL[status]
    interrupt.cancel_all(run, is_end)
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
        hold_to_end(run, status)
    end
    if is_end and not live.is_unwritten(run) then
        leave_notes(run)
    end
    commit.when_durable(run, function()
        live.remove(run)
        live.answer_all(run)
    end)
end

--- A child run is not wanted any more: it learns so by an alarm, or at once when its parent writes nothing.
function M.cancel_child(run, child_id)
    local bytes = system.id_bytes(child_id)
    local reason = ("its parent %s does not wait for it any more"):format(run.id)
    if live.is_unwritten(run) then
        M.on_orphan(bytes, reason)
    else
        alarms.set(run, bytes, timer.now_ms(), "c", "cancel", reason)
    end
end

--- Ends the run, after its compensations.
function M.end_with(run, status)
    if run.ending or not run.defers or run.probe then
        return M.close(run, status)
    end
    parking.stay(run)
    run.ending = { status = status, error = run.error and error_object.to_plain(run.error), reason = run.reason }
    run.has_more, run.is_row_dirty = true, true
    run.recorded = run.recorded + 1
    interrupt.kill(run.root)
    interrupt.cancel_all(run, true)
    fault "engine.ending"
    commit.flush(run)
    M.start_undo(run)
end

--- The output is answered as it is stored: bytes that are not UTF-8 become U+FFFD.
function M.finish_ok(run, value)
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
    run.output_json = keystore.redact_json(text)
    M.close(run, "succeeded")
end

--- Whether the run replays what it did, to be ended otherwise: how it wanted to end itself does not count any more.
local function is_being_ended(run)
    return run.ending and not run.is_undoing
end

function M.suspend(run, err)
    if run.ending and not run.is_undoing then
        return M.end_without_undo(run, err)
    end
    run.error = err
    if run.document then
        run.document.keep(run)
    end
    -- an error of the flow's own right behind a failed step: most likely because of it
    local step_path = err.step or run.trailing_error
    run.redo = err.redo or (step_path and { step_path }) or {}
    if run.durable == "never" then
        return M.end_with(run, "failed")
    end
    M.close(run, "suspended")
end

function M.fail(run, err)
    if is_being_ended(run) then
        return
    end
    run.error = err
    M.end_with(run, "failed")
end

--- An error that nobody caught.
function M.fail_or_suspend(run, err)
    if run.on_error == "fail" then
        return M.fail(run, err)
    end
    return M.suspend(run, err)
end

---@param code string?  default BROKEN
function M.stop(run, reason, code)
    if is_being_ended(run) then
        return
    end
    run.reason = reason
    run.error = error_object.new(code or "BROKEN", reason ~= "" and reason or "the flow ended the run")
    M.close(run, "broken")
end

--- The time of the whole run is over.
function M.time_out(run)
    run.error = error_object.new("TIMEOUT", ("the run did not end within %.14g s"):format(run.code.timeout_ms / 1000))
    M.end_with(run, "timed_out")
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
    M.close(run, ending.status)
end

function M.start_undo(run)
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
    M.close(run, run.ending.status)
end

function M.defer(run, fn)
    run.defers = run.defers or {}
    run.defers[#run.defers + 1] = fn
    run.has_flow_values = true
end

-- what goes wrong in the host ----------------------------------------------------------------------

local REFUSALS = {
    DISK_FULL = "no space left for the data folder: nothing was changed",
    MEMORY_LIMIT = "what the run recorded does not fit into memory: nothing was changed",
}

--- The first batch was refused: nothing of the run exists, nothing of it has left the process. Or the store has failed
--- for good: what is on disk stands, the rest is lost with the process.
function M.on_commit_failed(run, code)
    run.is_over = true
    interrupt.cancel_all(run)
    live.remove(run)
    if run.on_key_taken and code == "CONFLICT" then
        return run.on_key_taken(run)
    end
    run.status = "failed"
    run.error = error_object.new(code, REFUSALS[code] or "the store cannot be written (" .. code .. ")")
    run.has_commit_failed = true
    run.was_refused = run.stored_status == nil
    live.answer_all(run)
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
    pcall(interrupt.cancel_all, run)
    live.remove(run)
    live.answer_all(run)
end

--- Calls fn(...) for a run; an error there is that run's alone.
function M.guarded(run, fn, ...)
    local ok, raised = xpcall(fn, debug.traceback, ...)
    if not ok then
        fail_inside(run, raised)
    end
end

--- What the run recorded cannot be put into a batch, most likely for want of memory. A run that is not stored yet is
--- refused. Of one that is, what was recorded since its last commit is given up: it waits for a person there.
function M.on_batch_failed(run, raised)
    local code = tostring(raised):find("not enough memory", 1, true) and "MEMORY_LIMIT" or "INTERNAL"
    collectgarbage()
    system.log("error", "a batch could not be made: " .. tostring(raised), { "run", run.id, "flow", run.flow })
    if run.stored_status == nil or run.has_given_up then
        return M.on_commit_failed(run, code)
    end
    run.has_given_up = true
    run.is_over = true
    interrupt.cancel_all(run)
    run.pending, run.output_json, run.ended = {}, nil, nil
    run.status, run.redo = "suspended", {}
    run.error = error_object.new(code, "what the run recorded last could not be stored; it stands where it was before")
    run.is_row_dirty = true
    run.recorded = run.recorded + 1
    commit.when_durable(run, function()
        live.remove(run)
        live.answer_all(run)
    end)
end

return M
