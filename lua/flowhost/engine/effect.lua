-- SPDX-License-Identifier: MIT
-- Effects: steps that take time. A fiber yields one; it is started, and what it brings is recorded and resumes the
-- fiber.
--
--   act      leaves the process (a request, a C component): starts after output commit
--   wait     stays inside (a sleep, a signal, a child run): its beginning is recorded ("o") with what it needs to go on
--            after a restart; a run that only waits can be parked
--
--   [fiber yields] ─► begin ─► acting ─► recorded, fiber goes on
--                                │  ▲
--                          failed ▼  │ due            (retry: entry "t", a wait)
--                              waiting
--
-- An effect in memory: fiber, path, kind, name, hash, line, started, attempts, act(effect, done) -> cancel, policy
-- (retry.lua), due (ms, when it waits for a time), is_wait, cancel(), abort() (cancel, and what it has begun outside),
-- is_over.

local core = require "flowhost.core"
local commit = require "flowhost.engine.commit"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local parking = require "flowhost.engine.parking"
local replay_order = require "flowhost.engine.replay"
local retry = require "flowhost.engine.retry"
local step = require "flowhost.engine.step"
local token = require "flowhost.engine.token"

local json, system, timer = core.json, core.system, core.timer
local fault = system.fault

local LONG_WAIT_MS = 1000 -- a wait that is written down at once

local M = {}

--- A decoded value as flows get it: null is nil, false stays false.
function M.to_flow(value)
    if value == json.null then
        return nil
    end
    return value
end

local begin_act

--- Calls fn once the time has come: the timer of a run in memory. Parked runs have alarms instead.
local function at(run, due, fn)
    token.owner = run
    local waiting = token.new(fn)
    token.owner = nil
    local handle = timer.start_at(due, waiting)
    return function()
        token.drop(waiting)
        handle:stop()
    end
end

M.at = at

function M.add(run, effect)
    run.effects = run.effects or {}
    run.effects[effect] = true
    if effect.is_wait then
        parking.consider(run)
    else
        run.busy = run.busy + 1
    end
end

local function remove(run, effect)
    if run.effects and run.effects[effect] then
        run.effects[effect] = nil
        if not effect.is_wait then
            run.busy = run.busy - 1
        end
    end
end

M.remove = remove

local function set_waiting(run, effect, is_wait)
    if effect.is_wait ~= is_wait then
        effect.is_wait = is_wait
        run.busy = run.busy + (is_wait and -1 or 1)
        if is_wait then
            parking.consider(run)
        end
    end
end

--- The attempt has failed and another follows: recorded, then waited for.
local function try_later(fiber, effect, err)
    local run = fiber.run
    local wait_s = retry.wait_s(effect.policy, effect.attempts, M.random_fraction(), err.retry_after)
    local due = timer.now_ms() + math.ceil(wait_s * 1000)
    err.step = err.step or effect.path
    step.record(fiber, effect, "t", ('{"due":%.0f,"error":%s}'):format(due, step.encode_error(err)))
    fault "engine.retry"
    M.wait_for_retry(fiber, effect, due, err)
    if wait_s * 1000 >= LONG_WAIT_MS then
        commit.flush(run)
    else
        commit.flush_soon(run)
    end
end

function M.wait_for_retry(fiber, effect, due, err)
    local run = fiber.run
    effect.due, effect.last_error = due, err
    set_waiting(run, effect, true)
    effect.cancel = at(run, due, function()
        parking.stay(run)
        effect.attempts = effect.attempts + 1
        effect.due, effect.started, effect.cancel = nil, timer.now_ms(), nil
        if effect.reopen then
            effect.reopen(fiber, effect) -- a wait begins anew
        else
            set_waiting(run, effect, false)
        end
        begin_act(fiber, effect)
    end)
end

--- 0 <= fraction < 1, not for secrets.
function M.random_fraction()
    local a, b, c = system.random(3):byte(1, 3)
    return ((a * 256 + b) * 256 + c) / 2 ^ 24
end

--- What an attempt has left behind (a timer, a place in a list) goes with its end.
local function clean_up(effect)
    local cancel = effect.cancel
    effect.cancel = nil
    if cancel then
        cancel()
    end
end

--- Takes what an effect brought: records it. false when it is tried again.
local function take(fiber, effect, text, value)
    local run = fiber.run
    clean_up(effect)
    parking.stay(run)
    if text == nil and retry.is_due(effect.policy, effect.attempts, value) then
        try_later(fiber, effect, value)
        return false
    end
    remove(run, effect)
    effect.is_over = true
    local took = timer.now_ms() - effect.started
    if effect.wait then
        run.wait_ms = run.wait_ms + took
    else
        run.network_ms = run.network_ms + took
    end
    if effect.keeps_in_memory then
        parking.consider(run)
    end
    fault "engine.effect.done"
    if text then
        step.record(fiber, effect, "k", text)
    else
        step.record_error(fiber, effect, value)
    end
    return true
end

local function finish(fiber, effect, text, value)
    local run = fiber.run
    if effect.is_over or run.is_over then
        return
    end
    if take(fiber, effect, text, value) then
        fiber_module.resume(fiber, text ~= nil, value)
        M.play(run)
    end
    commit.flush_soon(run)
    M.settle(run)
end

--- A run that is to be suspended lets what it has begun come to its end first.
function M.settle(run)
    if run.suspending and not run.is_over and run.busy == 0 then
        run.suspend(run, run.suspending)
    end
end

--- Goes on with everything in the run that can go on by itself.
function M.play(run)
    repeat
        replay_order.play(run, fiber_module.resume)
        local ready = run.ready
        run.ready = nil
        for _, item in ipairs(ready or {}) do
            if not run.is_over and not item.effect.is_over then
                finish(item.effect.fiber, item.effect, item.text, item.value)
            end
        end
    until not ready or run.is_over
end

local function play_soon(run)
    token.owner = run
    timer.start(0, token.new(function()
        M.play(run)
    end))
    token.owner = nil
end

--- What comes while a fiber of the run is being resumed has to wait for its turn: branches go on one after the other,
--- in an order that a replay repeats.
local function on_done(fiber, effect, text, value)
    local run = fiber.run
    if effect.is_over or run.is_over then
        return
    elseif fiber_module.is_in_turn() then
        run.ready = run.ready or {}
        run.ready[#run.ready + 1] = { effect = effect, text = text, value = value }
        if fiber_module.active_run ~= run then
            play_soon(run) -- it came within another run's turn
        end
        return
    end
    run.guarded(run, finish, fiber, effect, text, value)
end

--- Calls the effect's act. An attempt brings one result: what comes after it is not heard.
local function call_act(fiber, effect)
    local attempt, has_ended = effect.attempts, false
    token.owner = fiber.run
    local cancel = effect.act(effect, function(text, value)
        if not has_ended and effect.attempts == attempt then
            has_ended = true
            on_done(fiber, effect, text, value)
        end
    end)
    token.owner = nil
    if not has_ended then
        effect.cancel = cancel
    elseif cancel then
        cancel()
    end
end

--- Starts an attempt.
function begin_act(fiber, effect)
    local run = fiber.run
    commit.when_durable(run, function()
        if effect.is_over or run.is_over then
            return
        end
        fault "engine.effect.start"
        if effect.is_once then
            fault "engine.once"
        end
        call_act(fiber, effect)
    end)
end

--- Whether a fiber does nothing new: what it asks for is not started, and it is never resumed.
local function is_held(fiber)
    local run = fiber.run
    return fiber.is_lost or run.probe or run.suspending
end

M.is_held = is_held

--- A forked run takes what the run that it was forked from has got.
local function from_stub(fiber, effect)
    local run = fiber.run
    if not run.stub then
        return nil
    end
    local entry = run.stub_of(run, effect)
    if entry then
        return entry
    elseif effect.is_wait then
        return nil
    end
    local message = ("%s '%s' would leave the process: fork with allow_effects, or recover with a value"):format(
        effect.kind, effect.name)
    run.suspend(run, error_object.new("EFFECT_NOT_ALLOWED", message, { step = effect.path,
        data = { kind = effect.kind, name = effect.name, arguments = effect.hash } }))
    return false
end

local function finish_from_stub(fiber, effect, entry)
    effect.policy = nil
    effect.extra = { stub = true }
    if entry.state == "e" then
        on_done(fiber, effect, nil, error_object.from_plain(entry.value))
    else
        local value = entry.value
        local text = json.encode_stored(value == nil and json.null or value)
        on_done(fiber, effect, text, M.to_flow(value))
    end
end

--- Starts a yielded effect.
local function perform(fiber, effect)
    local run = fiber.run
    if is_held(fiber) then
        return
    end
    local stub = from_stub(fiber, effect)
    if stub == false then
        return
    end
    effect.fiber = fiber
    M.add(run, effect)
    effect.started = effect.started or timer.now_ms()
    if stub then
        return finish_from_stub(fiber, effect, stub)
    end
    local entry = effect.entry
    if entry and entry.state == "t" then
        local err = error_object.from_plain(entry.value.error)
        return M.wait_for_retry(fiber, effect, entry.value.due, err)
    end
    if effect.is_once then
        step.record(fiber, effect, "s", "null")
    end
    begin_act(fiber, effect)
end

--- A step that may run once had begun when the process died: nobody knows whether it has had its effect.
function M.refuse_unknown(path, kind, name)
    step.halt(function(run)
        run.suspend(run, error_object.new("OUTCOME_UNKNOWN", ("%s '%s' had begun when the process ended: find out "
            .. "whether it had its effect, then recover with its result as value, or without to run it again"):format(
            kind, name), { step = path }))
    end)
end

---@class flowhost.EffectOptions
---@field policy table?   retry.parse
---@field is_once boolean?
---@field input string?   the arguments as JSON, kept with the step

local NO_OPTIONS = {}

--- Something outside. `act(effect, done)` is called after output commit and returns a cancel function; it calls
--- done(text, value) with JSON text and the value, or done(nil, err), once.
---@param arguments string  all that makes this step what it is; compared on replay
---@param o flowhost.EffectOptions?
function M.run(kind, name, arguments, act, o)
    o = o or NO_OPTIONS
    local current = fiber_module.current
    local is_recorded = current and current.run.durable ~= "never"
    local hash = is_recorded and system.hash64(arguments) or ""
    local fiber, path, entry = step.begin(kind, name, hash, o.input)
    step.check_yieldable(kind)
    if entry and (entry.state == "k" or entry.state == "e") then
        return step.replay_effect(fiber, entry)
    elseif entry and entry.state == "s" then
        M.refuse_unknown(path, kind, name)
    end
    local ok, value = fiber_module.wait {
        start = perform, kind = kind, name = name, hash = hash, path = path, entry = entry, act = act,
        line = is_recorded and step.find_line() or "", policy = o.policy, is_once = o.is_once,
        attempts = entry and entry.state == "t" and entry.attempts or 1, is_wait = false,
        extra = is_recorded and o.input and { input = json.decode_stored(o.input) } or nil,
    }
    if not ok then
        error(value, 0)
    end
    return value
end

---@class flowhost.Wait
---@field open fun(fiber: table, path: string): table  what "o" records: due (ms) and what else is needed to go on
---@field act fun(effect: table, done: function): function?  begins to wait; effect.opened is what `open` gave
---@field renew fun(effect: table): table?  what "o" is to record instead of what an earlier life has recorded
---@field is_outside boolean?  it begins something outside of the run, so after output commit
---@field policy table?
---@field input string?
---@field hash string?
---@field abort fun(effect: table)?  undoes what it has begun outside
---@field on_held fun(effect: table)?  it is asked for by a fiber that does nothing new

local function record_open(fiber, effect, wait)
    effect.opened = wait.open(fiber, effect.path)
    effect.due = effect.opened.due
    step.record_open(fiber, effect, json.encode_stored(effect.opened))
end

--- The waiting itself ends at its time at the latest: what `act` made of it then is up to it.
local function begin_wait(fiber, effect)
    local run = fiber.run
    local entry = effect.entry
    effect.fiber = fiber
    if is_held(fiber) then
        if effect.on_held and entry and entry.state == "o" then
            effect.on_held(effect)
        end
        return
    end
    if entry and entry.state == "t" then
        return perform(fiber, effect)
    end
    local stub = from_stub(fiber, effect)
    if entry then
        effect.opened = type(entry.value) == "table" and entry.value or { due = tonumber(entry.value) }
        effect.started, effect.due = entry.started, effect.opened.due
        local renewed = effect.wait.renew and effect.wait.renew(effect)
        if renewed then
            effect.opened = renewed
            step.record_open(fiber, effect, json.encode_stored(renewed))
        end
    else
        effect.started = timer.now_ms()
        record_open(fiber, effect, effect.wait)
    end
    M.add(run, effect)
    if stub then
        return finish_from_stub(fiber, effect, stub)
    end
    if effect.wait.is_outside then
        begin_act(fiber, effect)
        return
    end
    commit.flush(run)
    call_act(fiber, effect)
end

--- Waits for something inside the host, be it for years.
---@param wait flowhost.Wait
function M.wait(kind, name, wait)
    local fiber, path, entry = step.begin(kind, name, wait.hash or "", wait.input)
    step.check_yieldable(kind)
    if entry and (entry.state == "k" or entry.state == "e") then
        return step.replay_effect(fiber, entry)
    end
    local is_recorded = step.is_recorded(fiber)
    local ok, value = fiber_module.wait {
        start = begin_wait, kind = kind, name = name, hash = wait.hash or "", path = path, entry = entry, wait = wait,
        act = wait.act, line = is_recorded and step.find_line() or "", policy = wait.policy, is_wait = true,
        attempts = entry and entry.attempts or 1, abort = wait.abort, on_held = wait.on_held,
        reopen = wait.policy and function(owner, effect)
            record_open(owner, effect, wait)
        end,
        extra = is_recorded and wait.input and { input = json.decode_stored(wait.input) } or nil,
    }
    if not ok then
        error(value, 0)
    end
    return value
end

return M
