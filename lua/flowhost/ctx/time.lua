-- SPDX-License-Identifier: MIT
-- ctx.sleep(seconds): a wait that survives restarts: the due time is recorded, not the duration.
-- ctx.now(): unix seconds with fraction, recorded.

local core = require "flowhost.core"
local commit = require "flowhost.engine.commit"
local error_object = require "flowhost.engine.error"
local step = require "flowhost.engine.step"
local token = require "flowhost.engine.token"

local timer = core.timer

local function sleep(seconds)
    if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 or seconds > 1e10 then
        error_object.raise("INVALID", "ctx.sleep: a number of seconds, 0 or more, is expected")
    end
    step.sleep(seconds, function(run, due, done)
        commit.flush(run)
        local waiting = token.new(function()
            done "null"
        end)
        local handle = timer.start(math.max(0, due - timer.now_ms()), waiting)
        return function()
            token.drop(waiting)
            handle:stop()
        end
    end)
end

local function now()
    return step.value("now", "", function()
        return timer.now_ms() / 1000
    end)
end

return { sleep = sleep, now = now }
