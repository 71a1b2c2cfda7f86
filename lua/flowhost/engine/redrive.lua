-- SPDX-License-Identifier: MIT
-- Runs of state machines that have failed, were cancelled or ran out of time go on where they ended. What had succeeded
-- stays; the step that failed last, the containers around it and whatever was under way begin anew. A suspended run is
-- recovered.
--
-- A verb as those of control.lua: { id, actor, reason, token } -> { at (ms) } | { status, code, detail }. Asked again
-- with the token of its last redrive, within 15 minutes, a run is left alone and the answer is the same.

local core = require "flowhost.core"
local audit = require "flowhost.engine.audit"
local catalog = require "flowhost.engine.catalog"
local control_recover = require "flowhost.engine.control_recover"
local control_run = require "flowhost.engine.control_run"
local journal = require "flowhost.engine.journal"
local recover = require "flowhost.engine.recover"
local remote = require "flowhost.engine.remote"
local run_module = require "flowhost.engine.run"

local timer = core.timer

local M = {}

local ENDED = { failed = true, cancelled = true, timed_out = true, broken = true }
local WANTED = "failed, cancelled, timed out or suspended"
local TOKEN_MS = 15 * 60 * 1000
local BEGUN = { o = true, s = true, t = true }

--- Steps that were under way when the run ended, in order, and the one that failed last.
local function find_open(by_path)
    local open, failed = {}, nil
    for _, entry in pairs(by_path) do
        if BEGUN[entry.state] and not journal.GROUPS[entry.kind] then
            open[#open + 1] = entry
        elseif entry.state == "e" and not journal.GROUPS[entry.kind] and (not failed or entry.order > failed.order) then
            failed = entry
        end
    end
    table.sort(open, function(a, b)
        return a.order < b.order
    end)
    return open, failed
end

local function begin_anew(run, arguments)
    audit.add(run, { actor = arguments.actor or "admin", action = "redrive", reason = arguments.reason,
        before = { status = run.stored_status, error = run.error } })
    local open, failed = find_open(run.journal)
    for _, entry in ipairs(open) do
        recover.void(run, entry.path)
    end
    if failed and run.stored_status == "failed" then
        recover.void_up(run, failed.path)
    end
    run.ended, run.output, run.output_json, run.reason = nil, nil, nil, nil
    run.tags = run.tags or {}
    local before, now = run.tags["aws.redriven"], ("%d"):format(timer.now_ms())
    run.tags["aws.redriven"] = before and before .. "," .. now or now
    run.tags["aws.redrive_token"] = arguments.token
    run.has_more = true
end

--- The definition stays, what it calls is that of today: the run goes on with the newest release if that has the same
--- definition, else with the one it is pinned to.
local function release_for(row)
    local flow = catalog.flow(row.flow)
    return flow and flow.version == row.version and "active" or "pinned"
end

--- When the run was redriven last.
local function last_redrive(row)
    return tonumber(row.tags["aws.redriven"]:match "%d+$")
end

--- When the run was redriven with this token; nil when it was not.
local function find_redrive(row, token)
    local at = token and (row.tags or {})["aws.redrive_token"] == token and last_redrive(row)
    return at and timer.now_ms() - at < TOKEN_MS and at or nil
end

local function redrive_row(row, arguments, reply)
    local at = find_redrive(row, arguments.token)
    if at then
        return reply { at = at }
    elseif row.status == "suspended" then
        return control_recover.recover({ id = row.id, edits = { actor = arguments.actor,
            reason = arguments.reason } }, reply)
    elseif not ENDED[row.status] then
        return reply(control_run.conflict(row, WANTED))
    end
    local run, flow = control_run.load(row, reply, release_for(row))
    if not run then
        return
    elseif not run.code.machine then
        run_module.release(run)
        return reply { status = 409, code = "WRONG_STATE", detail = "only runs of state machines are redriven" }
    end
    if flow then
        run.release = flow.release
    end
    begin_anew(run, arguments)
    local stop = control_run.watch_refusal(run, reply)
    run_module.go_on(run, function()
        stop()
        reply { at = last_redrive(run) }
    end)
end

function M.redrive(arguments, reply)
    control_run.with_run(M.redrive, arguments, reply, function(run)
        local at = find_redrive(run, arguments.token)
        reply(at and { at = at } or control_run.conflict({ id = run.id, status = run.status }, WANTED))
    end, function(row)
        redrive_row(row, arguments, reply)
    end)
end

remote.on("redrive", M.redrive)

return M
