-- SPDX-License-Identifier: MIT
-- UUIDs by which the run behind them is found, without an index: of map runs and of their children.
--
--   map run   the 16 bytes of the run's id, the number of the map run (from 1) added to the last two
--   child     the first 11 bytes of it, the number of the map run (2 bytes), the number of the child (3 bytes, from 1)

local core = require "flowhost.core"

local store, system = core.store, core.system

local M = {}

local BYTES, PREFIX, CHILD_PREFIX, MOST = 16, 14, 11, 1000

local function to_uuid(bytes)
    return (system.hex(bytes):gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-"))
end

local function to_bytes(uuid)
    local hex = uuid:gsub("-", "")
    return #hex == 2 * BYTES and not hex:find "[^%x]" and hex:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end) or nil
end

--- The lowest `count` bytes of a number, highest first.
local function low_bytes(number, count)
    return system.u64(number):sub(-count)
end

function M.make(bytes, number)
    local high, low = bytes:byte(PREFIX + 1, BYTES)
    return to_uuid(bytes:sub(1, PREFIX) .. low_bytes(high * 256 + low + number, BYTES - PREFIX))
end

---@param bytes string   the run's id
---@param map_run integer  its number
---@param number integer   the child's
function M.child(bytes, map_run, number)
    return to_uuid(bytes:sub(1, CHILD_PREFIX) .. low_bytes(map_run, 2) .. low_bytes(number, 3))
end

--- The number of the map run that a child is of; nil for what is no UUID.
function M.map_run_of(uuid)
    local bytes = to_bytes(uuid)
    if not bytes then
        return nil
    end
    local high, low = bytes:byte(CHILD_PREFIX + 1, CHILD_PREFIX + 2)
    return high * 256 + low
end

--- The ids (bytes) of the runs that may have a map run of this UUID, or a child of it.
---@param is_child boolean?
function M.candidates(uuid, is_child)
    local bytes = to_bytes(uuid)
    if not bytes then
        return {}
    end
    local prefix = bytes:sub(1, is_child and CHILD_PREFIX or PREFIX)
    local keys, _, count = store.scan(store.tables.runs, { prefix = prefix, limit = MOST })
    local found = {}
    for i = 1, keys and count or 0 do
        found[i] = keys[i]
    end
    return found
end

return M
