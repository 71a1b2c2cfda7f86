-- SPDX-License-Identifier: MIT
-- Stopping executions: one of them, or all of a machine that was deleted.

local core = require "flowhost.core"
local machines = require "flowhost.engine.machines"
local remote = require "flowhost.engine.remote"
local resource = require "flowhost.api.aws.resource"
local rows = require "flowhost.engine.rows"

local store, system = core.store, core.system

local M = {}

local PAGE = 500

--- Asks the shard that has the run to end it; done(result) as engine/control.lua says.
---@param o { actor: string, error: string?, cause: string? }
function M.stop(row, o, done)
    remote.call(remote.owner(row.bytes), "cancel", { id = row.id, actor = o.actor, reason = o.cause,
        data = { is_asl = true, error = o.error, cause = o.cause } }, done)
end

local function nothing() end

--- Stops what has not ended of a machine as it was, which may have been made anew by now.
---@param machine table  its row before it was deleted
function M.stop_all(machine, actor)
    local prefix, after = machines.flow_name(machine.name) .. "\0", nil
    repeat
        local keys, statuses, count = store.scan(store.tables.runs_by_flow, { prefix = prefix, after = after,
            limit = PAGE })
        for i = 1, keys and count or 0 do
            if not rows.TERMINAL[statuses[i]] then
                local row = rows.read(keys[i]:sub(#prefix + 1))
                if row and resource.is_of(machine, row) then
                    M.stop(row, { actor = actor }, nothing)
                end
            end
        end
        after = keys and keys[count]
    until not keys or count < PAGE
    system.log("debug", ("the executions of state machine %s are stopped: it was deleted"):format(machine.name))
end

return M
