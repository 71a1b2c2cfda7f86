-- SPDX-License-Identifier: MIT
-- /v1/users and /v1/tokens, for admins. Passwords and secrets are in no answer but that which makes a token.

local access = require "flowhost.engine.access"
local api_access = require "flowhost.api.access"
local body_module = require "flowhost.api.body"
local core = require "flowhost.core"
local login = require "flowhost.engine.login"
local problem = require "flowhost.api.problem"
local retention = require "flowhost.flow.retention"
local view = require "flowhost.api.view"

local json, store, timer = core.json, core.store, core.timer
local tables = store.tables
local null = json.null

local M = {}

local MIN_PASSWORD, MAX_PASSWORD = 8, 1024

local function send(request, status, value)
    request:respond(status, { "Content-Type", "application/json", "Cache-Control", "no-store" },
        json.encode(value) .. "\n")
end

M.send = send

--- 409, 503, 507 for what the store said; true when it said something.
function M.refuse_stored(request, code, what)
    if code == "CONFLICT" then
        problem.send(request, 409, "EXISTS", ("%s exists, or was changed meanwhile"):format(what))
    elseif code then
        problem.send(request, code == "DISK_FULL" and 507 or 503, code, ("%s could not be stored: %s"):format(what,
            code))
    end
    return code ~= nil
end

--- What may name a user, a token, an app.
function M.is_name(value)
    return type(value) == "string" and #value <= 100 and value:find "^[%w][%w_.@-]*$" ~= nil
end

M.NAME = "must be letters, digits and _ . @ -, at most 100"

local function list(kind, show)
    return function(request)
        local items = json.array {}
        for i, row in ipairs(access.list(kind)) do
            items[i] = show(row)
        end
        send(request, 200, { items = items, next = null })
    end
end

-- users -------------------------------------------------------------------------------------------

local function user_view(row)
    return { name = row.name, role = row.role, disabled = row.disabled or false, created_at = view.time(row.created) }
end

M.list_users = list("users", user_view)

--- What is wrong with role, password, disabled: pointer, message.
local function check_user(o)
    if o.role ~= nil and not access.RANK[o.role] then
        return "/role", "must be viewer, operator or admin"
    elseif o.password ~= nil and (type(o.password) ~= "string" or #o.password < MIN_PASSWORD
        or #o.password > MAX_PASSWORD) then
        return "/password", ("must have %d to %d bytes"):format(MIN_PASSWORD, MAX_PASSWORD)
    elseif o.disabled ~= nil and type(o.disabled) ~= "boolean" then
        return "/disabled", "must be true or false"
    end
end

--- proceed(hash) with the hash of o.password; nil when there is none.
local function hash(request, o, proceed)
    if not o.password then
        return proceed(nil)
    end
    login.hash(o.password, function(text, code)
        if not text then
            return problem.send(request, 503, code == "TOO_LARGE" and "BUSY" or code,
                "too many passwords are being worked on; come again", { headers = { "Retry-After", "1" } })
        end
        proceed(text)
    end)
end

local ADD_USER = body_module.set_of("name", "password", "role")

function M.add_user(request, _, _, _, body)
    local o = body_module.read(request, body, ADD_USER)
    if not o then
        return
    elseif not M.is_name(o.name) then
        return body_module.refuse(request, "/name", M.NAME)
    elseif not o.password or not o.role then
        return body_module.refuse(request, "", "name, password and role are needed")
    end
    local pointer, message = check_user(o)
    if pointer then
        return body_module.refuse(request, pointer, message)
    end
    hash(request, o, function(text)
        local row = { name = o.name, role = o.role, hash = text, created = timer.now_ms() }
        local batch = store.batch()
        batch:expect_absent(tables.users, o.name)
        access.put(batch, tables.users, o.name, row)
        access.change(batch, { actor = api_access.actor(request), action = "create user", after = user_view(row) },
            function(code)
                if not M.refuse_stored(request, code, "user " .. o.name) then
                    send(request, 201, user_view(row))
                end
            end)
    end)
end

--- The row and its bytes, or nil after 404.
local function find_user(request, name)
    local row, raw = access.user(name)
    if not row then
        problem.send(request, 404, "NO_USER", ("no user '%s'"):format(name))
    end
    return row, raw
end

--- Sessions say a role and that a password was right: a change ends them.
local function end_sessions(batch, name)
    access.delete_tokens(batch, function(row)
        return row.kind == "session" and row.user == name
    end)
end

local CHANGE_USER = body_module.set_of("password", "role", "disabled")

function M.change_user(request, captures, _, _, body)
    local o = body_module.read(request, body, CHANGE_USER)
    local name = captures.name
    if not o or not find_user(request, name) then
        return
    end
    local pointer, message = check_user(o)
    if pointer then
        return body_module.refuse(request, pointer, message)
    end
    hash(request, o, function(text)
        local row, raw = find_user(request, name)
        if not row then
            return
        end
        local before = user_view(row)
        row.role, row.hash = o.role or row.role, text or row.hash
        if o.disabled ~= nil then
            row.disabled = o.disabled
        end
        local batch = store.batch()
        batch:expect_value(tables.users, name, raw)
        access.put(batch, tables.users, name, row)
        end_sessions(batch, name)
        access.change(batch, { actor = api_access.actor(request), action = text and "change password" or "change user",
            before = before, after = user_view(row) }, function(code)
            if not M.refuse_stored(request, code, "user " .. name) then
                send(request, 200, user_view(row))
            end
        end)
    end)
end

function M.remove_user(request, captures)
    local name = captures.name
    local row, raw = find_user(request, name)
    if not row then
        return
    end
    local batch = store.batch()
    batch:expect_value(tables.users, name, raw)
    batch:del(tables.users, name)
    end_sessions(batch, name)
    access.change(batch, { actor = api_access.actor(request), action = "remove user", before = user_view(row) },
        function(code)
            if not M.refuse_stored(request, code, "user " .. name) then
                request:respond(204, {}, "")
            end
        end)
end

-- tokens ------------------------------------------------------------------------------------------

local function token_view(row)
    return {
        id = row.id, name = row.name, role = row.role, app = row.app or null, scopes = row.scopes or null,
        created_at = view.time(row.created),
        expires_at = row.expires and view.time(row.expires) or null,
        last_used_at = row.last_used and view.time(row.last_used) or null,
    }
end

M.token_view = token_view
M.list_tokens = list("tokens", token_view)

local ADD_TOKEN = body_module.set_of("name", "role", "expires", "scopes")

local MAX_SCOPES, MAX_SCOPE, MAX_STARS = 50, 200, 4

local function is_scope(text)
    return type(text) == "string" and #text <= MAX_SCOPE and text:find "^[A-Z*]+ [%w/*][^%c ]*$" ~= nil
        and select(2, text:gsub("%*", "")) <= MAX_STARS
end

--- What is wrong with the scopes of a token: pointer, message.
local function check_scopes(scopes)
    if type(scopes) ~= "table" or not json.is_array(scopes) or #scopes == 0 or #scopes > MAX_SCOPES then
        return "/scopes", ("must be a list of 1 to %d scopes"):format(MAX_SCOPES)
    end
    for i, scope in ipairs(scopes) do
        if not is_scope(scope) then
            return ("/scopes/%d"):format(i - 1), ("must be a method and a path such as GET /v1/runs/*, of at most "
                .. "%d bytes and %d *"):format(MAX_SCOPE, MAX_STARS)
        end
    end
end

--- `expires`: seconds, or text such as 30d; nil: never. false after 422.
function M.set_expiry(request, row, expires)
    if expires == nil then
        return true
    end
    local seconds = type(expires) == "number" and expires or type(expires) == "string" and retention.parse_age(expires)
    if not seconds or seconds <= 0 or seconds > 1e10 then
        body_module.refuse(request, "/expires", "must be a number of seconds or such as 30d, 12h")
        return false
    end
    row.expires = timer.now_ms() + seconds * 1000
    return true
end

--- Stores a token with what is in the batch, then shows it once.
function M.create_token(request, batch, row)
    local _, secret = access.add_token(batch, row)
    access.change(batch, { actor = api_access.actor(request), action = "create token", after = token_view(row) },
        function(code)
            if not M.refuse_stored(request, code, "the token") then
                local shown = token_view(row)
                shown.token = secret
                send(request, 201, shown)
            end
        end)
end

function M.add_token(request, _, _, _, body)
    local o = body_module.read(request, body, ADD_TOKEN)
    if not o then
        return
    elseif not access.RANK[o.role] then
        return body_module.refuse(request, "/role", "must be viewer, operator or admin")
    elseif o.name ~= nil and not M.is_name(o.name) then
        return body_module.refuse(request, "/name", M.NAME)
    end
    local pointer, message
    if o.scopes ~= nil then
        pointer, message = check_scopes(o.scopes)
    end
    if pointer then
        return body_module.refuse(request, pointer, message)
    end
    local row = { kind = "token", name = o.name or o.role, role = o.role, scopes = o.scopes }
    if M.set_expiry(request, row, o.expires) then
        M.create_token(request, store.batch(), row)
    end
end

function M.remove_token(request, captures)
    local batch, found = store.batch(), nil
    access.delete_tokens(batch, function(row)
        local fits = row.kind ~= "session" and row.id == captures.id
        found = fits and row or found
        return fits
    end)
    if not found then
        return problem.send(request, 404, "NO_TOKEN", ("no token '%s'"):format(captures.id))
    end
    access.change(batch, { actor = api_access.actor(request), action = "remove token", before = token_view(found) },
        function(code)
            if not M.refuse_stored(request, code, "the token") then
                request:respond(204, {}, "")
            end
        end)
end

return M
