-- SPDX-License-Identifier: MIT
-- Users, tokens, sessions and apps. Each is a row of its table; of tokens and passwords only hashes are kept.
--
--   users    name -> { name, role, password (Argon2id), created_at, disabled }
--   tokens   hash of the token -> { id, kind ("token" | "session"), name, role, user, app, created_at, expires_at }
--   apps     name -> { name, owner, eps, state ("pending" | "accepted" | "rejected"), members (list), description,
--            created_at }
--
-- Times are unix seconds. Roles: viewer < operator < admin; a token of an app has the role "app": it starts runs. While
-- there are neither users nor tokens the host is open: callers of this machine are admin.

local core = require "flowhost.core"
local audit = require "flowhost.engine.audit"
local remote = require "flowhost.engine.remote"
local token_module = require "flowhost.engine.token"

local json, store, system, timer = core.json, core.store, core.system, core.timer

local M = {}

M.ROLES = { viewer = 1, operator = 2, admin = 3 }

local SESSION_S = 7 * 86400
local MAX_CACHED = 10000

local known, known_count = {}, 0 -- hash -> row
local is_open                    -- nil: not looked yet

function M.now()
    return math.floor(timer.now_ms() / 1000)
end

local function forget()
    known, known_count, is_open = {}, 0, nil
end

remote.on("access_changed", function(_, reply)
    forget()
    reply {}
end)

-- reading ------------------------------------------------------------------------------------------

--- Rows of a table in the order of their keys, and the keys.
local function read_all(name)
    local rows, row_keys, after = {}, {}, nil
    repeat
        local keys, values, count = store.scan(store.tables[name], { after = after, limit = 1000 })
        if not keys then
            error(("%s cannot be read: %s"):format(name, tostring(count)), 0)
        end
        for i = 1, count do
            local row = values[i] and json.decode(values[i])
            if row then
                rows[#rows + 1], row_keys[#rows + 1] = row, keys[i]
            end
        end
        after = keys[count]
    until count < 1000
    return rows, row_keys
end

local function get(name, key)
    local text = #key > 0 and #key <= 200 and store.get(store.tables[name], key)
    return text and json.decode(text) or nil
end

local function has_any(name)
    local _, _, count = store.scan(store.tables[name], { limit = 1 })
    return count ~= 0
end

--- Whether there is neither a token nor a user.
function M.is_open()
    if is_open == nil then
        is_open = not has_any "tokens" and not has_any "users"
    end
    return is_open
end

function M.users()
    return (read_all "users")
end

function M.user(name)
    return get("users", name)
end

function M.apps()
    return (read_all "apps")
end

function M.app(name)
    return get("apps", name)
end

--- Tokens without sessions, oldest first, and their keys.
function M.tokens()
    local rows, keys = read_all "tokens"
    local found = {}
    for i, row in ipairs(rows) do
        if row.kind == "token" then
            found[#found + 1] = { row = row, key = keys[i] }
        end
    end
    table.sort(found, function(a, b)
        return a.row.id < b.row.id
    end)
    return found
end

--- The row of a token or session; nil when there is none, or its time is over. What is compared are hashes: how long
--- it takes says nothing of the token.
---@param kind "token"|"session"
function M.find(text, kind)
    local hash = core.access.hash_token(text)
    local row = known[hash]
    if not row then
        row = get("tokens", hash)
        if row then
            if known_count >= MAX_CACHED then
                forget()
            end
            known[hash], known_count = row, known_count + 1
        end
    end
    if not row or row.kind ~= kind or (row.expires_at and row.expires_at <= M.now()) then
        return nil
    end
    return row
end

-- changing -----------------------------------------------------------------------------------------

--- Writes, then tells all shards; done(true) or done(nil, code).
local function write(entry, done, ...)
    local batch = store.batch()
    batch:set_intake()
    for _, change in ipairs { ... } do
        local rows = store.tables[change.table]
        if change.row then
            batch:put(rows, change.key, assert(json.encode(change.row)))
        else
            batch:del(rows, change.key)
        end
    end
    audit.put(batch, entry)
    system.fault "access.change"
    local waiting = token_module.new(function(code)
        system.fault "access.changed"
        forget()
        if code then
            return done(nil, code)
        elseif system.shards == 0 then
            return done(true) -- a command without a host
        end
        remote.call_all("access_changed", {}, function()
            done(true)
        end)
    end)
    local ok, code = batch:submit(waiting)
    if not ok then
        token_module.drop(waiting)
        done(nil, code)
    end
end

local function new_id()
    return system.hex(system.u64(timer.now_ms()):sub(3)) .. system.hex(system.random(4))
end

--- A new token: done(text, row), the only time that its text is to be had; done(nil, code).
---@param o { kind: string?, name: string?, role: string, user: string?, app: string?, expires_s: number?,
--- actor: string }
function M.create_token(o, done)
    local text, hash = core.access.new_token()
    local now = M.now()
    local row = { id = new_id(), kind = o.kind or "token", name = o.name, role = o.role, user = o.user, app = o.app,
        created_at = now, expires_at = o.expires_s and now + math.ceil(o.expires_s) or nil }
    local entry = { actor = o.actor, action = row.kind == "session" and "log in" or "create token",
        after = { id = row.id, name = row.name, role = row.role, app = row.app } }
    write(entry, function(ok, code)
        done(ok and text, ok and row or code)
    end, { table = "tokens", key = hash, row = row })
end

--- done(row), or done(nil, code); NO_TOKEN when there is none of that id.
function M.remove_token(id, actor, done)
    for _, found in ipairs(M.tokens()) do
        if found.row.id == id then
            local entry = { actor = actor, action = "remove token", before = { id = id, name = found.row.name } }
            return write(entry, function(ok, code)
                done(ok and found.row, code)
            end, { table = "tokens", key = found.key })
        end
    end
    done(nil, "NO_TOKEN")
end

--- Ends a session.
function M.end_session(text, actor, done)
    write({ actor = actor, action = "log out" }, done, { table = "tokens", key = core.access.hash_token(text) })
end

function M.create_session(user, done)
    M.create_token({ kind = "session", name = user.name, user = user.name, role = user.role, expires_s = SESSION_S,
        actor = user.name }, done)
end

M.SESSION_S = SESSION_S

--- Sessions of a user end when the user, or what it may, changes.
local function drop_sessions(name)
    local rows, keys = read_all "tokens"
    local changes = {}
    for i, row in ipairs(rows) do
        if row.kind == "session" and row.user == name then
            changes[#changes + 1] = { table = "tokens", key = keys[i] }
        end
    end
    return changes
end

--- Makes or changes a user; `password` is a hash.
---@param o { name: string, role: string?, password: string?, disabled: boolean?, actor: string, action: string }
function M.put_user(o, done)
    local before = M.user(o.name)
    local row = before and M.user(o.name) or { name = o.name, created_at = M.now(), disabled = false, role = "viewer" }
    row.role, row.password = o.role or row.role, o.password or row.password
    if o.disabled ~= nil then
        row.disabled = o.disabled
    end
    local changes = drop_sessions(o.name)
    changes[#changes + 1] = { table = "users", key = o.name, row = row }
    write({ actor = o.actor, action = o.action, before = before and { user = o.name, role = before.role,
        disabled = before.disabled } or nil, after = { user = o.name, role = row.role, disabled = row.disabled,
        is_password_new = o.password ~= nil } }, function(ok, code)
        done(ok and row, code)
    end, unpack(changes))
end

function M.remove_user(name, actor, done)
    local row = M.user(name)
    if not row then
        return done(nil, "NO_USER")
    end
    local changes = drop_sessions(name)
    changes[#changes + 1] = { table = "users", key = name }
    write({ actor = actor, action = "remove user", before = { user = name, role = row.role } }, function(ok, code)
        done(ok and row, code)
    end, unpack(changes))
end

function M.put_app(row, action, actor, done)
    write({ actor = actor, action = action, before = M.app(row.name), after = row }, function(ok, code)
        done(ok and row, code)
    end, { table = "apps", key = row.name, row = row })
end

--- Removes an app and its tokens.
function M.remove_app(name, actor, done)
    local row = M.app(name)
    if not row then
        return done(nil, "NO_APP")
    end
    local changes = { { table = "apps", key = name } }
    for _, found in ipairs(M.tokens()) do
        if found.row.app == name then
            changes[#changes + 1] = { table = "tokens", key = found.key }
        end
    end
    write({ actor = actor, action = "remove app", before = row }, function(ok, code)
        done(ok and row, code)
    end, unpack(changes))
end

-- rates --------------------------------------------------------------------------------------------

local buckets = {} -- app -> { tokens, at (ms) }

--- Takes one start out of an app's bucket: eps a second, bursts of twice that. Each shard has its part of it.
function M.take_start(app)
    local rate = app.eps / math.max(1, system.shards)
    local most = math.max(1, 2 * rate)
    local now, bucket = timer.now_ms(), buckets[app.name]
    if not bucket then
        bucket = { level = most, at = now }
        buckets[app.name] = bucket
    end
    bucket.level = math.min(most, bucket.level + (now - bucket.at) / 1000 * rate)
    bucket.at = now
    if bucket.level < 1 then
        return false
    end
    bucket.level = bucket.level - 1
    return true
end

return M
