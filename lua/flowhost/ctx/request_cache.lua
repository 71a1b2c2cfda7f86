-- SPDX-License-Identifier: MIT
-- isCache of ctx.request: an answer serves for five minutes whoever asks this shard for the same; of those who ask at
-- the same time one call is made. A flight is nobody's: it goes on as long as anybody waits for it. Not a verb.

local core = require "flowhost.core"
local effect = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local memory_cache = require "flowhost.engine.memory_cache"

local json = core.json

local M = {}

local cache = memory_cache.new { max_bytes = 32 * 1024 * 1024, ttl_ms = 300000 }
local flights = {} -- key -> { waiters (done -> true), order, cancel }

local function hand_out(done, text)
    done(text, effect.to_flow(json.decode_stored(text)))
end

local function land(key, flight, text, err)
    flights[key] = nil
    if text then
        cache:put(key, text)
    end
    for _, done in ipairs(flight.order) do
        if flight.waiters[done] then
            if text then
                hand_out(done, text)
            else
                done(nil, error_object.from_plain(error_object.to_plain(err)))
            end
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

--- Gives `done` what is known, or what `send(done)` -> cancel brings. Returns a cancel function.
function M.get(key, send, done)
    local text = cache:get(key)
    if text then
        hand_out(done, text)
        return function() end
    end
    local flight = flights[key]
    local is_first = not flight
    if is_first then
        flight = { waiters = {}, order = {} }
        flights[key] = flight
    end
    flight.waiters[done] = true
    flight.order[#flight.order + 1] = done
    if is_first then
        flight.cancel = send(function(result, value)
            land(key, flight, result, value)
        end)
    end
    return function()
        leave(key, flight, done)
    end
end

return M
