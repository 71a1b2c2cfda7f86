-- SPDX-License-Identifier: MIT
-- Secrets that were set by API: sealed by the host's key into the table `secrets` (name -> row), opened into the
-- keystore, live on all shards at once, for they share it. Values go in and never come out.
--
--   row: id, name, description, key (id of the key), sealed (text), operator, operator_id, created_at, updated_at (both
--        unix s)
--
-- Shard 0 decides, one change after the other; "#" -> the last id.

local core = require "flowhost.core"
local audit = require "flowhost.engine.audit"
local chore = require "flowhost.engine.chore"
local journal = require "flowhost.engine.journal"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"

local json, keystore, store, system, timer = core.json, core.keystore, core.store, core.system, core.timer
local SECRETS = store.tables.secrets

local M = {}

local MAX_NAME, MAX_VALUE = 128, 256 * 1024

--- What is written passes the redactor only while there is something to look for.
local function refresh()
    local redact = keystore.has_any() and keystore.redact_json or nil
    journal.set_redact(redact)
    rows.set_redact(redact)
end

remote.on("secrets_refresh", function(_, reply)
    refresh()
    reply {}
end)

function M.refresh_all()
    remote.call_all("secrets_refresh", {}, function() end)
end

--- Opens what is stored, when the keys were read; on shard 0, for the keystore is everybody's. What former keys have
--- sealed is sealed by the newest then.
local function open_all()
    for _, row in ipairs(M.list()) do
        local ok, _, reason = keystore.take(row.name, row.sealed)
        if not ok then
            system.log("error", ("secret %s cannot be opened: %s"):format(row.name, reason))
        end
    end
    chore.run("secrets", "sealing by a new key", M.renew_all)
end

function M.start()
    if system.shard == 0 then
        open_all()
    end
    refresh()
end

--- Somebody has asked for it, perhaps since there is another key.
function M.reopen()
    open_all()
    M.refresh_all()
end

--- All rows by name, with their sealed texts.
function M.list()
    local found, after = {}, nil
    repeat
        local keys, values, count = store.scan(SECRETS, { after = after, limit = 1000 })
        if not keys then
            error("secrets cannot be read: " .. tostring(count), 0)
        end
        for i = 1, count do
            local row = keys[i] ~= "#" and values[i] and json.decode_stored(values[i])
            found[#found + 1] = row or nil
        end
        after = keys[count]
    until count < 1000
    return found
end

--- A row by name, or by id.
function M.get(name, id)
    if name then
        local text = name ~= "#" and store.get(SECRETS, name)
        return text and json.decode_stored(text) or nil
    end
    for _, row in ipairs(M.list()) do
        if row.id == id then
            return row
        end
    end
end

-- changing, on shard 0 -----------------------------------------------------------------------------

local function refuse(code, message)
    return nil, { code = code, message = message }
end

local function submit(batch)
    local code, reason = chore.store("secrets", batch)
    if code then
        return refuse(code, reason)
    end
    return true
end

local function iso(unix_s)
    return os.date("!%Y-%m-%dT%H:%M:%SZ", unix_s)
end

--- Makes the host's key when a secret is sealed first.
local function ensure_key()
    local made, _, detail = keystore.ensure_key()
    if made == nil then
        return refuse("NO_KEY", detail)
    elseif made then
        system.log("warn", ("made the key %s: without it secrets cannot be opened, keep a copy"):format(made))
    end
    return true
end

--- Seals by the newest key what others have sealed. Within a chore of the lane "secrets".
function M.renew_all()
    local batch, count = store.batch(), 0
    for _, row in ipairs(M.list()) do
        local sealed = keystore.renew(row.name, row.sealed, iso(row.updated_at))
        if sealed then
            row.sealed, count = sealed, count + 1
            row.key = select(2, keystore.parse(sealed))
            batch:put(SECRETS, row.name, assert(json.encode_stored(row)))
        end
    end
    if count == 0 then
        return
    end
    local ok, err = submit(batch)
    system.log(ok and "info" or "error", ok and ("sealed %d secret%s set by API by the newest key"):format(count,
        count == 1 and "" or "s") or "secrets stay sealed by a former key: " .. err.message)
end

local actions = {}

local function entry_of(action, o, row)
    return { actor = o.actor or o.operator or "admin", action = action, after = { secret = row.name,
        description = row.description } }
end

--- The row that a change is of.
local function before_of(o)
    return M.get(o.id == nil and o.name or nil, o.id)
end

--- Whether the change finds what it expects.
local function check_names(o)
    local same = M.get(o.name)
    if o.is_new and same then
        return refuse("EXISTS", ("secret %s exists"):format(o.name))
    elseif o.id ~= nil and not before_of(o) then
        return refuse("NO_SECRET", "there is no such secret")
    elseif o.id ~= nil and same and same.id ~= o.id then
        return refuse("EXISTS", ("secret %s exists"):format(o.name))
    end
    return true
end

function actions.put(o)
    local ok, err = check_names(o)
    if ok then
        ok, err = ensure_key()
    end
    if not ok then
        return nil, err
    end
    local now = math.floor(timer.now_ms() / 1000)
    local sealed, code, detail = keystore.seal(o.name, o.value, iso(now))
    if not sealed then
        return refuse(code, detail)
    end
    local _, key_id = keystore.parse(sealed)
    local before = before_of(o)
    local id = before and before.id or tonumber(store.get(SECRETS, "#") or "0") + 1
    local row = { id = id, name = o.name, description = o.description or (before and before.description),
        key = key_id, sealed = sealed, operator = o.operator, operator_id = o.operator_id,
        created_at = before and before.created_at or now, updated_at = now }
    local batch = store.batch()
    batch:set_intake()
    batch:put(SECRETS, o.name, assert(json.encode_stored(row)))
    if not before then
        batch:put(SECRETS, "#", tostring(id))
    end
    local old_name = before and before.name ~= o.name and before.name
    if old_name then
        batch:del(SECRETS, old_name)
    end
    audit.put(batch, entry_of("set secret", o, row))
    ok, err = submit(batch)
    if not ok then
        return nil, err
    end
    keystore.take(o.name, sealed)
    if old_name then
        keystore.drop(old_name)
    end
    row.sealed = nil
    return row
end

function actions.remove(o)
    local row = M.get(o.name)
    if not row then
        return refuse("NO_SECRET", ("no secret '%s' was set by API"):format(o.name))
    end
    local batch = store.batch()
    batch:del(SECRETS, o.name)
    audit.put(batch, entry_of("remove secret", o, row))
    local ok, err = submit(batch)
    if not ok then
        return nil, err
    end
    keystore.drop(o.name)
    row.sealed = nil
    return row
end

remote.on("secrets", function(arguments, reply)
    chore.run("secrets", "a change of a secret", function()
        local ok, row, err = xpcall(actions[arguments.action], debug.traceback, arguments)
        if not ok then
            reply { err = { code = "INTERNAL", message = "the change failed; see the log" } }
            error("a change of a secret failed", 0) -- what was raised may hold its value
        end
        if row then
            chore.await(function(done)
                remote.call_all("secrets_refresh", {}, done)
            end)
        end
        reply { row = row or nil, err = not row and err or nil }
    end)
end)

-- for others ---------------------------------------------------------------------------------------

function M.is_name(name)
    return type(name) == "string" and #name <= MAX_NAME and name:find "^[%w_-][%w._-]*$" ~= nil
end

local function call(action, o, done)
    o.action = action
    remote.call(0, "secrets", o, function(result)
        done(result.row, result.err)
    end)
end

--- Sets a secret. `is_new`: only one that is not there (EXISTS). `id`: that one, which may get another name (NO_SECRET,
--- EXISTS).
---@param o { name: string, value: string, description: string?, operator: string?, operator_id: integer?,
--- actor: string?, is_new: boolean?, id: integer? }
---@param done fun(row: table?, err: { code: string, message: string }?)  the row has no value and no sealed text
function M.put(o, done)
    if not M.is_name(o.name) then
        return done(nil, { code = "INVALID",
            message = "a secret's name has letters, digits and . _ - only, at most 128" })
    elseif type(o.value) ~= "string" or o.value == "" or #o.value > MAX_VALUE then
        return done(nil, { code = "INVALID",
            message = ("the value must be a text of 1 to %d bytes"):format(MAX_VALUE) })
    end
    call("put", o, done)
end

--- Removes one that was set by API; one of the same name in the folder counts again.
function M.remove(o, done)
    call("remove", o, done)
end

return M
