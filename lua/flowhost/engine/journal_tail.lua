-- SPDX-License-Identifier: MIT
-- The entries of a run behind a place in its journal, a page at a time: for who follows a run while it goes on.
--
-- A place is { chunk, index }: the entry that was read last. Chunks are never changed once they are there, and their
-- numbers have no gaps.

local core = require "flowhost.core"
local journal = require "flowhost.engine.journal"

local json, store, system = core.json, core.store, core.system

local M = {}

local JOURNAL = store.tables.journal
local PAGE = 16 -- chunks; each is what one commit brought

M.BEGINNING = { chunk = 0, index = 0 }

local function chunk_of(key)
    local a, b, c, d = key:byte(17, 20)
    return ((a * 256 + b) * 256 + c) * 256 + d
end

--- Calls visit(entry, chunk, index) for the entries of the next page. Returns the place behind them and whether there
--- was a page; nil and a reason when a chunk is damaged.
---@param place { chunk: integer, index: integer, is_done: boolean? }   is_done: the chunk has no more entries
function M.read(run_bytes, place, visit)
    local before = place.is_done and place.chunk or place.chunk - 1
    local after = before >= 0 and journal.key(run_bytes, before) or nil
    local keys, values, count = store.scan(JOURNAL, { prefix = run_bytes, after = after, limit = PAGE })
    if not keys then
        return nil, values
    end
    local chunk, index = place.chunk, place.index
    for i = 1, count do
        local list = values[i] and json.decode(values[i], journal.AS_STORED)
        if not list then
            return nil, ("table journal, key %s is damaged"):format(system.hex(keys[i]))
        end
        local number = chunk_of(keys[i])
        local seen = number == place.chunk and not place.is_done and place.index or 0
        for at = seen + 1, #list do
            visit(journal.to_entry(list[at]), number, at)
        end
        chunk, index = number, math.max(seen, #list)
    end
    return { chunk = chunk, index = index, is_done = place.is_done or count > 0 }, count > 0
end

return M
