-- SPDX-License-Identifier: MIT
-- The audit: what people changed in runs and flows, kept beside what was there before.
--
--   key    u64 ms + u32 number within the ms + 4 random bytes
--   entry  { at (ms), actor, action, run, flow, before, after }

local core = require "flowhost.core"
local rows = require "flowhost.engine.rows"

local json, store, system, timer = core.json, core.store, core.system, core.timer
local AUDIT = store.tables.audit

local M = {}

local last_ms, number = 0, 0

--- Entries of one shard are in the order in which they were made.
local function new_key(now)
    number = now == last_ms and number + 1 or 0
    last_ms = now
    return system.u64(now) .. system.u32(number) .. system.random(4)
end

--- Adds an entry to the run's next batch: it is there if and only if the change is.
---@param what { actor: string, action: string, before: any, after: any }
function M.add(run, what)
    local now = timer.now_ms()
    local entry = { at = now, run = run.id, flow = run.flow }
    for name, value in pairs(what) do
        entry[name] = value
    end
    rows.also(run, "put", AUDIT, new_key(now), assert(json.encode_stored(entry)))
end

--- Adds an entry that concerns no run to a batch.
---@param what { actor: string, action: string, flow: string?, before: any, after: any }
function M.put(batch, what)
    local now = timer.now_ms()
    local entry = { at = now }
    for name, value in pairs(what) do
        entry[name] = value
    end
    batch:put(AUDIT, new_key(now), assert(json.encode_stored(entry)))
end

--- Newest first; `run` (id) narrows. Returns entries and the key of the last one looked at (hex), nil at the end.
function M.list(limit, after, run)
    local found = {}
    repeat
        local keys, values, count = store.scan(AUDIT, { reverse = true, after = after, limit = 500 })
        if not keys then
            return nil, values, count
        end
        for i = 1, count do
            local entry = values[i] and json.decode_stored(values[i])
            after = keys[i]
            if entry and (not run or entry.run == run) then
                found[#found + 1] = entry
                if #found == limit then
                    return found, after
                end
            end
        end
    until count < 500
    return found
end

return M
