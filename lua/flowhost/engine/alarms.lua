-- SPDX-License-Identifier: MIT
-- Alarms: what has to be done to a run at some time, kept in the store. Timers of parked runs, and notes from run to
-- run that must not get lost: a child that has ended, a run that is to be cancelled, one that is no longer kept.
--
--   key    partition of the run + due (u64 ms) + run + tag        value    [verb, arguments]
--
-- Alarms are written in the batch of the run that asks for them and deleted in the batch of the run they have acted on.
-- So a crash in between lets an alarm fire again: what `on` registers must do nothing the second time. One timer of the
-- loop waits for the earliest alarm of this shard's partitions; nothing looks at the store before that.

local core = require "flowhost.core"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local token = require "flowhost.engine.token"

local json, store, system, timer = core.json, core.store, core.system, core.timer
local ALARMS, fault = store.tables.alarms, system.fault

local PAGE = 64 -- alarms fired in one turn of the loop

local M = {}

local verbs = {}
local earliest = {} -- partition -> due of its first alarm that has not fired
local cursor = {}   -- partition -> key up to which all have fired
local firing = {}   -- key -> true until it is deleted
local armed, armed_due, armed_token

--- fn(run_bytes, key, arguments): acts, and sees to it that the key is deleted (M.clear, M.drop).
function M.on(verb, fn)
    verbs[verb] = fn
end

function M.key(run_bytes, due, tag)
    return string.char(system.partition(run_bytes)) .. system.u64(due) .. run_bytes .. tag
end

local fire

local function arm()
    local due
    for _, one in pairs(earliest) do
        due = (not due or one < due) and one or due
    end
    if armed and due == armed_due then
        return
    elseif armed then
        token.drop(armed_token)
        armed:stop()
        armed = nil
    end
    if due then
        armed_token, armed_due = token.new(fire), due
        armed = timer.start_at(due, armed_token)
    end
end

--- There is an alarm in the store.
local function note(partition, due)
    if cursor[partition] and system.u64(due) <= cursor[partition]:sub(2, 9) then
        cursor[partition] = nil
    end
    if not earliest[partition] or due < earliest[partition] then
        earliest[partition] = due
        arm()
    end
end

remote.on("alarm", function(arguments, reply)
    note(arguments.partition, arguments.due)
    reply {} -- or the other shard would keep what it is to be told to
end)

--- Call once the alarm is durable.
function M.announce(run_bytes, due)
    fault "engine.alarm.set"
    local partition, owner = system.partition(run_bytes), remote.owner(run_bytes)
    if owner == system.shard then
        return note(partition, due)
    end
    remote.call(owner, "alarm", { partition = partition, due = due }, function() end)
end

local function call(key, value)
    local run_bytes = key:sub(10, 25)
    local list = value and json.decode_stored(value)
    local verb = list and verbs[list[1]]
    if not verb then
        system.log("error", "an alarm cannot be read", { "run", system.id_text(run_bytes) })
        return
    end
    fault "engine.alarm.fire"
    local ok, raised = xpcall(verb, debug.traceback, run_bytes, key, list[2])
    if not ok then
        system.log("error", "an alarm failed: " .. tostring(raised), { "run", system.id_text(run_bytes) })
    end
end

--- Fires up to `left` alarms of a partition that are due; returns how many.
local function fire_partition(partition, now, left)
    local prefix = string.char(partition)
    local keys, values, count = store.scan(ALARMS, { prefix = prefix, after = cursor[partition], limit = left + 1 })
    earliest[partition] = nil
    if not keys then
        system.log("error", "alarms cannot be read: " .. tostring(values))
        return 0
    end
    local fired = 0
    for i = 1, count do
        local key = keys[i]
        local due = system.from_u64(key:sub(2, 9))
        if due > now or fired == left then
            earliest[partition] = due
            break
        end
        cursor[partition] = key
        if not firing[key] then
            firing[key] = true
            fired = fired + 1
            call(key, values[i])
        end
    end
    if not earliest[partition] and count > left then
        earliest[partition] = now -- a page of such as had fired before
    end
    return fired
end

function fire()
    armed = nil
    local now, left = timer.now_ms(), PAGE
    for partition, due in pairs(earliest) do
        if due <= now and left > 0 then
            left = left - fire_partition(partition, now, left)
        end
    end
    arm()
end

--- Puts an alarm into the next batch of `run`. `of_bytes`: whose alarm it is. A run that is not written has none.
function M.set(run, of_bytes, due, tag, verb, arguments)
    local key = M.key(of_bytes, due, tag)
    rows.also(run, "put", ALARMS, key, json.encode_stored { verb, arguments })
    rows.after(run, function()
        M.announce(of_bytes, due)
    end)
    return key
end

--- Puts an alarm into a batch that is no run's; M.announce once it is durable.
function M.put(batch, of_bytes, due, tag, verb, arguments)
    batch:put(ALARMS, M.key(of_bytes, due, tag), json.encode_stored { verb, arguments })
end

--- Deletes an alarm with such a batch; M.forget once that is durable.
function M.del(batch, key)
    batch:del(ALARMS, key)
end

function M.forget(key)
    firing[key] = nil
end

--- Whether an alarm is in the store.
function M.has(key)
    return store.get(ALARMS, key) ~= nil
end

--- Deletes an alarm with the next batch of `run`.
function M.clear(run, key)
    rows.also(run, "del", ALARMS, key)
    rows.after(run, function()
        firing[key] = nil
    end)
end

--- Deletes an alarm that has fired and concerns nobody any more.
function M.drop(key)
    local batch = store.batch()
    batch:del(ALARMS, key)
    fault "engine.alarm.drop"
    batch:submit(token.new(function()
        fault "engine.alarm.dropped"
        firing[key] = nil
    end))
end

--- Fires an alarm again after a while: what it is about cannot be done now.
function M.postpone(key, ms)
    timer.start(ms, token.new(function()
        firing[key] = nil
        note(key:byte(), system.from_u64(key:sub(2, 9)))
    end))
end

--- At boot: finds the first alarm of each partition of this shard.
function M.start()
    for partition = system.shard, 63, system.shards do
        local keys, _, count = store.scan(ALARMS, { prefix = string.char(partition), limit = 1 })
        if keys and count > 0 then
            earliest[partition] = system.from_u64(keys[1]:sub(2, 9))
        end
    end
    arm()
end

return M
