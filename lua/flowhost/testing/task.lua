-- SPDX-License-Identifier: MIT
-- A task as the worker has it that a test plays: task.input, task:succeed(output), task:fail(error, cause),
-- task:heartbeat(). What the host refuses fails the test.

local failure = require "flowhost.testing.failure"
local parts = require "flowhost.testing.parts"

local json = parts.json

local M = {}

local Task = {}
Task.__index = Task

local WORKER = "test"

local function activities(host)
    return host.world:module "flowhost.engine.activities"
end

--- Takes the oldest task of a queue; nil when there is none.
function M.take(host, queue)
    local module, task = activities(host), nil
    if not module.is_name(queue) then
        failure.raise("test.task: '%s' cannot be the name of a queue", tostring(queue))
    end
    module.create(queue, {}, function()
        module.poll(queue, WORKER, 0, function(found)
            task = found
        end)
    end)
    host:rest()
    local input = task and json.decode(task.input)
    if input == json.null then
        input = nil
    end
    return task and setmetatable({ host = host, queue = queue, token = task.token, input = input }, Task) or nil
end

local function send(task, verb, ...)
    local refusal = { code = "INTERNAL" }
    local arguments, count = { task.token, ... }, select("#", ...) + 2
    arguments[count] = function(problem)
        refusal = problem
    end
    activities(task.host)[verb](unpack(arguments, 1, count))
    task.host:rest()
    if refusal then
        local refused = failure.new(("task of '%s': %s"):format(task.queue, refusal.code), refusal.code)
        error(refused, 0)
    end
    return task
end

--- The task is done.
function Task:succeed(output)
    local text, reason = json.encode(output == nil and json.null or output)
    if not text then
        failure.raise("task:succeed: the output %s", reason)
    end
    return send(self, "succeed", text)
end

--- The task has failed.
---@param err string?
---@param cause string?
function Task:fail(err, cause)
    return send(self, "fail", err, cause)
end

--- The worker is still at it.
function Task:heartbeat()
    return send(self, "heartbeat")
end

return M
