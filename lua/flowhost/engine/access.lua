-- SPDX-License-Identifier: MIT
-- Who may call: users, tokens, apps. Secrets are 32 random bytes, "fh_" + base64url; only their SHA-256 is stored, as
-- the key of their row, so a look-up compares nothing with the secret.
--
--   users    name        { name, hash (argon2id), role, created, disabled }
--   tokens   SHA-256     { kind = "token" | "session" | "app", id, name, role, user, app, created, expires, last_used }
--   apps     name        { name, owner, members, eps, state = "pending" | "accepted" | "rejected", created }
--
-- Times are unix ms. Rows that were found are kept in memory by each shard; a change is told to all shards before its
-- caller hears of it. A session says its user's role: what changes a user ends his sessions.

local audit = require "flowhost.engine.audit"
local core = require "flowhost.core"
local remote = require "flowhost.engine.remote"
local token = require "flowhost.engine.token"

local json, store, system, timer = core.json, core.store, core.system, core.timer
local tables = store.tables

local M = {
    RANK = { viewer = 1, operator = 2, admin = 3 }, -- of an app's token the role is "app",
    SESSION_MS = 7 * 86400 * 1000,
    apps = {}, -- name -> row
}

local MAX_KEPT, TOUCH_MS, SWEEP_MS, PAGE = 4096, 3600 * 1000, 6 * 3600 * 1000, 500

local kept, kept_count = {}, 0 -- SHA-256 -> { row, raw }
local is_open = false
local owner_hash

-- reading -----------------------------------------------------------------------------------------

local function each(table_id, visit)
    local after
    repeat
        local keys, values, count = store.scan(table_id, { after = after, limit = PAGE })
        if not keys then
            system.log("error", ("users, tokens and apps cannot be read: %s"):format(tostring(values)))
            return
        end
        for i = 1, count do
            local row = values[i] and json.decode_stored(values[i])
            if row then
                visit(row, keys[i], values[i])
            end
            after = keys[i]
        end
    until count < PAGE
end

local function is_empty(table_id)
    local keys, _, count = store.scan(table_id, { limit = 1 })
    return keys ~= nil and count == 0
end

--- Reads again what this shard keeps in memory.
function M.refresh()
    kept, kept_count = {}, 0
    is_open = is_empty(tables.users) and is_empty(tables.tokens)
    M.apps = {}
    each(tables.apps, function(row)
        M.apps[row.name] = row
    end)
end

--- No user and no token: who is on this machine is admin.
function M.is_open()
    return is_open
end

--- The secret of this start by which the owner of the data folder is admin.
function M.set_owner(secret)
    owner_hash = secret and system.sha256(secret)
end

function M.user(name)
    local raw = name ~= "" and #name <= 200 and store.get(tables.users, name) or nil
    return raw and json.decode_stored(raw), raw
end

--- All rows, by name; sessions are none of the tokens.
function M.list(kind)
    local rows = {}
    each(tables[kind], function(row)
        if row.kind ~= "session" then
            rows[#rows + 1] = row
        end
    end)
    table.sort(rows, function(a, b)
        return a.name < b.name or a.name == b.name and (a.created or 0) < (b.created or 0)
    end)
    return rows
end

-- writing -----------------------------------------------------------------------------------------

--- Submits; done(code or nil) once it is durable. On a full disk it is refused, nobody waits for space.
local function submit(batch, done)
    batch:set_intake()
    system.fault "access.change"
    token.submit(batch, function(code)
        system.fault "access.changed"
        done(code)
    end)
end

--- A batch, which may be empty, and its entry in the audit; done(code or nil) once it is durable. For what concerns
--- nothing that a shard keeps in memory.
---@param entry { actor: string, action: string, before: any, after: any }
function M.record(batch, entry, done)
    audit.put(batch, entry)
    submit(batch, done)
end

--- The same of a change; done when it is in force on every shard.
function M.change(batch, entry, done)
    M.record(batch, entry, function(code)
        if code then
            return done(code)
        end
        remote.call_all("access_changed", {}, function()
            done(nil)
        end)
    end)
end

remote.on("access_changed", function(_, reply)
    M.refresh()
    reply {}
end)

function M.new_secret()
    local secret = "fh_" .. system.base64url_encode(system.random(32))
    return secret, system.sha256(secret)
end

function M.put(batch, table_id, key, row)
    batch:put(table_id, key, assert(json.encode_stored(row)))
end

--- Puts a new token into a batch; its row and its secret.
function M.add_token(batch, row)
    local secret, hash = M.new_secret()
    row.id, row.created = system.hex(system.random(8)), timer.now_ms()
    batch:expect_absent(tables.tokens, hash)
    M.put(batch, tables.tokens, hash, row)
    return row, secret
end

--- Deletes the tokens for which `fits(row)`; how many.
function M.delete_tokens(batch, fits)
    local count = 0
    each(tables.tokens, function(row, key)
        if fits(row) then
            batch:del(tables.tokens, key)
            count = count + 1
        end
    end)
    return count
end

--- Ends the session of this secret.
function M.end_session(secret, actor, done)
    local batch = store.batch()
    batch:del(tables.tokens, system.sha256(secret))
    M.change(batch, { actor = actor, action = "log out" }, done)
end

-- who it is ---------------------------------------------------------------------------------------

--- Notes the use of a token, about once an hour and shard. It is no news to the other shards.
local function touch(hash, entry, now)
    if now - (entry.row.last_used or 0) < TOUCH_MS then
        return
    end
    local batch = store.batch()
    batch:expect_value(tables.tokens, hash, entry.raw) -- it may have been deleted, or noted by another shard
    entry.row.last_used = now
    entry.raw = assert(json.encode_stored(entry.row))
    batch:put(tables.tokens, hash, entry.raw)
    submit(batch, function(code)
        if code and kept[hash] == entry then
            kept[hash] = nil
        end
    end)
end

local function keep(hash, entry)
    if kept_count >= MAX_KEPT then
        kept, kept_count = {}, 0
    end
    kept[hash], kept_count = entry, kept_count + 1
    return entry
end

local function read(hash)
    local raw = store.get(tables.tokens, hash)
    local row = raw and json.decode_stored(raw)
    return row and keep(hash, { row = row, raw = raw })
end

--- The row of a secret that holds; nil otherwise.
function M.find(secret)
    if #secret > 100 or not secret:find "^fh_[%w_-]+$" then
        return nil
    end
    local hash, now = system.sha256(secret), timer.now_ms()
    if owner_hash and system.equal(hash, owner_hash) then
        return { kind = "owner", name = "owner", role = "admin" }
    end
    local entry = kept[hash] or read(hash)
    if not entry or (entry.row.expires and entry.row.expires <= now) then
        return nil
    end
    touch(hash, entry, now)
    return entry.row
end

-- start -------------------------------------------------------------------------------------------

local last_sweep = 0

--- Sessions that are over go, now and then with a new one; tokens stay, for people to see.
function M.sweep(batch)
    local now = timer.now_ms()
    if now - last_sweep >= SWEEP_MS or now < last_sweep then
        last_sweep = now
        M.delete_tokens(batch, function(row)
            return row.kind == "session" and row.expires <= now
        end)
    end
end

--- On every shard, when it loads.
function M.start(owner_secret)
    M.set_owner(owner_secret)
    M.refresh()
end

return M
