-- SPDX-License-Identifier: MIT
-- UUIDs of map runs: the 16 bytes of the run's id, the number of the map run (from 1) added to the last two. So the run
-- is found by its first 14 bytes, without an index.

local core = require "flowhost.core"

local store, system = core.store, core.system

local M = {}

local BYTES, PREFIX, MOST = 16, 14, 1000

function M.make(bytes, number)
    local high, low = bytes:byte(PREFIX + 1, BYTES)
    local sum = (high * 256 + low + number) % 65536
    local own = bytes:sub(1, PREFIX) .. string.char(math.floor(sum / 256), sum % 256)
    return (system.hex(own):gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-"))
end

--- The ids (bytes) of the runs that may have a map run of this UUID.
function M.candidates(uuid)
    local hex = uuid:gsub("-", "")
    if #hex ~= 2 * BYTES or hex:find "[^%x]" then
        return {}
    end
    local bytes = hex:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end)
    local keys, _, count = store.scan(store.tables.runs, { prefix = bytes:sub(1, PREFIX), limit = MOST })
    local found = {}
    for i = 1, keys and count or 0 do
        found[i] = keys[i]
    end
    return found
end

return M
