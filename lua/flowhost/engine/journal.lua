-- SPDX-License-Identifier: MIT
-- Journal entries: what a run has recorded, in order, durable.
--
-- Stored as chunks, one a commit: key = run + u32 chunk, value = a JSON array of entries. An entry is the array
--   [ path, kind, name, arguments hash, line, started ms, ended ms, attempts, state, value ]
-- state: "k" ok, value is the result · "e" error, value is the error · "o" open: a container or a wait that has begun,
-- value is what it needs to go on · "r" redo: entries of that path so far are void (a recover asked for it).
-- A later entry of a path replaces the earlier. Format 1.

local core = require "flowhost.core"

local json, store, system = core.json, core.store, core.system

local M = {}

local JOURNAL = store.tables.journal

-- As json.decode_stored, with room for the two arrays around a value as deep as json.encode_stored writes.
local AS_STORED = { any_bytes = true, max_depth = 168 }

--- Text of one entry: encode(path, kind, name, hash, line, started, ended, attempts, state, text). text: JSON.
M.encode = json.join

--- The same with the value itself.
M.encode_value = json.list

function M.key(run_bytes, chunk)
    return run_bytes .. system.u32(chunk)
end

local function to_entry(list)
    return {
        path = list[1], kind = list[2], name = list[3], hash = list[4], line = list[5], started = list[6],
        ended = list[7], attempts = list[8], state = list[9], value = list[10],
    }
end

--- All entries of a run in order. nil, error text when a chunk is damaged.
---@return table[]? entries, integer|string next_chunk
function M.load(run_bytes)
    local entries, chunk, after = {}, 0, nil
    repeat
        local keys, values, count = store.scan(JOURNAL, { prefix = run_bytes, after = after, limit = 1000 })
        if not keys then
            return nil, values
        end
        for i = 1, count do
            local list = values[i] and json.decode(values[i], AS_STORED)
            if not list then
                return nil, ("table journal, key %s is damaged"):format(system.hex(keys[i]))
            end
            for _, fields in ipairs(list) do
                entries[#entries + 1] = to_entry(fields)
            end
        end
        chunk, after = chunk + count, keys[count]
    until count < 1000
    return entries, chunk
end

--- path -> the entry in force.
function M.index(entries)
    local by_path = {}
    for order, entry in ipairs(entries) do
        entry.order = order
        by_path[entry.path] = entry.state ~= "r" and entry or nil
    end
    return by_path
end

return M
