-- SPDX-License-Identifier: MIT
-- ctx.data.store(key, value), ctx.data.load(key): values shared by the whole run, part of its journal. What a load saw
-- is recorded, so that branches that race for a key replay as they happened. An unknown key loads as nil.

local error_object = require "flowhost.engine.error"
local run_data = require "flowhost.engine.run_data"
local step = require "flowhost.engine.step"

local function check_key(verb, key)
    if type(key) ~= "string" then
        error_object.raise("INVALID", "ctx.data." .. verb .. ": the key must be a string")
    end
end

local function store(key, value)
    check_key("store", key)
    local data = run_data.of(step.current_fiber("data").run)
    local stored, entry = step.value("data.store", key, function()
        return value
    end)
    if not entry then
        data[key] = stored
    end
end

local function load(key)
    check_key("load", key)
    local data = run_data.of(step.current_fiber("data").run)
    return (step.value("data.load", key, function()
        return data[key]
    end))
end

return { data = { store = store, load = load } }
