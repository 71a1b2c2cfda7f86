-- SPDX-License-Identifier: MIT
-- Tasks for outside workers, as AWS's activities have them.
--
--   a run waits (M.wait)  ──►  the queue of an activity  ──►  a worker asks (M.poll), gets input and token
--                                                             and ends it (M.succeed, M.fail; M.heartbeat meanwhile)
--   M.token() and M.wait { token = }: whoever has the token ends it (.waitForTaskToken)
--
-- Here: the activities themselves (table `activities`: name -> { created, tags, encryption }) and what the API and
-- flows call. The run's side lies in task_wait.lua and task_end.lua, the queues in task_queue.lua. A queue needs no
-- activity: tasks may wait in it before one of that name is made. Calls may come on any shard; results are durable
-- before they are told.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local remote = require "flowhost.engine.remote"
local step = require "flowhost.engine.step"
local task_queue = require "flowhost.engine.task_queue"
local task_token = require "flowhost.engine.task_token"
local task_wait = require "flowhost.engine.task_wait"
local token = require "flowhost.engine.token"
require "flowhost.engine.task_end"

local json, store, system, timer = core.json, core.store, core.system, core.timer
local ACTIVITIES, fault = store.tables.activities, system.fault

local M = {}

local MAX_NAME = 80 -- characters
local ID_BYTES = 16
local MAX_MS = 1e12
local MAX_TAGS = 50
local FORBIDDEN = '[%s<>{}%[%]?*"#%%\\^|~`$&,;:/%c]'

-- names --------------------------------------------------------------------------------------------

--- Whether a text can name an activity: 1 to 80 characters, no blanks, brackets, wildcards, control characters, none of
--- " # % \ ^ | ~ ` $ & , ; : /.
function M.is_name(text)
    if type(text) ~= "string" or text == "" or text:find(FORBIDDEN) or text:find "\194[\128-\159]" then
        return false
    end
    local _, continued = text:gsub("[\128-\191]", "")
    return #text - continued <= MAX_NAME
end

-- waiting, within runs -----------------------------------------------------------------------------

local function milliseconds(seconds, what)
    if seconds == nil then
        return nil
    elseif type(seconds) ~= "number" or not (seconds > 0 and seconds * 1000 <= MAX_MS) then
        error_object.raise("INVALID", ("task: %s must be a number of seconds above 0, at most 1e9"):format(what))
    end
    return math.ceil(seconds * 1000)
end

local function callback_of(text)
    local said = task_token.read(text)
    if not said or not said.is_callback then
        error_object.raise("INVALID", "task: this is no token that flowhost.engine.activities.token() made")
    end
    return said.id
end

---@class flowhost.ActivityWait
---@field activity string?      name of the queue
---@field input string?         JSON, for the worker
---@field token string?         of M.token: instead of an activity
---@field timeout_s number?     of the whole task, from its scheduling
---@field heartbeat_s number?   from when a worker has it, of a token's task from the start; anew with each heartbeat
---@field on_started (fun(worker: string, time_ms: number))?  live and on replay

--- Waits for a task: returns its output, and { worker_name, started_ms } of who took it. Raises error objects: code
--- "States.Timeout", "States.HeartbeatTimeout" or the worker's own error name, data { error, cause } as it said.
---@param o flowhost.ActivityWait
---@return any output
---@return { worker_name: string?, started_ms: number? }
function M.wait(o)
    local info = {}
    if not o.token and not M.is_name(o.activity) then
        error_object.raise("INVALID", ("task: '%s' cannot be the name of a queue"):format(tostring(o.activity)))
    end
    local output = task_wait.wait {
        name = o.token and "callback" or o.activity, callback = o.token and callback_of(o.token) or nil,
        input = not o.token and (o.input or "null") or nil,
        timeout_ms = milliseconds(o.timeout_s, "timeout"), heartbeat_ms = milliseconds(o.heartbeat_s, "heartbeat"),
        on_started = function(worker, time_ms)
            info.worker_name, info.started_ms = worker ~= "" and worker or nil, time_ms
            if o.on_started then
                o.on_started(info.worker_name, time_ms)
            end
        end,
    }
    return output, info
end

--- A token for a task that somebody else than a queue's worker ends: a step of the run. It holds at once; a result that
--- comes before M.wait is kept.
function M.token()
    return (step.value("task_token", "", function(fiber)
        return task_token.of_callback(fiber.run.bytes, system.random(ID_BYTES))
    end))
end

-- workers ------------------------------------------------------------------------------------------

local asking = {} -- asks of this shard: what ends each -> its done
local is_draining = false

--- Asks for a task of an activity's queue, for `wait_ms` at most. done(task): { token, input (JSON), give_back() }, nil
--- when none came; done(nil, problem). Returns what ends the asking, with no answer then. give_back puts a task back
--- that could not be passed on.
---@param worker string?
---@param done fun(task: table?, problem: table?)
function M.poll(activity, worker, wait_ms, done)
    if not M.describe(activity) then
        done(nil, { code = "ActivityDoesNotExist" })
        return function() end
    elseif is_draining then
        done(nil)
        return function() end
    end
    local cancel
    local is_over = false
    local function tell(task, code)
        is_over = true
        if cancel then
            asking[cancel] = nil
        end
        done(task and {
            token = task_token.of_task(system.id_bytes(task.run), task_queue.unhex(task.id)), input = task.input,
            give_back = function()
                task_queue.give_back(task)
            end,
        }, code and { code = code })
    end
    local stop = task_queue.poll(activity, worker or "", wait_ms, tell)
    if is_over then
        return stop
    end
    cancel = function()
        asking[cancel] = nil
        stop()
    end
    asking[cancel] = done
    return cancel
end

--- The host ends: nobody gets anything any more.
function M.drain()
    is_draining = true
    for cancel, done in pairs(asking) do
        cancel()
        done(nil)
    end
end

local PROBLEMS = { TIMED_OUT = "TaskTimedOut", UNKNOWN = "TaskDoesNotExist" }

--- { code = "InvalidToken" | "TaskTimedOut" | "TaskDoesNotExist" | an engine's own, detail }.
local function problem_of(result)
    local code = result.problem or (result.status and result.code)
    return code and { code = PROBLEMS[code] or code, detail = result.detail } or nil
end

local function send(verb, text, outcome, done)
    local said = task_token.read(text)
    if not said then
        return done { code = "InvalidToken" }
    end
    remote.call(remote.owner(said.run), verb, { id = system.id_text(said.run), task = system.hex(said.id),
        is_callback = said.is_callback, outcome = outcome }, function(result)
        done(problem_of(result))
    end)
end

--- A task has been done. done(nil) once that is durable, else done(problem).
---@param output string  JSON; no JSON: problem InvalidOutput
function M.succeed(task_token_text, output, done)
    local value, reason = json.decode(output)
    if value == nil then
        return done { code = "InvalidOutput", detail = reason }
    end
    send("task_finish", task_token_text, { output = value }, done)
end

--- A task has failed.
---@param err string?
---@param cause string?
function M.fail(task_token_text, err, cause, done)
    send("task_finish", task_token_text, { error = err, cause = cause }, done)
end

--- A worker is still at it.
function M.heartbeat(task_token_text, done)
    send("task_beat", task_token_text, nil, done)
end

-- activities ---------------------------------------------------------------------------------------

--- { name, created (ms), tags, encryption } or nil.
function M.describe(name)
    local text = M.is_name(name) and store.get(ACTIVITIES, name)
    local row = text and json.decode_stored(text)
    return row and { name = name, created = row.created, tags = row.tags or {},
        encryption = row.encryption } or nil
end

--- Makes an activity; one of that name that is there already stays as it is. done(activity) or done(nil, problem).
---@param o { tags: table<string, string>?, encryption: table? }
function M.create(name, o, done)
    if not M.is_name(name) then
        return done(nil, { code = "InvalidName" })
    end
    local found = M.describe(name)
    if found then
        return done(found)
    end
    local batch = store.batch()
    batch:set_intake()
    batch:expect_absent(ACTIVITIES, name)
    batch:put(ACTIVITIES, name, json.encode_stored { created = timer.now_ms(), encryption = o.encryption,
        tags = o.tags and next(o.tags) and o.tags })
    fault "engine.activity.create"
    token.submit(batch, function(code)
        fault "engine.activity.created"
        if code and code ~= "CONFLICT" then
            return done(nil, { code = code })
        end
        done(M.describe(name))
    end)
end

local function apply_tags(tags, o)
    for key, value in pairs(o.set or {}) do
        tags[key] = value
    end
    for _, key in ipairs(o.unset or {}) do
        tags[key] = nil
    end
    local count = 0
    for _ in pairs(tags) do
        count = count + 1
    end
    return count
end

--- Changes tags, of which an activity has 50 at most. done(nil) or done(problem).
---@param o { set: table<string, string>?, unset: string[]? }
function M.tag(name, o, done)
    local text = store.get(ACTIVITIES, name)
    if not text then
        return done { code = "ActivityDoesNotExist" }
    end
    local row = json.decode_stored(text)
    row.tags = row.tags or {}
    if apply_tags(row.tags, o) > MAX_TAGS then
        return done { code = "TooManyTags", detail = ("A resource has at most %d tags"):format(MAX_TAGS) }
    end
    local batch = store.batch()
    batch:expect_value(ACTIVITIES, name, text)
    batch:put(ACTIVITIES, name, json.encode_stored(row))
    token.submit(batch, function(code)
        if code == "CONFLICT" then
            return M.tag(name, o, done)
        end
        done(code and { code = code })
    end)
end

--- Takes an activity away, if there is one. Its tasks stay: they end as any, or are taken when it is made again.
function M.delete(name, done)
    local batch = store.batch()
    batch:del(ACTIVITIES, name)
    fault "engine.activity.delete"
    token.submit(batch, function(code)
        fault "engine.activity.deleted"
        done(code and { code = code })
    end)
end

--- A page of all activities, by name: list, and what `after` is for the next page, nil at the end.
---@param o { limit: integer, after: string? }
function M.list(o)
    local keys, values, count = store.scan(ACTIVITIES, { after = o.after, limit = o.limit + 1 })
    local list = {}
    for i = 1, math.min(keys and count or 0, o.limit) do
        local row = values[i] and json.decode_stored(values[i])
        if row then
            list[#list + 1] = { name = keys[i], created = row.created, tags = row.tags or {} }
        end
    end
    return list, keys and count > o.limit and keys[o.limit] or nil
end

return M
