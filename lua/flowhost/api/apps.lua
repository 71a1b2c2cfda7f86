-- SPDX-License-Identifier: MIT
-- /v1/apps: programs that start runs with a token of their own, so many a second. An operator asks for one, an admin
-- accepts it; its owner, its members (users) and admins see and change it, nobody else.
--
--   pending ─► accepted | rejected, by an admin, also later

local access = require "flowhost.engine.access"
local accounts = require "flowhost.api.accounts"
local api_access = require "flowhost.api.access"
local body_module = require "flowhost.api.body"
local core = require "flowhost.core"
local problem = require "flowhost.api.problem"
local view = require "flowhost.api.view"

local json, store, timer = core.json, core.store, core.timer
local tables = store.tables
local null = json.null

local M = {}

local STATES = body_module.set_of("pending", "accepted", "rejected")
local MAX_EPS, MAX_MEMBERS, DEFAULT_EPS = 1e6, 100, 100

local function app_view(row)
    return { name = row.name, owner = row.owner, members = json.array { unpack(row.members) }, eps = row.eps,
        description = row.description or null, state = row.state, created_at = view.time(row.created) }
end

local function may_see(caller, row)
    if caller.role == "admin" or row.owner == caller.name then
        return true
    end
    for _, member in ipairs(row.members) do
        if member == caller.name then
            return true
        end
    end
    return false
end

function M.list(request)
    local caller, items = api_access.caller(request), json.array {}
    for _, row in ipairs(access.list "apps") do
        if may_see(caller, row) then
            items[#items + 1] = app_view(row)
        end
    end
    accounts.send(request, 200, { items = items, next = null })
end

--- The row, its bytes; nil after 404 or 403.
local function find(request, name, method, path)
    local raw = accounts.is_name(name) and store.get(tables.apps, name) or nil
    local row = raw and json.decode_stored(raw)
    if not row then
        problem.send(request, 404, "NO_APP", ("no app '%s'"):format(name))
    elseif not may_see(api_access.caller(request), row) then
        api_access.forbid(request, method, path, ("%s is no member of app '%s'"):format(api_access.actor(request),
            name))
    else
        return row, raw
    end
end

function M.get(request, captures, method, path)
    local row = find(request, captures.name, method, path)
    if row then
        accounts.send(request, 200, app_view(row))
    end
end

--- What is wrong with eps, members, state, owner: pointer, message.
local function check(o)
    if o.eps ~= nil and (type(o.eps) ~= "number" or o.eps <= 0 or o.eps > MAX_EPS) then
        return "/eps", "must be a number of starts a second, above 0"
    elseif o.state ~= nil and not STATES[o.state] then
        return "/state", "must be pending, accepted or rejected"
    elseif o.owner ~= nil and not accounts.is_name(o.owner) then
        return "/owner", accounts.NAME
    elseif o.description ~= nil and (type(o.description) ~= "string" or #o.description > 1000) then
        return "/description", "must be a text of at most 1000 bytes"
    elseif o.members ~= nil and (type(o.members) ~= "table" or not json.is_array(o.members)
        or #o.members > MAX_MEMBERS) then
        return "/members", ("must be a list of at most %d names"):format(MAX_MEMBERS)
    end
    for i, member in ipairs(o.members or {}) do
        if not accounts.is_name(member) then
            return "/members/" .. i - 1, accounts.NAME
        end
    end
end

local ADD = body_module.set_of("name", "eps", "members", "description", "owner")

--- POST /v1/apps: pending. Only an admin names another owner.
function M.add(request, _, _, _, body)
    local o = body_module.read(request, body, ADD)
    if not o then
        return
    elseif not accounts.is_name(o.name) then
        return body_module.refuse(request, "/name", accounts.NAME)
    end
    local pointer, message = check(o)
    if pointer then
        return body_module.refuse(request, pointer, message)
    end
    local caller, batch = api_access.caller(request), store.batch()
    local row = { name = o.name, owner = caller.role == "admin" and o.owner or caller.name, eps = o.eps or DEFAULT_EPS,
        members = json.array { unpack(o.members or {}) }, description = o.description, state = "pending",
        created = timer.now_ms() }
    batch:expect_absent(tables.apps, o.name)
    access.put(batch, tables.apps, o.name, row)
    access.change(batch, { actor = caller.name, action = "create app", after = app_view(row) }, function(code)
        if not accounts.refuse_stored(request, code, "app " .. o.name) then
            accounts.send(request, 201, app_view(row))
        end
    end)
end

local CHANGE = body_module.set_of("eps", "members", "state", "owner", "description")

--- PATCH: members by owner and members; the rest by admins.
function M.change(request, captures, method, path, body)
    local row, raw = find(request, captures.name, method, path)
    local o = row and body_module.read(request, body, CHANGE)
    if not o then
        return
    end
    local pointer, message = check(o)
    if pointer then
        return body_module.refuse(request, pointer, message)
    elseif (o.eps or o.state or o.owner) and api_access.caller(request).role ~= "admin" then
        return api_access.forbid(request, method, path, "an app's eps, owner and acceptance are an admin's to change")
    end
    local before, batch = app_view(row), store.batch()
    for name, value in pairs(o) do
        row[name] = value
    end
    batch:expect_value(tables.apps, row.name, raw)
    access.put(batch, tables.apps, row.name, row)
    access.change(batch, { actor = api_access.actor(request), action = "change app", before = before,
        after = app_view(row) }, function(code)
        if not accounts.refuse_stored(request, code, "app " .. row.name) then
            accounts.send(request, 200, app_view(row))
        end
    end)
end

local function is_token_of(name)
    return function(row)
        return row.kind == "app" and row.app == name
    end
end

local ADD_TOKEN = body_module.set_of("name", "expires", "rotate")

--- POST .../tokens: another token, shown once; with rotate the ones before hold no longer.
function M.add_token(request, captures, method, path, body)
    local row, raw = find(request, captures.name, method, path)
    local o = row and body_module.read(request, body, ADD_TOKEN)
    if not o then
        return
    end
    local token = { kind = "app", name = o.name or row.name, app = row.name, role = "app" }
    if not accounts.is_name(token.name) then
        return body_module.refuse(request, "/name", accounts.NAME)
    elseif not accounts.set_expiry(request, token, o.expires) then
        return
    end
    local batch = store.batch()
    batch:expect_value(tables.apps, row.name, raw)
    if o.rotate then
        access.delete_tokens(batch, is_token_of(row.name))
    end
    accounts.create_token(request, batch, token)
end

function M.remove(request, captures, method, path)
    local row, raw = find(request, captures.name, method, path)
    if not row then
        return
    end
    local batch = store.batch()
    batch:expect_value(tables.apps, row.name, raw)
    batch:del(tables.apps, row.name)
    access.delete_tokens(batch, is_token_of(row.name))
    access.change(batch, { actor = api_access.actor(request), action = "remove app", before = app_view(row) },
        function(code)
            if not accounts.refuse_stored(request, code, "app " .. row.name) then
                request:respond(204, {}, "")
            end
        end)
end

return M
