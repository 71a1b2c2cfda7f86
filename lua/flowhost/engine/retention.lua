-- SPDX-License-Identifier: MIT
-- Retention: runs that have ended are removed when they are older than their flow's retention.age (an alarm written
-- with their end) or when their flow has more than retention.count newer ones (looked at a while after runs have
-- ended).

local core = require "flowhost.core"
local alarms = require "flowhost.engine.alarms"
local parking = require "flowhost.engine.parking"
local rows = require "flowhost.engine.rows"
local token = require "flowhost.engine.token"

local store, system, timer = core.store, core.system, core.timer
local tables = store.tables

local M = {}

local SWEEP_MS = 10000
local LEAST_POSTPONE_MS = 60000
local PAGE = 500

local counts = {} -- flow -> how many of its runs are kept
local has_timer = false

--- Removes a run that has ended and everything that is kept of it; `key`: an alarm to be deleted with it.
local function remove(row, key)
    local batch = store.batch()
    batch:del(tables.runs, row.bytes)
    local after
    repeat
        local keys, _, count = store.scan(tables.journal, { prefix = row.bytes, after = after, limit = 1000 })
        for i = 1, keys and count or 0 do
            batch:del(tables.journal, keys[i])
        end
        after = keys and keys[count]
    until not after or count < 1000
    rows.remove_indexes(batch, row)
    if key then
        batch:del(tables.alarms, key)
    end
    system.fault "engine.remove"
    batch:submit(token.new(function()
        system.fault "engine.removed"
    end))
end

--- Whether the run that has called it may still ask what became of it: it would call it again.
local function is_asked_for(row)
    local parent = row.parent and row.parent.is_awaited and rows.read(system.id_bytes(row.parent.run))
    return parent and not rows.TERMINAL[parent.status]
end

alarms.on("expire", function(bytes, key)
    parking.in_turn(function()
        local row = rows.read(bytes)
        if row and is_asked_for(row) then
            alarms.postpone(key, math.max(LEAST_POSTPONE_MS, timer.now_ms() - row.ended))
        elseif row and rows.TERMINAL[row.status] then
            remove(row, key)
        else
            alarms.drop(key)
        end
    end)
end)

--- Removes what is beyond the newest `keep` of a flow, a page at a time.
local function sweep_flow(flow, keep, after, passed)
    local prefix = flow .. "\0"
    local range = { prefix = prefix, after = after, reverse = true, limit = PAGE }
    local keys, values, count = store.scan(tables.runs_by_flow, range)
    for i = 1, keys and count or 0 do
        local bytes = keys[i]:sub(#prefix + 1)
        if rows.TERMINAL[values[i]] then
            passed = passed + 1
            if passed > keep and system.partition(bytes) % system.shards == system.shard then
                local row = rows.read(bytes)
                if row and rows.TERMINAL[row.status] and not is_asked_for(row) then
                    remove(row)
                end
            end
        end
    end
    if keys and count == PAGE then
        parking.in_turn(function()
            sweep_flow(flow, keep, keys[count], passed)
        end)
    end
end

local function sweep()
    has_timer = false
    local due = counts
    counts = {}
    for flow, keep in pairs(due) do
        sweep_flow(flow, keep, nil, 0)
    end
end

--- A run of a flow has ended of which only so many are kept.
function M.note(flow, keep)
    counts[flow] = keep
    if not has_timer then
        has_timer = true
        timer.start(SWEEP_MS, token.new(sweep))
    end
end

return M
