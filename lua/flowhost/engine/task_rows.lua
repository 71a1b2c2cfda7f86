-- SPDX-License-Identifier: MIT
-- What the store holds of tasks that are not over.
--
--   tasks    run + task id (16 bytes)                -> { name, scheduled, heartbeat, is_callback, worker, taken, beat,
--                                                        alarm }     times in unix ms, heartbeat in ms
--   queues   name 00 u64 scheduled + run + task id   -> the input, JSON: tasks that no worker has taken
--
-- A task comes with the journal's entry that opens its step and goes with the one that ends it, in the run's batch.
-- What happens in between (a worker takes it, a heartbeat) changes its row only, on the condition that it is as it was
-- read: so of two that change it, or end it, one is first and the other finds out. The run need not be in memory for
-- it.

local core = require "flowhost.core"
local alarms = require "flowhost.engine.alarms"
local rows = require "flowhost.engine.rows"
local token = require "flowhost.engine.token"

local json, keystore, store, system = core.json, core.keystore, core.store, core.system
local TASKS, QUEUES = store.tables.tasks, store.tables.queues

local M = {}

local ALARM_TAG = "t"
local PAGE = 1000

---@class flowhost.TaskRow
---@field name string           the queue; "" of a callback
---@field scheduled number
---@field heartbeat number?     a sign of life is due so often
---@field is_callback boolean?
---@field worker string?        who took it
---@field taken number?
---@field beat number?          the last sign of life
---@field alarm number?         due of its key in `alarms`

local function task_key(run_bytes, id)
    return run_bytes .. id
end

local function queue_key(name, scheduled, run_bytes, id)
    return name .. "\0" .. system.u64(scheduled) .. run_bytes .. id
end

M.queue_key = queue_key

--- name, scheduled, run, task id of a key.
function M.read_queue_key(key)
    local at = key:find("\0", 1, true)
    return key:sub(1, at - 1), system.from_u64(key:sub(at + 1, at + 8)), key:sub(at + 9, at + 24), key:sub(at + 25)
end

--- The row, and as it is stored; nil when the task is over.
---@return flowhost.TaskRow?, string?
function M.read(run_bytes, id)
    local text = store.get(TASKS, task_key(run_bytes, id))
    return text and json.decode_stored(text), text
end

local function alarm_key(run_bytes, id, row)
    return alarms.key(run_bytes, row.alarm, ALARM_TAG .. id)
end

--- The task that an alarm's key is about.
function M.id_of_alarm(key)
    return key:sub(26 + #ALARM_TAG)
end

-- with the run's batch -----------------------------------------------------------------------------

--- A new task. `input`: JSON, nil of a callback.
---@param row flowhost.TaskRow
function M.open(run, id, row, input)
    if row.alarm then
        alarms.set(run, run.bytes, row.alarm, ALARM_TAG .. id, "task")
    end
    rows.also(run, "put", TASKS, task_key(run.bytes, id), json.encode_stored(row))
    if input then
        M.enqueue(run, id, row, input)
    end
end

function M.enqueue(run, id, row, input)
    rows.also(run, "put", QUEUES, queue_key(row.name, row.scheduled, run.bytes, id), keystore.redact_json(input))
end

--- Whether it waits for a worker.
function M.is_queued(run, id, row)
    return store.get(QUEUES, queue_key(row.name, row.scheduled, run.bytes, id)) ~= nil
end

--- Out of the queue, but not over.
function M.dequeue(run, id, row)
    rows.also(run, "del", QUEUES, queue_key(row.name, row.scheduled, run.bytes, id))
end

--- The task is over.
function M.close(run, id, row)
    if not row.is_callback then
        M.dequeue(run, id, row)
    end
    rows.also(run, "del", TASKS, task_key(run.bytes, id))
    local stored = M.read(run.bytes, id) or row
    if stored.alarm then
        alarms.clear(run, alarm_key(run.bytes, id, stored))
    end
end

--- All tasks of a run that has ended.
function M.close_all(run)
    local after
    repeat
        local keys, values, count = store.scan(TASKS, { prefix = run.bytes, after = after, limit = PAGE })
        for i = 1, keys and count or 0 do
            local row = values[i] and json.decode_stored(values[i])
            if row then
                M.close(run, keys[i]:sub(17), row)
            end
        end
        after = keys and keys[count]
    until not after or count < PAGE
end

--- Sets the alarm of a row again that fired while its run stood still.
function M.renew_alarm(run, id, row)
    if row.alarm and not alarms.has(alarm_key(run.bytes, id, row)) then
        alarms.set(run, run.bytes, row.alarm, ALARM_TAG .. id, "task")
        return true
    end
    return false
end

-- by themselves ------------------------------------------------------------------------------------

--- Writes the row in place of what was read (`text`). done(code): nil when it is stored, "CONFLICT" when it is another
--- by now.
---@param row flowhost.TaskRow
---@param add (fun(batch: table))?  what else goes into the batch
function M.change(run_bytes, id, row, text, done, add)
    local batch = store.batch()
    local key = task_key(run_bytes, id)
    batch:expect_value(TASKS, key, text)
    batch:put(TASKS, key, json.encode_stored(row))
    if add then
        add(batch)
    end
    token.submit(batch, done)
end

--- A worker gets the task of a queue's key.
---@param row flowhost.TaskRow
function M.take(key, row, text, worker, now, done)
    local _, _, run_bytes, id = M.read_queue_key(key)
    row.worker, row.taken, row.beat = worker, now, math.floor(now)
    row.alarm = row.heartbeat and row.beat + row.heartbeat
    M.change(run_bytes, id, row, text, function(code)
        if not code and row.alarm then
            alarms.announce(run_bytes, row.alarm)
        end
        done(code)
    end, function(batch)
        batch:del(QUEUES, key)
        if row.alarm then
            alarms.put(batch, run_bytes, row.alarm, ALARM_TAG .. id, "task")
        end
    end)
end

--- It never reached the worker: it is in its queue again, where it was.
---@param row flowhost.TaskRow
function M.give_back(run_bytes, id, row, text, input, done)
    local alarm = row.alarm and alarm_key(run_bytes, id, row)
    row.worker, row.taken, row.beat, row.alarm = nil, nil, nil, nil
    M.change(run_bytes, id, row, text, done, function(batch)
        batch:put(QUEUES, queue_key(row.name, row.scheduled, run_bytes, id), input)
        if alarm then
            alarms.del(batch, alarm)
        end
    end)
end

--- There were heartbeats since the alarm was set: it moves on.
---@param row flowhost.TaskRow
function M.move_alarm(run_bytes, id, row, text, done)
    local key = alarm_key(run_bytes, id, row)
    row.alarm = row.beat + row.heartbeat
    M.change(run_bytes, id, row, text, function(code)
        if not code then
            alarms.forget(key)
            alarms.announce(run_bytes, row.alarm)
        end
        done(code)
    end, function(batch)
        alarms.del(batch, key)
        alarms.put(batch, run_bytes, row.alarm, ALARM_TAG .. id, "task")
    end)
end

--- Tasks of a queue that no worker has taken, oldest first, behind the key `after`: key and input of the first; nil
--- when there is none.
function M.next(name, after)
    local keys, values, count = store.scan(QUEUES, { prefix = name .. "\0", after = after, limit = 1 })
    if not keys or count == 0 then
        return nil
    end
    return keys[1], values[1]
end

--- Deletes a place in a queue whose task is not there.
function M.drop(key)
    local batch = store.batch()
    batch:del(QUEUES, key)
    batch:submit(token.new(function() end))
end

return M
