-- SPDX-License-Identifier: MIT
-- /v1/users, /v1/tokens, /v1/apps: for admins. Passwords and tokens go in or are shown once, never read back.

local core = require "flowhost.core"
local access = require "flowhost.engine.access"
local gate = require "flowhost.api.access"
local problem = require "flowhost.api.problem"
local retention = require "flowhost.flow.retention"
local token = require "flowhost.engine.token"
local view = require "flowhost.api.view"

local json = core.json
local null = json.null

local M = {}

local MIN_PASSWORD, MAX_PASSWORD = 8, 1024
local STATUSES = { DISK_FULL = 507, NO_USER = 404, NO_TOKEN = 404, NO_APP = 404 }
local TEXTS = { NO_USER = "no such user", NO_TOKEN = "no token of that id", NO_APP = "no such app" }

local function send(request, status, value)
    request:respond(status, { "Content-Type", "application/json" }, json.encode(value) .. "\n")
end

local function send_list(request, items)
    send(request, 200, { items = json.array(items), next = null })
end

local function refuse(request, code)
    problem.send(request, STATUSES[code] or 503, code, TEXTS[code] or "the store cannot be written")
end

local function or_null(value)
    if value == nil then
        return null
    end
    return value
end

local function time(unix_s)
    return unix_s and view.time(unix_s * 1000) or null
end

-- bodies -------------------------------------------------------------------------------------------

local function is_name(value)
    return type(value) == "string" and #value <= 100 and value:find "^[%w_][%w_.@-]*$" ~= nil
end

local CHECKS = {
    name = { is_name, "must be 1 to 100 letters, digits and _ . @ -" },
    role = { function(value) return access.ROLES[value] ~= nil end, "must be viewer, operator or admin" },
    password = { function(value)
        return type(value) == "string" and #value >= MIN_PASSWORD and #value <= MAX_PASSWORD
    end, ("must have %d to %d bytes"):format(MIN_PASSWORD, MAX_PASSWORD) },
    disabled = { function(value) return type(value) == "boolean" end, "must be true or false" },
    expires = { function(value) return type(value) == "string" and retention.parse_age(value) ~= nil end,
        "must be a time such as 30d or 12h" },
    app = { is_name, "must name an app" },
    owner = { is_name, "must name a user" },
    eps = { function(value) return type(value) == "number" and value > 0 and value <= 1e6 end,
        "must be a number of starts a second, above 0" },
    state = { function(value) return value == "pending" or value == "accepted" or value == "rejected" end,
        "must be pending, accepted or rejected" },
    description = { function(value) return type(value) == "string" and #value <= 1000 end, "must be a text" },
    members = { function(value)
        for _, name in ipairs(type(value) == "table" and value or { false }) do
            if not is_name(name) then
                return false
            end
        end
        return true
    end, "must be a list of names of users" },
}

local function refuse_field(request, name, message)
    problem.send(request, 422, "FIELD_INVALID", ("/%s %s"):format(name, message),
        { errors = json.array { { pointer = "/" .. name, message = message } } })
end

--- The fields of a body; nil after a problem was sent.
---@param allowed table<string, "needed"|true>
local function read(request, body, allowed)
    local o, reason = json.decode(body)
    if o == nil then
        return problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
    elseif type(o) ~= "table" or json.is_array(o) then
        return problem.send(request, 400, "BODY_NOT_OBJECT", "the body must be a JSON object")
    end
    for name, value in pairs(o) do
        if not allowed[name] then
            return refuse_field(request, name, "is not known here")
        elseif not CHECKS[name][1](value) then
            return refuse_field(request, name, CHECKS[name][2])
        end
    end
    for name, how in pairs(allowed) do
        if how == "needed" and o[name] == nil then
            return refuse_field(request, name, "is needed")
        end
    end
    return o
end

-- users --------------------------------------------------------------------------------------------

local function show_user(row)
    return { name = row.name, role = row.role, disabled = row.disabled, created_at = time(row.created_at) }
end

function M.list_users(request)
    local items = {}
    for i, row in ipairs(access.users()) do
        items[i] = show_user(row)
    end
    send_list(request, items)
end

--- Hashes the password, off this thread, then writes the user.
local function put_user(request, o, status)
    local function write(hash)
        o.password = hash
        access.put_user(o, function(row, code)
            if not row then
                return refuse(request, code)
            end
            send(request, status, show_user(row))
        end)
    end
    if not o.password then
        return write(nil)
    end
    local waiting = token.new(function(code, hash)
        if code then
            return problem.send(request, 503, code, "the password could not be hashed")
        end
        write(hash)
    end)
    local ok, code, detail = core.access.hash(o.password, waiting)
    if not ok then
        token.drop(waiting)
        problem.send(request, 503, code, detail)
    end
end

function M.create_user(request, _, _, _, body)
    local o = read(request, body, { name = "needed", password = "needed", role = "needed" })
    if not o then
        return
    elseif access.user(o.name) then
        return problem.send(request, 409, "EXISTS", ("user %s exists"):format(o.name))
    end
    o.actor, o.action = gate.actor(request), "create user"
    put_user(request, o, 201)
end

function M.change_user(request, captures, _, _, body)
    local o = read(request, body, { password = true, role = true, disabled = true })
    if not o then
        return
    elseif not access.user(captures.name) then
        return refuse(request, "NO_USER")
    end
    o.name, o.actor, o.action = captures.name, gate.actor(request), "change user"
    put_user(request, o, 200)
end

local function send_removed(request)
    return function(row, code)
        if not row then
            return refuse(request, code)
        end
        request:respond(204, {}, "")
    end
end

function M.remove_user(request, captures)
    access.remove_user(captures.name, gate.actor(request), send_removed(request))
end

-- tokens -------------------------------------------------------------------------------------------

local function show_token(row)
    return { id = row.id, name = or_null(row.name), role = row.role, app = or_null(row.app),
        created_at = time(row.created_at), expires_at = time(row.expires_at) }
end

function M.list_tokens(request)
    local items = {}
    for i, found in ipairs(access.tokens()) do
        items[i] = show_token(found.row)
    end
    send_list(request, items)
end

local function create_token(request, o)
    access.create_token(o, function(text, row)
        if not text then
            return refuse(request, row)
        end
        local shown = show_token(row)
        shown.token = text
        send(request, 201, shown)
    end)
end

function M.create_token(request, _, _, _, body)
    local o = read(request, body, { role = "needed", name = true, expires = true })
    if o then
        create_token(request, { role = o.role, name = o.name, actor = gate.actor(request),
            expires_s = o.expires and retention.parse_age(o.expires) })
    end
end

function M.remove_token(request, captures)
    access.remove_token(captures.id, gate.actor(request), send_removed(request))
end

-- apps ---------------------------------------------------------------------------------------------

local function show_app(row)
    return { name = row.name, owner = or_null(row.owner), eps = row.eps, state = row.state,
        members = json.array(row.members or {}), description = or_null(row.description),
        created_at = time(row.created_at) }
end

function M.list_apps(request)
    local items = {}
    for i, row in ipairs(access.apps()) do
        items[i] = show_app(row)
    end
    send_list(request, items)
end

local function send_app(request, status)
    return function(row, code)
        if not row then
            return refuse(request, code)
        end
        send(request, status, show_app(row))
    end
end

function M.create_app(request, _, _, _, body)
    local o = read(request, body, { name = "needed", owner = true, eps = true, description = true, members = true })
    if not o then
        return
    elseif access.app(o.name) then
        return problem.send(request, 409, "EXISTS", ("app %s exists"):format(o.name))
    end
    access.put_app({ name = o.name, owner = o.owner, eps = o.eps or 100, state = "pending", members = o.members,
        description = o.description, created_at = access.now() }, "create app", gate.actor(request),
        send_app(request, 201))
end

function M.change_app(request, captures, _, _, body)
    local o = read(request, body, { owner = true, eps = true, state = true, description = true, members = true })
    local row = o and access.app(captures.name)
    if not row then
        return o and refuse(request, "NO_APP")
    end
    for name, value in pairs(o) do
        row[name] = value
    end
    access.put_app(row, "change app", gate.actor(request), send_app(request, 200))
end

function M.remove_app(request, captures)
    access.remove_app(captures.name, gate.actor(request), send_removed(request))
end

--- A token with which the app starts runs.
function M.create_app_token(request, captures, _, _, body)
    local o = read(request, body == "" and "{}" or body, { name = true, expires = true })
    if not o then
        return
    elseif not access.app(captures.name) then
        return refuse(request, "NO_APP")
    end
    create_token(request, { role = "app", app = captures.name, name = o.name or captures.name,
        actor = gate.actor(request), expires_s = o.expires and retention.parse_age(o.expires) })
end

return M
