-- SPDX-License-Identifier: MIT
-- At boot: every run of this shard that the store shows as running is brought back and replayed.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"

local store, system = core.store, core.system

local M = {}

local PREFIX = "running\0"

local function bring_back(bytes, find_code)
    local row, code, detail = rows.read(bytes)
    if not row then
        system.log("error", "a run cannot be read back", { "run", system.id_text(bytes), "code", code or "NOT_FOUND",
            "detail", detail or "its row is missing" })
        return
    end
    local flow_code, reason = find_code(row)
    if not flow_code then
        return run_module.park_broken(row, error_object.new("RELEASE_MISSING", reason))
    end
    local run, err = run_module.load(row, flow_code)
    if not run then
        return run_module.park_broken(row, err)
    end
    run_module.replay(run)
end

--- Returns how many were found.
---@param find_code fun(row: table): table?, string?  the flow's code of the release the row is pinned to
function M.run(find_code)
    local found, after = {}, nil
    repeat
        local keys, _, count = store.scan(store.tables.runs_by_status, { prefix = PREFIX, after = after, limit = 1000 })
        if not keys then
            error("the index of running runs cannot be read: " .. tostring(count), 0)
        end
        for i = 1, count do
            local bytes = keys[i]:sub(#PREFIX + 1)
            if system.partition(bytes) % system.shards == system.shard then
                found[#found + 1] = bytes
            end
        end
        after = keys[count]
    until count < 1000
    for _, bytes in ipairs(found) do
        local ok, raised = xpcall(bring_back, debug.traceback, bytes, find_code)
        if not ok then
            system.log("error", "a run cannot be taken up: " .. tostring(raised), { "run", system.id_text(bytes) })
        end
    end
    return #found
end

return M
