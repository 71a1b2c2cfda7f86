-- SPDX-License-Identifier: MIT
-- The code of runs of state machines, also when no release in the store has it any more: a replay needs nothing but the
-- definition, which is kept as long as its machine (machines.lua).

local catalog = require "flowhost.engine.catalog"
local machines = require "flowhost.engine.machines"

local M = {}

local MOST = 16

local compiled, count = {}, 0 -- name, definition's hash -> code

local function compile(row)
    local text = machines.definition(row.version)
    local candidate = text and catalog.candidate { [row.flow .. ".asl.json"] = text }
    local flow = candidate and candidate.flows[row.flow]
    return flow and flow.code
end

--- To replay a run with; nil, reason when there is none.
---@param row table  from rows.read
function M.find(row)
    local code, reason = catalog.find_code(row)
    if code then
        return code
    end
    local key = row.flow .. "\0" .. row.version
    if compiled[key] then
        return compiled[key]
    end
    code = compile(row)
    if not code then
        return nil, reason
    elseif count >= MOST then
        compiled, count = {}, 0
    end
    compiled[key], count = code, count + 1
    return code
end

return M
