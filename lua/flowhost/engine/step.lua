-- SPDX-License-Identifier: MIT
-- The step protocol that every ctx verb follows: number the step, look it up in the journal, else do it and record it.
--
--   recorded, same kind, name and arguments  -> its result, nothing happens
--   recorded, different                       -> the run is suspended as DIVERGED
--   not recorded                              -> performed, recorded, result returned
--
-- Three forms: `value` (made inside, at once), `effect` (leaves the process: after output commit), `scoped` (a function
-- of the flow whose own steps are nested below its path).

local core = require "flowhost.core"
local commit = require "flowhost.engine.commit"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local journal = require "flowhost.engine.journal"
local replay_order = require "flowhost.engine.replay"
local token = require "flowhost.engine.token"

local json, system, timer = core.json, core.system, core.timer
local fault, running_line = system.fault, core.flow.line

local M = {}

local encode, decode = json.encode_stored, json.decode_stored

local IS_PLAIN = { string = true, boolean = true, ["nil"] = true }

--- A result as it would come back from the journal, so that live and replayed are the same: true, value, JSON text (nil
--- for a plain value, which needs none). false, reason when JSON cannot hold it.
local function normalize(value)
    local kind = type(value)
    if IS_PLAIN[kind] or (kind == "number" and value - value == 0) then
        return true, value
    elseif value == json.null then
        return true, nil
    end
    local text, reason = encode(value)
    if not text then
        return false, reason
    end
    return true, decode(text), text
end

--- "file:line" of the flow's line that is being run. A tail call leaves no line behind: then where the branch's
--- function begins.
local function find_line()
    local line = running_line()
    local fiber = fiber_module.current
    if line == "" and fiber and fiber.origin then
        local info = debug.getinfo(fiber.origin, "S")
        line = info.what == "Lua" and ("%s:%d"):format(info.source:sub(2), info.linedefined) or ""
    end
    return line
end

local function current_fiber(kind)
    local fiber = fiber_module.current
    if not fiber then
        error_object.raise("NOT_IN_A_RUN", "ctx." .. kind .. " was called outside of the run's own function")
    end
    local co = coroutine.running()
    if co ~= fiber.co then
        error_object.raise("NOT_IN_A_RUN", "ctx." .. kind .. " was called inside a coroutine of the flow's own")
    end
    if fiber.is_loading then
        error_object.raise("NOT_YIELDABLE", "ctx." .. kind .. " cannot be called while a file is being loaded")
    end
    return fiber
end

M.current_fiber = current_fiber

local function describe(kind, name, line)
    local text = kind
    if name ~= "" then
        text = text .. " '" .. name .. "'"
    end
    return line ~= "" and text .. " at " .. line or text
end

local function diverge(path, entry, kind, name)
    local why = "other arguments"
    if entry.kind ~= kind or entry.name ~= name then
        why = "another step"
    end
    local message = ("the code asks for %s than the journal holds at step %s: recorded %s, asked for %s"):format(
        why, path, describe(entry.kind, entry.name, entry.line), describe(kind, name, find_line()))
    M.halt(function(run)
        run.suspend(run, error_object.new("DIVERGED", message, { step = path }))
    end)
end

--- Ends or parks the run from within the flow: the coroutine is never resumed, so no pcall sees it.
function M.halt(act)
    if not coroutine.isyieldable() then
        error_object.raise("NOT_YIELDABLE", "a run cannot be stopped inside table.sort, string.gsub or require")
    end
    fiber_module.wait { start = function(fiber)
        act(fiber.run)
    end }
end

--- Lets the engine do something to the run outside of the flow's coroutine, and goes on at once.
function M.outside(act)
    fiber_module.wait { start = function(fiber)
        act(fiber.run)
        return true
    end }
end

--- What the paths inside a scope begin with. Most scopes have no steps inside and never need it.
local function prefix_of(scope)
    local prefix = scope.prefix
    if not prefix then
        prefix = scope.path .. "."
        scope.prefix = prefix
    end
    return prefix
end

--- Numbers the step. Returns fiber, path, and the entry when it is recorded.
local function begin(kind, name, hash)
    local fiber = current_fiber(kind)
    local scope = fiber.scope
    scope.n = scope.n + 1
    local path = prefix_of(scope) .. scope.n
    local by_path = fiber.run.journal
    if not by_path then
        return fiber, path
    end
    local entry = by_path[path]
    if entry and (entry.kind ~= kind or entry.name ~= name or entry.hash ~= hash) then
        diverge(path, entry, kind, name)
    end
    return fiber, path, entry
end

--- A scope that is itself a step (component, step) is written as open before the first entry inside it.
local function open_scope(run, scope)
    if scope.kind and not scope.is_open then
        scope.is_open = true
        open_scope(run, scope.parent)
        run.recorded = run.recorded + 1
        run.pending[#run.pending + 1] = journal.encode(scope.path, scope.kind, scope.name, scope.hash, scope.line,
            scope.started, scope.started, 1, "o", "null")
    end
end

--- `text` is the value's JSON; without it `value` is a plain value.
local function record(fiber, path, kind, name, hash, line, started, state, text, value)
    local run = fiber.run
    local ended = timer.now_ms()
    if kind ~= "log" then
        -- as a replay will find it, which never lets recorded time run backwards and passes log lines over
        fiber.now = math.max(fiber.now, ended)
    end
    if run.durable == "never" then
        return
    end
    open_scope(run, fiber.scope)
    run.recorded = run.recorded + 1
    if kind ~= "log" then
        run.trailing_error = state == "e" and (run.trailing_error or path) or nil
    end
    line = line or find_line()
    run.pending[#run.pending + 1] = text
        and journal.encode(path, kind, name, hash, line, started, ended, 1, state, text)
        or journal.encode_value(path, kind, name, hash, line, started, ended, 1, state, value)
end

local function record_error(fiber, path, kind, name, hash, line, started, err)
    err.step = err.step or path
    local text = encode(error_object.to_plain(err))
    if not text then
        err.data, text = nil, encode { code = err.code, message = err.message, step = err.step }
    end
    record(fiber, path, kind, name, hash, line, started, "e", text)
end

local function replay(fiber, entry)
    if entry.ended > fiber.now then
        fiber.now = entry.ended
    end
    fiber.run.trailing_error = entry.state == "e" and (fiber.run.trailing_error or entry.path) or nil
    if entry.state == "e" then
        error(error_object.from_plain(entry.value), 0)
    end
    local value = entry.value
    if value == json.null then
        return nil
    end
    return value
end

--- The recorded outcome of an effect. A branch gets it in its turn.
local function replay_effect(fiber, entry)
    if fiber.parent then
        fiber_module.wait { start = function()
            replay_order.add(fiber.run, fiber, entry)
        end }
    end
    return replay(fiber, entry)
end

--- A value made inside the process (a uuid, the time): recorded, waits for nothing.
function M.value(kind, name, produce)
    local fiber, path, entry = begin(kind, name, "")
    if entry then
        return replay(fiber, entry)
    end
    local started = timer.now_ms()
    local is_json, value, text = normalize(produce())
    if not is_json then
        error_object.raise("NOT_JSON", kind .. ": " .. value)
    end
    record(fiber, path, kind, name, "", nil, started, "k", text, value)
    return value
end

--- Something outside. `start(done, path, entry)` is called after output commit and returns a cancel function; it
--- calls done(text, value) with JSON text and the value, or done(nil, err).
---@param arguments string  all that makes this step what it is; compared on replay
function M.effect(kind, name, arguments, start)
    local is_recorded = fiber_module.current and fiber_module.current.run.durable ~= "never"
    local hash = is_recorded and system.hash64(arguments) or ""
    local fiber, path, entry = begin(kind, name, hash)
    if not coroutine.isyieldable() then
        error_object.raise("NOT_YIELDABLE",
            "ctx." .. kind .. " cannot wait inside table.sort, a string.gsub callback or require")
    end
    if entry and entry.state ~= "o" then
        return replay_effect(fiber, entry)
    end
    local ok, value = fiber_module.wait {
        start = M.perform, kind = kind, name = name, hash = hash, path = path, entry = entry, act = start,
        line = is_recorded and find_line() or "",
    }
    if not ok then
        error(value, 0)
    end
    return value
end

local function finish(fiber, effect, text, value)
    local run = fiber.run
    if effect.is_over or run.is_over then
        return
    end
    run.effects[effect] = nil
    effect.is_over = true
    fault "engine.effect.done"
    if text then
        record(fiber, effect.path, effect.kind, effect.name, effect.hash, effect.line, effect.started, "k", text)
    else
        record_error(fiber, effect.path, effect.kind, effect.name, effect.hash, effect.line, effect.started, value)
    end
    fiber_module.resume(fiber, text ~= nil, value)
    replay_order.play(run, fiber_module.resume)
    commit.flush_soon(run)
end

function M.add_effect(run, effect)
    run.effects = run.effects or {}
    run.effects[effect] = true
end

--- Starts a yielded effect once everything before it is durable.
function M.perform(fiber, effect)
    local run = fiber.run
    M.add_effect(run, effect)
    effect.started = timer.now_ms()
    commit.when_durable(run, function()
        if effect.is_over then
            return
        end
        fault "engine.effect.start"
        token.owner = run
        effect.cancel = effect.act(function(text, value)
            run.guarded(run, finish, fiber, effect, text, value)
        end, effect.path, effect.entry)
        token.owner = nil
    end)
end

--- Undoes everything a run waits for. Its fibers are never resumed.
function M.cancel_all(run)
    local effects = run.effects
    run.effects = nil
    for effect in pairs(effects or {}) do
        effect.is_over = true
        if effect.cancel then
            effect.cancel()
        end
    end
end

--- Writes that a waiting step has begun, with what it needs to go on after a restart.
function M.open(fiber, path, kind, name, hash, line, value)
    local run = fiber.run
    if run.durable == "never" then
        return
    end
    local now = timer.now_ms()
    open_scope(run, fiber.scope)
    run.recorded = run.recorded + 1
    run.pending[#run.pending + 1] = journal.encode(path, kind, name, hash, line or find_line(), now, now, 1, "o", value)
end

--- Begins a group: its path, written as open so that a replay knows that it was one.
function M.begin_group(kind, size)
    if not coroutine.isyieldable() then
        error_object.raise("NOT_YIELDABLE",
            "ctx." .. kind .. " cannot wait inside table.sort, a string.gsub callback or require")
    end
    local name = tostring(size)
    local fiber, path, entry = begin(kind, name, "")
    if not entry then
        M.open(fiber, path, kind, name, "", nil, "null")
    end
    return fiber, path
end

--- ctx.sleep: an effect that does not leave the process, so it waits for no commit; but its due time is written.
---@param act fun(run: table, due: number, done: function): function
function M.sleep(seconds, act)
    local name = ("%.14g"):format(seconds)
    local fiber, path, entry = begin("sleep", name, "")
    if not coroutine.isyieldable() then
        error_object.raise("NOT_YIELDABLE",
            "ctx.sleep cannot wait inside table.sort, a string.gsub callback or require")
    end
    if entry and entry.state ~= "o" then
        return replay_effect(fiber, entry)
    end
    local due = entry and entry.value or timer.now_ms() + math.ceil(seconds * 1000)
    local line = fiber.run.durable ~= "never" and find_line() or ""
    if not entry then
        M.open(fiber, path, "sleep", name, "", line, ("%.0f"):format(due))
    end
    fiber_module.wait {
        kind = "sleep", name = name, hash = "", path = path, line = line,
        start = function(_, effect)
            M.add_effect(fiber.run, effect)
            effect.started = entry and entry.started or timer.now_ms()
            token.owner = fiber.run
            effect.cancel = act(fiber.run, due, function(text)
                fiber.run.guarded(fiber.run, finish, fiber, effect, text, nil)
            end)
            token.owner = nil
        end,
    }
end

local function on_raise(raised)
    local fiber = fiber_module.current
    return error_object.from_raised(raised, fiber and fiber_module.stack_of(nil, fiber.run.code, 2))
end

--- Steps in a row share one table: most last no longer than a call.
local function enter_scope(fiber, path, kind, name, hash, line, started)
    local scope = fiber.spare_scope or {}
    fiber.spare_scope = nil
    scope.path, scope.kind, scope.name, scope.hash, scope.line = path, kind, name, hash, line
    scope.started, scope.n, scope.logs, scope.prefix, scope.parent = started, 0, 0, nil, fiber.scope
    scope.rng = nil
    fiber.scope = scope
    return scope
end

--- Runs fn() as a step: recorded once it has ended, its own steps nested below.
function M.scoped(kind, name, arguments, fn)
    local is_recorded = fiber_module.current and fiber_module.current.run.durable ~= "never"
    local hash = is_recorded and arguments ~= "" and system.hash64(arguments) or ""
    local fiber, path, entry = begin(kind, name, hash)
    if entry and entry.state ~= "o" then
        return replay(fiber, entry)
    end
    local started = entry and entry.started or timer.now_ms()
    local line = is_recorded and find_line() or ""
    local outer = fiber.scope
    local scope = enter_scope(fiber, path, kind, name, hash, line, started)
    scope.is_open = entry ~= nil or not is_recorded
    local ok, result = xpcall(fn, on_raise)
    fiber.scope, fiber.spare_scope = outer, scope
    local is_json, value, text
    if ok then
        is_json, value, text = normalize(result)
        if not is_json then
            ok, result = false, error_object.new("NOT_JSON", ("%s '%s' returned what JSON cannot hold: %s"):format(
                kind, name, value))
        end
    end
    if not ok then
        -- without stack or memory the handler above did not get to it
        result = error_object.is(result) and result or error_object.from_raised(result)
        record_error(fiber, path, kind, name, hash, line, started, result)
        error(result, 0)
    end
    record(fiber, path, kind, name, hash, line, started, "k", text, value)
    return value
end

--- Keeps a log line with the run, once: a replay does not write it again. Returns whether it is new.
function M.log(level, message)
    local fiber = current_fiber("log")
    local run, scope = fiber.run, fiber.scope
    scope.logs = scope.logs + 1
    local path = prefix_of(scope) .. "log" .. scope.logs
    if run.journal and run.journal[path] then
        return false
    end
    run.log_count = (run.log_count or 0) + 1
    if run.log_count <= 1000 then
        record(fiber, path, "log", level, "", nil, fiber.now, "k", nil, message)
    end
    return true
end

return M
