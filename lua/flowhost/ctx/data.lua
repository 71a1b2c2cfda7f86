-- SPDX-License-Identifier: MIT
-- ctx.data.store(key, value), ctx.data.load(key): values shared by the whole run, part of its journal. What a load saw
-- is recorded, so that branches that race for a key replay as they happened. An unknown key loads as nil.

local error_object = require "flowhost.engine.error"
local step = require "flowhost.engine.step"

local function check_key(verb, key)
    if type(key) ~= "string" then
        error_object.raise("INVALID", "ctx.data." .. verb .. ": the key must be a string")
    end
end

local function store(key, value)
    check_key("store", key)
    local run = step.current_fiber("data").run
    run.data = run.data or {}
    run.data[key] = step.value("data.store", key, function()
        return value
    end)
end

local function load(key)
    check_key("load", key)
    local data = step.current_fiber("data").run.data or {}
    return step.value("data.load", key, function()
        return data[key]
    end)
end

return { data = { store = store, load = load } }
