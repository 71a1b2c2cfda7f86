-- SPDX-License-Identifier: MIT
-- ctx.sleep(seconds), ctx.sleep_until(unix seconds): waits that survive restarts: the due time is recorded, not the
-- duration. ctx.now(): unix seconds with fraction, recorded.

local core = require "flowhost.core"
local effect = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local step = require "flowhost.engine.step"

local timer = core.timer

local MAX_SECONDS = 1e10

local function wait_till(kind, name, due_of)
    effect.wait(kind, name, {
        open = function()
            return { due = due_of() }
        end,
        act = function(current, done)
            return effect.at(current.fiber.run, current.due, function()
                done "null"
            end)
        end,
    })
end

local function is_time(value)
    return type(value) == "number" and value >= 0 and value <= MAX_SECONDS
end

local function sleep(seconds)
    if not is_time(seconds) then
        error_object.raise("INVALID", "ctx.sleep: a number of seconds, 0 or more, is expected")
    end
    wait_till("sleep", ("%.14g"):format(seconds), function()
        return timer.now_ms() + math.ceil(seconds * 1000)
    end)
end

local function sleep_until(time)
    if not is_time(time) then
        error_object.raise("INVALID", "ctx.sleep_until: a time in unix seconds is expected")
    end
    wait_till("sleep_until", ("%.14g"):format(time), function()
        return math.ceil(time * 1000)
    end)
end

local function now()
    return (step.value("now", "", function()
        return timer.now_ms() / 1000
    end))
end

return { sleep = sleep, sleep_until = sleep_until, now = now }
