-- SPDX-License-Identifier: MIT
-- What is done to runs over the API: signal, recover, cancel, fork; recover and cancel of all that a filter finds; the
-- audit. Each goes to the shard that owns the run (engine/control.lua).

local access = require "flowhost.api.access"
local core = require "flowhost.core"
local audit = require "flowhost.engine.audit"
local body_module = require "flowhost.api.body"
local bulk = require "flowhost.engine.bulk"
local filter = require "flowhost.api.filter"
local journal = require "flowhost.engine.journal"
local naming = require "flowhost.flow.naming"
local problem = require "flowhost.api.problem"
local release_module = require "flowhost.engine.release"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"
local runs = require "flowhost.api.runs"
local snapshot = require "flowhost.engine.snapshot"
local view = require "flowhost.api.view"

local json, system = core.json, core.system

local M = {}

local RECOVER_FIELDS = body_module.set_of("value", "input", "data", "steps", "from", "release", "dry_run", "reason",
    "layer", "names", "rule")
local EDIT_FIELDS = body_module.set_of("data", "layer", "names", "rule", "reason")
local FORK_FIELDS = body_module.set_of("from", "input", "steps", "data", "allow_effects", "reason")
local CANCEL_FIELDS = body_module.set_of("reason")
local BULK_FIELDS = { recover = body_module.set_of("filter", "release", "from", "value", "data", "reason"),
    cancel = body_module.set_of("filter", "reason") }
local MAX_SIGNAL_NAME, MAX_KEY = 100, 255
local AUDIT_CURSOR = 32 -- hexadecimal digits

local function send_refusal(request, id, result)
    problem.send(request, result.status, result.code, result.detail, { run = id, errors = result.errors })
end

local function check_id(request, id)
    local bytes = system.id_bytes(id)
    if not bytes then
        problem.send(request, 404, "NO_RUN", ("'%s' is not a run id (26 characters)"):format(id))
    end
    return bytes
end

--- Asks the owner; on success on_done(result), by default 202 with the run.
local function relay(request, bytes, verb, arguments, on_done)
    local id = system.id_text(bytes)
    arguments.id = id
    if arguments.edits then
        arguments.edits.actor = access.actor(request)
    else
        arguments.actor = access.actor(request)
    end
    remote.call(remote.owner(bytes), verb, arguments, function(result)
        if result.status then
            send_refusal(request, id, result)
        elseif on_done then
            on_done(result)
        else
            local row = rows.read(bytes)
            runs.send(request, 202, row and view.run(row) or { id = id })
        end
    end)
end

function M.recover(request, captures, _, _, body)
    local bytes = check_id(request, captures.id)
    local edits = bytes and body_module.read(request, body, RECOVER_FIELDS)
    if edits then
        relay(request, bytes, "recover", { edits = edits }, edits.dry_run and function(result)
            runs.send(request, 200, result.report)
        end)
    end
end

--- PUT /v1/runs/{id}/snapshot
function M.edit(request, captures, _, _, body)
    local bytes = check_id(request, captures.id)
    local edits = bytes and body_module.read(request, body, EDIT_FIELDS)
    if edits then
        relay(request, bytes, "edit", { edits = edits }, function()
            M.snapshot(request, captures)
        end)
    end
end

--- The rule that a run is pinned to, as it was published or as its file says.
local function rule_of(row)
    local release = release_module.read(row.release)
    local path = release and naming.file_of(release.hashes, row.flow)
    local text = path and release_module.read_blob(release.hashes[path])
    return text and json.decode(text) or json.null
end

--- GET /v1/runs/{id}/snapshot: where a run of a rule stands.
function M.snapshot(request, captures)
    local bytes = check_id(request, captures.id)
    local row = bytes and rows.read(bytes)
    if not row then
        return bytes and problem.send(request, 404, "NO_RUN", "no run " .. captures.id)
    end
    local latest = snapshot.latest(journal.index(journal.load(bytes) or {}))
    if not latest then
        return problem.send(request, 404, "NO_SNAPSHOT", ("run %s has no snapshot: only runs of rules that came to "
            .. "stand have one"):format(row.id), { run = row.id })
    end
    local is_edited = type(latest.rule) == "string"
    runs.send(request, 200, { run = row.id, status = row.status, layer = latest.layer,
        names = latest.names or json.null, data = latest.data,
        rule = is_edited and json.decode(latest.rule) or rule_of(row), is_rule_edited = is_edited })
end

--- A reason as text; nil after a problem was sent.
local function reason_of(request, options)
    local reason = options.reason
    if reason == nil then
        return ""
    elseif type(reason) ~= "string" then
        problem.send(request, 422, "EDIT_INVALID", "/reason must be a string",
            { errors = json.array { { pointer = "/reason", message = "must be a string" } } })
        return nil
    end
    return reason
end

function M.cancel(request, captures, _, _, body)
    local bytes = check_id(request, captures.id)
    local options = bytes and body_module.read(request, body, CANCEL_FIELDS)
    local reason = options and reason_of(request, options)
    if reason then
        relay(request, bytes, "cancel", { reason = reason })
    end
end

--- POST /v1/runs/{id}/redrive
function M.redrive(request, captures, _, _, body)
    local bytes = check_id(request, captures.id)
    local options = bytes and body_module.read(request, body, CANCEL_FIELDS)
    local reason = options and reason_of(request, options)
    if reason then
        relay(request, bytes, "redrive", { reason = reason })
    end
end

function M.fork(request, captures, _, _, body)
    local bytes = check_id(request, captures.id)
    local edits = bytes and body_module.read(request, body, FORK_FIELDS)
    if edits then
        relay(request, bytes, "fork", { edits = edits }, function(result)
            local row = rows.read(system.id_bytes(result.run))
            request:respond(201, { "Content-Type", "application/json", "Location", "/v1/runs/" .. result.run,
                "Flowhost-Run", result.run }, json.encode(view.run(row), { max_depth = 192 }) .. "\n")
        end)
    end
end

-- signals ----------------------------------------------------------------------------------------

function M.signal(request, captures, _, _, body)
    local bytes = check_id(request, captures.id)
    if not bytes then
        return
    end
    local name = captures.name
    local key = request:headers()["idempotency-key"] or ""
    local data, reason = json.null, nil
    if body ~= "" then
        data, reason = json.decode(body)
    end
    if data == nil then
        return problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
    elseif #name > MAX_SIGNAL_NAME or not name:find "^[%w_.:-]+$" then
        return problem.send(request, 422, "SIGNAL_INVALID",
            ("a signal's name has letters, digits and _ . : - only, at most %d"):format(MAX_SIGNAL_NAME))
    elseif #key > MAX_KEY then
        return problem.send(request, 422, "KEY_TOO_LONG", ("an Idempotency-Key has at most %d bytes"):format(MAX_KEY))
    end
    relay(request, bytes, "signal", { name = name, data = data, key = key }, function(result)
        runs.send(request, 202, { run = system.id_text(bytes), signal = name, repeated = result.is_repeated })
    end)
end

-- all that a filter finds --------------------------------------------------------------------------

local function bulk_of(verb)
    return function(request, _, _, _, body)
        local options = body_module.read(request, body, BULK_FIELDS[verb])
        local reason = options and reason_of(request, options)
        if not reason then
            return
        end
        local wanted, why = filter.parse_object(options.filter)
        if not wanted then
            return problem.send(request, 422, "QUERY_INVALID", why)
        elseif verb == "recover" then
            wanted.status = wanted.status or "suspended"
        end
        local edits = { release = options.release, from = options.from, value = options.value, data = options.data,
            reason = options.reason, actor = access.actor(request) }
        local run
        run = run_module.start {
            flow = bulk.flow, input = { verb = verb, filter = wanted, edits = edits, reason = reason,
                actor = access.actor(request) },
            waiter = function(ended)
                if ended.was_refused then
                    problem.send_run(request, ended, "/v1/flows/flowhost/bulk")
                end
            end,
        }
        run_module.when_taken(run, function()
            request:respond(202, { "Content-Type", "application/json", "Location", "/v1/runs/" .. run.id,
                "Flowhost-Run", run.id }, json.encode(view.run(rows.read(run.bytes)), { max_depth = 192 }) .. "\n")
        end)
    end
end

M.recover_all, M.cancel_all = bulk_of "recover", bulk_of "cancel"

-- audit ------------------------------------------------------------------------------------------

function M.audit(request)
    local query = request:query()
    local limit = runs.read_page(request, query, 50, 1000)
    if not limit then
        return
    end
    local after = nil
    if query.cursor ~= nil then
        if #query.cursor ~= AUDIT_CURSOR or query.cursor:find "%X" then
            return problem.send(request, 422, "QUERY_INVALID", "cursor is not one that this list gave")
        end
        after = query.cursor:gsub("..", function(pair)
            return string.char(tonumber(pair, 16))
        end)
    end
    local entries, last, detail = audit.list(limit, after, query.run)
    if not entries then
        return problem.send(request, 500, last, detail)
    end
    for i, entry in ipairs(entries) do
        entries[i] = view.audit(entry)
    end
    runs.send(request, 200, { items = json.array(entries), next = last and system.hex(last) or json.null })
end

return M
