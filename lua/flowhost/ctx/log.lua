-- SPDX-License-Identifier: MIT
-- ctx.log.debug/info/warn/error(...): a line in the process log with run, flow and trace id, kept with the run as well;
-- the first 1,000 of a run in both. Tables are written as JSON. A replay does not write a line again.

local core = require "flowhost.core"
local run_log = require "flowhost.engine.run_log"
local step = require "flowhost.engine.step"

local json = core.json

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
        if step.log(level, message) then
            run_log.write(step.current_fiber("log").run, level, message)
        end
    end
end

return { log = { debug = at "debug", info = at "info", warn = at "warn", error = at "error" } }
