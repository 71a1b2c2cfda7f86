-- SPDX-License-Identifier: MIT
-- Runs that a run starts: `call` waits for the child's end, `start` does not.
--
-- The child's id is reserved and recorded with the step's beginning, before the child is started: after a crash the
-- same child is found or started, never a second one. A child that ends leaves an alarm for its parent in the batch of
-- its end, so that the parent learns of it whatever dies in between. A child has the flow of its parent's release.

local core = require "flowhost.core"
local alarms = require "flowhost.engine.alarms"
local catalog = require "flowhost.engine.catalog"
local commit = require "flowhost.engine.commit"
local effect = require "flowhost.engine.effect"
local ending = require "flowhost.engine.ending"
local error_object = require "flowhost.engine.error"
local live = require "flowhost.engine.live"
local parking = require "flowhost.engine.parking"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"
local wake = require "flowhost.engine.wake"

local json, system = core.json, core.system
local fault = system.fault

local M = {}

local MAX_DEPTH = 100

--- The outcome of a child that is over as done(text, value) or done(nil, err).
local function tell(child, done)
    if child.status == "succeeded" then
        local text = child.output_json or json.encode_stored(child.output == nil and json.null or child.output)
        return done(text, effect.to_flow(json.decode_stored(text)))
    end
    local err = child.error or { code = "FAILED", message = "the run ended as " .. tostring(child.status) }
    return done(nil, error_object.new(err.code, err.message, {
        status = err.status, data = err.data, retryable = err.retryable,
        cause = ("run %s of flow %s %s"):format(child.id, child.flow, child.status),
    }))
end

--- What of a child that is started otherwise than by its name alone: its tags, and the key that only one run may have.
---@class flowhost.ChildStart
---@field tags table<string, string>
---@field are_tags_hidden boolean?
---@field idempotency { key: string, hash: string }

local function start(parent, own, is_awaited, waiter, done)
    fault "engine.child.start"
    local with = own.with
    return run_module.start {
        flow = own.flow, input = own.input, trace_id = live.trace_id(parent), id = own.id, bytes = own.bytes,
        parent = { run = parent.id, step = own.path, is_awaited = is_awaited }, depth = (parent.depth or 0) + 1,
        waiter = waiter, tags = with and with.tags, are_tags_hidden = with and with.are_tags_hidden,
        idempotency = with and with.idempotency, on_key_taken = with and function()
            done(nil, error_object.new("IDEMPOTENCY_CONFLICT", ("flow '%s' has a run with the key already"):format(
                own.flow.name)))
        end or nil,
    }
end

local function own_of(current, flow, input)
    local id = current.opened.child
    return { id = id, bytes = system.id_bytes(id), flow = flow, input = input, path = current.path,
        with = current.wait.with }
end

--- The child: in memory, else its row; nil when it was never started. nil, error when that cannot be told.
local function find(own)
    local in_memory = live.runs[own.id]
    if in_memory then
        return in_memory
    end
    local row, code, detail = rows.read(own.bytes)
    return row, code and error_object.new(code, detail)
end

--- Tells the outcome of a child that has ended, or that it cannot be read. Returns whether it did, and the child.
local function look(current)
    local child, err = find(current.own)
    if err then
        current.done(nil, err)
    elseif child and rows.TERMINAL[child.status] and not live.runs[child.id] then
        tell(child, current.done)
    else
        return false, child
    end
    return true
end

--- Waits for the end of a child in memory. One that writes nothing is heard of in no other way.
local function wait_in_memory(current)
    local own = current.own
    local function on_end(child, early_answer)
        if early_answer then
            child.waiters[#child.waiters + 1] = on_end
        elseif current.own ~= own then
            return -- another attempt has another child
        elseif child.was_refused or child.has_commit_failed or live.is_unwritten(child) then
            tell(child, current.done)
        elseif rows.TERMINAL[child.status] then
            look(current)
        end
    end
    return on_end
end

--- After a restart with another number of shards: a child that never came to be started gets an id of this shard, for
--- it would be looked for where its id belongs.
local function renew(current)
    local bytes = system.id_bytes(current.opened.child)
    local row, code = rows.read(bytes)
    if not row and not code and remote.owner(bytes) ~= system.shard then
        return { child = live.reserve(), due = current.opened.due }
    end
end

local function timeout_of(current)
    local own = current.own
    return current.due and effect.at(current.fiber.run, current.due, function()
        ending.cancel_child(current.fiber.run, own.id)
        current.done(nil, error_object.new("TIMEOUT", ("run %s of flow %s did not end in time"):format(own.id,
            current.name), { retryable = true }))
    end)
end

local function act_call(flow, input)
    return function(current, done)
        local parent = current.fiber.run
        local own = own_of(current, flow, input)
        current.own, current.done = own, done
        parent.calls = parent.calls or {}
        parent.calls[own.id] = current
        local stop = timeout_of(current)
        local is_told, child = look(current)
        if not is_told and not child and not flow.code then
            return done(nil, error_object.new("NOT_FOUND", ("no flow '%s'"):format(flow.name)))
        elseif not is_told and not child then
            if flow.durable == "always" then
                run_module.write_held(parent) -- or after a crash the child would be nobody's
            end
            child = start(parent, own, true, wait_in_memory(current), done)
        elseif not is_told and child.waiters then
            child.waiters[#child.waiters + 1] = wait_in_memory(current)
        end
        current.keeps_in_memory = not is_told and child.waiters and live.is_unwritten(child)
        return function()
            if parent.calls then
                parent.calls[own.id] = nil
            end
            if stop then
                stop()
            end
        end
    end
end

local function abort_call(current)
    ending.cancel_child(current.fiber.run, current.opened.child)
end

local function check_depth(parent)
    if (parent.depth or 0) >= MAX_DEPTH then
        error_object.raise("CALL_DEPTH", ("runs call each other %d deep: is there an end to it?"):format(MAX_DEPTH))
    end
end

--- ctx.call: returns the child's output, raises its error.
---@param o { timeout_ms: number?, policy: table?, with: flowhost.ChildStart? }
function M.call(parent, flow, input, input_json, o)
    check_depth(parent)
    return effect.wait("call", flow.name, {
        hash = system.hash64(input_json), input = input_json, is_outside = true, policy = o.policy, with = o.with,
        open = function(_, _)
            return { child = live.reserve(), due = o.timeout_ms and core.timer.now_ms() + o.timeout_ms }
        end,
        renew = renew,
        act = act_call(flow, input), abort = abort_call, on_held = function(current)
            -- a branch that has lost: it may have died before its child was told
            local run = current.fiber.run
            if current.fiber.is_lost and not run.probe then
                ending.cancel_child(run, current.entry.value.child)
            end
        end,
    })
end

--- ctx.start: returns the child's id once it is stored.
---@param with flowhost.ChildStart?
function M.start(parent, flow, input, input_json, with)
    check_depth(parent)
    return effect.wait("start", flow.name, {
        hash = system.hash64(input_json), input = input_json, is_outside = true, with = with,
        open = function()
            return { child = live.reserve() }
        end,
        renew = renew,
        act = function(current, done)
            current.keeps_in_memory = true -- no alarm tells that the child is stored
            local own = own_of(current, flow, input)
            local child, err = find(own)
            if err then
                return done(nil, err)
            elseif child then
                return done(json.encode(own.id), own.id)
            elseif not flow.code then
                return done(nil, error_object.new("NOT_FOUND", ("no flow '%s'"):format(flow.name)))
            end
            child = start(parent, own, false, function(ended)
                if ended.was_refused then
                    tell(ended, done)
                end
            end, done)
            run_module.when_taken(child, function()
                fault "engine.child.started"
                done(json.encode(own.id), own.id)
            end)
        end,
    })
end

--- The flow that a run of `parent` means by a name: of its own release, else of the active one.
function M.find_flow(parent, name)
    return parent.code.flow(name) or catalog.flow(name)
end

-- what alarms tell --------------------------------------------------------------------------------

alarms.on("child", function(parent_bytes, key)
    parking.in_turn(function()
        fault "engine.child.told"
        local parent = wake.wake(parent_bytes)
        if not parent or parent.is_over or live.is_unwritten(parent) then
            alarms.drop(key)
        else
            alarms.clear(parent, key)
            parent.recorded = parent.recorded + 1
            commit.flush_soon(parent)
        end
        local current = parent and parent.calls and parent.calls[system.id_text(key:sub(26))]
        if current and not current.is_over then
            look(current)
        end
    end)
end)

return M
