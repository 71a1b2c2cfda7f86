-- SPDX-License-Identifier: MIT
-- Parking: a run that only waits, and for longer than `park_after`, loses its coroutines. What is left of it is its row
-- (status "waiting", with what it waits for), its journal and, when it waits for a time, an alarm. It is brought back
-- by a replay, in the order in which that was asked for, a few in a turn so that others get theirs.
--
-- More than `hot_runs` runs in memory are parked before their time.

local core = require "flowhost.core"
local alarms = require "flowhost.engine.alarms"
local commit = require "flowhost.engine.commit"
local token = require "flowhost.engine.token"

local fault, timer = core.system.fault, core.timer

local SOON_MS = 1000     -- what waits no longer than this is not worth parking
local CROWDED_MS = 50    -- park_after while there are too many
local TURN_US = 4000     -- for waking, in one turn of the loop

local M = {
    park_after_ms = 5000, hot_runs = 10000,
    waiters = {},         -- run id -> those who wait for a parked run's end
    on_parked = nil,      -- fn(run): it is on disk as parked
    count_live = nil,     -- fn() -> number of runs in memory
}

-- First in, first out: park_after is the same for all, so the list is in order.
local queue, head, tail = {}, 1, 0
local considered = 0 -- runs in it that are not over
local handle, armed  -- of the timer
local is_hurried = false -- it was armed while there were too many runs

local function is_recorded(run)
    return run.durable ~= "never" and not run.is_held_back
end

local function wait_ms()
    local after = M.count_live() > M.hot_runs and math.min(CROWDED_MS, M.park_after_ms) or M.park_after_ms
    return math.max(0, queue[head].since + after - timer.now_ms())
end

local review

local function arm()
    if handle and not is_hurried and M.count_live() > M.hot_runs then
        token.drop(armed)
        handle:stop()
        handle = nil
    end
    if not handle and head <= tail then
        is_hurried = M.count_live() > M.hot_runs
        armed = token.new(review)
        handle = timer.start(wait_ms(), armed)
    end
end

--- The run is over: when no other waits, nothing has to be looked at.
function M.forget(run)
    if run.is_considered then
        run.is_considered = false
        run.parking_entry.run = nil -- its place in the list does not keep it in memory
        considered = considered - 1
        if considered == 0 and handle then
            token.drop(armed)
            handle:stop()
            handle, queue, head, tail = nil, {}, 1, 0
        end
    end
end

--- The run has come to wait for something.
function M.consider(run)
    if run.is_considered or run.probe or not is_recorded(run) then
        return
    end
    run.is_considered = true
    considered = considered + 1
    tail = tail + 1
    run.parking_entry = { run = run, since = timer.now_ms() }
    queue[tail] = run.parking_entry
    arm()
end

local function describe_one(effect)
    local retries = effect.retries -- of a scope: the wait is not the step itself
    local is_retry = effect.is_wait and (effect.last_error or retries)
    return {
        kind = is_retry and "retry" or effect.kind, step = effect.path or (retries and retries.path),
        name = effect.name, ["until"] = effect.is_wait and effect.due or nil, started = effect.started,
        child = effect.opened and effect.opened.child, attempt = retries and retries.attempts or effect.attempts,
        error = effect.last_error and tostring(effect.last_error) or nil,
    }
end

--- What the run waits for, each { kind, step, name, until (ms), ... }, and when the first of it is due (nil: no time).
---@param with_busy boolean?  also what is being done for it
function M.describe(run, with_busy)
    local list, due = {}, nil
    for effect in pairs(run.effects or {}) do
        if effect.is_wait and effect.due then
            due = math.min(effect.due, due or effect.due)
        end
        if (effect.is_wait or with_busy) and not effect.is_guard then
            list[#list + 1] = describe_one(effect)
        end
    end
    table.sort(list, function(a, b)
        return (a.step or "") < (b.step or "")
    end)
    return list, due
end

local MAX_DESCRIBED = 20 -- of 10,000 branches that all wait

local function park(run)
    local list, due = M.describe(run)
    if (due and due - timer.now_ms() <= SOON_MS) or not next(run.effects or {}) then
        return false
    end
    for i = #list, MAX_DESCRIBED + 1, -1 do
        list[i] = nil
    end
    run.status, run.waiting, run.alarm, run.has_more = "waiting", list, due, true
    if due then
        alarms.set(run, run.bytes, due, "", "wake")
    end
    run.is_row_dirty = true
    run.recorded = run.recorded + 1
    run.is_parking = true
    fault "engine.park"
    commit.when_durable(run, function()
        if run.is_parking and not run.is_over and run.submitted == run.recorded then
            fault "engine.parked"
            M.on_parked(run)
        end
    end)
    return true
end

--- Whether it waits, and for nothing that only memory knows of.
local function can_wait(run)
    local has_wait = false
    for effect in pairs(run.effects or {}) do
        if effect.keeps_in_memory then
            return false
        end
        has_wait = has_wait or effect.is_wait
    end
    return has_wait
end

local function can_park(run)
    local is_at_rest = run.busy == 0 and not run.ready and not run.is_in_flight and #run.durable_waiters == 0
    return is_at_rest and not run.is_over and run.status == "running" and not run.suspending and can_wait(run)
end

local function review_one(run)
    considered = considered - 1
    run.is_considered = false
    if run.is_over or run.is_parking or not next(run.effects or {}) then
        return
    end
    local ok = can_park(run)
    if ok then
        run.guarded(run, function()
            ok = park(run)
        end)
    end
    if not ok and not run.is_over and can_wait(run) then
        M.consider(run)
    end
end

--- Looks at those whose time has come.
function review()
    handle = nil
    local last = tail
    while head <= last and wait_ms() == 0 do
        local run = queue[head].run
        queue[head] = nil
        head = head + 1
        if run then
            review_one(run)
        end
    end
    if head > tail then
        queue, head, tail = {}, 1, 0
        M.collect()
    end
    arm()
end

--- Something happens in a run that is parked or being parked: it is a running one again, with its next batch.
function M.unpark(run)
    run.is_parking = false
    if run.status == "waiting" then
        run.status = "running"
    end
    if run.alarm then
        alarms.clear(run, alarms.key(run.bytes, run.alarm, ""))
    end
    run.waiting, run.alarm = nil, nil
    run.is_row_dirty = true
    run.recorded = run.recorded + 1
end

local COLLECT_KB = 16384 -- with less in use nothing is gained
local COLLECT_STEP = 400
local is_collecting = false

local function collect_some()
    is_collecting = not collectgarbage("step", COLLECT_STEP)
    if is_collecting then
        M.in_turn(collect_some)
    end
end

--- Many have left memory and nobody comes to fill it again: the collector would leave it for later. In small steps.
function M.collect()
    if not is_collecting and collectgarbage "count" > COLLECT_KB then
        is_collecting = true
        M.in_turn(collect_some)
    end
end

--- Something happens in a run in memory: should it be on its way to be parked, it stays for now.
function M.stay(run)
    if run.status == "waiting" then
        M.unpark(run)
        M.consider(run)
    end
end

-- waking -----------------------------------------------------------------------------------------

local wanted, first, last = {}, 1, 0
local is_waking = false

local function wake_some()
    local till = timer.mono_us() + TURN_US
    repeat
        local fn = wanted[first]
        wanted[first] = nil
        first = first + 1
        fn()
    until first > last or timer.mono_us() >= till
    is_waking = first <= last
    if is_waking then
        timer.start(0, token.new(wake_some))
    else
        wanted, first, last = {}, 1, 0
    end
end

--- Calls fn in its turn, in one of the next turns of the loop.
function M.in_turn(fn)
    last = last + 1
    wanted[last] = fn
    if not is_waking then
        is_waking = true
        timer.start(0, token.new(wake_some))
    end
end

return M
