-- SPDX-License-Identifier: MIT
-- /api/v1/secret as ps-go has it, over engine/secrets.lua. No value is ever given back: `context` is "".

local core = require "flowhost.core"
local access = require "flowhost.api.access"
local envelope = require "flowhost.api.psgo.envelope"
local secrets = require "flowhost.engine.secrets"

local null = core.json.null

local M = {}

local NEEDED = { name = "string", description = "string", context = "string", operator = "string",
    operator_id = "number" }
local CODES = { INVALID = 100002, NO_SECRET = 100006, EXISTS = 100005 }

local function show(row, is_whole)
    return { id = row.id, name = row.name, description = row.description or "", context = is_whole and "" or nil,
        operator = row.operator or "", operator_id = row.operator_id or 0, created_at = row.created_at,
        updated_at = row.updated_at, deleted_at = null }
end

local function send_result(request)
    return function(row, err)
        if row then
            return envelope.ok(request)
        end
        envelope.fail(request, CODES[err.code] or 100004, err.message)
    end
end

local function get(request)
    local query = request:query()
    local id = envelope.number(request, query, "id")
    local name = query.name ~= "" and query.name or nil
    if id == false then
        return
    elseif not id and not name then
        return envelope.fail(request, 100002, "one of id, name is needed")
    end
    local row = secrets.get(name, id)
    if not row then
        return envelope.fail(request, 100006, "there is no such secret")
    end
    envelope.ok(request, show(row, true))
end

local function page(request)
    local query = request:query()
    local number, count = envelope.paging(request, query)
    if not number then
        return
    end
    local after, before = envelope.number(request, query, "start"), envelope.number(request, query, "end")
    if after == false or before == false then
        return
    end
    local found = {}
    for _, row in ipairs(secrets.list()) do
        local is_named = not query.name or query.name == "" or row.name == query.name
        if is_named and (not after or row.created_at > after) and (not before or row.created_at < before) then
            found[#found + 1] = row
        end
    end
    table.sort(found, function(a, b)
        return a.id > b.id
    end)
    local rows = {}
    for i = (number - 1) * count + 1, math.min(#found, number * count) do
        rows[#rows + 1] = show(found[i])
    end
    envelope.list(request, number, count, #found, rows)
end

local function put(request, o, more)
    secrets.put({ name = o.name, value = o.context, description = o.description, operator = o.operator,
        operator_id = o.operator_id, actor = access.actor(request), is_new = more.is_new, id = more.id },
        send_result(request))
end

local function create(request, _, _, _, body)
    local o = envelope.body(request, body)
    if o and envelope.has(request, o, NEEDED) then
        put(request, o, { is_new = true })
    end
end

local function change(request, _, _, _, body)
    local o = envelope.body(request, body)
    if o and envelope.has(request, o, NEEDED) and envelope.has(request, o, { id = "number" }) then
        put(request, o, { id = o.id })
    end
end

local function remove(request, _, _, _, body)
    local o = envelope.body(request, body)
    if not o or not envelope.has(request, o, { id = "number", operator = "string", operator_id = "number" }) then
        return
    end
    local row = secrets.get(nil, o.id)
    if not row then
        return envelope.fail(request, 100006, "there is no such secret")
    end
    secrets.remove({ name = row.name, actor = access.actor(request), operator = o.operator }, send_result(request))
end

function M.add_routes(router)
    local admin = { role = "admin" }
    router.add("GET", "/api/v1/secret", get, admin)
    router.add("GET", "/api/v1/secret/page", page, admin)
    router.add("POST", "/api/v1/secret", create, admin)
    router.add("PUT", "/api/v1/secret", change, admin)
    router.add("DELETE", "/api/v1/secret", remove, admin)
end

return M
