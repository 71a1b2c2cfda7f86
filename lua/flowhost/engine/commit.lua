-- SPDX-License-Identifier: MIT
-- Output commit: nothing leaves the process before everything the run recorded so far is on disk.
--
-- `when_durable(run, fn)` is the one gate to the outside. At most one batch of a run is on its way at a time, so that a
-- first batch that is refused (disk full, key taken) leaves nothing of the run behind.

local core = require "flowhost.core"
local rows = require "flowhost.engine.rows"
local token = require "flowhost.engine.token"
local watch = require "flowhost.engine.watch"

local fault, timer = core.system.fault, core.timer
local mono_us = timer.mono_us

local SOON_MS = 50

local M = {}

local flush

--- Marks rise along the list. It is taken off the run first: what is called may add to it, or throw.
local function release_waiters(run)
    local waiters, rest = run.durable_waiters, {}
    local ready = 0
    for i, waiter in ipairs(waiters) do
        if waiter.mark <= run.durable_mark then
            ready = i
        else
            rest[#rest + 1] = waiter
        end
    end
    run.durable_waiters = rest
    if ready > 0 then
        run.commit_us = run.commit_us + math.max(0, mono_us() - waiters[1].since)
    end
    for i = 1, ready do
        waiters[i].fn()
    end
end

local NOTHING = {}

local function on_commit(run, mark, status, after, code)
    run.is_in_flight = false
    if code then
        run.on_commit_failed(run, code)
        return
    end
    fault "engine.committed"
    run.stored_status = status
    run.durable_mark = mark
    for _, fn in ipairs(after or NOTHING) do
        fn()
    end
    release_waiters(run)
    watch.notify(run)
    if run.durable_waiters[1] or run.wants_flush then
        flush(run)
    end
end

function flush(run)
    if run.is_in_flight then
        run.wants_flush = true
        return
    end
    run.wants_flush = false
    if run.submitted == run.recorded or run.is_held_back or run.probe then
        return
    end
    local is_built, batch = pcall(rows.batch, run)
    if not is_built then
        return run.on_batch_failed(run, batch)
    end
    local mark, status = run.recorded, run.status
    if #run.pending > 0 then
        run.pending = {}
        run.next_chunk = run.next_chunk + 1
    end
    local after = run.after
    run.is_row_dirty, run.also, run.after, run.new_tags = false, nil, nil, nil
    run.submitted = mark
    run.is_in_flight = true
    token.owner = run
    local waiting = token.new(function(code)
        on_commit(run, mark, status, after, code)
    end)
    token.owner = nil
    fault "engine.submit"
    local ok, code = batch:submit(waiting)
    if not ok then
        token.drop(waiting)
        run.is_in_flight = false
        run.on_commit_failed(run, code)
    end
end

--- Writes what is recorded, without anybody waiting for it.
M.flush = flush

-- Runs with something recorded that nobody waits for: those of this interval, and of the one before.
local soon, sooner = {}, {}
local has_timer = false

local function arm()
    if not has_timer then
        has_timer = true
        timer.start(SOON_MS, token.new(M.flush_old))
    end
end

--- Those that had a whole interval to be written with something else, and were not.
function M.flush_old()
    has_timer = false
    local due = sooner
    soon, sooner = {}, soon
    for run in pairs(due) do
        if not run.is_over then
            run.guarded(run, flush, run)
        end
    end
    if next(sooner) then
        arm()
    end
end

--- Writes what is recorded a little later, if nothing else does before: a result that came back is not held in memory
--- for as long as another branch waits.
function M.flush_soon(run)
    if run.submitted == run.recorded or run.is_over or run.is_held_back then
        return
    elseif run.is_in_flight then
        run.wants_flush = true
        return
    end
    soon[run] = true
    arm()
end

--- Calls fn as soon as everything recorded up to now is durable: at once when it is, and for a run whose journal is
--- held back in memory (durable = "on_error").
function M.when_durable(run, fn)
    if (run.durable == "never" and not run.is_summary) or run.durable_mark >= run.recorded or run.is_held_back then
        return fn()
    elseif run.probe then
        return -- a replay in memory writes nothing
    end
    run.durable_waiters[#run.durable_waiters + 1] = { mark = run.recorded, fn = fn, since = mono_us() }
    flush(run)
end

return M
