-- SPDX-License-Identifier: MIT
-- Idempotency-Key: the first request with a key of a flow starts the run, all others get that run's outcome.
--
-- A key holds once the run's first batch is stored, which may fail: another shard was first, the disk is full. Requests
-- that come before that is decided wait in `undecided` and are then looked at as if they came now; so nobody is told of
-- a run that does not exist.

local core = require "flowhost.core"
local caller_module = require "flowhost.api.caller"
local journal = require "flowhost.engine.journal"
local problem = require "flowhost.api.problem"
local live = require "flowhost.engine.live"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"
local wake = require "flowhost.engine.wake"

local json, system = core.json, core.system

local M = {}

local undecided = {} -- stored key -> list of the requests that wait

--- What ctx.response gave in a run that is over.
local function find_response(run_bytes)
    for _, entry in ipairs(journal.load(run_bytes) or {}) do
        if entry.kind == "response" and entry.state == "k" then
            return entry.value
        end
    end
end

--- Another shard asks for the end of a stored run that is, or was, worked on here.
remote.on("outcome", function(arguments, reply)
    local function tell(run, answer)
        reply { status = run.status, output_json = run.output_json, error = run.error, answer = answer,
            was_refused = run.was_refused }
    end
    local row, code, detail = rows.read(system.id_bytes(arguments.id))
    local run = live.runs[arguments.id]
    if not row and not run then
        return tell { status = "unknown", error = { code = code or "NO_RUN", message = detail or "no such run" } }
    elseif not run and row.status == "waiting" then
        local early_answer = find_response(row.bytes)
        if early_answer then
            return tell(row, early_answer)
        end
    end
    if not wake.on_end(row or run, tell) then
        row.output_json = json.encode_stored(row.output)
        tell(row, find_response(row.bytes))
    end
end)

--- Answers with the outcome of the run that holds the key.
local function join(o, run_bytes, hash)
    local id = system.id_text(run_bytes)
    local caller = o.caller
    if hash ~= o.hash then
        return problem.send(caller.request, 409, "IDEMPOTENCY_CONFLICT",
            "this Idempotency-Key was used for this flow with another input", { run = id })
    end
    caller_module.follow(caller, id)
    if not caller.is_answered then
        remote.call(remote.owner(run_bytes), "outcome", { id = id }, function(outcome)
            outcome.id, outcome.flow = id, o.flow.name
            caller_module.answer(caller, outcome, outcome.answer)
        end)
    end
end

local take

local function decide(key)
    local waiting = undecided[key]
    undecided[key] = nil
    for _, o in ipairs(waiting or {}) do
        take(o)
    end
end

local function start(o)
    local run
    run = run_module.start {
        flow = o.flow, input = o.input, trace_id = o.trace_id, idempotency = { key = o.key, hash = o.hash },
        is_queued = o.is_queued, tags = o.caller.tags,
        waiter = function(ended, answer)
            if ended.was_refused then
                decide(o.key)
            end
            caller_module.answer(o.caller, ended, answer)
        end,
        on_key_taken = function()
            table.insert(undecided[o.key], 1, o)
            decide(o.key)
        end,
    }
    run_module.when_taken(run, function()
        caller_module.follow(o.caller, run.id)
        if o.caller.is_async then
            run.waiters = {}
        end
        decide(o.key)
    end)
end

function take(o)
    if undecided[o.key] then
        table.insert(undecided[o.key], o)
        return
    end
    local run_bytes, hash, detail = rows.read_idempotency(o.key)
    if run_bytes then
        return join(o, run_bytes, hash)
    elseif hash then
        return problem.send(o.caller.request, 500, hash, detail)
    end
    undecided[o.key] = {}
    start(o)
end

--- Starts the run of a request, or joins the one that has its key.
---@param o { caller: table, flow: table, input: any, trace_id: string?, key: string, body: string }
function M.start(o)
    o.key = o.flow.name .. "\0" .. o.key
    o.hash = system.hash64(o.body)
    take(o)
end

return M
