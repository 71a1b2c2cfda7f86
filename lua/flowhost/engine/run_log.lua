-- SPDX-License-Identifier: MIT
-- Lines of runs in the process log: so many of one run, then one that says so.

local core = require "flowhost.core"
local live = require "flowhost.engine.live"

local system = core.system

local M = {}

local MAX_LINES = 1000

--- The run's lines are counted by the process that works on it; a restart counts anew.
function M.write(run, level, message)
    if not system.log_is_on(level) then
        return
    end
    local count = (run.written_lines or 0) + 1
    run.written_lines = count
    if count > MAX_LINES + 1 then
        return
    elseif count > MAX_LINES then
        level, message = "warn", "log of this run is cut"
    end
    system.log(level, message, { "flow", run.flow, "run", run.id, "trace_id", live.trace_id(run) })
end

return M
