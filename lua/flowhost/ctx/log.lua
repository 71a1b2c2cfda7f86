-- SPDX-License-Identifier: MIT
-- ctx.log.debug/info/warn/error(...): a line in the process log with run, flow and trace id, kept with the run as well
-- (the first 1,000). Tables are written as JSON. A replay does not write a line again.

local core = require "flowhost.core"
local run_module = require "flowhost.engine.run"
local step = require "flowhost.engine.step"

local json, system = core.json, core.system

local function to_text(...)
    local parts = {}
    for i = 1, select("#", ...) do
        local value = select(i, ...)
        parts[i] = type(value) == "table" and json.encode(value) or tostring(value)
    end
    return table.concat(parts, " ")
end

local function at(level)
    return function(...)
        local message = to_text(...)
        if step.log(level, message) and system.log_is_on(level) then
            local run = step.current_fiber("log").run
            system.log(level, message, { "flow", run.flow, "run", run.id, "trace_id", run_module.trace_id(run) })
        end
    end
end

return { log = { debug = at "debug", info = at "info", warn = at "warn", error = at "error" } }
