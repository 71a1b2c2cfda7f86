-- SPDX-License-Identifier: MIT
-- Parked runs from outside: waiting for their end, bringing them back.

local core = require "flowhost.core"
local ending = require "flowhost.engine.ending"
local error_object = require "flowhost.engine.error"
local interrupt = require "flowhost.engine.interrupt"
local live = require "flowhost.engine.live"
local parking = require "flowhost.engine.parking"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"

local system = core.system
local fault = system.fault

local M = {
    find_code = nil, -- fn(row) -> code | nil, reason
}

parking.on_parked = function(run)
    run.is_over = true
    interrupt.cancel_all(run)
    if run.waiters[1] then
        parking.waiters[run.id] = run.waiters
    end
    live.remove(run)
end

--- Calls waiter(run, answer) at the run's end. false when it is over already or suspended: then the row says all.
---@param row table
function M.on_end(row, waiter)
    local run = live.runs[row.id]
    if run then
        if run.response then
            waiter(run, run.response)
        else
            run.waiters[#run.waiters + 1] = waiter
        end
        return true
    elseif row.status == "waiting" or row.status == "queued" then
        local waiters = parking.waiters[row.id] or {}
        waiters[#waiters + 1] = waiter
        parking.waiters[row.id] = waiters
        return true
    end
    return false
end

--- The run in memory, brought back when it is parked; nil when it is neither. `find_code` as for recovery.
function M.wake(bytes)
    local in_memory = live.runs[system.id_text(bytes)]
    if in_memory then
        return in_memory
    end
    local row = rows.read(bytes)
    if not row or row.status ~= "waiting" then
        return nil, row
    end
    row.waiters = parking.waiters[row.id]
    parking.waiters[row.id] = nil
    local code, reason = M.find_code(row)
    local run, err
    if code then
        run, err = run_module.load(row, code)
    else
        err = error_object.new("RELEASE_MISSING", reason)
    end
    if not run then
        run = run_module.load_broken(row)
        ending.suspend(run, err)
        return nil, row
    end
    parking.unpark(run)
    fault "engine.wake"
    run_module.replay(run)
    return run
end

return M
