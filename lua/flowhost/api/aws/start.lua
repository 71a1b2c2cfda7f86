-- SPDX-License-Identifier: MIT
-- StartExecution and StartSyncExecution. The name of an execution is an idempotency key of the engine
-- (machines.execution_key), so that two requests never start it twice.

local core = require "flowhost.core"
local admission = require "flowhost.engine.admission"
local call_module = require "flowhost.api.aws.call"
local check = require "flowhost.api.aws.check"
local executions = require "flowhost.api.aws.executions"
local json_text = require "flowhost.dialect.asl.json_text"
local machine_flow = require "flowhost.engine.machine_flow"
local machines = require "flowhost.engine.machines"
local operations = require "flowhost.api.aws.operations"
local resource = require "flowhost.api.aws.resource"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"
local start_module = require "flowhost.api.start"
local uuid = require "flowhost.engine.uuid"

local json, system = core.json, core.system
local time = call_module.time

local BILLED_MS, BILLED_MB = 100, 64
local TRACE = { "string", max = 256, pattern = "^[%z\1-\127]*$", shown = "\\p{ASCII}*" }

-- what is started --------------------------------------------------------------------------------------

--- Whether the input can be used, and its value; false after an answer.
local function read_input(call)
    local text = call.params.input or "{}"
    local value = json.decode(text)
    if value ~= nil then
        return true, value
    end
    call:fail("InvalidExecutionInput", json_text.refuse_input(text))
    return false
end

--- What a request wants to start: { machine, flow, tags, input }; nil after an answer.
local function read(call, type)
    local row, arn = resource.machine(call, call.params.stateMachineArn)
    if not row then
        return
    elseif arn.label then
        return resource.no_map_state(call, call.params.stateMachineArn)
    elseif type and row.type ~= type then
        return call:fail("StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine")
    end
    call.params.name = call.params.name or uuid()
    local problem = check.find_name_problem(call.params.name)
    if problem then
        return call:refuse(problem)
    end
    local is_good, input = read_input(call)
    if not is_good then
        return
    end
    local found, code, detail = machine_flow.find(arn, { name = call.params.name, trace = call.params.traceHeader,
        fraction = math.random(), machine = row })
    if not found then
        return code == "NO_MACHINE" and resource.no_machine(call, call.params.stateMachineArn)
            or call:fail(code == "FLOW_DISABLED" and "ValidationException" or "InternalFailure", detail)
    end
    found.input = input
    return found
end

--- Whether nothing can be started now; then the call has been answered.
local function is_refused(call, is_waited_for)
    if start_module.is_draining then
        call:fail("ServiceUnavailable", "the host is closing down and takes no new executions")
    elseif is_waited_for and admission.is_full() then
        call:fail("ThrottlingException", "the host works on as many runs as it may (max_running)")
    end
    return call.is_answered
end

-- standard ---------------------------------------------------------------------------------------------

--- The execution of this name is there: the same answer while it runs with the same input.
local function answer_existing(call, arn, bytes, is_same)
    local run = rows.read(bytes)
    if run and is_same and not rows.TERMINAL[run.status] then
        return call:reply { executionArn = arn, startDate = time(run.created) }
    end
    call:fail("ExecutionAlreadyExists", ("Execution Already Exists: '%s'"):format(arn))
end

local function start_standard(call, o)
    local key = machines.execution_key(o.machine, call.params.name)
    local hash = system.hash64(call.params.input or "{}")
    local arn = call.arns.execution(o.machine.name, call.params.name)
    local function join()
        local bytes, other = rows.read_idempotency(key)
        if bytes then
            answer_existing(call, arn, bytes, other == hash)
        end
        return bytes
    end
    if join() then
        return
    end
    local run
    run = run_module.start {
        flow = o.flow, input = o.input, tags = o.tags, is_written = true, are_tags_hidden = true,
        trace_id = start_module.trace_id_of(call.request:headers()), is_queued = admission.must_queue(),
        idempotency = { key = key, hash = hash }, on_key_taken = join,
        waiter = function(ended)
            if ended.was_refused then
                call:fail("ServiceUnavailable", ended.error.message)
            end
        end,
    }
    run_module.when_taken(run, function()
        call:reply { executionArn = arn, startDate = time(run.created) }
        run.waiters = {}
    end)
end

-- express ----------------------------------------------------------------------------------------------

local function start_express(call, o, waiter)
    return run_module.start { flow = o.flow, input = o.input, tags = o.tags, are_tags_hidden = true, waiter = waiter,
        trace_id = start_module.trace_id_of(call.request:headers()) }
end

local function express_arn(call, o, run)
    return call.arns.express_execution(o.machine.name, call.params.name, run.id)
end

local function start(call)
    if is_refused(call, false) then
        return
    end
    local o = read(call)
    if not o then
        return
    elseif o.machine.type == "STANDARD" then
        return start_standard(call, o)
    end
    local run = start_express(call, o)
    call:reply { executionArn = express_arn(call, o, run), startDate = time(run.created) }
end

operations.add("StartExecution", { run = start, takes = { stateMachineArn = check.ARN,
    name = { "string", min = 1, max = 80 }, input = { "string" }, traceHeader = TRACE } })

--- The outcome of an express execution.
local function send_outcome(call, o, run)
    local has_data = call.params.includedData ~= "METADATA_ONLY"
    local ended = run.ended or core.timer.now_ms()
    local status = executions.status(run)
    local shown = { executionArn = express_arn(call, o, run), stateMachineArn = call.arns.machine(o.machine.name),
        name = call.params.name, status = status, startDate = time(run.created), stopDate = time(ended),
        input = has_data and (call.params.input or "{}") or nil, inputDetails = { included = has_data },
        output = has_data and status == "SUCCEEDED" and run.output_json or nil, outputDetails = { included = has_data },
        traceHeader = call.params.traceHeader,
        billingDetails = { billedMemoryUsedInMB = BILLED_MB, billedDurationInMilliseconds = BILLED_MS
            * math.max(1, math.ceil((ended - run.created) / BILLED_MS)) } }
    shown.error, shown.cause = executions.failure(run)
    call:reply(shown)
end

operations.add("StartSyncExecution", {
    role = "operator",
    takes = { stateMachineArn = check.ARN, name = { "string", min = 1, max = 80 }, input = { "string" },
        traceHeader = TRACE, includedData = executions.INCLUDED },
    run = function(call)
        if is_refused(call, true) then
            return
        end
        local o = read(call, "EXPRESS")
        if o then
            start_express(call, o, function(run)
                send_outcome(call, o, run)
            end)
        end
    end,
})

return { is_refused = is_refused }
