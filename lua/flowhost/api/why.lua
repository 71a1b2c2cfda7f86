-- SPDX-License-Identifier: MIT
-- GET /v1/runs/{id}/why: one sentence that says why a run stands where it stands, and the facts it is made of.

local core = require "flowhost.core"
local activities = require "flowhost.engine.activities"
local admission = require "flowhost.engine.admission"
local live = require "flowhost.engine.live"
local parking = require "flowhost.engine.parking"
local problem = require "flowhost.api.problem"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local runs = require "flowhost.api.runs"
local view = require "flowhost.api.view"

local json, system = core.json, core.system

local M = {}

--- What only the owner knows of a run in memory.
remote.on("why", function(arguments, reply)
    local run = live.runs[arguments.id]
    if not run then
        local is_known = admission.queued < math.huge
        return reply { limit = admission.max_running, queued = is_known and admission.queued or nil }
    end
    local list, due = parking.describe(run, true)
    reply { is_live = true, list = list, due = due, suspending = run.suspending and tostring(run.suspending),
        deadline = run.deadline, is_undoing = run.is_undoing or false, is_in_flight = run.is_in_flight or false,
        flow = run.flow, status = run.status, unwritten = live.is_unwritten(run) }
end)

local function till(ms)
    return ms and " until " .. view.time(ms) or ""
end

--- What a worker needs that wants a queue's tasks, where it is not there: a function's name may be a slip.
local function no_worker(queue)
    local name = queue:match "^lambda%-(.+)"
    if not name or activities.describe(queue) then
        return ""
    end
    return ("; there is no component '%s', and no activity '%s' of which a worker could take it"):format(name, queue)
end

local SENTENCES = {
    sleep = function(one)
        return "waiting for a timer" .. till(one["until"])
    end,
    wait = function(one)
        return ("waiting for the signal '%s'%s"):format(one.name, till(one["until"]))
    end,
    task = function(one)
        return ("waiting for the task '%s' to be done%s%s"):format(one.name, till(one["until"]), no_worker(one.name))
    end,
    call = function(one)
        local row = one.child and rows.read(system.id_bytes(one.child))
        return ("waiting for run %s of flow '%s'%s%s"):format(one.child or "?", one.name,
            row and ", which is " .. row.status or "", till(one["until"]))
    end,
    retry = function(one)
        return ("retry %d of step %s (%s) at %s, last error %s"):format(one.attempt or 1, one.step or "?", one.name,
            view.time(one["until"]), one.error or "?")
    end,
    request = function(one)
        return ("waiting for the answer to %s, sent at %s"):format(one.name, view.time(one.started))
    end,
    component = function(one)
        return ("waiting for the component '%s', called at %s"):format(one.name, view.time(one.started))
    end,
}
SENTENCES.sleep_until = SENTENCES.sleep

local function describe(one)
    local make = SENTENCES[one.kind]
    local text = make and make(one) or ("%s '%s' is being done"):format(one.kind, one.name or "")
    return one.step and text .. (" (step %s)"):format(one.step) or text
end

--- Facts and sentence of a run that is being worked on or parked.
local function of_waiting(list)
    if #list == 0 then
        return "work", "it is being worked on"
    end
    local sentence = describe(list[1])
    if #list > 1 then
        sentence = sentence .. (", and for %d more"):format(#list - 1)
    end
    return list[1].kind, sentence
end

local function of_suspended(row)
    local err = row.error or { code = "UNKNOWN", message = "" }
    local at = err.step and (" at step %s"):format(err.step) or ""
    return "suspended", ("suspended%s since it met %s: %s; recover lets it go on"):format(at, err.code, err.message)
end

local function of_queued(facts)
    local ahead = facts.queued and ("; %d are in line on its shard"):format(facts.queued) or ""
    return "queued", ("queued behind the limit max_running = %d a shard%s"):format(facts.limit or 0, ahead)
end

local function explain(row, facts)
    if facts.is_live and facts.is_undoing then
        local _, doing = of_waiting(facts.list)
        return "compensation", "its compensations run: " .. doing, facts.list
    elseif facts.is_live and facts.suspending then
        return "suspending", ("about to be suspended (%s): what it has begun comes to its end first"):format(
            facts.suspending), facts.list
    elseif facts.is_live and #facts.list == 0 and facts.is_in_flight then
        return "commit", "waiting for the disk: what it recorded is being written", facts.list
    elseif facts.is_live then
        local kind, sentence = of_waiting(facts.list)
        return kind, sentence, facts.list
    elseif row.status == "waiting" then
        local kind, sentence = of_waiting(row.waiting or {})
        return kind, sentence .. "; parked", row.waiting
    elseif row.status == "suspended" then
        return of_suspended(row)
    elseif row.status == "queued" then
        return of_queued(facts)
    elseif row.status == "running" then
        return "start", "it is to be taken up: the host has just started"
    end
    local reason = row.error and (": " .. row.error.code .. ": " .. row.error.message) or ""
    return "ended", ("it has ended as %s at %s%s"):format(row.status, view.time(row.ended), reason)
end

local function answer(request, row, facts)
    local kind, sentence, list = explain(row, facts)
    local first = list and list[1] or {}
    local waiting = {}
    for i, one in ipairs(list or {}) do
        waiting[i] = { kind = one.kind, step = one.step, name = one.name, ["until"] = view.time(one["until"]),
            attempt = one.attempt, child = one.child, error = one.error, sentence = describe(one) }
    end
    runs.send(request, 200, {
        run = row.id, flow = row.flow, status = row.status, kind = kind, sentence = sentence,
        ["until"] = view.time(first["until"]), deadline = view.time(facts.deadline or row.deadline),
        waiting = json.array(waiting), error = row.error or json.null,
    })
end

function M.get(request, captures)
    local bytes = system.id_bytes(captures.id)
    if not bytes then
        return runs.find_row(request, captures.id)
    end
    local id = system.id_text(bytes)
    remote.call(remote.owner(bytes), "why", { id = id }, function(facts)
        local row, code, detail = rows.read(bytes)
        if not row and facts.is_live then
            row = { id = id, flow = facts.flow, status = facts.status }
        elseif code then
            return problem.send(request, 500, code, detail, { run = id })
        elseif not row then
            return problem.send(request, 404, "NO_RUN", ("no run %s"):format(id))
        end
        answer(request, row, facts)
    end)
end

return M
