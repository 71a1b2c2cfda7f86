-- SPDX-License-Identifier: MIT
-- The values that a run shares (ctx.data, the global_store of rules).

local core = require "flowhost.core"

local json = core.json

local M = {}

local WRITES = { ["data.store"] = true, ["data.edit"] = true, snapshot = true }

local function set(data, key, value)
    if value == json.null then
        value = nil
    end
    data[key] = value
end

--- The data of a run. Of one that was brought back: what its journal says in the end, for what was stored in a step
--- that is over is not stored again by a replay.
function M.of(run)
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
        elseif entry.kind == "snapshot" then
            -- a rule goes on from here, perhaps with other data (engine/snapshot.lua)
            data = {}
            local kept = entry.value.data.global_store
            for key, value in pairs(type(kept) == "table" and kept or {}) do
                set(data, key, value)
            end
        else
            for key, value in pairs(entry.value) do
                set(data, key, value)
            end
        end
    end
    run.data = data
    return data
end

--- A copy of them.
function M.copy(run)
    local own = {}
    for key, value in pairs(M.of(run)) do
        own[key] = value
    end
    return own
end

return M
