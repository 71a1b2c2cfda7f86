-- SPDX-License-Identifier: MIT
-- ctx.step(name, fn): runs fn once and records its result (which must be JSON); a replay returns what was recorded.

local error_object = require "flowhost.engine.error"
local step = require "flowhost.engine.step"

local function run_step(name, fn, o)
    if type(name) ~= "string" or type(fn) ~= "function" then
        error_object.raise("INVALID", "ctx.step: a name and a function are expected")
    end
    if o ~= nil then
        error_object.raise("INVALID", "ctx.step: options are not known in this version")
    end
    return step.scoped("step", name, "", fn)
end

return { step = run_step }
