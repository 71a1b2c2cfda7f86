-- SPDX-License-Identifier: MIT
-- ctx.data.store(key, value), ctx.data.load(key): values shared by the whole run, part of its journal. What a load saw
-- is recorded, so that branches that race for a key replay as they happened. An unknown key loads as nil.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local step = require "flowhost.engine.step"

local json = core.json

local WRITES = { ["data.store"] = true, ["data.edit"] = true }

local function check_key(verb, key)
    if type(key) ~= "string" then
        error_object.raise("INVALID", "ctx.data." .. verb .. ": the key must be a string")
    end
end

local function set(data, key, value)
    if value == json.null then
        value = nil
    end
    data[key] = value
end

--- The data of a run. Of one that was brought back: what its journal says in the end, for what was stored in a step
--- that is over is not stored again by a replay.
local function data_of(run)
    if run.data then
        return run.data
    end
    local data, writes = {}, {}
    for _, entry in pairs(run.journal or {}) do
        writes[#writes + 1] = WRITES[entry.kind] and entry or nil
    end
    table.sort(writes, function(a, b)
        return a.order < b.order
    end)
    for _, entry in ipairs(writes) do
        if entry.kind == "data.store" then
            set(data, entry.name, entry.value)
        else
            for key, value in pairs(entry.value) do
                set(data, key, value)
            end
        end
    end
    run.data = data
    return data
end

local function store(key, value)
    check_key("store", key)
    local data = data_of(step.current_fiber("data").run)
    local stored, entry = step.value("data.store", key, function()
        return value
    end)
    if not entry then
        data[key] = stored
    end
end

local function load(key)
    check_key("load", key)
    local data = data_of(step.current_fiber("data").run)
    return (step.value("data.load", key, function()
        return data[key]
    end))
end

return { data = { store = store, load = load } }
