-- SPDX-License-Identifier: MIT
-- Queues of tasks and the workers that ask for them. One shard hands out the tasks of a queue, named by the queue's
-- name; the others send it who asks. Oldest task first, to whoever has asked for the longest.
--
-- Tasks of runs that are written lie in the store: what this shard keeps of them is how far it has looked (cursor) and
-- which it is handing out. Tasks of runs that are not written are told to it one by one and confirmed by the run's
-- shard before they are handed out. A task is the worker's once that is durable; only then the answer leaves.

local core = require "flowhost.core"
local remote = require "flowhost.engine.remote"
local task_rows = require "flowhost.engine.task_rows"
local token = require "flowhost.engine.token"

local system, timer = core.system, core.timer
local fault = system.fault

local M = {}

-- name -> { name, pollers (list), cursor, claimed (key -> true), claims (number), memory (list of tasks), by_id }
local queues = {}

local function queue_of(name)
    local queue = queues[name]
    if not queue then
        queue = { name = name, pollers = {}, cursor = nil, claimed = {}, claims = 0, memory = {}, by_id = {} }
        queues[name] = queue
    end
    return queue
end

--- A queue that nobody asks and that holds nothing in memory costs none.
local function forget_if_idle(queue)
    if not queue.pollers[1] and queue.claims == 0 and not next(queue.by_id) then
        queues[queue.name] = nil
    end
end

--- The shard that hands out the tasks of a queue.
local function shard_of(name)
    return tonumber(system.hash64(name):sub(1, 8), 16) % system.shards
end

local function nothing() end

local function unhex(text)
    return (text:gsub("..", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

M.unhex = unhex

-- the next task --------------------------------------------------------------------------------------

--- Of those in memory, dropping what is gone.
local function first_in_memory(queue)
    local list = queue.memory
    while list[1] and list[1].is_gone do
        table.remove(list, 1)
    end
    return list[1]
end

--- Of those in the store: key and input.
local function first_stored(queue)
    local after = queue.cursor
    while true do
        local key, input = task_rows.next(queue.name, after)
        if not key or not queue.claimed[key] then
            return key, input
        end
        after = key
    end
end

local function leave(queue, poller)
    for i, one in ipairs(queue.pollers) do
        if one == poller then
            table.remove(queue.pollers, i)
            poller.reply {}
            return forget_if_idle(queue)
        end
    end
end

local function start_timer(queue, poller)
    local waiting = token.new(function()
        leave(queue, poller)
    end)
    local handle = timer.start_at(poller.till, waiting)
    poller.stop_timer = function()
        token.drop(waiting)
        handle:stop()
    end
end

local serve

local function back_to_front(queue, poller)
    if poller.is_gone then
        return poller.reply {}
    end
    table.insert(queue.pollers, 1, poller)
    start_timer(queue, poller)
end

local function give_back_memory(task)
    remote.call(remote.owner(system.id_bytes(task.run)), "task_unclaim", task, nothing)
end

--- The task goes to the worker; one who has gone meanwhile leaves it.
local function hand_out(queue, poller, task)
    if poller.is_gone then
        M.give_back(task)
        return poller.reply {}
    end
    poller.reply { task = task }
    forget_if_idle(queue)
end

local last_taken = 0

--- When a task is taken: now in ms, no two the same, as histories show them in that order.
local function next_taken()
    last_taken = math.max(timer.now_ms(), last_taken + 0.001)
    return last_taken
end

local function on_taken(queue, poller, key, task, code)
    queue.claimed[key], queue.claims = nil, queue.claims - 1
    if code == "CONFLICT" then
        back_to_front(queue, poller) -- it has ended in the meantime
        return serve(queue)
    elseif code then
        queue.cursor = nil
        return poller.reply { problem = code }
    end
    fault "engine.task.taken"
    remote.call(remote.owner(system.id_bytes(task.run)), "task_taken", task, nothing)
    hand_out(queue, poller, task)
end

local function claim_stored(queue, poller, key, input)
    local _, scheduled, run_bytes, id = task_rows.read_queue_key(key)
    local row, text = task_rows.read(run_bytes, id)
    queue.cursor = key
    if not row then
        task_rows.drop(key)
        return back_to_front(queue, poller)
    end
    queue.claimed[key], queue.claims = true, queue.claims + 1
    local task = { name = queue.name, run = system.id_text(run_bytes), id = system.hex(id), scheduled = scheduled,
        worker = poller.worker, taken = next_taken(), input = input }
    fault "engine.task.take"
    task_rows.take(key, row, text, task.worker, task.taken, function(code)
        on_taken(queue, poller, key, task, code)
    end)
end

local function claim_memory(queue, poller, item)
    table.remove(queue.memory, 1)
    queue.by_id[item.id], queue.claims = nil, queue.claims + 1
    local task = { name = queue.name, run = item.run, id = item.id, scheduled = item.scheduled, in_memory = true,
        worker = poller.worker, taken = next_taken() }
    remote.call(remote.owner(system.id_bytes(item.run)), "task_claim", task, function(result)
        queue.claims = queue.claims - 1
        if not result.input then
            back_to_front(queue, poller)
            return serve(queue)
        end
        task.input = result.input
        hand_out(queue, poller, task)
    end)
end

--- Gives tasks to those who ask, as long as there are both.
function serve(queue)
    while queue.pollers[1] do
        local item = first_in_memory(queue)
        local key, input = first_stored(queue)
        if not item and not key then
            return
        end
        local poller = table.remove(queue.pollers, 1)
        poller.stop_timer()
        local scheduled = key and select(2, task_rows.read_queue_key(key))
        if item and (not key or item.scheduled < scheduled) then
            claim_memory(queue, poller, item)
        else
            claim_stored(queue, poller, key, input)
        end
    end
end

-- those who ask ------------------------------------------------------------------------------------

local by_poll = {} -- poll -> poller, until it is answered

remote.on("task_poll", function(arguments, reply)
    local queue = queue_of(arguments.name)
    local poller = { worker = arguments.worker, till = timer.now_ms() + arguments.wait_ms, reply = function(result)
        by_poll[arguments.poll] = nil
        reply(result)
    end }
    by_poll[arguments.poll] = poller
    queue.pollers[#queue.pollers + 1] = poller
    start_timer(queue, poller)
    serve(queue)
end)

remote.on("task_unpoll", function(arguments, reply)
    reply {}
    local poller, queue = by_poll[arguments.poll], queues[arguments.name]
    if not poller then
        return
    end
    poller.is_gone = true
    if queue then
        poller.stop_timer()
        leave(queue, poller)
    end
end)

local last_poll = 0

--- Asks for a task of a queue, for `wait_ms` at most. done(task): { run (id), id (hex), input (JSON), ... }, nil when
--- none came; done(nil, code) when the store refuses. Returns what ends the asking: done is not called then.
---@param done fun(task: table?, code: string?)
function M.poll(name, worker, wait_ms, done)
    last_poll = last_poll + 1
    local poll = ("%d-%d"):format(system.shard, last_poll)
    local is_over = false
    remote.call(shard_of(name), "task_poll", { name = name, worker = worker, wait_ms = wait_ms, poll = poll },
        function(result)
            if is_over then
                return result.task and M.give_back(result.task)
            end
            is_over = true
            done(result.task, result.problem or result.code)
        end)
    return function()
        if not is_over then
            is_over = true
            remote.call(shard_of(name), "task_unpoll", { name = name, poll = poll }, nothing)
        end
    end
end

-- tasks that come and go ----------------------------------------------------------------------------

remote.on("task_note", function(arguments, reply)
    reply {}
    local queue = queues[arguments.name]
    if queue then
        local key = task_rows.queue_key(arguments.name, arguments.scheduled, system.id_bytes(arguments.run),
            unhex(arguments.id))
        if queue.cursor and key <= queue.cursor then
            queue.cursor = nil
        end
        serve(queue)
    end
end)

--- A task is in the store and waits for a worker.
function M.note(name, run_id, id, scheduled)
    fault "engine.task.queue"
    remote.call(shard_of(name), "task_note", { name = name, run = run_id, id = system.hex(id), scheduled = scheduled },
        nothing)
end

remote.on("task_offer", function(item, reply)
    reply {}
    local queue = queue_of(item.name)
    local list = queue.memory
    local at = #list + 1
    while list[at - 1] and list[at - 1].scheduled > item.scheduled do
        at = at - 1
    end
    table.insert(list, at, item)
    queue.by_id[item.id] = item
    serve(queue)
end)

remote.on("task_withdraw", function(arguments, reply)
    reply {}
    local queue = queues[arguments.name]
    local item = queue and queue.by_id[arguments.id]
    if not item then
        return
    end
    item.is_gone = true
    queue.by_id[arguments.id] = nil
    queue.gone = (queue.gone or 0) + 1
    if queue.gone * 2 > #queue.memory then
        local rest = {}
        for _, one in ipairs(queue.memory) do
            rest[#rest + 1] = not one.is_gone and one or nil
        end
        queue.memory, queue.gone = rest, 0
    end
    forget_if_idle(queue)
end)

--- A task of a run that is not written waits for a worker.
function M.offer(name, run_id, id, scheduled)
    remote.call(shard_of(name), "task_offer", { name = name, run = run_id, id = system.hex(id), scheduled = scheduled },
        nothing)
end

--- Such a task is over, or its run.
function M.withdraw(name, id)
    remote.call(shard_of(name), "task_withdraw", { name = name, id = system.hex(id) }, nothing)
end

--- A task that was handed out has not reached its worker.
---@param task table  as M.poll gives it
function M.give_back(task)
    if task.in_memory then
        return give_back_memory(task)
    end
    local run_bytes, id = system.id_bytes(task.run), unhex(task.id)
    local row, text = task_rows.read(run_bytes, id)
    if not row or row.taken ~= task.taken or row.worker ~= task.worker then
        return
    end
    fault "engine.task.return"
    task_rows.give_back(run_bytes, id, row, text, task.input, function(code)
        if not code then
            fault "engine.task.returned"
            remote.call(remote.owner(run_bytes), "task_untaken", task, nothing)
            M.note(task.name, task.run, id, task.scheduled)
        elseif code == "CONFLICT" then
            M.give_back(task) -- a heartbeat, or it has ended
        end
    end)
end

return M
