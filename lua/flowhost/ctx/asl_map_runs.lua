-- SPDX-License-Identifier: MIT
-- Map runs of an execution, as its replay finds them.
--
--   map run: number (of its execution), execution (name), label, uuid, status, started, ended (ms), max_concurrency,
--            tolerated_count, tolerated_percentage, items, executions { running, succeeded, failed, aborted, pending,
--            total, resultsWritten }, children
--   child:   name, status, input, output or failure { error, cause }, started, ended (ms), items, events (asl_history)

local asl_history = require "flowhost.ctx.asl_history"
local machine_code = require "flowhost.engine.machine_code"
local machine_host = require "flowhost.ctx.machine_host"
local map_run_id = require "flowhost.engine.map_run_id"
local machines = require "flowhost.engine.machines"
local rows = require "flowhost.engine.rows"

local M = {}

local MOST_DISTRIBUTED = 1000

--- What has not ended by itself when the map run ends is aborted.
local function counts_of(given, status)
    local left = math.max(0, given.total - given.succeeded - given.failed)
    local is_running = status == "RUNNING"
    return { total = given.total, succeeded = given.succeeded, failed = given.failed,
        running = is_running and given.running or 0, pending = is_running and math.max(0, left - given.running) or 0,
        aborted = is_running and 0 or left, resultsWritten = status == "SUCCEEDED" and given.succeeded or 0 }
end

local STOPPED = { cancelled = "ABORTED", timed_out = "ABORTED", failed = "FAILED" }

--- A child that had not ended when its map run did.
local function abort(child, ended)
    child.status, child.ended = "ABORTED", ended
    child.events[#child.events + 1] = { id = #child.events + 1, previousEventId = 0, type = "ExecutionAborted",
        timestamp = ended, executionAbortedEventDetails = {} }
end

--- Children as far as they have begun, in order.
local function show_children(record, row, status)
    local children = {}
    for i = 1, record.executions.total do
        local child = record.children[i]
        if child then
            child.name = map_run_id.child(row.bytes, record.number, i)
            child.status = child.ended and (child.failure and "FAILED" or "SUCCEEDED") or "RUNNING"
            if not child.ended and status ~= "RUNNING" then
                abort(child, record.ended or row.ended)
            end
            children[#children + 1] = child
        end
    end
    return children
end

local function show(record, row)
    local status = record.status == "RUNNING" and STOPPED[row.status] or record.status
    return { execution = machine_host.execution_name(row), label = record.label, uuid = record.uuid, status = status,
        started = record.started, ended = record.ended or (status ~= "RUNNING" and row.ended or nil),
        max_concurrency = record.concurrency < MOST_DISTRIBUTED and record.concurrency or 0,
        tolerated_count = record.limits.count, tolerated_percentage = record.limits.percentage,
        items = counts_of(record.items, status), executions = counts_of(record.executions, status),
        children = show_children(record, row, status) }
end

--- Those of an execution's row, in the order in which they began; none of one that cannot be replayed.
function M.list(row)
    local code = machine_code.find(row)
    local status, ended = row.status, row.ended
    if not code or not asl_history.events(row, code) then
        return {}
    end
    row.status, row.ended = status, ended
    local found = {}
    for i, record in ipairs(row.map_runs or {}) do
        found[i] = show(record, row)
        found[i].number = i
    end
    return found
end

--- The one that an ARN names; nil when there is none.
---@param machine table  machine_files.find
function M.find(machine, label, uuid)
    for _, bytes in ipairs(map_run_id.candidates(uuid)) do
        local row = rows.read(bytes)
        if row and row.flow == machines.flow_name(machine.name) then
            for _, one in ipairs(M.list(row)) do
                if one.label == label and one.uuid == uuid then
                    return one
                end
            end
        end
    end
end

--- The child of that UUID, and its map run; nil when there is none.
function M.find_child(machine, label, uuid)
    for _, bytes in ipairs(map_run_id.candidates(uuid, true)) do
        local row = rows.read(bytes)
        local map_run = row and row.flow == machines.flow_name(machine.name)
            and M.list(row)[map_run_id.map_run_of(uuid)]
        for _, child in ipairs(map_run and map_run.label == label and map_run.children or {}) do
            if child.name == uuid then
                return child, map_run
            end
        end
    end
end

--- A map run keeps what it began with.
function M.update(_, _, done)
    done { code = "ValidationException", message = "a map run of this host keeps the limits it began with" }
end

return M
