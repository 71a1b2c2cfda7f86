-- SPDX-License-Identifier: MIT
-- The history of an execution: its run is replayed in memory, and the events that the machine counts are kept.

local rehearsal = require "flowhost.engine.rehearsal"

local M = {}

local LAST = { cancelled = "ExecutionAborted", timed_out = "ExecutionTimedOut" }

--- Events in order, see dialect/asl/history.lua; nil, error object when the run cannot be replayed.
---@param row table   from rows.read
---@param code table  of the flow that the run is pinned to
function M.events(row, code)
    local events = {}
    row.history = { n = 0, sink = function(event)
        events[event.id] = event
    end }
    local status, ended, err = row.status, row.ended, row.error
    local played, problem = rehearsal.play(row, code, {})
    if not played then
        return nil, problem
    end
    if LAST[status] then
        local name = status == "cancelled" and "executionAbortedEventDetails" or "executionTimedOutEventDetails"
        local given = err and type(err.data) == "table" and err.data or {} -- what StopExecution said
        events[#events + 1] = { id = #events + 1, previousEventId = 0, type = LAST[status],
            timestamp = ended, [name] = { error = status == "timed_out" and "States.Timeout" or given.error,
                cause = given.cause } }
    end
    return events
end

return M
