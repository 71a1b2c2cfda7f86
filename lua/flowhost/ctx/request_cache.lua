-- SPDX-License-Identifier: MIT
-- isCache of ctx.request: a good answer serves for five minutes whoever asks this host for the same; of those who ask
-- at the same time one call is made. Each key has one shard that keeps what is known and makes the call; the others ask
-- it. A flight is nobody's: it goes on as long as anybody waits for it, whatever becomes of the run that began it.
-- Not a verb.

local core = require "flowhost.core"
local effect = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local memory_cache = require "flowhost.engine.memory_cache"
local remote = require "flowhost.engine.remote"
local request_send = require "flowhost.ctx.request_send"
local token = require "flowhost.engine.token"

local json, system = core.json, core.system

local M = {}

local cache = memory_cache.new { max_bytes = 32 * 1024 * 1024, ttl_ms = 300000 } -- of each shard
local flights = {} -- key -> { waiters (done -> true), order, cancel }

local function hand_out(done, text)
    done(text, effect.to_flow(json.decode_stored(text)))
end

--- Everybody gets an error of their own: what one run does with it is not seen by another.
local function land(key, flight, text, err)
    flights[key] = nil
    for _, done in ipairs(flight.order) do
        if flight.waiters[done] and text then
            hand_out(done, text)
        elseif flight.waiters[done] then
            done(nil, error_object.from_plain(error_object.to_plain(err)))
        end
    end
end

local function leave(key, flight, done)
    flight.waiters[done] = nil
    if next(flight.waiters) == nil and flights[key] == flight then
        flights[key] = nil
        if flight.cancel then
            flight.cancel()
        end
    end
end

--- Waits for what `fetch(landed)` -> cancel brings, with all who want the same. Returns a cancel function.
local function join(key, fetch, done)
    local flight = flights[key]
    if flight then
        flight.waiters[done] = true
        flight.order[#flight.order + 1] = done
    else
        flight = { waiters = { [done] = true }, order = { done }, cancel = nil }
        flights[key] = flight
        local owner = token.owner
        token.owner = nil
        flight.cancel = fetch(function(text, err)
            land(key, flight, text, err)
        end)
        token.owner = owner
    end
    return function()
        leave(key, flight, done)
    end
end

--- On the shard of the key. An answer that says that something went wrong is handed out, not kept.
local function get_here(key, o, call, headers, done)
    local text = cache:get(key)
    if text then
        hand_out(done, text)
        return function() end
    end
    return join(key, function(landed)
        return request_send.send(o, call, headers, function(result, value, status)
            if result and status < 400 then
                cache:put(key, result)
            end
            landed(result, value)
        end)
    end, done)
end

remote.on("cached_request", function(arguments, reply)
    local a = arguments
    get_here(system.base64_decode(a.key), a.o, a.call, a.headers, function(text, err)
        reply { text = text, error = not text and error_object.to_plain(err) or nil }
    end)
end)

local function ask(owner, key, o, call, headers)
    return function(landed)
        local arguments = { key = system.base64_encode(key), o = o, call = call, headers = headers }
        remote.call(owner, "cached_request", arguments, function(result)
            if result.text then
                return landed(result.text)
            end
            landed(nil, error_object.from_plain(result.error or { code = result.code, message = result.detail }))
        end)
        return function() end -- what is under way serves those who ask later
    end
end

--- Calls done(JSON text, value) with what is known or is fetched now, or done(nil, error object). Returns a cancel
--- function.
---@param key string  32 bytes of a hash
function M.get(key, o, call, headers, done)
    local owner = key:byte() % system.shards
    if owner == system.shard then
        return get_here(key, o, call, headers, done)
    end
    return join(key, ask(owner, key, o, call, headers), done)
end

return M
