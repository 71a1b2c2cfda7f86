-- SPDX-License-Identifier: MIT
-- Links that send a signal once: BASE/v1/signals/TOKEN. A token is base64url(JSON) "." base64url(code): the JSON names
-- run, signal, time until which it holds, data, and a random id by which a second use is known; the code is keyed with
-- a secret of the data folder, so nobody can make or change one. Who has the link may use it: treat it as a password.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local remote = require "flowhost.engine.remote"
local token = require "flowhost.engine.token"

local json, store, system, timer = core.json, core.store, core.system, core.timer
local META = store.tables.meta

local M = {
    base_url = "http://127.0.0.1:8080", -- setting public_url, else where the host listens
}

local KEY_NAME, KEY_BYTES = "signal_key", 32

local key

--- At boot, on shard 0: makes the secret of a new data folder. It may be used at once: what it signs leaves the process
--- after it is on disk.
function M.start()
    key = store.get(META, KEY_NAME)
    if not key then
        key = system.random(KEY_BYTES)
        local batch = store.batch()
        batch:expect_absent(META, KEY_NAME)
        batch:put(META, KEY_NAME, key)
        system.fault "engine.link_key"
        batch:submit(token.new(function(code)
            system.fault "engine.link_key.stored"
            if code then
                key = nil
                system.log("error", "the key for links could not be stored: " .. code)
            end
        end))
    end
end

remote.on("signal_key", function(_, reply)
    reply { key = key and system.hex(key) }
end)

--- On the other shards: the secret is perhaps not stored yet.
function M.learn()
    key = key or store.get(META, KEY_NAME)
    if not key then
        remote.call(0, "signal_key", {}, function(result)
            key = key or result.key and result.key:gsub("..", function(pair)
                return string.char(tonumber(pair, 16))
            end)
        end)
    end
end

local function signing_key()
    key = key or store.get(META, KEY_NAME)
    return key
end

--- A keyed code (32 bytes) of bytes that this host gives out and will know again. `purpose`: what they are for, so that
--- they are good for nothing else.
function M.code_of(purpose, bytes)
    local secret = signing_key()
    if not secret then
        error_object.raise("INTERNAL", "the key for links is not stored yet", { retryable = true })
    end
    return system.mac(secret, purpose .. "\0" .. bytes)
end

---@param o { data: any, expires_ms: number, title: string? }
function M.make(run_id, name, o)
    local secret = signing_key()
    if not secret then
        error_object.raise("INTERNAL", "the key for links is not stored yet", { retryable = true })
    end
    local body = assert(json.encode { r = run_id, n = name, e = timer.now_ms() + o.expires_ms,
        i = system.hex(system.random(12)), d = o.data, t = o.title })
    return ("%s/v1/signals/%s.%s"):format(M.base_url, system.base64url_encode(body),
        system.base64url_encode(system.mac(secret, body)))
end

--- What a token says: { run, name, id, data, title }; nil, code, sentence when it does not hold.
function M.read(text)
    local body_text, code_text = text:match "^([%w_-]+)%.([%w_-]+)$"
    local body = body_text and system.base64_decode(body_text)
    local code = code_text and system.base64_decode(code_text)
    local secret = signing_key()
    if not body or not code or not secret or not system.equal(system.mac(secret, body), code) then
        return nil, "NO_LINK", "this link is not one of this host"
    end
    local said = json.decode(body)
    if said.e < timer.now_ms() then
        return nil, "LINK_EXPIRED", "this link does not hold any more"
    end
    return { run = said.r, name = said.n, id = "link:" .. said.i, data = said.d, title = said.t }
end

return M
