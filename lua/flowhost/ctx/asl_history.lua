-- SPDX-License-Identifier: MIT
-- The history of an execution: its run is replayed in memory, and the events that the machine counts are kept.

local rehearsal = require "flowhost.engine.rehearsal"

local M = {}

local LAST = { cancelled = "ExecutionAborted", timed_out = "ExecutionTimedOut", failed = "ExecutionFailed",
    broken = "ExecutionFailed", suspended = "ExecutionFailed" }

--- The last event of an execution that its machine did not end itself: it was stopped, took too long, or a component
--- ended the run.
local function add_last(events, row_status, ended, err)
    local kind, last = LAST[row_status], events[#events]
    if not kind or (last and last.type:find "^Execution%u%l+ed$" and last.type ~= "ExecutionStarted") then
        return
    end
    local given = err and type(err.data) == "table" and err.data or {} -- what StopExecution said
    local name, cause = given.error, given.cause
    if kind == "ExecutionTimedOut" then
        name = "States.Timeout"
    elseif kind == "ExecutionFailed" and err and not (name or cause) then
        name, cause = "States.Runtime", err.message
    end
    events[#events + 1] = { id = #events + 1, previousEventId = 0, type = kind, timestamp = ended,
        [kind:gsub("^E", "e") .. "EventDetails"] = { error = name, cause = cause } }
end

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
    add_last(events, status, ended, err)
    return events
end

return M
