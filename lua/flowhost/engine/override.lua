-- SPDX-License-Identifier: MIT
-- What an operator says of a flow: disabled, another version than the newest, a canary. Table `active`:
--
--   "flow:" name -> { disabled, release (hex), canary { release, weight } }, what there is of it
--
-- Shard 0 decides, one change after the other: it is in the store, then in force on all shards, then answered.

local core = require "flowhost.core"
local audit = require "flowhost.engine.audit"
local catalog = require "flowhost.engine.catalog"
local chore = require "flowhost.engine.chore"
local naming = require "flowhost.flow.naming"
local release_module = require "flowhost.engine.release"
local remote = require "flowhost.engine.remote"
local token = require "flowhost.engine.token"

local json, store, system = core.json, core.store, core.system
local tables = store.tables

local M = {}

local PREFIX = "flow:"
local LEAST_PREFIX = 8 -- hex digits that name a release

--- name -> override, as stored.
function M.read_all()
    local found, after = {}, nil
    repeat
        local keys, values, count = store.scan(tables.active, { prefix = PREFIX, after = after, limit = 1000 })
        if not keys then
            error("what was said of flows cannot be read: " .. tostring(count), 0)
        end
        for i = 1, count do
            local name, override = keys[i]:sub(#PREFIX + 1), values[i] and json.decode(values[i])
            found[name] = override or { disabled = true }
            if not override then
                system.log("error", "what was said of a flow is damaged: it is disabled", { "flow", name })
            end
        end
        after = keys[count]
    until count < 1000
    return found
end

--- The stored part.
local function plain(override)
    local canary = override.canary
    return {
        disabled = override.disabled, release = override.release,
        canary = canary and { release = canary.release, weight = canary.weight },
    }
end

local function submit(name, override, entry)
    return function(done)
        local batch = store.batch()
        batch:set_intake()
        audit.put(batch, entry)
        if next(override) then
            batch:put(tables.active, PREFIX .. name, json.encode(override))
        else
            batch:del(tables.active, PREFIX .. name)
        end
        system.fault "engine.override"
        token.submit(batch, done)
    end
end

remote.on("override_set", function(arguments, reply)
    local override = plain(arguments.override) -- the catalog adds to it
    catalog.set_override(arguments.name, next(override) and override or nil)
    reply {}
end)

local function refuse(status, code, detail)
    return nil, { status = status, code = code, detail = detail }
end

--- The newest release that `matches(release)`; nil when there is none.
local function find_release(matches)
    for _, release in ipairs(release_module.list() or {}) do
        chore.pause()
        if matches(release) then
            return release.hash
        end
    end
end

local function find_version(name, version)
    return find_release(function(release)
        local stored = release_module.read_tree(release.root)
        return stored and release_module.find_version(stored, name) == version
    end)
end

--- The newest version.
local function version_of(name)
    return release_module.version_of(catalog.active, naming.file_of(catalog.active.hashes, name))
end

--- What release and version of a request mean: a hash; nil, refusal.
local function find_target(name, o)
    local newest = catalog.active
    if o.release == "newest" or newest.hash:sub(1, #(o.release or "none")) == o.release
        or (o.version and o.version == version_of(name)) then
        return newest.hash
    end
    local hash
    if o.version then
        hash = find_version(name, o.version)
    else
        hash = find_release(function(release)
            return release.hash:sub(1, #o.release) == o.release
        end)
    end
    if not hash then
        return refuse(404, "NO_VERSION", ("no stored release has version '%s' of flow '%s'"):format(
            o.version or o.release, name))
    end
    local flow, reason = catalog.flow_of(hash, name)
    if not flow then
        return refuse(409, "VERSION_UNUSABLE", reason)
    end
    return hash
end

local changes = {}

function changes.disable(_, override)
    override.disabled = true
    return override
end

function changes.enable(_, override)
    override.disabled = nil
    return override
end

function changes.activate(name, override, o)
    local hash, refusal = find_target(name, o)
    if not hash then
        return nil, refusal
    end
    if o.weight then
        override.canary = { release = hash, weight = o.weight }
    else
        override.canary = nil
        override.release = hash ~= catalog.active.hash and hash or nil
    end
    return override
end

local function change(o, reply)
    local name = o.name
    local before = catalog.overrides[name]
    if not before and not naming.file_of(catalog.active.hashes, name) then
        return reply { status = 404, code = "NO_FLOW", detail = ("no flow '%s'"):format(name) }
    end
    local override, refusal = changes[o.action](name, plain(before or {}), o)
    if not override then
        return reply(refusal)
    end
    local entry = { actor = o.actor or "admin", action = o.action, flow = name, before = plain(before or {}),
        after = override }
    local code = chore.await(submit(name, override, entry))
    if code then
        local is_full = code == "DISK_FULL"
        return reply { status = is_full and 507 or 503, code = code,
            detail = is_full and "no space left for the data folder: nothing was changed"
                or "the store cannot be written (" .. code .. ")" }
    end
    chore.await(function(done)
        remote.call_all("override_set", { name = name, override = override }, done)
    end)
    reply {}
end

remote.on("override", function(arguments, reply)
    chore.run("releases", "a change of flow " .. arguments.name, function()
        local ok, raised = xpcall(change, debug.traceback, arguments, reply)
        if not ok then
            reply { status = 500, code = "INTERNAL", detail = "the change failed; see the log" }
            error(raised, 0)
        end
    end)
end)

--- Changes what is said of a flow. reply({}) once that is stored and in force on all shards; reply { status, code,
--- detail } when it was refused.
---@param name string
---@param action "disable"|"enable"|"activate"
---@param o { release: string?, version: string?, weight: integer? }  of activate: one of release ("newest", a hash or
--- the beginning of one) and version; weight: as a canary for so many percent of new runs
---@param actor string  who wants it
function M.change(name, action, o, actor, reply)
    local arguments = { name = name, action = action, release = o.release, version = o.version, weight = o.weight,
        actor = actor }
    remote.call(0, "override", arguments, reply)
end

--- Whether a text may name a release or version.
function M.is_name(text)
    return type(text) == "string" and #text >= LEAST_PREFIX and #text <= 64 and text:find "^%x+$" ~= nil
end

return M
