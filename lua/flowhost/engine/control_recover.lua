-- SPDX-License-Identifier: MIT
-- Recovering suspended runs, and changing what they will go on with; as control.lua says.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local commit = require "flowhost.engine.commit"
local control_run = require "flowhost.engine.control_run"
local ending = require "flowhost.engine.ending"
local journal = require "flowhost.engine.journal"
local recover = require "flowhost.engine.recover"
local rehearsal = require "flowhost.engine.rehearsal"
local run_module = require "flowhost.engine.run"
local snapshot = require "flowhost.engine.snapshot"
local snapshot_edits = require "flowhost.engine.snapshot_edits"

local json = core.json
local fault = core.system.fault

local M = {}

--- How far the run would come with these edits, in memory.
local function dry_run(row, entries, edits, reply)
    local code = control_run.code_for(row, reply, edits.release)
    if not code then
        return
    end
    row.journal, row.entry_count, row.pending = journal.index(entries), #entries, {}
    recover.change(row, edits)
    local report = rehearsal.play(row, code, { with_steps = true, by_path = row.journal })
    reply { report = { run = row.id, flow = row.flow, diverges = report.divergence ~= nil,
        divergence = report.divergence or json.null, ["end"] = report["end"], steps = #report.items,
        error = report.error or json.null } }
end

--- Lets a run go on that was changed. Replies once that is decided, or with `wants_outcome` when it has come to its
--- end or to stand again.
local function go_on(run, arguments, reply)
    local stop = control_run.watch_refusal(run, reply)
    if arguments.wants_outcome then
        run.waiters[#run.waiters + 1] = function(ended, answer)
            if not ended.has_commit_failed then
                reply { outcome = { status = ended.status, output_json = ended.output_json, error = ended.error,
                    answer = answer or ended.answer } }
            end
        end
    end
    run_module.go_on(run, function()
        stop()
        if not arguments.wants_outcome then
            reply {}
        end
    end)
end

--- A rule that is kept keeps its version: then only what it uses is that of the other release.
local function change_over(run, flow, is_rule_kept)
    if flow then
        run.release, run.code, run.on_error = flow.release, flow.code, flow.code.on_error
        run.version = is_rule_kept and run.version or flow.version
    end
end

--- A rule goes on from its snapshot.
local function recover_snapshot(row, latest, arguments, reply)
    local edits = arguments.edits
    local code = control_run.code_for(row, reply, edits.release)
    if not code then
        return
    end
    local wrong = snapshot_edits.check(latest, edits, code)
    if wrong then
        return reply(wrong)
    elseif edits.dry_run then
        return reply { status = 422, code = "EDIT_INVALID", detail = "/dry_run is not for runs of rules: what they do "
            .. "from the snapshot on is done anew" }
    end
    local run, flow = control_run.load(row, reply, edits.release)
    if run then
        snapshot_edits.apply(run, edits, "recover")
        change_over(run, flow, edits.rule ~= nil)
        go_on(run, arguments, reply)
    end
end

local function recover_row(row, arguments, reply)
    if row.status ~= "suspended" then
        return reply(control_run.conflict(row, "suspended"))
    end
    local edits = arguments.edits
    local entries, reason = journal.load(row.bytes)
    if not entries then
        return reply { status = 500, code = "CORRUPT", detail = reason }
    end
    local by_path = journal.index(entries)
    local latest = snapshot.latest(by_path)
    if latest then
        return recover_snapshot(row, latest, arguments, reply)
    end
    local wrong = recover.check(row, by_path, edits, catalog.flow(row.flow))
    if wrong then
        return reply(wrong)
    elseif edits.dry_run then
        return dry_run(row, entries, edits, reply)
    end
    local run, flow = control_run.load(row, reply, edits.release)
    if not run then
        return
    end
    for _, child in ipairs(recover.apply(run, edits)) do
        ending.cancel_child(run, child)
    end
    change_over(run, flow)
    go_on(run, arguments, reply)
end

function M.recover(arguments, reply)
    control_run.with_run(M.recover, arguments, reply, function(run)
        reply(control_run.conflict({ id = run.id, status = run.status }, "suspended"))
    end, function(row)
        recover_row(row, arguments, reply)
    end)
end

--- Changes the snapshot of a suspended run, which stands where it stood.
local function edit_row(row, arguments, reply)
    if row.status ~= "suspended" then
        return reply(control_run.conflict(row, "suspended"))
    end
    local run = control_run.load(row, reply)
    if not run then
        return
    end
    local latest = snapshot.latest(run.journal)
    local wrong = not latest and { status = 409, code = "NO_SNAPSHOT",
        detail = ("run %s has no snapshot: only suspended runs of rules have one"):format(row.id) }
        or snapshot_edits.check(latest, arguments.edits, run.code)
    if wrong then
        run_module.release(run)
        return reply(wrong)
    end
    run.is_touched = true
    local stop = control_run.watch_refusal(run, reply)
    snapshot_edits.apply(run, arguments.edits, "edit")
    fault "engine.edit"
    commit.when_durable(run, function()
        fault "engine.edited"
        stop()
        run_module.release(run)
        reply {}
    end)
end

function M.edit(arguments, reply)
    control_run.with_run(M.edit, arguments, reply, function(run)
        reply(control_run.conflict({ id = run.id, status = run.status }, "suspended"))
    end, function(row)
        edit_row(row, arguments, reply)
    end)
end

return M
