-- SPDX-License-Identifier: MIT
-- /api/v1/suspend and /api/v1/run_log as ps-go has them, over the engine's own runs (SEEDS 1.13, 1.14). A suspended
-- run's `id` is its trx.

local core = require "flowhost.core"
local access = require "flowhost.api.access"
local catalog = require "flowhost.engine.catalog"
local envelope = require "flowhost.api.psgo.envelope"
local journal = require "flowhost.engine.journal"
local naming = require "flowhost.flow.naming"
local release_module = require "flowhost.engine.release"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local rule_route = require "flowhost.api.rule_route"
local run_tree = require "flowhost.api.run_tree"
local snapshot = require "flowhost.engine.snapshot"

local json, store, system = core.json, core.store, core.system

local M = {}

-- what a run stands for ----------------------------------------------------------------------------

--- Text of the rule that a run is pinned to, the flow, and versions of the release's scripts by name.
local function pinned(row)
    local release = release_module.read(row.release)
    local flow = catalog.flow_of(row.release, row.flow)
    local path = release and naming.file_of(release.hashes, row.flow)
    local versions = {}
    for file in pairs(release and release.hashes or {}) do
        local name = file:match "^components/(.*)%.lua$"
        if name then
            versions[name] = release_module.version_of(release, file)
        end
    end
    return path and release_module.read_blob(release.hashes[path]) or "null", flow, versions
end

local function rule_of(flow)
    return flow and flow.rule or { method = "", layers = 0 }
end

local function outline_names(code, layer)
    return json.array(code and code.outline and code.outline[layer] or {})
end

--- A suspended run as a row of ps-go's suspend_log; nil when it is none.
local function suspend_row(row, has_all)
    local latest = snapshot.latest(journal.index(journal.load(row.bytes) or {}))
    if row.status ~= "suspended" or not latest then
        return nil
    end
    local text, flow = pinned(row)
    local rule, err = rule_of(flow), row.error or {}
    local names = latest.names ~= json.null and latest.names or nil
    local shown = { id = row.id, trx = row.id, log_id = row.trace_id, method = rule.method,
        path = rule.name or row.flow, version = row.version, step = rule.layers, cur_step = latest.layer,
        err_code = err.code or "000400",
        err_msg = err.message or "", created_at = math.floor(row.created / 1000),
        err_component = json.encode(names and json.array(names) or outline_names(flow and flow.code, latest.layer)) }
    if has_all then
        shown.rule = latest.rule ~= json.null and latest.rule or text
        shown.data = json.encode_stored(latest.data)
    end
    return shown
end

local function read_run(id)
    local bytes = type(id) == "string" and system.id_bytes(id)
    return bytes and rows.read(bytes) or nil
end

-- suspend ------------------------------------------------------------------------------------------

local function get(request)
    local query = request:query()
    local id = query.trx ~= "" and query.trx or query.id
    if not id or id == "" then
        return envelope.fail(request, 100002, "one of id, trx is needed")
    end
    local row = read_run(id)
    local shown = row and suspend_row(row, true)
    if not shown then
        return envelope.fail(request, 100006, "there is no such suspended run")
    end
    envelope.ok(request, shown)
end

local FILTERS = { "trx", "method", "path", "version", "log_id" }

local function matches(shown, query, after, before)
    for _, name in ipairs(FILTERS) do
        if query[name] and query[name] ~= "" and shown[name] ~= query[name] then
            return false
        end
    end
    return (not after or shown.created_at > after) and (not before or shown.created_at < before)
end

--- Calls fn(row) for each suspended run, newest first.
local function each_suspended(fn)
    local prefix, after = "suspended\0", nil
    repeat
        local keys, _, count = store.scan(store.tables.runs_by_status, { prefix = prefix, after = after, limit = 500,
            reverse = true })
        for i = 1, keys and count or 0 do
            local row = rows.read(keys[i]:sub(#prefix + 1))
            if row then
                fn(row)
            end
        end
        after = keys and keys[count]
    until not keys or count < 500
end

local function page(request)
    local query = request:query()
    local number, count = envelope.paging(request, query)
    if not number then
        return
    end
    local from, till = envelope.number(request, query, "start"), envelope.number(request, query, "end")
    if from == false or till == false then
        return
    end
    local found, total = {}, 0
    each_suspended(function(row)
        local shown = suspend_row(row)
        if shown and matches(shown, query, from, till) then
            total = total + 1
            if total > (number - 1) * count and #found < count then
                found[#found + 1] = shown
            end
        end
    end)
    envelope.list(request, number, count, total, found)
end

local CODES = { NO_RUN = 100006, NO_SNAPSHOT = 100006, EDIT_INVALID = 100002, WRONG_STATE = 100001 }

local function refuse(request, result)
    envelope.fail(request, CODES[result.code] or 100004, result.detail)
end

local function decoded(value)
    return type(value) == "string" and json.decode(value) or value
end

--- PUT /api/v1/suspend
local function edit(request, _, _, _, body)
    local o = envelope.body(request, body)
    if not o then
        return
    end
    local row = read_run(o.id or o.trx)
    if not row then
        return envelope.fail(request, (o.id or o.trx) and 100006 or 100002, "id must be that of a suspended run")
    end
    local edits = { data = decoded(o.data), rule = o.rule, layer = o.cur_step, names = decoded(o.err_names),
        actor = access.actor(request) }
    remote.call(remote.owner(row.bytes), "edit", { id = row.id, edits = edits }, function(result)
        if result.status then
            return refuse(request, result)
        end
        envelope.ok(request)
    end)
end

--- The rule that the run goes on with when somebody has edited it.
local function kept_rule(row)
    local latest = snapshot.latest(journal.index(journal.load(row.bytes) or {}))
    return latest and latest.rule ~= json.null and latest.rule or nil
end

--- POST /api/v1/suspend/recover: the caller gets what a caller of the rule would.
local function recover(request, _, _, _, body)
    local o = envelope.body(request, body)
    if not o then
        return
    end
    local row = read_run(o.trx)
    if not row then
        return envelope.fail(request, o.trx and 100006 or 100002, "trx must be that of a suspended run")
    end
    local text, flow = pinned(row)
    local edits = { data = o.data, actor = access.actor(request) }
    if catalog.flow(row.flow) then
        -- the run keeps its rule; scripts are as they are now, so that a mended one is used
        edits.release, edits.rule = "active", kept_rule(row) or text
    end
    remote.call(remote.owner(row.bytes), "recover", { id = row.id, wants_outcome = true, edits = edits },
        function(result)
        local outcome = result.outcome
        if result.status then
            return refuse(request, result)
        end
        outcome.id = row.id
        local answer = outcome.answer or (outcome.output_json and { body = json.decode_stored(outcome.output_json) })
        rule_route.send(request, rule_route.response_of(flow), outcome, answer)
    end)
end

-- run log ------------------------------------------------------------------------------------------

--- The tree of a run; nil when there is no such run.
function M.tree(id)
    local row = read_run(id)
    if not row or row.corrupt then
        return nil
    end
    local text, flow, versions = pinned(row)
    local rule = json.decode(text)
    rule = type(rule) == "table" and rule or nil
    return run_tree.build(row, journal.load(row.bytes) or {}, rule, versions), row, flow
end

local function run_log(request)
    local query = request:query()
    if not query.trx or query.trx == "" then
        return envelope.fail(request, 100002, "trx is needed")
    end
    local tree, row, flow = M.tree(query.trx)
    if not tree then
        return envelope.fail(request, 100006, "there is no such run")
    end
    local rule = rule_of(flow)
    envelope.ok(request, { trx = row.id, method = rule.method, path = rule.name or row.flow, version = row.version,
        log_id = row.trace_id, step = tree.step, cur_step = tree.cur_step, status = tree.status,
        msg = json.encode_stored(tree) })
end

function M.add_routes(router)
    router.add("GET", "/api/v1/suspend", get)
    router.add("GET", "/api/v1/suspend/page", page)
    router.add("PUT", "/api/v1/suspend", edit)
    router.add("POST", "/api/v1/suspend/recover", recover)
    router.add("GET", "/api/v1/run_log", run_log)
end

return M
