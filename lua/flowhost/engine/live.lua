-- SPDX-License-Identifier: MIT
-- The runs that are being worked on on this shard, by id. A run leaves once its last batch is durable, or it is parked.

local core = require "flowhost.core"
local parking = require "flowhost.engine.parking"

local system = core.system
local fault = system.fault

local M = {
    runs = {},     -- id -> run
    count = 0,
    on_room = nil, -- called when a run has left
}

--- Partitions of this shard, taken in turn so that runs spread over them.
local next_partition = system.shard

local function take_partition()
    local partition = next_partition
    next_partition = partition + system.shards
    if next_partition >= 64 then
        next_partition = system.shard
    end
    return partition
end

--- An id of this shard for a run to come: 26 characters, 16 bytes.
function M.reserve()
    return system.run_id(take_partition())
end

--- Takes a run in.
function M.add(run)
    M.runs[run.id] = run
    M.count = M.count + 1
end

--- Lets a run go.
function M.remove(run)
    parking.forget(run)
    if M.runs[run.id] == run then
        M.runs[run.id] = nil
        M.count = M.count - 1
        if M.on_room then
            M.on_room()
        end
    end
end

--- Tells everybody who waits for the end. `answer` is nil when the run's own outcome is the answer.
function M.answer_all(run, answer)
    local waiters = run.waiters
    run.waiters = {}
    fault "engine.answer"
    for _, waiter in ipairs(waiters) do
        local ok, raised = xpcall(waiter, debug.traceback, run, answer)
        if not ok then
            system.log("error", "a caller could not be answered: " .. tostring(raised), { "run", run.id })
        end
    end
end

--- Whether nothing of the run is on disk, now.
function M.is_unwritten(run)
    return (run.durable == "never" and not run.is_summary) or run.is_held_back or false
end

--- 32 hex characters, as W3C trace context has them.
function M.new_trace_id()
    return system.hex(system.random(16))
end

--- The run's trace id; a run that is not kept gets it only when somebody asks.
function M.trace_id(run)
    if not run.trace_id then
        run.trace_id = M.new_trace_id()
    end
    return run.trace_id
end

parking.count_live = function()
    return M.count
end

return M
