-- SPDX-License-Identifier: MIT
-- Task: work for a function, a worker or a service. What each resource does is the host's (ctx/machine_task.lua); here
-- is what the state says of it, and the events. Pure.
--
--   resource: { kind "function" | "activity" | "service", text, name, type, action, mode "" | "sync" | "sync:2" |
--               "waitForTaskToken" }

local data = require "flowhost.dialect.asl.data"
local failure = require "flowhost.dialect.asl.failure"
local history = require "flowhost.dialect.asl.history"
local query = require "flowhost.dialect.asl.query"

local M = {}

local add, WHOLE = history.add, history.WHOLE
local MODES = { ".sync:2", ".sync", ".waitForTaskToken" }

local function split_mode(text)
    for _, mode in ipairs(MODES) do
        if text:sub(-#mode) == mode then
            return text:sub(1, -#mode - 1), mode:sub(2)
        end
    end
    return text, ""
end

--- What a Resource names. SFC's "service:job" (arn:flowhost:task:::service:job) is the function service-job.
function M.parse_resource(text)
    local service = text:match "^arn:[%w-]+:states:[^:]*:[^:]*:(.+)$"
    local name = text:match "^arn:[%w-]+:lambda:[^:]*:[^:]*:function:([^:]+)"
    if name then
        return { kind = "function", text = text, name = name }
    elseif service and service:find "^activity:" then
        return { kind = "activity", text = text, name = service:match "^activity:(.*)$" }
    elseif not service then
        local job = text:match "^arn:flowhost:task:::(.+)$" or text
        return { kind = "function", text = text, name = (job:gsub("[^%w_-]", "-")) }
    end
    local rest, mode = split_mode(service)
    local kind, action = rest:match "^(.*):([^:]+)$"
    return { kind = "service", text = text, type = kind or rest, action = action or "", mode = mode,
        resource = (action or "") .. (mode ~= "" and "." .. mode or "") }
end

-- events ---------------------------------------------------------------------------------------------

local EVENTS = { ["function"] = "LambdaFunction", activity = "Activity", service = "Task" }
local DETAILS = { ["function"] = "lambdaFunction", activity = "activity", service = "task" }

--- Details of the event that a task was scheduled.
local function scheduled(f, call)
    local resource = call.resource
    local text = f.host.json.encode(call.input == nil and f.host.json.null or call.input)
    local details = { timeoutInSeconds = call.timeout_s, heartbeatInSeconds = call.heartbeat_s,
        taskCredentials = call.role and { roleArn = call.role } or nil }
    if resource.kind == "service" then
        details.parameters, details.region = text, f.host.region
        details.resource, details.resourceType = resource.resource, resource.type
    else
        details.resource, details.input, details.inputDetails = resource.text, text, WHOLE
    end
    return DETAILS[resource.kind] .. "ScheduledEventDetails", details
end

--- Details of every other event of a task: its resource where services have it, and more.
local function about(_, call, what, more)
    local details = {}
    if call.resource.kind == "service" then
        details.resource, details.resourceType = call.resource.resource, call.resource.type
    end
    for name, value in pairs(more or {}) do
        details[name] = value
    end
    return DETAILS[call.resource.kind] .. what .. "EventDetails", details
end

local function note(f, call, what, more)
    f.last = add(f, EVENTS[call.resource.kind] .. what, f.last, about, call, what, more)
end

local function output_of(f, value)
    return { output = f.history.sink and f.host.json.encode(value == nil and f.host.json.null or value) or "",
        outputDetails = WHOLE }
end

-- the call -------------------------------------------------------------------------------------------

--- What the host tells while a task is under way.
local function listener(f, call)
    return {
        started = function(worker, at)
            f.at = at
            if call.resource.kind == "activity" then
                note(f, call, "Started", { workerName = worker })
            elseif call.resource.kind == "function" then
                f.last = add(f, "LambdaFunctionStarted", f.last)
            end
            f.at = nil
        end,
        submitted = function(output)
            note(f, call, "Submitted", output_of(f, output))
        end,
    }
end

local function note_failure(f, call, one)
    if one.is_timeout then
        return note(f, call, "TimedOut", { error = one.error, cause = one.cause })
    end
    note(f, call, "Failed", { error = one.error, cause = one.cause })
end

--- Runs the call; its result. Raises a failure that is noted in the history.
local function perform(f, call)
    f.host:check_task(call)
    f.last = add(f, EVENTS[call.resource.kind] .. "Scheduled", f.last, scheduled, call)
    if call.resource.kind == "service" then
        note(f, call, "Started")
    end
    call.on = listener(f, call)
    local ok, result = pcall(f.host.task, f.host, call)
    if ok then
        note(f, call, "Succeeded", output_of(f, result))
        return result
    end
    local one = f.host:to_failure(result)
    one.is_of_task, one.is_final = true, true
    note_failure(f, call, one)
    error(one, 0)
end

-- the state ------------------------------------------------------------------------------------------

--- A number of seconds in a field or at its path.
local function seconds(given, field, c)
    if given[field] == nil and given[field .. "Path"] == nil then
        return nil
    end
    return data.number(given, field, c, function(value, path)
        if type(value) ~= "number" or value % 1 ~= 0 or value <= 0 then
            local text = c.json.encode(value)
            if not path then
                query.refuse_value(("The %s field must be a positive integer, but was: %s"):format(field, text), field)
            end
            failure.raise("States.Runtime", ("The %sPath parameter cannot be parsed as a positive integer: %s == %s")
                :format(field, path, text))
        end
        return value
    end)
end

local function compile_role(given, c)
    local credentials = given.Credentials
    if not credentials then
        return nil
    elseif c.is_jsonata then
        local make = query.compile(credentials, "Credentials", c)
        return function(f, input)
            return make(f, data.bindings(f, input)).RoleArn
        end
    end
    local make = data.template(credentials, c)
    return function(f, input)
        return make(f, input).RoleArn
    end
end

--- What a state asks for on an input: { resource, input, timeout_s, heartbeat_s, role, token }.
local function call_maker(given, c, flow)
    local resource = M.parse_resource(given.Resource)
    local timeout, heartbeat = seconds(given, "TimeoutSeconds", c), seconds(given, "HeartbeatSeconds", c)
    local role = compile_role(given, c)
    return function(f, input)
        local token
        if resource.mode == "waitForTaskToken" then
            token = f.host:token()
            data.note(f, "Task", { Token = token })
        end
        return { resource = resource, token = token, mode = given.Mode, role = role and role(f, input),
            timeout_s = timeout and timeout(f, input), heartbeat_s = heartbeat and heartbeat(f, input),
            input = flow.prepare(f, input) }
    end
end

function M.compile(given, c)
    local flow, next_name = data.compile(given, c), given.Next
    local make_call = call_maker(given, c, flow)
    return function(f, input)
        local result = perform(f, make_call(f, input))
        if f.inspect then
            f.inspect("result", result)
        end
        local output, assigned = flow.finish(f, input, result)
        return output, next_name, assigned
    end
end

return M
