-- SPDX-License-Identifier: MIT
-- /api/v1/suspend and /api/v1/run_log as ps-go has them, over the engine's own runs (SEEDS 1.13, 1.14). A suspended
-- run's `id` is its trx.

local core = require "flowhost.core"
local access = require "flowhost.api.access"
local catalog = require "flowhost.engine.catalog"
local chore = require "flowhost.engine.chore"
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

--- The seed's code of an error that ended the run from outside of its components.
local OF_LIMIT = { CPU_LIMIT = "110000", MEMORY_LIMIT = "110000" }

--- What a suspended run's row says by itself.
local function brief_of(row, flow)
    local rule, err = rule_of(flow), row.error or {}
    return { id = row.id, trx = row.id, log_id = row.trace_id, method = rule.method, path = rule.name or row.flow,
        version = row.version, step = rule.layers, err_code = OF_LIMIT[err.code] or err.code or "000400",
        err_msg = err.message or "" }
end

--- Adds where it stands; its snapshot, nil when it stands in no layer.
local function add_place(shown, by_path, flow)
    local latest = snapshot.latest(by_path)
    if not latest then
        return nil
    end
    local names = latest.names ~= json.null and latest.names or nil
    shown.cur_step, shown.created_at = latest.layer, math.floor((snapshot.stood_at(by_path) or 0) / 1000)
    shown.err_component = json.encode(names and json.array(names) or outline_names(flow and flow.code, latest.layer))
    return latest
end

local function index_of(row)
    return journal.index(journal.load(row.bytes) or {})
end

--- A suspended run as a row of ps-go's suspend_log; nil when it is none.
local function suspend_row(row)
    local text, flow = pinned(row)
    local shown = brief_of(row, flow)
    local latest = row.status == "suspended" and add_place(shown, index_of(row), flow)
    if not latest then
        return nil
    end
    shown.rule = latest.rule ~= json.null and latest.rule or text
    shown.data = json.encode_stored(latest.data)
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
    local shown = row and suspend_row(row)
    if not shown then
        return envelope.fail(request, 100006, "there is no such suspended run")
    end
    envelope.ok(request, shown)
end

local FILTERS = { "trx", "method", "path", "version", "log_id" }

local function matches(shown, query)
    for _, name in ipairs(FILTERS) do
        if query[name] and query[name] ~= "" and shown[name] ~= query[name] then
            return false
        end
    end
    return true
end

--- Calls fn(row) for each suspended run, newest first; within a chore.
local function each_suspended(fn)
    local prefix, after = "suspended\0", nil
    repeat
        local keys, _, count = store.scan(store.tables.runs_by_status, { prefix = prefix, after = after, limit = 500,
            reverse = true })
        for i = 1, keys and count or 0 do
            chore.pause()
            local row = rows.read(keys[i]:sub(#prefix + 1))
            if row then
                fn(row)
            end
        end
        after = keys and keys[count]
    until not keys or count < 500
end

local function is_between(shown, o)
    return (not o.from or shown.created_at > o.from) and (not o.till or shown.created_at < o.till)
end

--- The rows of a page and how many there are in all. Journals are read of those rows only, unless times are asked for.
---@param o { number: integer, count: integer, query: table, from: integer?, till: integer? }
local function find_page(o)
    local found, total = {}, 0
    local first = (o.number - 1) * o.count
    each_suspended(function(row)
        local flow = catalog.flow_of(row.release, row.flow)
        local shown = flow and flow.rule and brief_of(row, flow)
        if not shown or not matches(shown, o.query) then
            return
        end
        local is_wanted = total >= first and #found < o.count
        if is_wanted or o.from or o.till then
            local is_there = add_place(shown, index_of(row), flow) and is_between(shown, o)
            if not is_there then
                return
            end
        end
        total = total + 1
        found[#found + 1] = is_wanted and shown or nil
    end)
    return found, total
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
    chore.run("suspended runs", "a page of suspended runs", function()
        local found, total = find_page { number = number, count = count, query = query, from = from, till = till }
        envelope.list(request, number, count, total, found)
    end)
end

local CODES = { NO_RUN = 100006, NO_SNAPSHOT = 100006, EDIT_INVALID = 100002, WRONG_STATE = 100001 }

--- Fields of edits as ps-go calls them.
local NAMES = { ["/layer"] = "/cur_step", ["/names"] = "/err_names" }

local function refuse(request, result)
    local first = result.errors and result.errors[1]
    local code = first and first.pointer:find "[cC]ondition$" and 110004 or CODES[result.code] or 100004
    envelope.fail(request, code, (result.detail:gsub("^/%a+", NAMES)))
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
    local latest = snapshot.latest(index_of(row))
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
