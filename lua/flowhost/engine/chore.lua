-- SPDX-License-Identifier: MIT
-- Work of the host itself that takes long or waits: a coroutine that lets the loop turn in between. Chores of one lane
-- run one after the other, so each finds what the one before has left.
--
--   chore.run("releases", "reload", function() ... chore.pause() ... local code = chore.await(submit) ... end)

local core = require "flowhost.core"
local token = require "flowhost.engine.token"

local system, timer = core.system, core.timer

local M = {}

local SLICE_US = 2000

local lanes = {} -- name -> queue of chores { name, co }; the first one is at work
local current    -- chore whose coroutine runs

local begin

local function step(chore, ...)
    local outer = current
    current, chore.slice_began = chore, timer.mono_us()
    local ok, raised = coroutine.resume(chore.co, ...)
    current = outer
    if not ok then
        system.log("error", ("%s failed: %s"):format(chore.name, debug.traceback(chore.co, tostring(raised))))
    end
    if coroutine.status(chore.co) == "dead" then
        local queue = lanes[chore.lane]
        table.remove(queue, 1)
        if queue[1] then
            timer.start(0, token.new(function()
                begin(queue)
            end))
        end
    end
end

function begin(queue)
    step(queue[1])
end

--- Runs fn when the chores before it on its lane have ended. What it raises is logged.
---@param name string  for the log
function M.run(lane, name, fn)
    local queue = lanes[lane] or {}
    lanes[lane] = queue
    queue[#queue + 1] = { lane = lane, name = name, co = coroutine.create(fn) }
    if #queue == 1 then
        begin(queue)
    end
end

--- Begins something that calls done(...) once, now or later, and returns what that was given.
---@param start fun(done: function)
function M.await(start)
    local chore, result, is_waiting = current, nil, false
    start(function(...)
        if is_waiting then
            return step(chore, ...)
        end
        result = { n = select("#", ...), ... }
    end)
    if result then
        return unpack(result, 1, result.n)
    end
    is_waiting = true
    return coroutine.yield()
end

--- Stores a batch, between the fault points NAME.change and NAME.changed. nil when it is stored; else the code, and a
--- sentence on why nothing was changed.
---@return string? code, string? reason
function M.store(name, batch)
    local code = M.await(function(done)
        system.fault(name .. ".change")
        token.submit(batch, done)
    end)
    system.fault(name .. ".changed")
    if code then
        return code, code == "DISK_FULL" and "no space left for the data folder: nothing was changed"
            or ("the store cannot be written (%s)"):format(code)
    end
end

local function turn(done)
    timer.start(0, token.new(done))
end

--- Lets the loop turn if this slice has lasted long enough.
function M.pause()
    if timer.mono_us() - current.slice_began >= SLICE_US then
        M.await(turn)
    end
end

return M
