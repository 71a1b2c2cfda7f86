-- SPDX-License-Identifier: MIT
-- states:startExecution: another machine of this host as a task. Request-response starts it; .sync waits for its end as
-- a parent does for its child (engine/children.lua), .sync:2 gives input and output as JSON. Without a Name the
-- execution has a UUID.

local core = require "flowhost.core"
local activities = require "flowhost.engine.activities"
local arn_module = require "flowhost.dialect.asl.arn"
local children = require "flowhost.engine.children"
local error_object = require "flowhost.engine.error"
local json_text = require "flowhost.dialect.asl.json_text"
local machine_flow = require "flowhost.engine.machine_flow"
local machines = require "flowhost.engine.machines"
local rows = require "flowhost.engine.rows"
local step = require "flowhost.engine.step"

local json, system = core.json, core.system

local SERVICE = "(Service: AWSStepFunctions; Status Code: 400; Error Code: %s; Request ID: %s; Proxy: null)"

local function refuse(host, code, message)
    error({ error = ("StepFunctions.%sException"):format(code), is_final = true,
        cause = message .. " " .. SERVICE:format(code, host:uuid()) }, 0)
end

local function no_machine(host, text)
    refuse(host, "StateMachineDoesNotExist", ("State Machine Does Not Exist: '%s'"):format(text))
end

--- What is started, decided once: { machine, flow, tags }. Of a machine that is gone since then the flow has but a
--- name.
local function find_machine(host, arn, text, name)
    local fraction = arn and arn.qualifier and host:random() or 0
    local found
    local function look()
        local is_ours = arn and arn.kind == "stateMachine" and arn.account == machines.arns.account
        found = is_ours and machine_flow.find(arn, { name = name, fraction = fraction }) or nil
        return found and found.flow.name or false
    end
    local flow_name = step.value("machine", text, look)
    if not flow_name then
        no_machine(host, text)
    elseif not found then
        look()
    end
    return found or { machine = { name = arn.name, generation = "" }, tags = {}, flow = { name = flow_name } }
end

--- What the execution gets: an Input that is a text is JSON.
local function input_of(host, parameters)
    local input = parameters.Input
    if input == nil or input == json.null then
        return {}
    elseif type(input) == "string" then
        local value = json.decode(input)
        if value == nil then
            refuse(host, "InvalidExecutionInput", json_text.refuse_input(input))
        end
        return value
    end
    return input
end

local function name_of(host, parameters)
    local name = parameters.Name
    if name == nil or name == json.null then
        return host:uuid()
    elseif not activities.is_name(name) then
        refuse(host, "InvalidName", ("Invalid Name: '%s'"):format(type(name) == "string" and name
            or json.encode(name)))
    end
    return name
end

-- the execution as DescribeExecution shows it --------------------------------------------------------

local STATUS = { succeeded = "SUCCEEDED", cancelled = "ABORTED", timed_out = "TIMED_OUT" }

local function look_at(key)
    local bytes = rows.read_idempotency(key)
    local row = bytes and rows.read(bytes)
    local data = row and row.error and type(row.error.data) == "table" and row.error.data or {}
    return row and { started = row.created, stopped = row.ended, status = STATUS[row.status] or "FAILED",
        error = data.error, cause = data.cause } or {}
end

local function describe(o, is_json)
    local said = step.value("execution", o.name, function()
        return look_at(o.key)
    end)
    local shown = { ExecutionArn = o.arn, Name = o.name, StateMachineArn = o.machine_arn, Status = said.status,
        StartDate = said.started, StopDate = said.stopped, InputDetails = { Included = true },
        Input = is_json and o.input or o.input_json, Error = said.error, Cause = said.cause }
    return shown
end

--- Waits for the end. What it brings, or a failure that has all of it in its cause.
local function await(host, call, o)
    local is_json = call.resource.mode == "sync:2"
    local ok, output = pcall(children.call, host.run, o.flow, o.input, o.input_json,
        { with = o.with, timeout_ms = call.timeout_s and call.timeout_s * 1000 })
    if not ok and (not error_object.is(output) or output.halt or output.code == "IDEMPOTENCY_CONFLICT"
        or output.code == "TIMEOUT") then
        error(output, 0)
    end
    local shown = describe(o, is_json and ok)
    if not ok then
        error({ error = "States.TaskFailed", cause = json.encode(shown), is_final = true }, 0)
    end
    shown.Error, shown.Cause, shown.Status = nil, nil, "SUCCEEDED"
    shown.Output, shown.OutputDetails = output == nil and json.null or output, { Included = true }
    if not is_json then
        shown.Output = json.encode(shown.Output)
    end
    return shown
end

local function start(host, call, o)
    if call.resource.mode:find "^sync" then
        call.on.submitted { ExecutionArn = o.arn, StartDate = host:iso_now() }
        return await(host, call, o)
    end
    children.start(host.run, o.flow, o.input, o.input_json, o.with)
    return { ExecutionArn = o.arn, StartDate = host:iso_now() }
end

--- The task of a call, see machine_task.lua.
return function(host, call)
    local parameters = type(call.input) == "table" and call.input or {}
    local text = parameters.StateMachineArn
    if type(text) ~= "string" then
        error({ error = "States.Runtime", cause = "states:startExecution needs StateMachineArn", is_final = true }, 0)
    end
    local name = name_of(host, parameters)
    local found = find_machine(host, arn_module.parse(text), text, name)
    local input = input_of(host, parameters)
    local input_json = json.encode_stored(input)
    local key = machines.execution_key(found.machine, name)
    local is_kept = found.flow.durable ~= "never"
    local o = { flow = found.flow, input = input, input_json = input_json, key = key, name = name,
        arn = machines.arns.execution(found.machine.name, name),
        machine_arn = machines.arns.machine(found.machine.name),
        with = { tags = found.tags, are_tags_hidden = true,
            idempotency = is_kept and { key = key, hash = system.hash64(input_json) } or nil } }
    local ok, result = pcall(start, host, call, o)
    if not ok and error_object.is(result) and result.code == "IDEMPOTENCY_CONFLICT" then
        refuse(host, "ExecutionAlreadyExists", ("Execution Already Exists: '%s'"):format(o.arn))
    elseif not ok then
        error(result, 0)
    end
    return result
end
