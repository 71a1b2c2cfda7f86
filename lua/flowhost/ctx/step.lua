-- SPDX-License-Identifier: MIT
-- ctx.step(name, fn, { retry, timeout, once }): runs fn once and records its result (which must be JSON); a replay
-- returns what was recorded.

local error_object = require "flowhost.engine.error"
local options = require "flowhost.ctx.options"
local scope = require "flowhost.engine.scope"

local ALLOWED = { retry = true, timeout = true, once = true }

local function run_step(name, fn, o)
    if type(name) ~= "string" or type(fn) ~= "function" then
        error_object.raise("INVALID", "ctx.step: a name and a function are expected")
    end
    return scope.run("step", name, "", fn, o ~= nil and options.parse("step", o, ALLOWED) or nil)
end

return { step = run_step }
