-- SPDX-License-Identifier: MIT
-- Groups: branches of a run that go on at the same time, each a fiber with its own step numbers ("4.2.1" is the first
-- step of branch 2 of group 4), so that the order in which they happen to end changes nothing.
--
-- A group waits for all its branches. When some raised, the error of the lowest branch is raised in the parent; the
-- steps that failed in the others are remembered in `redo`, so that a recover runs all of them again.

local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local step = require "flowhost.engine.step"

local M = {}

local function collect_redo(group)
    local redo = {}
    for branch = 1, group.size do
        local err = group.errors[branch]
        if err then
            for _, path in ipairs(err.redo or { err.step }) do
                redo[#redo + 1] = path
            end
        end
    end
    return redo
end

local function outcome(group)
    group.fiber.now = group.ended_now
    for branch = 1, group.size do
        local err = group.errors[branch]
        if err then
            err.redo = collect_redo(group)
            return true, false, err
        end
    end
    return true, true, group.results
end

local pump

local function on_branch_end(group, branch, fiber, ok, value)
    group.ended_now = math.max(group.ended_now, fiber.now)
    group.left = group.left - 1
    group.running = group.running - 1
    if ok then
        group.results[branch] = value
    else
        group.errors[branch] = value
    end
    if not group.is_pumping then
        pump(group)
        if group.left == 0 then
            local _, is_ok, result = outcome(group)
            fiber_module.resume(group.fiber, is_ok, result)
        end
    end
end

--- Starts branches up to the concurrency. Branches that end at once do so inside this loop.
function pump(group)
    group.is_pumping = true
    local run = group.fiber.run
    while group.next <= group.size and group.running < group.concurrency and not run.is_over do
        local branch = group.next
        group.next = branch + 1
        group.running = group.running + 1
        local fiber = fiber_module.new(run, group.body, group.path .. "." .. branch .. ".", function(ended, ok, value)
            on_branch_end(group, branch, ended, ok, value)
        end, group.fiber)
        fiber.scope.parent = group.fiber.scope
        fiber.origin = group.functions[branch] or group.functions[1]
        fiber_module.resume(fiber, branch)
    end
    group.is_pumping = false
end

local function start(fiber, group)
    group.fiber, group.ended_now = fiber, fiber.now
    pump(group)
    if group.left == 0 then
        return outcome(group)
    end
end

--- Runs functions[i]() for i = 1..size as branches, or with a list of arguments functions[1](arguments[i], i). Returns
--- the list of results; raises as said above.
---@param functions function[]  the flow's own
---@param arguments any[]?
---@return any[] results  may have holes
function M.run(kind, size, concurrency, functions, arguments)
    if not fiber_module.can_branch(step.current_fiber(kind)) then
        error_object.raise("INVALID", ("ctx.%s: branches are nested too deep"):format(kind))
    end
    local _, path = step.begin_group(kind, size)
    if size == 0 then
        return {}
    end
    local function body(branch)
        if arguments then
            return functions[1](arguments[branch], branch)
        end
        return functions[branch]()
    end
    local ok, value = fiber_module.wait {
        start = start, path = path, size = size, left = size, next = 1, running = 0, concurrency = concurrency,
        body = body, functions = functions, results = {}, errors = {},
    }
    if not ok then
        error(value, 0)
    end
    return value
end

return M
