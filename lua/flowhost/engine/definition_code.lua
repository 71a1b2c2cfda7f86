-- SPDX-License-Identifier: MIT
-- The code of an execution's run, for looking at it: of its release, else of its definition alone, which is kept when
-- the release is not (release.lua, machine_changes.lua).

local catalog = require "flowhost.engine.catalog"
local machines = require "flowhost.engine.machines"

local M = {}

local latest = {} -- flow, version, code

--- nil, reason when neither is there.
---@param row table  from rows.read
function M.find(row)
    local code, reason = catalog.find_code(row)
    if code then
        return code
    elseif latest.flow == row.flow and latest.version == row.version then
        return latest.code
    end
    local text = machines.definition(row.version)
    local flow = text and catalog.candidate({ [row.flow .. ".asl.json"] = text }).flows[row.flow]
    if not flow then
        return nil, reason
    end
    latest = { flow = row.flow, version = row.version, code = flow.code }
    return flow.code
end

return M
