-- SPDX-License-Identifier: MIT
-- UUIDs by which the run behind them is found, without an index: of map runs and of their children.
--
--   map run   the 16 bytes of the run's id, the number of the map run (from 1) added to the last one
--   child     the first 12 bytes of it, the number of the map run (1 byte), the number of the child (3 bytes, from 1)

local core = require "flowhost.core"

local store, system = core.store, core.system

local M = {}

local BYTES, CHILD_PREFIX, MOST = 16, 12, 1000

local function to_uuid(bytes)
    return (system.hex(bytes):gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-"))
end

local function to_bytes(uuid)
    local hex = uuid:gsub("-", "")
    return #hex == 2 * BYTES and not hex:find "[^%x]" and hex:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end) or nil
end

function M.make(bytes, number)
    return to_uuid(bytes:sub(1, BYTES - 1) .. string.char((bytes:byte(BYTES) + number) % 256))
end

---@param bytes string   the run's id
---@param map_run integer  its number
---@param number integer   the child's
function M.child(bytes, map_run, number)
    return to_uuid(bytes:sub(1, CHILD_PREFIX) .. string.char(map_run % 256, math.floor(number / 65536) % 256,
        math.floor(number / 256) % 256, number % 256))
end

--- The number of the map run that a child is of; nil for what is no UUID.
function M.map_run_of(uuid)
    local bytes = to_bytes(uuid)
    return bytes and bytes:byte(CHILD_PREFIX + 1)
end

--- The ids (bytes) of the runs that may have a map run of this UUID, or a child of it.
---@param is_child boolean?
function M.candidates(uuid, is_child)
    local bytes = to_bytes(uuid)
    if not bytes then
        return {}
    end
    local prefix = bytes:sub(1, is_child and CHILD_PREFIX or BYTES - 1)
    local keys, _, count = store.scan(store.tables.runs, { prefix = prefix, limit = MOST })
    local found = {}
    for i = 1, keys and count or 0 do
        found[i] = keys[i]
    end
    return found
end

return M
