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

--- The data of a run: values, and for those that a recover has edited the place of the edit in the journal: what was
--- stored before it does not count any more.
local function data_of(run)
    if run.data then
        return run.data
    end
    run.data, run.data_edits = {}, {}
    local edits = {}
    for _, entry in pairs(run.journal or {}) do
        edits[#edits + 1] = entry.kind == "data.edit" and entry or nil
    end
    table.sort(edits, function(a, b)
        return a.order < b.order
    end)
    for _, entry in ipairs(edits) do
        for key, value in pairs(entry.value) do
            run.data[key], run.data_edits[key] = value, entry.order
        end
    end
    return run.data
end

local function store(key, value)
    check_key("store", key)
    local run = step.current_fiber("data").run
    local data = data_of(run)
    local stored, entry = step.value("data.store", key, function()
        return value
    end)
    local edited = run.data_edits[key]
    if not edited or not entry or entry.order > edited then
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
