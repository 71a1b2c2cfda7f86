-- SPDX-License-Identifier: MIT
-- Signals: named data sent to a run. They are entries of its journal (kind "signal", path "~N"), so they are durable
-- before they are acknowledged, in order, and there for a wait that comes later. An id makes sending one twice
-- harmless.
--
-- A wait takes the oldest signal of its name that no other wait has taken and that fits its schema; its own entry says
-- which it was.

local core = require "flowhost.core"
local commit = require "flowhost.engine.commit"
local effect = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local fields = require "flowhost.schema.fields"
local journal = require "flowhost.engine.journal"
local parking = require "flowhost.engine.parking"
local run_module = require "flowhost.engine.run"

local json, timer = core.json, core.timer
local fault = core.system.fault

local M = {}

local MAX_KEPT = 10000 -- signals of a run that nobody has taken

--- The signals of a run: list of { n, name, id, text, is_taken, is_ready }.
local function inbox_of(run)
    if run.inbox then
        return run.inbox
    end
    local inbox = { ids = {}, untaken = 0, first = 1 }
    for _, entry in pairs(run.journal or {}) do
        if entry.kind == "signal" then
            local n = tonumber(entry.path:sub(2))
            inbox[n] = { n = n, name = entry.name, id = entry.hash, value = entry.value, is_ready = true }
            inbox.ids[entry.name .. "\0" .. entry.hash] = n
        end
    end
    for _, entry in pairs(run.journal or {}) do
        local is_over = entry.kind == "task" or (entry.kind == "wait" and entry.state == "k")
        if is_over and entry.extra and entry.extra.signal then
            inbox[entry.extra.signal].is_taken = true
        end
    end
    for _, signal in ipairs(inbox) do
        inbox.untaken = inbox.untaken + (signal.is_taken and 0 or 1)
    end
    run.inbox = inbox
    return inbox
end

--- What is wrong with data for a wait; nil when it fits. Fills in defaults.
local function check(schema, value)
    if not schema then
        return nil
    end
    local errors = fields.check({ body = schema }, { body = value == json.null and {} or value }, json)
    for _, one in ipairs(errors or {}) do
        one.pointer = one.pointer:gsub("^/body", "")
    end
    return errors
end

--- waiting.signal: { name, schema, done } of a listener.
local function take(waiting)
    local wanted = waiting.signal
    local inbox = inbox_of(waiting.fiber.run)
    while inbox[inbox.first] and inbox[inbox.first].is_taken do
        inbox.first = inbox.first + 1
    end
    for n = inbox.first, #inbox do
        local signal = inbox[n]
        if signal.is_ready and not signal.is_taken and signal.name == wanted.name then
            local value = json.decode_stored(json.encode_stored(signal.value))
            if not check(wanted.schema, value) then
                signal.is_taken = true
                inbox.untaken = inbox.untaken - 1
                waiting.extra = waiting.extra or {}
                waiting.extra.signal = signal.n
                return true, value
            end
        end
    end
    return false
end

local function give(waiting)
    local is_taken, value = take(waiting)
    if is_taken then
        waiting.signal.done(value)
    end
    return is_taken
end

--- Those that wait get what has come, in the order in which they began to wait.
local function feed(run)
    local list = {}
    for _, waiting in ipairs(run.signal_waits or {}) do
        list[#list + 1] = waiting
    end
    for _, waiting in ipairs(list) do
        if not waiting.is_over and not waiting.is_given and not waiting.is_gone then
            waiting.is_given = give(waiting)
        end
    end
end

--- Takes a wait out of the list: some later, with others, for there may be ten thousand that end one after the other.
local function remove(run, waiting)
    local list = run.signal_waits
    if not list or waiting.is_gone then
        return
    end
    waiting.is_gone = true
    list.gone = (list.gone or 0) + 1
    if list.gone * 2 > #list then
        local rest = {}
        for _, one in ipairs(list) do
            rest[#rest + 1] = not one.is_gone and one or nil
        end
        run.signal_waits = rest
    end
end

--- An effect comes to wait for a signal: done(value) with the oldest that fits, at once when it is there. Returns what
--- ends this.
---@param done fun(value: any)
function M.listen(waiting, name, schema, done)
    local run = waiting.fiber.run
    waiting.signal = { name = name, schema = schema, done = done }
    run.signal_waits = run.signal_waits or {}
    table.insert(run.signal_waits, waiting)
    run_module.write_held(run)
    waiting.is_given = give(waiting)
    return function()
        remove(run, waiting)
    end
end

--- ctx.wait: returns the data.
---@param o { timeout_ms: number?, schema: table? }
function M.wait(name, o)
    return effect.wait("wait", name, {
        open = function()
            return { due = o.timeout_ms and timer.now_ms() + o.timeout_ms }
        end,
        act = function(waiting, done)
            local stop_listening = M.listen(waiting, name, o.schema, function(value)
                done(json.encode_stored(value), effect.to_flow(value))
            end)
            local stop = waiting.due and not waiting.is_given and effect.at(waiting.fiber.run, waiting.due, function()
                if not waiting.is_given then
                    done(nil, error_object.new("TIMEOUT", ("no signal '%s' came in time"):format(name)))
                end
            end)
            return function()
                stop_listening()
                if stop then
                    stop()
                end
            end
        end,
    })
end

--- Whether some wait of the name would take the data. true, or false and what is wrong with it. Nobody waiting: true.
local function fits(run, name, value)
    local first_errors
    for _, waiting in ipairs(run.signal_waits or {}) do
        if waiting.signal.name == name and not waiting.is_given and not waiting.is_gone then
            local errors = check(waiting.signal.schema, value)
            if not errors then
                return true
            end
            first_errors = first_errors or errors
        end
    end
    return first_errors == nil, first_errors
end

--- Sends a signal to a run in memory. done(nil) once it is durable, at once done(problem) when it is not taken:
--- { status, code, detail, errors }. `is_repeated` is true for an id that has come before.
---@param id string  "" for none
---@param done fun(problem: table?, is_repeated: boolean?)
function M.deliver(run, name, value, id, done)
    local inbox = inbox_of(run)
    if id ~= "" and inbox.ids[name .. "\0" .. id] then
        return commit.when_durable(run, function()
            done(nil, true)
        end)
    end
    local is_fit, errors = fits(run, name, json.decode_stored(json.encode_stored(value)))
    if not is_fit then
        return done { status = 422, code = "SIGNAL_INVALID", errors = errors,
            detail = ("the run waits for '%s' with other data: %s %s"):format(name, errors[1].pointer,
                errors[1].message) }
    elseif inbox.untaken >= MAX_KEPT then
        return done { status = 429, code = "TOO_MANY_SIGNALS",
            detail = ("%d signals of the run wait to be taken; no more are kept"):format(MAX_KEPT) }
    end
    local signal = { n = #inbox + 1, name = name, id = id, value = value }
    inbox[signal.n], inbox.untaken = signal, inbox.untaken + 1
    if id ~= "" then
        inbox.ids[name .. "\0" .. id] = signal.n
    end
    local now = timer.now_ms()
    run.is_held_back = false
    run.pending[#run.pending + 1] = journal.encode("~" .. signal.n, "signal", name, id, "", now, now, 1, "k",
        json.encode_stored(value))
    run.recorded = run.recorded + 1
    parking.stay(run)
    fault "engine.signal"
    commit.when_durable(run, function()
        fault "engine.signalled"
        signal.is_ready = true
        done(nil)
        if not run.is_over then
            feed(run)
        end
    end)
end

return M
