-- SPDX-License-Identifier: MIT
-- Fibers: the coroutines of a run. A run has one; each branch of a group has its own.
--
-- A fiber yields an effect (a table with `start`) under a tag that flows cannot get hold of; what `start` brings
-- resumes it. While a flow's code runs, `M.current` is its fiber: this is how ctx verbs, which are plain functions,
-- know where they are.
--
--   fiber: run, co, prefix of its paths, scope, on_end(fiber, ok, value), now (ms, recorded time), parent, rng,
--          waiting (the effect it yielded last), waits (how often it has waited), has_ended,
--          is_lost: it replays what it did and does nothing new: its group was decided by another branch, or its run
--          is being ended; expired: the scope whose time is over
--   scope: prefix ("", "3.", "4.2."), n (steps so far), logs, parent; one that is a step itself: path, kind, name, ...

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"

local resume_flow, resume_more = core.flow.resume, core.flow.resume_more
local mono_us = core.timer.mono_us

local MAX_DEPTH = 100
local depth = 0 -- of resumes inside each other: all of them share one budget of processor time

local M = {
    current = nil,
    active_run = nil, -- of the innermost fiber that is being resumed
}

local TAG = {}

--- Waits for an effect: gives it to the engine and returns what it is resumed with. Runs in the flow's coroutine.
function M.wait(effect)
    return coroutine.yield(TAG, effect)
end

function M.new(run, fn, prefix, on_end, parent)
    return {
        run = run, co = coroutine.create(fn), on_end = on_end, prefix = prefix,
        scope = { prefix = prefix, n = 0, logs = 0 }, parent = parent, depth = parent and parent.depth + 1 or 1,
        now = parent and parent.now or (run.origin and run.origin.created) or run.created,
        is_lost = parent and parent.is_lost or false, waits = 0, waiting = false,
        has_ended = false, expired = false, spare_scope = false, place = nil, -- a machine's state
    }
end

--- Whether the fiber may have branches: they are resumed from within each other.
function M.can_branch(fiber)
    return fiber.depth < MAX_DEPTH
end

--- The flow's own lines of a coroutine's stack, innermost first.
function M.stack_of(co, release, first_level)
    local stack = core.json.array {}
    for level = first_level or 0, 60 do
        local info = co and debug.getinfo(co, level, "Sln") or debug.getinfo(level + 1, "Sln")
        if not info then
            break
        end
        if info.currentline > 0 and release.files[info.source:sub(2)] then
            local where = info.name and (" in " .. info.name) or ""
            stack[#stack + 1] = ("%s:%d%s"):format(info.source:sub(2), info.currentline, where)
        end
    end
    return stack
end

local LIMIT_TEXT = {
    CPU_LIMIT = "the flow ran too long without waiting for anything",
    MEMORY_LIMIT = "the flow needed more memory than it may have",
}

--- The innermost frame of a dead coroutine has lost its line; the message has it.
local function add_lost_line(stack, co, files, raised)
    local top = debug.getinfo(co, 0, "Sl")
    local file = top and top.currentline < 0 and top.source:sub(2)
    if file and files[file] and type(raised) == "string" and raised:sub(1, #file + 1) == file .. ":" then
        local line = raised:match("^%d+", #file + 2)
        if line then
            table.insert(stack, 1, file .. ":" .. line)
        end
    end
end

local function to_error(fiber, raised, limit)
    local stack = M.stack_of(fiber.co, fiber.run.code)
    add_lost_line(stack, fiber.co, fiber.run.code.files, raised)
    if limit then
        return error_object.new(limit, LIMIT_TEXT[limit], { stack = stack })
    end
    return error_object.from_raised(raised, stack)
end

--- A limit ends the run, whichever branch met it and whatever would catch it there.
local function on_error(fiber, raised, limit)
    if limit == "MEMORY_LIMIT" then
        collectgarbage()
    end
    local err = to_error(fiber, raised, limit)
    if limit then
        return fiber.run.fail_or_suspend(fiber.run, err)
    end
    return fiber.on_end(fiber, false, err)
end

local function step_into(fiber, resume, ...)
    M.current = fiber
    local how, value, more = resume(fiber.co, ...)
    M.current = nil
    return how, value, more
end

--- Runs the fiber until it waits for something or ends. Effects that are complete at once are gone through in a loop,
--- not by recursion, so that a long replay does not grow the stack. They do not renew the processor time: only a turn
--- of the loop does.
local function run_until_waiting(fiber, ...)
    local how, value, more = step_into(fiber, depth == 1 and resume_flow or resume_more, ...)
    while how == "yield" and value == TAG do
        fiber.waiting = more
        local is_ready, a, b = more.start(fiber, more)
        if not is_ready or fiber.run.is_over then
            fiber.waits = fiber.waits + 1
            return
        end
        how, value, more = step_into(fiber, resume_more, a, b)
    end
    fiber.has_ended = true
    if how == "end" then
        return fiber.on_end(fiber, true, value)
    elseif how == "yield" then
        local err = error_object.new("LUA_ERROR", "coroutine.yield was called outside of a coroutine of the flow's own")
        return fiber.on_end(fiber, false, err)
    end
    return on_error(fiber, value, more)
end

--- Whether a fiber is being resumed: what is done now happens within a turn of a flow.
function M.is_in_turn()
    return depth > 0
end

--- Goes on with a fiber that waits; nothing happens when its run is over.
function M.resume(fiber, ...)
    if fiber.run.is_over or fiber.has_ended then
        return
    end
    local run = fiber.run
    local began = depth == 0 and run.durable ~= "never" and mono_us()
    local outer = M.active_run
    depth, M.active_run = depth + 1, run
    local ok, raised = pcall(run_until_waiting, fiber, ...)
    depth, M.active_run = depth - 1, outer
    if began then
        run.lua_us = run.lua_us + (mono_us() - began)
    end
    if not ok then
        M.current = nil
        error(raised, 0)
    end
end

return M
