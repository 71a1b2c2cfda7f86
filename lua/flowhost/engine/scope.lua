-- SPDX-License-Identifier: MIT
-- Scopes: a function of the flow as a step (ctx.step, a component, a compensation). Recorded once it has ended; its own
-- steps are nested below ("3.1" of step 3; "3.r2.1" in the second attempt).
--
-- A scope with a timeout writes when it has to be over ("o" with due) and keeps a guard among the run's effects. When
-- its time is over, what the fiber waits for is interrupted with TIMEOUT, and so is every verb in the scope after that.

local core = require "flowhost.core"
local commit = require "flowhost.engine.commit"
local effect_module = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local interrupt = require "flowhost.engine.interrupt"
local parking = require "flowhost.engine.parking"
local retry = require "flowhost.engine.retry"
local step = require "flowhost.engine.step"

local system, timer = core.system, core.timer
local fault = system.fault

local M = {}

local function on_raise(raised)
    local fiber = fiber_module.current
    return error_object.from_raised(raised, fiber and fiber_module.stack_of(nil, fiber.run.code, 2))
end

--- Steps in a row share one table: most last no longer than a call.
local function enter(fiber, path, kind, name, hash, line)
    local scope = fiber.spare_scope
    if not scope then
        return { path = path, kind = kind, name = name, hash = hash, line = line, n = 0, logs = 0, prefix = nil,
            parent = fiber.scope, rng = nil, extra = nil, guard = nil, is_open = false, started = 0, attempts = 1,
            timeout_ms = nil, due = nil, is_expired = false }
    end
    fiber.spare_scope = false
    scope.path, scope.kind, scope.name, scope.hash, scope.line = path, kind, name, hash, line
    scope.n, scope.logs, scope.prefix, scope.parent = 0, 0, nil, fiber.scope
    scope.rng, scope.extra, scope.guard = nil, nil, nil
    return scope
end

local function expired_error(scope)
    return error_object.new("TIMEOUT", ("%s '%s' did not end within %.14g s"):format(scope.kind, scope.name,
        scope.timeout_ms / 1000), { retryable = true })
end

local function expire(fiber, scope)
    local run = fiber.run
    effect_module.remove(run, scope.guard)
    scope.guard.is_over, scope.is_expired = true, true
    if not fiber.expired and not run.is_over then
        fiber.expired = scope
        interrupt.with_error(fiber, expired_error(scope))
        effect_module.settle(run)
    end
end

--- The guard of a scope with a timeout; `due` is what an earlier life has recorded.
local function start_guard(fiber, scope, due)
    local run = fiber.run
    scope.is_expired = false
    if not due then
        due = timer.now_ms() + scope.timeout_ms
        scope.is_open = true
        step.record_open(fiber, scope, ('{"due":%.0f}'):format(due))
    end
    if effect_module.is_held(fiber) then
        return
    end
    local guard = { kind = "timeout", name = scope.name, path = scope.path, is_wait = true, is_guard = true, due = due,
        fiber = fiber }
    scope.guard = guard
    effect_module.add(run, guard)
    guard.cancel = effect_module.at(run, due, function()
        if not guard.is_over and not run.is_over then
            expire(fiber, scope)
        end
    end)
end

local function stop_guard(fiber, scope)
    local guard = scope.guard
    if guard and not guard.is_over then
        guard.is_over = true
        guard.cancel()
        effect_module.remove(fiber.run, guard)
    end
    if fiber.expired == scope then
        fiber.expired = false
    end
end

--- Waits until everything recorded so far is on disk.
local function wait_for_commit()
    local ok, err = fiber_module.wait { start = function(fiber, waiting)
        local is_inside = true
        commit.when_durable(fiber.run, function()
            waiting.is_done = true
            if not is_inside and not waiting.is_over then
                fiber_module.resume(fiber, true)
                effect_module.play(fiber.run)
            end
        end)
        is_inside = false
        return waiting.is_done, true
    end }
    if not ok then
        error(err, 0)
    end
end

--- Waits for the next attempt. An outer scope whose time is over ends the wait.
local function wait_for_retry(due, scope)
    local ok, err = fiber_module.wait { start = function(fiber, waiting)
        if effect_module.is_held(fiber) then
            return
        end
        waiting.fiber, waiting.is_wait, waiting.due = fiber, true, due
        waiting.kind, waiting.name, waiting.retries = "retry", scope.name, scope
        effect_module.add(fiber.run, waiting)
        waiting.cancel = effect_module.at(fiber.run, due, function()
            if waiting.is_over or fiber.run.is_over then
                return
            end
            waiting.is_over = true
            parking.stay(fiber.run)
            effect_module.remove(fiber.run, waiting)
            fiber_module.resume(fiber, true)
            effect_module.play(fiber.run)
            commit.flush_soon(fiber.run)
        end)
    end }
    if not ok then
        error(err, 0)
    end
end

--- One attempt: true and what fn returned as JSON (value, text), or false and the error.
local function attempt(fiber, scope, fn, is_recorded, o)
    local outer = scope.parent
    local waits = fiber.waits
    fiber.scope = scope
    if scope.timeout_ms then
        start_guard(fiber, scope, scope.due)
        scope.due = nil
    end
    if o.is_once and is_recorded then
        step.record_once(fiber, scope)
        wait_for_commit()
        fault "engine.once"
    end
    local ok, result = xpcall(fn, on_raise)
    fiber.scope = outer
    if scope.timeout_ms then
        stop_guard(fiber, scope)
        if scope.is_expired then
            ok, result = false, expired_error(scope)
        end
    end
    scope.extra = is_recorded and o.input and { input = core.json.decode_stored(o.input), rule = o.rule } or nil
    if fiber.parent and fiber.waits ~= waits then
        scope.extra = scope.extra or {}
        scope.extra.waited = true -- a replay lets others go on meanwhile, too
    end
    if ok then
        local is_json, value, text = step.normalize(result)
        if is_json then
            return true, value, text
        end
        result = error_object.new("NOT_JSON", ("%s '%s' returned what JSON cannot hold: %s"):format(scope.kind,
            scope.name, value))
    end
    -- without stack or memory the handler above did not get to it
    return false, error_object.is(result) and result or error_object.from_raised(result)
end

local function try_later(fiber, scope, policy, err)
    local wait_s = retry.wait_s(policy, scope.attempts, effect_module.random_fraction(), err.retry_after)
    local due = timer.now_ms() + math.ceil(wait_s * 1000)
    err.step = err.step or scope.path
    step.record(fiber, scope, "t", ('{"due":%.0f,"error":%s}'):format(due, step.encode_error(err)))
    fault "engine.retry"
    commit.flush(fiber.run)
    wait_for_retry(due, scope)
end

local NO_OPTIONS = {}

---@class flowhost.ScopeOptions
---@field policy table?      retry.parse
---@field timeout_ms number? of each attempt
---@field is_once boolean?
---@field input string?      JSON, kept with the step
---@field rule table?        kept with it as well: what a component of a rule is, see dialect/rule.lua
---@field line string?       where it stands, for what no line of a flow asks for

--- What an earlier life has left of a step that is not over: attempt, when it has to be over.
local function take_up(scope, entry, is_recorded)
    local is_open = entry and entry.state == "o" or false
    scope.started = is_open and entry.started or timer.now_ms()
    scope.attempts = entry and entry.attempts or 1
    scope.is_open = is_open or not is_recorded
    scope.due = is_open and type(entry.value) == "table" and entry.value.due or nil
end

local function begin_next_attempt(scope, is_recorded)
    scope.attempts, scope.started, scope.prefix = scope.attempts + 1, timer.now_ms(), nil
    scope.n, scope.logs, scope.rng, scope.is_open = 0, 0, nil, not is_recorded
end

--- Attempts until one succeeds or none follows.
local function run_attempts(fiber, scope, fn, is_recorded, o)
    while true do
        local ok, value, text = attempt(fiber, scope, fn, is_recorded, o)
        if ok then
            step.record(fiber, scope, "k", text, value)
            fiber.spare_scope = scope
            return value
        elseif fiber.expired or not retry.is_due(o.policy, scope.attempts, value) then
            step.record_error(fiber, scope, value)
            fiber.spare_scope = scope
            error(value, 0)
        end
        try_later(fiber, scope, o.policy, value)
        begin_next_attempt(scope, is_recorded)
    end
end

--- Runs fn() as a step: recorded once it has ended, its own steps nested below.
---@param o flowhost.ScopeOptions?
function M.run(kind, name, arguments, fn, o)
    o = o or NO_OPTIONS
    local is_recorded = fiber_module.current and step.is_recorded(fiber_module.current)
    local hash = is_recorded and arguments ~= "" and system.hash64(arguments) or ""
    local fiber, path, entry = step.begin(kind, name, hash, o.input)
    local state = entry and entry.state
    if state == "k" or state == "e" then
        if entry.extra and entry.extra.waited then
            return step.replay_effect(fiber, entry)
        end
        return step.replay(fiber, entry)
    elseif state == "s" then
        effect_module.refuse_unknown(path, kind, name)
    end
    local scope = enter(fiber, path, kind, name, hash, is_recorded and (o.line or step.find_line()) or "")
    scope.timeout_ms = o.timeout_ms
    take_up(scope, entry, is_recorded)
    if state == "t" then
        wait_for_retry(entry.value.due, scope)
        begin_next_attempt(scope, is_recorded)
    end
    return run_attempts(fiber, scope, fn, is_recorded, o)
end

return M
