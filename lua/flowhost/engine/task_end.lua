-- SPDX-License-Identifier: MIT
-- What comes to a task from outside, on the shard of its run: its result, a heartbeat, the alarm of one that stays
-- away. Each is answered once it is durable:  {}   or { problem = code, detail? }:
--
--   TIMED_OUT   the task is over: finished, out of time, or its run has ended     UNKNOWN   there is no such run
--   else        the store refuses

local core = require "flowhost.core"
local alarms = require "flowhost.engine.alarms"
local commit = require "flowhost.engine.commit"
local control = require "flowhost.engine.control"
local control_run = require "flowhost.engine.control_run"
local fiber_module = require "flowhost.engine.fiber"
local journal = require "flowhost.engine.journal"
local live = require "flowhost.engine.live"
local parking = require "flowhost.engine.parking"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local signals = require "flowhost.engine.signals"
local task_queue = require "flowhost.engine.task_queue"
local task_rows = require "flowhost.engine.task_rows"
local task_wait = require "flowhost.engine.task_wait"
local token = require "flowhost.engine.token"
local wake = require "flowhost.engine.wake"

local system, timer = core.system, core.timer
local fault = system.fault

local TIMED_OUT = { problem = "TIMED_OUT" }
local RETRY_MS = 1000

--- A reply of the engine's other verbs, as one of these.
local function as_problem(result)
    if result.problem then
        return result
    elseif not result.status then
        return result.is_repeated and TIMED_OUT or {}
    elseif result.code == "NO_RUN" then
        return { problem = "UNKNOWN" }
    elseif result.code == "WRONG_STATE" then
        return TIMED_OUT
    end
    return { problem = result.code, detail = result.detail }
end

-- results ------------------------------------------------------------------------------------------

local function end_task(current, arguments, reply)
    local run = current.fiber.run
    local stop = control_run.watch_refusal(run, function(result)
        reply(as_problem(result))
    end)
    task_wait.learn_taken(current)
    fault "engine.task.end"
    task_wait.give(current, arguments.outcome)
    if not current.is_over then
        stop()
        return reply(TIMED_OUT) -- its end is on its way already
    end
    commit.when_durable(run, function()
        fault "engine.task.ended"
        stop()
        reply {}
    end)
end

--- Whether a run's journal has the callback's end.
local function has_ended(by_path, id)
    local name = system.hex(id)
    for _, entry in pairs(by_path or {}) do
        if entry.kind == "task" and entry.extra and entry.extra.task and entry.extra.task.id == name then
            return true
        end
    end
    return false
end

--- A callback's result comes before the run waits for it: kept as a signal, once.
local function keep(run, id, arguments, reply)
    if run.durable ~= "never" then
        return signals.deliver(run, task_wait.signal_name(id), arguments.outcome, "end", function(problem, is_repeated)
            reply(as_problem(problem or { is_repeated = is_repeated }))
        end)
    end
    run.early_results = run.early_results or {}
    if run.early_results[id] then
        return reply(TIMED_OUT)
    end
    run.early_results[id] = arguments.outcome
    reply {}
end

local function finish_live(run, arguments, reply)
    local id = task_queue.unhex(arguments.task)
    local current = run.tasks and run.tasks[id]
    if current then
        end_task(current, arguments, reply)
    elseif current == false or not arguments.is_callback or has_ended(run.journal, id) then
        reply(TIMED_OUT)
    else
        keep(run, id, arguments, reply)
    end
end

--- A run that stands still keeps the result until it goes on.
local function finish_standing(row, arguments, reply)
    local id = task_queue.unhex(arguments.task)
    local is_open = task_rows.read(row.bytes, id) ~= nil
    if not is_open and arguments.is_callback then
        is_open = not has_ended(journal.index(journal.load(row.bytes) or {}), id)
    end
    if not is_open then
        return reply(TIMED_OUT)
    end
    control.signal({ id = row.id, name = task_wait.signal_name(id), data = arguments.outcome, key = "end" },
        function(result)
            reply(as_problem(result))
        end)
end

local finish

--- Brings a parked run back, in its turn.
local function wake_first(row, arguments, reply)
    if not arguments.is_callback and not task_rows.read(row.bytes, task_queue.unhex(arguments.task)) then
        return reply(TIMED_OUT)
    end
    parking.in_turn(function()
        wake.wake(row.bytes)
        local is_parked = not live.runs[row.id] and rows.read(row.bytes).status == "waiting"
        if is_parked then
            return reply { problem = "INTERNAL", detail = "the run could not be brought back; see the log" }
        end
        finish(arguments, reply)
    end)
end

--- { id (of the run), task (hex), is_callback, outcome }: see task_wait.give.
function finish(arguments, reply)
    if fiber_module.is_in_turn() then -- of a run that ends another's task
        return timer.start(0, token.new(function()
            finish(arguments, reply)
        end))
    end
    control_run.with_run(finish, arguments, function(result)
        reply(as_problem(result))
    end, function(run)
        finish_live(run, arguments, reply)
    end, function(row)
        if rows.TERMINAL[row.status] then
            reply(TIMED_OUT)
        elseif row.status == "waiting" then
            wake_first(row, arguments, reply)
        else
            finish_standing(row, arguments, reply)
        end
    end)
end

-- heartbeats ---------------------------------------------------------------------------------------

--- Of a callback that the run may not have come to wait for yet.
local function is_early(arguments, id)
    local run = live.runs[arguments.id]
    if not arguments.is_callback then
        return false
    elseif run and run.durable == "never" then
        return not run.is_over and not (run.early_results and run.early_results[id])
    elseif run then
        return not run.is_over and not (run.tasks and run.tasks[id] == false) and not has_ended(run.journal, id)
    end
    local row = rows.read(system.id_bytes(arguments.id))
    return row and not rows.TERMINAL[row.status] and not has_ended(journal.index(journal.load(row.bytes) or {}), id)
end

local function beat(arguments, reply)
    local id, bytes = task_queue.unhex(arguments.task), system.id_bytes(arguments.id)
    local current = task_wait.find(arguments.id, id)
    if current and current.fiber.run.durable == "never" then
        current.row.beat = timer.now_ms()
        return reply {}
    end
    local row, text = task_rows.read(bytes, id)
    if row and not current and live.runs[arguments.id] then
        return reply(TIMED_OUT) -- a recover has taken it back
    elseif not row or not row.beat then
        return reply(is_early(arguments, id) and {} or TIMED_OUT)
    end
    row.beat = timer.now_ms()
    fault "engine.task.beat"
    task_rows.change(bytes, id, row, text, function(code)
        if code == "CONFLICT" then
            return beat(arguments, reply) -- it was another heartbeat, or the end
        end
        fault "engine.task.beaten"
        reply(code and { problem = code } or {})
    end)
end

--- No sign of life came in time. The run that is brought back for it finds out by itself.
local function miss(bytes, key, id)
    parking.in_turn(function()
        local run = wake.wake(bytes)
        local current = run and task_wait.find(run.id, id)
        if current and not current.is_over then
            run.guarded(run, current.done, nil, task_wait.heartbeat_error(current))
        elseif not current then
            alarms.drop(key)
        end
    end)
end

alarms.on("task", function(bytes, key)
    local id = task_rows.id_of_alarm(key)
    local row, text = task_rows.read(bytes, id)
    if not row or not row.alarm or not row.beat then
        alarms.drop(key)
    elseif row.beat + row.heartbeat <= timer.now_ms() then
        miss(bytes, key, id)
    else
        task_rows.move_alarm(bytes, id, row, text, function(code)
            if code then
                alarms.postpone(key, code == "CONFLICT" and 0 or RETRY_MS)
            end
        end)
    end
end)

remote.on("task_finish", finish)
remote.on("task_beat", beat)
