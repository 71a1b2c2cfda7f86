-- SPDX-License-Identifier: MIT
-- What is done to a run from outside: signal, recover, cancel, fork. Each is a call to the shard that owns the run
-- (remote.lua) and is answered once its decision is durable:
--
--   {}, { run = id }, { report = ... }    done        { status, code, detail, errors }    refused: nothing was changed
--
-- A run that is not in memory is loaded for it. While it is being changed it is in `live`; who comes meanwhile waits.

local core = require "flowhost.core"
local alarms = require "flowhost.engine.alarms"
local audit = require "flowhost.engine.audit"
local catalog = require "flowhost.engine.catalog"
local commit = require "flowhost.engine.commit"
local control_recover = require "flowhost.engine.control_recover"
local control_run = require "flowhost.engine.control_run"
local ending = require "flowhost.engine.ending"
local journal = require "flowhost.engine.journal"
local live = require "flowhost.engine.live"
local parking = require "flowhost.engine.parking"
local recover = require "flowhost.engine.recover"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"
local signals = require "flowhost.engine.signals"
local wake = require "flowhost.engine.wake"

require "flowhost.engine.redrive"

local store, system = core.store, core.system
local fault = system.fault

local M = {}

-- signal -----------------------------------------------------------------------------------------

local function deliver(run, arguments, reply)
    signals.deliver(run, arguments.name, arguments.data, arguments.key, function(problem, is_repeated)
        reply(problem or { is_repeated = is_repeated or false })
    end)
end

--- A run that stands still keeps the signal until it goes on.
local function deliver_to_standing(row, arguments, reply)
    local code = catalog.find_code(row)
    local run = code and run_module.load(row, code) or run_module.load_broken(row)
    run.is_touched = true
    local stop = control_run.watch_refusal(run, reply)
    deliver(run, arguments, reply)
    commit.when_durable(run, function()
        stop()
        run_module.release(run)
    end)
end

--- Whether a run that has ended got this very signal before: who was not told so asks again.
local function has_got(row, arguments)
    if arguments.key ~= "" then
        for _, entry in ipairs(journal.load(row.bytes) or {}) do
            if entry.kind == "signal" and entry.name == arguments.name and entry.hash == arguments.key then
                return true
            end
        end
    end
    return false
end

--- Brings a parked run back, in its turn; then `again`.
local function wake_first(row, reply, again)
    parking.in_turn(function()
        wake.wake(row.bytes)
        if live.runs[row.id] or rows.read(row.bytes).status ~= "waiting" then
            return again()
        end
        reply { status = 500, code = "INTERNAL", detail = "the run could not be brought back; see the log" }
    end)
end

function M.signal(arguments, reply)
    if store.is_full() then
        return reply { status = 507, code = "DISK_FULL",
            detail = "no space left for the data folder: nothing was sent" }
    end
    control_run.with_run(M.signal, arguments, reply, function(run)
        deliver(run, arguments, reply)
    end, function(row, again)
        if rows.TERMINAL[row.status] then
            reply(has_got(row, arguments) and { is_repeated = true }
                or control_run.conflict(row, "running, waiting, queued or suspended"))
        elseif row.status == "waiting" then
            wake_first(row, reply, again)
        else
            deliver_to_standing(row, arguments, reply)
        end
    end)
end

-- cancel -----------------------------------------------------------------------------------------

local function cancel(run, arguments, reply, is_loaded)
    audit.add(run, { actor = arguments.actor or "admin", action = "cancel", reason = arguments.reason })
    local has_replied = false
    local function once(result)
        if not has_replied then
            has_replied = true
            reply(result)
        end
    end
    local function on_end(ended, early_answer)
        if early_answer then
            run.waiters[#run.waiters + 1] = on_end
        elseif ended.has_commit_failed then
            once(control_run.failed(ended.error))
        else
            once {}
        end
    end
    run.waiters[#run.waiters + 1] = on_end
    fault "engine.cancel"
    run_module.cancel(run, arguments.reason, is_loaded, arguments.data)
    if not run.is_over then
        commit.when_durable(run, function()
            once {} -- its compensations run
        end)
    end
end

local STANDING = { suspended = true, queued = true }

--- A run whose compensations run, or wait for a person, ends by itself when they are done.
local function refuse_ending(run, reply)
    reply(control_run.conflict({ id = run.id, status = "being ended (" .. run.ending.status .. ")" },
        "running, waiting, queued or suspended"))
end

local function cancel_row(row, arguments, reply)
    if not STANDING[row.status] then
        return reply(control_run.conflict(row, "running, waiting, queued or suspended"))
    elseif row.ending then
        return refuse_ending(row, reply)
    end
    local code = catalog.find_code(row) or { files = {}, on_error = "suspend" }
    cancel(run_module.load(row, code) or run_module.load_broken(row), arguments, reply, true)
end

function M.cancel(arguments, reply)
    control_run.with_run(M.cancel, arguments, reply, function(run)
        if run.ending then
            return refuse_ending(run, reply)
        end
        cancel(run, arguments, reply)
    end, function(row, again)
        if row.status == "waiting" then
            return wake_first(row, reply, again)
        end
        cancel_row(row, arguments, reply)
    end)
end

-- fork -------------------------------------------------------------------------------------------

function M.fork(arguments, reply)
    local current = live.runs[arguments.id]
    if current and live.is_unwritten(current) then
        return reply { status = 409, code = "NOT_DURABLE", detail = "the run keeps no journal" }
    end
    local row = control_run.read_row(arguments.id, reply)
    if not row then
        return
    end
    local code, reason = catalog.find_code(row)
    if not code then
        return reply { status = 409, code = "RELEASE_MISSING", detail = reason }
    end
    local entries, damage = journal.load(row.bytes)
    if not entries then
        return reply { status = 500, code = "CORRUPT", detail = damage }
    end
    local by_path = journal.index(entries)
    local edits = arguments.edits
    local wrong = recover.check(row, by_path, edits, catalog.flow(row.flow))
    if wrong then
        return reply(wrong)
    end
    local id, bytes = live.reserve()
    local run = recover.fork(row, by_path, edits, { id = id, bytes = bytes })
    audit.add(run, { actor = edits.actor or "admin", action = "fork", reason = edits.reason, before = { run = row.id },
        after = { from = edits.from, input = edits.input, steps = edits.steps, data = edits.data,
            allow_effects = edits.allow_effects or false } })
    run_module.adopt(run, code)
    local stop = control_run.watch_refusal(run, reply)
    fault "engine.fork"
    commit.when_durable(run, function()
        fault "engine.forked"
        stop()
        reply { run = id }
        run_module.replay(run)
    end)
end

-- through alarms, from runs ------------------------------------------------------------------------

--- A run that no parent waits for any more.
local function cancel_orphan(bytes, reason, on_done)
    local arguments = { id = system.id_text(bytes), reason = reason, actor = "parent" }
    M.cancel(arguments, on_done or function() end)
end

ending.on_orphan = function(bytes, reason)
    remote.call(remote.owner(bytes), "cancel", { id = system.id_text(bytes), reason = reason, actor = "parent" },
        function() end)
end

alarms.on("cancel", function(bytes, key, reason)
    parking.in_turn(function()
        cancel_orphan(bytes, reason, function(result)
            if result.code == "DISK_FULL" then
                return alarms.postpone(key, 1000)
            end
            alarms.drop(key)
        end)
    end)
end)

alarms.on("wake", function(bytes, key)
    parking.in_turn(function()
        if not wake.wake(bytes) then
            alarms.drop(key) -- it has ended or is suspended
        end
    end)
end)

for _, verb in ipairs { "signal", "cancel", "fork" } do
    remote.on(verb, M[verb])
end
for verb, fn in pairs(control_recover) do
    remote.on(verb, fn)
end

return M
