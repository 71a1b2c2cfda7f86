-- SPDX-License-Identifier: MIT
-- A function of one string that remembers what it computed, within bounds: programs make up formats
-- and patterns without end.

local M = {}

local MAX_ENTRIES = 256
local MAX_KEY_BYTES = 1024

--- A remembering form of `compute`, a pure function whose result is not nil. It forgets all when it
--- holds MAX_ENTRIES, and never remembers keys over MAX_KEY_BYTES.
---@generic T
---@param compute fun(key: string): T
---@return fun(key: string): T
function M.new(compute)
    local known, count = {}, 0
    return function(key)
        local value = known[key]
        if value ~= nil then return value end
        value = compute(key)
        if #key <= MAX_KEY_BYTES then
            if count == MAX_ENTRIES then known, count = {}, 0 end
            known[key], count = value, count + 1
        end
        return value
    end
end

return M
