-- SPDX-License-Identifier: MIT
-- Documents published by API: rules and scripts, each a family of versions of which one is active. The active ones lie
-- as files over the flows folder (reload.lua), so a run pins them as it pins any file:
--
--   rule    ps/METHOD/NAME.rule.json, the rule with its name and method     script  components/NAME.lua
--
-- A version: id, kind, name, method (rules), version (32 hex), status (true: active), text, operator, operator_id,
-- created_at, updated_at (unix s). Table `documents`: kind 00 u64 id -> version; "#" kind -> last id. Semantics:
-- SEEDS 1.15. A version that is removed is gone; runs that pinned it find it in their release.
--
-- Shard 0 decides, one change after the other: it is in the store, then served by all shards, then answered.

local core = require "flowhost.core"
local audit = require "flowhost.engine.audit"
local chore = require "flowhost.engine.chore"
local naming = require "flowhost.flow.naming"
local reload = require "flowhost.engine.reload"
local remote = require "flowhost.engine.remote"

local json, store, system, timer = core.json, core.store, core.system, core.timer
local DOCUMENTS = store.tables.documents

local M = {}

local MAX_NAME = 230     -- bytes, as part of a path: keys of the store have an end
local KEPT = 2           -- newest versions beside the active one
local PAGE = 1000

local function key_of(kind, id)
    return kind .. "\0" .. system.u64(id)
end

-- names ------------------------------------------------------------------------------------------------

local PATHS = {
    rule = function(name, method)
        return ("ps/%s/%s.rule.json"):format(method, naming.to_path(name))
    end,
    script = function(name)
        return ("components/%s.lua"):format(naming.to_path(name))
    end,
}

function M.path_of(row)
    return PATHS[row.kind](row.name, row.method)
end

--- What lies in the release for a version: a rule knows what it is called.
local function file_text(row)
    local rule = row.kind == "rule" and json.decode(row.text)
    if type(rule) ~= "table" or json.is_array(rule) then
        return row.text
    end
    rule.name, rule.method = row.name, row.method
    return assert(json.encode(rule))
end

-- reading ----------------------------------------------------------------------------------------------

--- Calls fn(version) for each of a kind, oldest or newest first, until it returns true.
local function each(kind, is_newest_first, fn)
    local after
    repeat
        local keys, values, count = store.scan(DOCUMENTS, { prefix = kind .. "\0", after = after, limit = PAGE,
            reverse = is_newest_first })
        if not keys then
            error("documents cannot be read: " .. tostring(count), 0)
        end
        for i = 1, count do
            local row = values[i] and json.decode_stored(values[i])
            if not row then
                system.log("error", "a document is damaged: it is left out", { "key", system.hex(keys[i]) })
            elseif fn(row) then
                return
            end
        end
        after = keys[count]
    until count < PAGE
end

--- A version by its id; nil when there is none.
function M.get(kind, id)
    local is_id = type(id) == "number" and id >= 1 and id < 2 ^ 53 and id == math.floor(id)
    local text = is_id and store.get(DOCUMENTS, key_of(kind, id))
    return text and json.decode_stored(text) or nil
end

--- One version: by `version`, which beats `name` (and `method`), whose active one it is.
---@param o { name: string?, method: string?, version: string? }
function M.find(kind, o)
    local found
    each(kind, true, function(row)
        local is_same = o.version == nil and row.status and row.name == o.name
            and (o.method == nil or row.method == o.method)
        if row.version == o.version or is_same then
            found = row
            return true
        end
    end)
    return found
end

local EXACT = { "name", "method", "status", "operator_id", "version" }

local function matches(row, filter)
    for _, field in ipairs(EXACT) do
        if filter[field] ~= nil and row[field] ~= filter[field] then
            return false
        end
    end
    return (filter.after == nil or row.created_at > filter.after)
        and (filter.before == nil or row.created_at < filter.before)
end

--- Versions that match, newest first, without text; how many there are in all.
---@param filter { page: integer?, count: integer?, name: string?, method: string?, status: boolean?,
--- operator_id: integer?, after: integer?, before: integer? }  page from 1; after, before: created, exclusive
function M.list(kind, filter)
    local count = filter.count or 50
    local first = ((filter.page or 1) - 1) * count
    local rows, total = {}, 0
    each(kind, true, function(row)
        if matches(row, filter) then
            total = total + 1
            if total > first and #rows < count then
                row.text = nil
                rows[#rows + 1] = row
            end
        end
    end)
    return rows, total
end

--- The active versions as files: texts (path -> text), versions (path -> version).
function M.published()
    local texts, versions = {}, {}
    for kind in pairs(PATHS) do
        each(kind, false, function(row)
            if row.status then
                local path = M.path_of(row)
                texts[path], versions[path] = file_text(row), row.version
            end
        end)
    end
    return { texts = texts, versions = versions }
end

-- changing, on shard 0 ---------------------------------------------------------------------------------

local function refuse(code, message, more)
    local err = { code = code, message = message }
    for name, value in pairs(more or {}) do
        err[name] = value
    end
    return nil, err
end

--- All versions of a family, oldest first.
local function family_of(row)
    local family = {}
    each(row.kind, false, function(other)
        if other.name == row.name and other.method == row.method then
            family[#family + 1] = other
        end
    end)
    return family
end

local function put(batch, row)
    batch:put(DOCUMENTS, key_of(row.kind, row.id), assert(json.encode_stored(row)))
end

local function submit(batch)
    local code, reason = chore.store("documents", batch)
    if code then
        return refuse("100004", reason)
    end
    return true
end

local function serve(plan)
    if plan and not reload.serve(plan) then
        return refuse("100004", "the change is stored, but could not be served; it will be when the host starts again")
    end
    return true
end

--- The seed's code for what is wrong with a document.
local function code_of(kind, problem)
    local fault = problem.faults and problem.faults[1]
    if kind == "script" then
        return problem.message:find "^no handler" and "110002" or "110001"
    elseif fault and fault.message:find "^the rule is not JSON" then
        return "100004"
    elseif fault and fault.pointer:find "[cC]ondition$" then
        return "110004"
    end
    return "100002"
end

--- What it takes to serve the version; nil, err.
local function prepare(row)
    local plan, problem = reload.prepare(M.path_of(row), file_text(row), row.version)
    if not plan then
        local faults = problem.faults
        return refuse(code_of(row.kind, problem), problem.message, { line = problem.line, errors = faults,
            pointer = faults and faults[1].pointer })
    end
    return plan
end

local function next_id(kind)
    return tonumber(store.get(DOCUMENTS, "#" .. kind) or "0") + 1
end

local function new_version()
    return system.hex(system.random(16)):upper()
end

local function entry_of(action, row, actor)
    return { actor = actor or row.operator or "admin", action = action, flow = row.kind == "rule" and M.path_of(row)
        :gsub("%.rule%.json$", "") or nil, after = { kind = row.kind, id = row.id, name = row.name,
        method = row.method, version = row.version } }
end

--- Old versions that are not needed any more: beside the active one the two newest stay.
local function prune(batch, family)
    local kept = 0
    for i = #family, 1, -1 do
        local row = family[i]
        if not row.status then
            kept = kept + 1
            if kept > KEPT then
                batch:del(DOCUMENTS, key_of(row.kind, row.id))
            end
        end
    end
end

local actions = {}

function actions.publish(o)
    local now = math.floor(timer.now_ms() / 1000)
    local row = { kind = o.kind, name = o.name, method = o.method, text = o.text, operator = o.operator,
        operator_id = o.operator_id, created_at = now, updated_at = now, version = new_version(), id = next_id(o.kind) }
    local family = family_of(row)
    row.status = #family == 0
    local plan, err = prepare(row)
    if not plan then
        return nil, err
    end
    local batch = store.batch()
    batch:set_intake()
    put(batch, row)
    batch:put(DOCUMENTS, "#" .. row.kind, tostring(row.id))
    family[#family + 1] = row
    prune(batch, family)
    audit.put(batch, entry_of("publish", row, o.actor))
    local ok
    ok, err = submit(batch)
    if ok and row.status then
        ok, err = serve(plan)
    end
    return ok and row, err
end

function actions.activate(o)
    local row = M.get(o.kind, o.id)
    if not row then
        return refuse("100006", ("there is no %s with id %s"):format(o.kind, tostring(o.id)))
    elseif row.status then
        return row
    end
    row.status = true
    local plan, err = prepare(row)
    if not plan then
        return nil, err
    end
    local batch = store.batch()
    batch:set_intake()
    for _, other in ipairs(family_of(row)) do
        if other.status then
            other.status = false
            put(batch, other)
        end
    end
    row.operator, row.operator_id = o.operator or row.operator, o.operator_id or row.operator_id
    row.updated_at = math.floor(timer.now_ms() / 1000)
    put(batch, row)
    audit.put(batch, entry_of("activate", row, o.actor or o.operator))
    local ok
    ok, err = submit(batch)
    if ok then
        ok, err = serve(plan)
    end
    return ok and row, err
end

function actions.remove(o)
    local row = M.get(o.kind, o.id)
    if not row then
        return refuse("100006", ("there is no %s with id %s"):format(o.kind, tostring(o.id)))
    elseif row.status then
        return refuse("100001", ("the active version of a %s cannot be removed"):format(o.kind), { is_active = true })
    end
    local batch = store.batch()
    batch:del(DOCUMENTS, key_of(row.kind, row.id))
    audit.put(batch, entry_of("remove", row, o.actor or o.operator))
    local ok, err = submit(batch)
    return ok and row, err
end

remote.on("documents", function(arguments, reply)
    chore.run("releases", ("%s of a %s"):format(arguments.action, arguments.kind), function()
        local ok, row, err = xpcall(actions[arguments.action], debug.traceback, arguments)
        if not ok then
            reply { err = { code = "100004", message = "the change failed; see the log" } }
            error(row, 0)
        end
        reply { row = row or nil, err = not row and err or nil }
    end)
end)

-- changing ---------------------------------------------------------------------------------------------

local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true }

--- What is wrong with name, method or text; nil when nothing is.
local function find_problem(kind, o)
    if type(o.name) ~= "string" or o.name == "" then
        return "name must not be empty"
    elseif #naming.to_path(o.name) > MAX_NAME then
        return ("name must have at most %d bytes"):format(MAX_NAME)
    elseif o.name:find "^/" or o.name:find "/$" or o.name:find "//" or ("/" .. o.name .. "/"):find "/%.%.?/" then
        return "name must be a path without empty parts, such as api/v1/test"
    elseif kind == "rule" and not METHODS[o.method] then
        return "method must be one of GET, HEAD, POST, PUT, PATCH, DELETE"
    elseif type(o.text) ~= "string" or o.text == "" then
        return kind .. " must not be empty"
    end
end

local function call(action, kind, o, done)
    local arguments = { action = action, kind = kind }
    for _, field in ipairs { "id", "name", "method", "text", "operator", "operator_id", "actor" } do
        arguments[field] = o[field]
    end
    remote.call(0, "documents", arguments, function(result)
        if result.row then
            return done(result.row)
        end
        done(nil, result.err or { code = result.code or "100004", message = result.detail })
    end)
end

--- A new version. The first of its family is active at once, others once they are activated.
---@param kind "rule"|"script"
---@param o { name: string, method: string?, text: string, operator: string?, operator_id: integer?, actor: string? }
---@param done fun(row: table?, err: { code: string, message: string, pointer: string?, line: integer?,
--- errors: { pointer: string, message: string }[]? }?)
function M.publish(kind, o, done)
    if type(o.name) == "string" then
        o.name = o.name:gsub("^/", "")
    end
    o.method = kind == "rule" and type(o.method) == "string" and o.method:upper() or nil
    local problem = find_problem(kind, o)
    if problem then
        return done(nil, { code = "100002", message = problem })
    end
    call("publish", kind, o, done)
end

--- Makes a version the active one of its family.
---@param who { operator: string?, operator_id: integer?, actor: string? }
function M.activate(kind, id, who, done)
    call("activate", kind, { id = id, operator = who.operator, operator_id = who.operator_id, actor = who.actor }, done)
end

--- Removes a version that is not active.
function M.remove(kind, id, who, done)
    call("remove", kind, { id = id, operator = who.operator, operator_id = who.operator_id, actor = who.actor }, done)
end

return M
