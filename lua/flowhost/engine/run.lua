-- SPDX-License-Identifier: MIT
-- The life of a run on its shard: started, or loaded and replayed; suspended or ended; answered.
--
--   running ─► succeeded | failed | broken | cancelled        suspended ─(recover)─► running
--
-- `live` holds the runs that are being worked on here. A run leaves it once its last batch is durable.

local core = require "flowhost.core"
local commit = require "flowhost.engine.commit"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local journal = require "flowhost.engine.journal"
local replay_order = require "flowhost.engine.replay"
local rows = require "flowhost.engine.rows"
local step = require "flowhost.engine.step"

local json, system, timer = core.json, core.system, core.timer
local fault = system.fault

local M = {
    live = {},       -- id -> run
    live_count = 0,
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
    if M.live[run.id] == run then
        M.live[run.id] = nil
        M.live_count = M.live_count - 1
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

--- Nothing more happens in the run; what it has recorded is written, then those who wait are told.
local function close(run, status)
    run.is_over = true
    step.cancel_all(run)
    run.status = status
    run.ended = rows.TERMINAL[status] and timer.now_ms() or nil
    run.is_row_dirty = true
    run.recorded = run.recorded + 1
    if status == "suspended" or status == "failed" then
        log_trouble(run, status)
    end
    commit.when_durable(run, function()
        remove_live(run)
        answer_all(run)
    end)
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
    run.error = err
    -- an error of the flow's own right behind a failed step: most likely because of it
    local step_path = err.step or run.trailing_error
    run.redo = err.redo or (step_path and { step_path }) or {}
    if run.durable == "never" then
        return close(run, "failed")
    end
    close(run, "suspended")
end

function M.fail(run, err)
    run.error = err
    close(run, "failed")
end

--- An error that nobody caught.
function M.fail_or_suspend(run, err)
    if run.on_error == "fail" then
        return M.fail(run, err)
    end
    return M.suspend(run, err)
end

function M.stop(run, reason)
    run.reason = reason
    run.error = error_object.new("BROKEN", reason ~= "" and reason or "the flow ended the run")
    close(run, "broken")
end

local function on_root_end(fiber, ok, value)
    if ok then
        return finish_ok(fiber.run, value)
    end
    return M.fail_or_suspend(fiber.run, value)
end

local REFUSALS = {
    DISK_FULL = "no space left for the data folder: nothing was changed",
    MEMORY_LIMIT = "what the run recorded does not fit into memory: nothing was changed",
}

--- The first batch was refused: nothing of the run exists, nothing of it has left the process. Or the store has failed
--- for good: what is on disk stands, the rest is lost with the process.
local function on_commit_failed(run, code)
    run.is_over = true
    step.cancel_all(run)
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
    pcall(step.cancel_all, run)
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
    step.cancel_all(run)
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

--- What every run begins with; a run of its own makes a table only when it needs one, for most never do.
local class = { __index = {
    status = "running", attempt = 1, recorded = 0, submitted = 0, durable_mark = 0, next_chunk = 0,
    is_row_dirty = false, on_commit_failed = on_commit_failed, on_batch_failed = on_batch_failed,
    suspend = M.suspend, fail_or_suspend = M.fail_or_suspend, guarded = guarded,
} }

local function prepare(run)
    run.pending, run.durable_waiters, run.waiters = {}, {}, run.waiters or {}
    add_live(setmetatable(run, class))
end

--- Runs the flow's function from the top; recorded steps are answered from the journal.
local function execute(run)
    if run.input == json.null then
        run.input = nil -- a flow may ask `if input`
    end
    local fiber = fiber_module.new(run, run.code.main, "", on_root_end)
    fiber_module.resume(fiber, run)
    replay_order.play(run, fiber_module.resume)
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

--- Starts a run; it may have ended when this returns.
---@param o flowhost.Start
function M.start(o)
    local flow = o.flow
    local id, bytes = system.run_id(take_partition())
    local now = timer.now_ms()
    local durable = M.keeps_all and "always" or flow.durable
    local is_kept = durable ~= "never"
    local run = {
        id = id, bytes = bytes, flow = flow.name, version = flow.version, release = flow.release, durable = durable,
        on_error = flow.on_error, trace_id = o.trace_id, created = now, started = now, input = o.input,
        code = flow.code, waiters = { o.waiter },
    }
    if is_kept then
        run.trace_id = run.trace_id or M.new_trace_id()
        run.input_json = json.encode_stored(o.input)
        run.recorded, run.is_row_dirty = 1, true
        run.idempotency, run.on_key_taken = o.idempotency, o.on_key_taken
        prepare(run)
    else
        add_live(setmetatable(run, class))
    end
    fault "engine.start"
    guarded(run, execute, run)
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
    run.next_chunk = next_chunk
    run.code, run.on_error = code, code.on_error
    run.input_json = json.encode_stored(run.input == nil and json.null or run.input)
    prepare(run)
    return run
end

--- After M.load: goes on where the journal ends.
function M.replay(run)
    guarded(run, execute, run)
end

--- Paths whose failure is forgotten: the failed step and the containers around it.
local function redo_paths(run)
    local paths, seen = {}, {}
    for _, failed in ipairs(run.redo or {}) do
        local path = failed
        while path do
            local entry = run.journal[path]
            if entry and entry.state == "e" and not seen[path] then
                seen[path] = true
                paths[#paths + 1] = path
            end
            path = path:match "^(.*)%.[^.]*$"
        end
    end
    return paths
end

--- Lets a suspended run (just loaded) go on: what failed runs again, all else stands. `on_recovered(run)` is called
--- once the decision is durable.
function M.recover(run, on_recovered)
    local now = timer.now_ms()
    for _, path in ipairs(redo_paths(run)) do
        run.pending[#run.pending + 1] = journal.encode(path, "redo", "", "", "", now, now, 1, "r", "null")
        run.journal[path] = nil
    end
    run.status, run.error, run.redo = "running", nil, nil
    run.attempt = (run.attempt or 1) + 1
    run.is_row_dirty = true
    run.recorded = run.recorded + 1
    commit.when_durable(run, function()
        on_recovered(run)
        execute(run)
    end)
end

function M.cancel(run, reason)
    run.reason = reason
    run.error = error_object.new("CANCELLED", reason and reason ~= "" and reason or "the run was cancelled")
    guarded(run, close, run, "cancelled")
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

--- Runs that something is being done for; those that only sleep can be left to the next start.
function M.count_busy()
    local count = 0
    for _, run in pairs(M.live) do
        local is_asleep = not run.is_in_flight and run.effects and next(run.effects) ~= nil
        for effect in pairs(run.effects or {}) do
            is_asleep = is_asleep and effect.kind == "sleep"
        end
        count = count + (is_asleep and run.durable ~= "never" and 0 or 1)
    end
    return count
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

return M
