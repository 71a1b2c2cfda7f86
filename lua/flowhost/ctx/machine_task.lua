-- SPDX-License-Identifier: MIT
-- What the resources of Task states do (docs/reference/asl.md). Where a function has a component of its name, that is
-- called; else its work waits in the queue lambda-NAME for a worker.
--
--   call: { resource, input, mode ("Sync": by a component only; "Async": by a worker only), timeout_s, heartbeat_s,
--           token, role, on { started(worker), submitted(output) } }

local core = require "flowhost.core"
local activities = require "flowhost.engine.activities"
local component = require "flowhost.ctx.component"
local error_object = require "flowhost.engine.error"
local step = require "flowhost.engine.step"

local json, native = core.json, core.native

local M = {}

local SERVICES = {
    ["http:invoke"] = require "flowhost.ctx.machine_http",
    ["states:startExecution"] = require "flowhost.ctx.machine_start",
}
M.SERVICES = SERVICES

local function fail(name, cause, more)
    local failure = { error = name, cause = cause, is_final = true }
    for field, value in pairs(more or {}) do
        failure[field] = value
    end
    error(failure, 0)
end

M.fail = fail

local function has_component(host, name)
    return host.run.code.component(host.run, name) ~= nil or native.has(name)
end

--- Runs a component of the flows folder or of the program; its errors are the task's.
local function run_component(name, call, input)
    local o = call.timeout_s and { timeout = call.timeout_s } or nil
    local result = component.component(name, input, o)
    return result == nil and json.null or result
end

local function wait_for_worker(queue, call, input)
    return activities.wait { activity = queue, input = json.encode_stored(input == nil and json.null or input),
        timeout_s = call.timeout_s, heartbeat_s = call.heartbeat_s, on_started = call.on.started }
end

-- functions ------------------------------------------------------------------------------------------

local function call_function(host, name, call, input)
    local has_own = call.mode ~= "Async" and has_component(host, name)
    if has_own then
        call.on.started()
        return run_component(name, call, input)
    elseif call.mode == "Sync" then
        fail("States.Runtime", ("no component '%s': a task of Mode Sync is done by one of the host"):format(name))
    end
    return wait_for_worker("lambda-" .. name, call, input)
end

local KINDS = {}

KINDS["function"] = function(host, call)
    return call_function(host, call.resource.name, call, call.input)
end

function KINDS.activity(_, call)
    return wait_for_worker(call.resource.name, call, call.input)
end

-- services -------------------------------------------------------------------------------------------

--- The name of a function that a FunctionName says: a name, an ARN, either with a qualifier.
local function function_name(text)
    return text:match ":function:([^:]+)" or text:match "^([^:]+)"
end

SERVICES["lambda:invoke"] = function(host, call)
    local parameters = type(call.input) == "table" and call.input or {}
    local name = type(parameters.FunctionName) == "string" and function_name(parameters.FunctionName)
    if not name then
        fail("States.Runtime", "lambda:invoke needs FunctionName")
    end
    local payload = parameters.Payload
    if payload == nil then
        payload = {}
    end
    local own = { resource = call.resource, timeout_s = call.timeout_s, heartbeat_s = call.heartbeat_s,
        on = { started = function() end } }
    local result = call_function(host, name, own, payload)
    return { ExecutedVersion = "$LATEST", Payload = result, StatusCode = 200 }
end

local registered = {} -- { pattern, component }, in the order of their ARNs

--- Components for services: "ARN=COMPONENT, ...", where `*` in an ARN is any text.
function M.set_resources(text)
    registered = {}
    for arn, name in text:gmatch "([^,%s=]+)=([^,%s]+)" do
        local pattern = arn:gsub("[%-%.%+%[%]%(%)%$%^%%%?]", "%%%0"):gsub("%*", ".*")
        registered[#registered + 1] = { pattern = "^" .. pattern .. "$", component = name }
    end
end

local function find_registered(text)
    for _, entry in ipairs(registered) do
        if text:find(entry.pattern) then
            return entry.component
        end
    end
end

--- The resource's ARN without ".sync" and the like.
local function base_of(resource)
    return resource.mode ~= "" and resource.text:sub(1, -#resource.mode - 2) or resource.text
end

local function unsupported(resource)
    fail("States.Runtime", ("no integration for the resource %s: register a component for it in host.lua, aws = { "
        .. "resources = { [\"%s\"] = \"COMPONENT\" } }"):format(resource.text, base_of(resource)))
end

local function submit(host, call)
    local resource = call.resource
    local service = SERVICES[resource.type .. ":" .. resource.action]
    if service then
        return service(host, call)
    end
    local name = find_registered(resource.text) or find_registered(base_of(resource))
    if not name then
        unsupported(resource)
    end
    return run_component(name, call, { Resource = resource.text, Parameters = call.input, TaskToken = call.token })
end

function KINDS.service(host, call)
    if call.resource.mode ~= "waitForTaskToken" then
        return submit(host, call)
    end
    call.on.submitted(submit(host, call))
    return activities.wait { token = call.token, timeout_s = call.timeout_s, heartbeat_s = call.heartbeat_s }
end

--- Raises what is wrong with a task before it is begun.
function M.check(_, call)
    local resource = call.resource
    local exists = resource.kind ~= "activity" or step.value("activity", resource.name, function()
        return activities.describe(resource.name) ~= nil
    end)
    if not exists then
        error({ error = "States.Runtime", cause = ("The activity %s does not exist."):format(resource.text) }, 0)
    end
end

--- Does what a task asks for; its result. Raises { error, cause } or an error object.
function M.task(host, call)
    local result = KINDS[call.resource.kind](host, call)
    return result == nil and json.null or result
end

function M.token()
    return activities.token()
end

M.raise = error_object.raise

return M
