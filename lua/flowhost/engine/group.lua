-- SPDX-License-Identifier: MIT
-- Groups: branches of a run that go on at the same time, each a fiber with its own step numbers ("4.2.1" is the first
-- step of branch 2 of group 4), so that the order in which they happen to end changes nothing.
--
--   all, map   wait for all their branches. When some raised, the error of the lowest branch is raised in the parent;
--              the steps that failed in the others are remembered in `redo`, so that a recover runs all of them again.
--   any        ends with the first branch that succeeds; race with the first that ends. The winner is recorded ("k"
--              with its number), the others are ended where they wait. On replay these do again what they did until
--              then, and nothing new.
--   parallel   waits for all its branches, or for the first whose value has is_failure: it is the winner.

local commit = require "flowhost.engine.commit"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local interrupt = require "flowhost.engine.interrupt"
local replay_order = require "flowhost.engine.replay"
local step = require "flowhost.engine.step"

local timer = require("flowhost.core").timer

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

local function lowest_error(group)
    for branch = 1, group.size do
        if group.errors[branch] then
            return group.errors[branch]
        end
    end
end

--- is_ok, value of the group for its parent, once `is_complete` says so.
local OUTCOMES = {}

function OUTCOMES.all(group)
    local err = lowest_error(group)
    if err then
        err.redo = collect_redo(group)
        return false, err
    end
    return true, group.results
end

OUTCOMES.map = OUTCOMES.all

local function of_winner(group)
    local winner = group.winner
    if group.errors[winner] then
        return false, group.errors[winner]
    end
    return true, { value = group.results[winner], index = winner }
end

function OUTCOMES.any(group)
    if group.winner then
        return of_winner(group)
    end
    local first = lowest_error(group)
    local list = {}
    for branch = 1, group.size do
        list[branch] = error_object.to_plain(group.errors[branch])
    end
    return false, error_object.new("ALL_FAILED", ("none of %d branches succeeded; the first error is %s"):format(
        group.size, tostring(first)), { data = list, step = first.step, redo = collect_redo(group) })
end

OUTCOMES.race = of_winner

--- All results, or the one that is a failure: { results } or { failed }.
function OUTCOMES.parallel(group)
    local winner = group.winner
    if winner and group.errors[winner] or lowest_error(group) then
        return false, winner and group.errors[winner] or lowest_error(group)
    elseif winner then
        return true, { failed = group.results[winner] }
    end
    return true, { results = group.results }
end

--- What ends a group before all its branches have.
local DECIDES = {
    any = function(ok)
        return ok
    end,
    race = function()
        return true
    end,
    parallel = function(ok, value)
        return not ok or (type(value) == "table" and value.is_failure == true)
    end,
}

local function is_complete(group)
    return group.left == 0 or group.winner ~= nil
end

--- The winner goes into the journal; whatever the others began is undone.
local function settle_winner(group)
    group.is_decided = true
    for _, fiber in pairs(group.fibers) do
        interrupt.kill(fiber)
    end
    if group.kind and group.winner and not group.recorded_winner then
        step.record(group.fiber, group, "k", nil, group.winner)
        commit.flush_soon(group.fiber.run)
    end
end

local function outcome(group)
    group.fiber.now = math.max(group.ended_now, group.fiber.now)
    if group.winner then
        settle_winner(group)
    end
    return OUTCOMES[group.kind](group)
end

local pump

local function on_branch_end(group, branch, fiber, ok, value)
    group.fibers[branch] = nil
    if group.is_decided then
        return
    end
    group.ended_now = math.max(group.ended_now, fiber.now)
    group.left = group.left - 1
    group.running = group.running - 1
    if ok then
        group.results[branch] = value
    else
        group.errors[branch] = value
    end
    local decides = DECIDES[group.kind]
    local may_win = not group.recorded_winner or group.recorded_winner == branch
    if decides and may_win and not group.winner and (decides(ok, value) or group.recorded_winner) then
        group.winner = branch
    end
    if not group.is_pumping then
        pump(group)
        if is_complete(group) then
            fiber_module.resume(group.fiber, outcome(group))
        end
    end
end

--- Starts branches up to the concurrency. Branches that end at once do so inside this loop.
function pump(group)
    group.is_pumping = true
    local run = group.fiber.run
    while group.next <= group.size and group.running < group.concurrency and not group.winner and not run.is_over do
        local branch = group.next
        group.next = branch + 1
        group.running = group.running + 1
        local fiber = fiber_module.new(run, group.body, group.path .. "." .. branch .. ".", function(ended, ok, value)
            on_branch_end(group, branch, ended, ok, value)
        end, group.fiber)
        fiber.scope.parent = group.fiber.scope
        fiber.now = math.max(fiber.now, group.ended_now) -- of what has made room for it
        fiber.origin = group.functions[branch] or group.functions[1]
        fiber.is_lost = fiber.is_lost or group.is_interrupted
            or (group.recorded_winner and group.recorded_winner ~= branch)
        group.fibers[branch] = fiber
        fiber_module.resume(fiber, branch)
    end
    group.is_pumping = false
end

local function start(fiber, group)
    local run = fiber.run
    group.fiber, group.ended_now = fiber, fiber.now
    local entry = group.entry
    if entry and entry.state == "e" then
        -- its time was over: the branches do again what they did, then comes the error
        group.is_interrupted = true
        replay_order.add(run, fiber, entry)
    elseif entry and entry.state == "k" then
        group.recorded_winner = entry.value
    end
    pump(group)
    if is_complete(group) and not group.is_interrupted then
        return true, outcome(group)
    end
end

--- Begins a group: its path, written as open so that a replay knows that it was one.
local function begin(kind, size)
    step.check_yieldable(kind)
    local name = tostring(size)
    local fiber, path, entry = step.begin(kind, name, "")
    local own = { path = path, kind = kind, name = name, hash = "", line = step.is_recorded(fiber) and step.find_line()
        or "", started = entry and entry.started or timer.now_ms(), attempts = 1, entry = entry }
    if not entry then
        step.record_open(fiber, own, "null")
    end
    return fiber, own
end

--- Runs functions[i]() for i = 1..size as branches, or with a list of arguments functions[1](arguments[i], i). Returns
--- the list of results, which may have holes (all, map), or { value, index } of the winner; raises as said above.
---@param functions function[]  the flow's own
---@param arguments any[]?
function M.run(kind, size, concurrency, functions, arguments)
    if not fiber_module.can_branch(step.current_fiber(kind)) then
        error_object.raise("INVALID", ("ctx.%s: branches are nested too deep"):format(kind))
    end
    local fiber, group = begin(kind, size)
    if size == 0 then
        return {}
    end
    function group.body(branch)
        if arguments then
            return functions[1](arguments[branch], branch)
        end
        return functions[branch]()
    end
    group.start, group.size, group.left, group.next, group.running = start, size, size, 1, 0
    group.concurrency, group.functions, group.fibers = concurrency, functions, {}
    group.results, group.errors = {}, {}
    local ok, value = fiber_module.wait(group)
    if group.is_interrupted then
        settle_winner(group)
        return step.replay(fiber, group.entry)
    elseif not ok then
        error(value, 0)
    end
    return value
end

return M
