-- SPDX-License-Identifier: MIT
-- The step protocol that every ctx verb follows: number the step, look it up in the journal, else do it and record it.
--
--   recorded, same kind, name and arguments  -> its result, nothing happens
--   recorded, different                       -> the run is suspended as DIVERGED
--   not recorded                              -> performed, recorded, result returned
--
-- Here: numbering, looking up, recording, and steps that are made at once (`value`). What takes time lies in
-- effect.lua, functions of the flow whose own steps are nested below a step in scope.lua.
--
-- A *step* as the functions here take it is a table with path, kind, name, hash, line, started (ms), attempts, extra.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local journal = require "flowhost.engine.journal"
local replay_order = require "flowhost.engine.replay"

local json, timer = core.json, core.timer
local running_line = core.flow.line

local M = {}

local encode, decode = json.encode_stored, json.decode_stored

local IS_PLAIN = { string = true, boolean = true, ["nil"] = true }

--- A result as it would come back from the journal, so that live and replayed are the same: true, value, JSON text (nil
--- for a plain value, which needs none). false, reason when JSON cannot hold it.
function M.normalize(value)
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
--- function begins. Of a machine its state's name (fiber.place).
local function find_line()
    local line = running_line()
    local fiber = fiber_module.current
    if line == "" and fiber and fiber.place then
        return fiber.place
    elseif line == "" and fiber and fiber.origin then
        local info = debug.getinfo(fiber.origin, "S")
        local is_flow = info.what == "Lua" and info.source:sub(1, 10) ~= "@flowhost/"
        line = is_flow and ("%s:%d"):format(info.source:sub(2), info.linedefined) or ""
    end
    return line
end

M.find_line = find_line

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

--- Whether what the run does is written down at all.
function M.is_recorded(fiber)
    return fiber.run.durable ~= "never"
end

function M.check_yieldable(kind)
    if not coroutine.isyieldable() then
        error_object.raise("NOT_YIELDABLE",
            "ctx." .. kind .. " cannot wait inside table.sort, a string.gsub callback or require")
    end
end

local function describe(kind, name, line)
    local text = kind
    if name ~= "" then
        text = text .. " '" .. name .. "'"
    end
    return line ~= "" and text .. " at " .. line or text
end

--- The code and the journal disagree: both sides go into the error, the run waits for a person.
local function diverge(path, entry, kind, name, hash, input)
    local why = "other arguments"
    if entry.kind ~= kind or entry.name ~= name then
        why = "another step"
    end
    local line = find_line()
    local message = ("the code asks for %s than the journal holds at step %s: recorded %s, asked for %s"):format(
        why, path, describe(entry.kind, entry.name, entry.line), describe(kind, name, line))
    local data = {
        why = why,
        recorded = { kind = entry.kind, name = entry.name, line = entry.line, arguments = entry.hash,
            input = entry.extra and entry.extra.input },
        asked = { kind = kind, name = name, line = line, arguments = hash, input = input and decode(input) },
    }
    M.halt(function(run)
        run.suspend(run, error_object.new("DIVERGED", message, { step = path, data = data }))
    end)
end

--- Ends or parks the run from within the flow: the coroutine is never resumed, so no pcall sees it.
function M.halt(act)
    if not coroutine.isyieldable() then
        error_object.raise("NOT_YIELDABLE", "a run cannot be stopped inside table.sort, string.gsub or require")
    end
    fiber_module.wait { start = function(fiber)
        act(fiber.run, fiber)
    end }
end

--- Lets the engine do something to the run outside of the flow's coroutine, and goes on at once.
function M.outside(act)
    fiber_module.wait { start = function(fiber)
        act(fiber.run)
        return true
    end }
end

local function prefix_of(scope)
    local prefix = scope.prefix
    if not prefix then
        prefix = scope.path .. (scope.attempts > 1 and (".r%d."):format(scope.attempts) or ".")
        scope.prefix = prefix
    end
    return prefix
end

--- A scope that is itself a step (component, step) is written as open before the first entry inside it.
local function open_scope(run, scope)
    if scope.kind and not scope.is_open then
        scope.is_open = true
        open_scope(run, scope.parent)
        run.recorded = run.recorded + 1
        run.pending[#run.pending + 1] = journal.encode(scope.path, scope.kind, scope.name, scope.hash, scope.line,
            scope.started, scope.started, scope.attempts, "o", "null")
    end
end

--- `text` is the value's JSON; without it `value` is a plain value. `ended`: ms, default now.
function M.record(fiber, step, state, text, value)
    local run = fiber.run
    local kind, ended = step.kind, timer.now_ms()
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
        run.trailing_error = state == "e" and (run.trailing_error or step.path) or nil
    end
    local line = step.line or find_line()
    local extra = step.extra
    if extra then
        text = (text or encode(value == nil and json.null or value)) .. "," .. encode(extra)
    end
    run.pending[#run.pending + 1] = text
        and journal.encode(step.path, kind, step.name, step.hash, line, step.started, ended, step.attempts, state, text)
        or journal.encode_value(step.path, kind, step.name, step.hash, line, step.started, ended, step.attempts, state,
            value)
end

--- Text of an error for the journal; `data` that JSON cannot hold is left out.
function M.encode_error(err)
    local text = encode(error_object.to_plain(err))
    if not text then
        err.data, text = nil, encode { code = err.code, message = err.message, step = err.step }
    end
    return text
end

function M.record_error(fiber, step, err)
    err.step = err.step or step.path
    M.record(fiber, step, "e", M.encode_error(err))
end

--- Writes that a waiting step has begun, with what it needs to go on after a restart.
---@param text string  JSON
function M.record_open(fiber, step, text)
    local run = fiber.run
    if run.durable == "never" then
        return
    end
    open_scope(run, step.parent or fiber.scope)
    run.recorded = run.recorded + 1
    run.pending[#run.pending + 1] = journal.encode(step.path, step.kind, step.name, step.hash, step.line, step.started,
        step.started, step.attempts, "o", text)
end

--- Writes that a step that may run once only begins.
function M.record_once(fiber, scope)
    open_scope(fiber.run, scope.parent)
    scope.is_open = true
    M.record(fiber, { path = scope.path, kind = scope.kind, name = scope.name, hash = scope.hash, line = scope.line,
        started = scope.started, attempts = scope.attempts }, "s", "null")
end

--- The scope that the fiber is in is over: what is asked for is refused, on record.
local function refuse_expired(fiber, path, kind, name, hash)
    local scope = fiber.expired
    local err = error_object.new("TIMEOUT", ("step %s '%s' is out of time"):format(scope.path, scope.name))
    M.record_error(fiber, { path = path, kind = kind, name = name, hash = hash, started = timer.now_ms(),
        attempts = 1 }, err)
    error(err, 0)
end

--- What a forked run got from another may hold that run's id in its arguments: only kind and name have to be the same.
function M.is_copied(run, entry)
    return run.forked_from ~= nil and entry.order <= run.forked_from.entries
end

--- Where the fiber's next step will stand, and its entry when it is recorded.
function M.peek(fiber)
    local path = prefix_of(fiber.scope) .. (fiber.scope.n + 1)
    local by_path = fiber.run.journal
    return path, by_path and by_path[path] or nil
end

--- Numbers a step. Returns fiber, path, and the entry when it is recorded.
---@param input string?  its arguments as JSON, for the divergence report
function M.begin(kind, name, hash, input)
    local fiber = current_fiber(kind)
    local scope, run = fiber.scope, fiber.run
    scope.n = scope.n + 1
    local path = prefix_of(scope) .. scope.n
    local by_path = run.journal
    local entry = by_path and by_path[path]
    if entry and (entry.kind ~= kind or entry.name ~= name or (entry.hash ~= hash and not M.is_copied(run, entry))) then
        diverge(path, entry, kind, name, hash, input)
    end
    if run.probe then
        run.probe.on_step(fiber, path, kind, name, entry)
    end
    if fiber.expired and not entry then
        refuse_expired(fiber, path, kind, name, hash)
    end
    return fiber, path, entry
end

--- The recorded outcome, at once.
function M.replay(fiber, entry)
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
function M.replay_effect(fiber, entry)
    if fiber.parent then
        fiber_module.wait { start = function()
            replay_order.add(fiber.run, fiber, entry)
        end }
    end
    return M.replay(fiber, entry)
end

--- The batch on disk ends within a turn: what other branches did in it comes after this, and is not on disk either.
local function stop_probe(fiber)
    fiber.run.is_over = true
end

--- A value made inside the process (a uuid, the time): recorded, waits for nothing. `produce` is called when it is not
--- recorded yet; not by a replay that shows a history, which goes no further than what is on disk. Also returns the
--- entry of one that is recorded.
function M.value(kind, name, produce)
    local fiber, path, entry = M.begin(kind, name, "")
    if entry then
        return M.replay(fiber, entry), entry
    end
    if fiber.run.probe and fiber.run.history and coroutine.isyieldable() then
        fiber_module.wait { start = stop_probe }
    end
    local started = timer.now_ms()
    local is_json, value, text = M.normalize(produce(fiber))
    if not is_json then
        error_object.raise("NOT_JSON", kind .. ": " .. value)
    end
    M.record(fiber, { path = path, kind = kind, name = name, hash = "", started = started, attempts = 1 }, "k", text,
        value)
    return value
end

--- Keeps a log line with the run, once: a replay does not write it again. Returns whether it is new.
function M.log(level, message)
    local fiber = current_fiber("log")
    local run, scope = fiber.run, fiber.scope
    scope.logs = scope.logs + 1
    local path = prefix_of(scope) .. "log" .. scope.logs
    if (run.journal and run.journal[path]) or run.probe then
        return false
    end
    run.log_count = (run.log_count or 0) + 1
    if run.log_count <= 1000 then
        local own = { path = path, kind = "log", name = level, hash = "", started = timer.now_ms(), attempts = 1 }
        M.record(fiber, own, "k", nil, message)
    end
    return true
end

return M
