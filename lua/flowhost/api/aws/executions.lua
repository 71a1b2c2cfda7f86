-- SPDX-License-Identifier: MIT
-- Executions as they are shown: DescribeExecution, ListExecutions; and StopExecution, RedriveExecution.

local core = require "flowhost.core"
local call_module = require "flowhost.api.aws.call"
local check = require "flowhost.api.aws.check"
local executions_end = require "flowhost.api.aws.executions_end"
local map_children = require "flowhost.api.aws.map_children"
local machines = require "flowhost.engine.machines"
local operations = require "flowhost.api.aws.operations"
local paging = require "flowhost.api.aws.paging"
local remote = require "flowhost.engine.remote"
local resource = require "flowhost.api.aws.resource"
local rows = require "flowhost.engine.rows"

local json, store, timer = core.json, core.store, core.timer
local time = call_module.time

local M = {}

local STATUSES = { "SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING" }

--- A run that waits for a person has failed, as far as who polls it is concerned: redriving lets it go on.
local BY_STATUS = { queued = "RUNNING", running = "RUNNING", waiting = "RUNNING", suspended = "FAILED",
    succeeded = "SUCCEEDED", failed = "FAILED", broken = "FAILED", cancelled = "ABORTED", timed_out = "TIMED_OUT" }

--- The status of a run as AWS names it.
function M.status(run)
    return BY_STATUS[run.status] or "FAILED"
end

--- Error and cause of one that did not succeed; the engine's own where the machine gave none.
function M.failure(run)
    local err = run.error
    if not err or run.status == "succeeded" or run.status == "timed_out" then
        return nil, nil
    end
    local data = type(err.data) == "table" and err.data or {}
    if data.is_asl or data.error or data.cause then
        return data.error, data.cause
    elseif run.status == "cancelled" then
        return nil, nil
    end
    return "States.Runtime", err.message
end

--- When a run came to stand: of a suspended one the row does not say, so its start.
local function stop_of(run)
    return run.ended or (run.status == "suspended" and run.started) or nil
end

local function redrive_of(run, status)
    local shown = { count = math.max(0, (run.attempt or 1) - 1) }
    if status == "RUNNING" or status == "SUCCEEDED" then
        shown.status = "NOT_REDRIVABLE"
        shown.reason = ("Execution is %s and cannot be redriven"):format(status)
    else
        shown.status = "REDRIVABLE"
    end
    return shown
end

--- ARNs of the version and the alias that an execution was started with; nil where it was not.
local function add_qualifiers(call, shown, machine, tags)
    local version, alias = tags["aws.version"], tags["aws.alias"]
    shown.stateMachineVersionArn = version and call.arns.version(machine.name, tonumber(version)) or nil
    shown.stateMachineAliasArn = alias and call.arns.alias(machine.name, alias) or nil
end

M.INCLUDED = { "string", enum = { "ALL_DATA", "METADATA_ONLY" } }

local function text_of(value)
    return json.encode_stored(value == nil and json.null or value)
end

local function describe(call)
    if map_children.describe(call) then
        return
    end
    local run, machine = resource.execution(call, call.params.executionArn)
    if not run then
        return
    end
    local status, tags = M.status(run), run.tags or {}
    local has_data = call.params.includedData ~= "METADATA_ONLY"
    local redrive, redriven = redrive_of(run, status), (tags["aws.redriven"] or ""):match "%d+$"
    local shown = { executionArn = call.params.executionArn, stateMachineArn = call.arns.machine(machine.name),
        name = resource.execution_name(run), status = status, startDate = time(run.created),
        stopDate = stop_of(run) and time(stop_of(run)) or nil, input = has_data and text_of(run.input) or nil,
        inputDetails = { included = has_data }, traceHeader = tags["aws.trace"], redriveCount = redrive.count,
        redriveStatus = redrive.status, redriveStatusReason = redrive.reason,
        redriveDate = redrive.count > 0 and time(tonumber(redriven) or run.started) or nil }
    if status == "SUCCEEDED" then
        shown.output, shown.outputDetails = has_data and text_of(run.output) or nil, { included = has_data }
    end
    shown.error, shown.cause = M.failure(run)
    add_qualifiers(call, shown, machine, tags)
    call:reply(shown)
end

operations.add("DescribeExecution", { run = describe, takes = { executionArn = check.ARN,
    includedData = M.INCLUDED } })

-- lists ------------------------------------------------------------------------------------------------

local PAGE = 200

local function show(call, run, machine)
    local status = M.status(run)
    local shown = { executionArn = call.arns.execution(machine.name, resource.execution_name(run)),
        stateMachineArn = call.arns.machine(machine.name), name = resource.execution_name(run), status = status,
        startDate = time(run.created), stopDate = stop_of(run) and time(stop_of(run)) or nil,
        redriveCount = redrive_of(run, status).count }
    add_qualifiers(call, shown, machine, run.tags or {})
    return shown
end

--- Whether an execution was started with what the ARN says after the machine's name.
local function has_qualifier(run, qualifier)
    local tags = run.tags or {}
    return not qualifier or tags["aws.version"] == qualifier or tags["aws.alias"] == qualifier
end

local function is_wanted(run, machine, arn, filters)
    return resource.is_of(machine, run) and has_qualifier(run, arn.qualifier)
        and (not filters.statusFilter or M.status(run) == filters.statusFilter)
        and (filters.redriveFilter ~= "REDRIVEN" or (run.attempt or 1) > 1)
        and (filters.redriveFilter ~= "NOT_REDRIVEN" or (run.attempt or 1) == 1)
end

--- Executions newest first, up to one more than the limit; nil, reason when they cannot be read.
local function collect(machine, arn, filters, limit, place)
    local prefix = machines.flow_name(machine.name) .. "\0"
    local found, after = {}, place and prefix .. place
    repeat
        local keys, statuses, count = store.scan(store.tables.runs_by_flow, { prefix = prefix, after = after,
            reverse = true, limit = PAGE })
        if not keys then
            return nil, tostring(count)
        end
        for i = 1, count do
            local may_fit = not filters.statusFilter or BY_STATUS[statuses[i]] == filters.statusFilter
            local run = may_fit and rows.read(keys[i]:sub(#prefix + 1))
            if run and is_wanted(run, machine, arn, filters) then
                found[#found + 1] = run
                if #found > limit then
                    return found
                end
            end
        end
        after = keys[count]
    until count < PAGE
    return found
end

local function send_list(call, machine, arn)
    local place = paging.place(call)
    if place == false then
        return
    end
    local limit = paging.limit(call)
    local found, reason = collect(machine, arn, call.params, limit, place)
    if not found then
        return call:fail("InternalFailure", "the executions cannot be read: " .. reason)
    end
    local shown = json.array {}
    for i = 1, math.min(#found, limit) do
        shown[i] = show(call, found[i], machine)
    end
    call:reply { executions = shown, nextToken = found[limit + 1] and paging.token(call, found[limit].bytes) or nil }
end

local function list(call)
    local p = call.params
    if not p.stateMachineArn and not p.mapRunArn then
        return call:fail("ValidationException", "Must provide a StateMachine ARN or MapRun ARN")
    elseif p.stateMachineArn and p.mapRunArn then
        return call:fail("ValidationException", "Must provide either a StateMachine ARN or a MapRun ARN, not both")
    elseif p.mapRunArn then
        return map_children.list(call)
    end
    local machine, arn = resource.qualified_machine(call, p.stateMachineArn)
    if not machine then
        return
    elseif arn.label then
        return call:fail("ValidationException", ("The ARN refers to a Distributed Map state: '%s'. Its executions are "
            .. "listed by mapRunArn, one map run at a time"):format(p.stateMachineArn))
    elseif machine.type == "EXPRESS" then
        return call:fail("StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine")
    end
    send_list(call, machine, arn)
end

operations.add("ListExecutions", { run = list, takes = {
    stateMachineArn = { "string", min = 1, max = 256 }, statusFilter = { "string", enum = STATUSES },
    maxResults = check.MAX_RESULTS, nextToken = { "string", min = 1, max = 3096 },
    mapRunArn = { "string", min = 1, max = 2000 },
    redriveFilter = { "string", enum = { "REDRIVEN", "NOT_REDRIVEN" } } } })

-- stop and redrive -------------------------------------------------------------------------------------

local function refuse(call, result)
    return call:fail(result.status == 507 and "ServiceUnavailable" or result.status == 503 and "ServiceUnavailable"
        or "InternalFailure", result.detail)
end

local function stop(call)
    local p = call.params
    local run = resource.execution(call, p.executionArn)
    if not run then
        return
    elseif run.ended then
        return call:reply { stopDate = time(run.ended) }
    end
    executions_end.stop(run, { actor = call.actor, error = p.error, cause = p.cause }, function(result)
        if result.status and result.code ~= "WRONG_STATE" then
            return refuse(call, result)
        end
        local now = rows.read(run.bytes)
        call:reply { stopDate = time(now and now.ended or timer.now_ms()) }
    end)
end

operations.add("StopExecution", { run = stop, takes = { executionArn = check.ARN,
    error = { "string", max = 256 }, cause = { "string", max = 32768 } } })

local function redrive(call)
    local p = call.params
    local run = resource.execution(call, p.executionArn)
    if not run then
        return
    end
    local reason = redrive_of(run, M.status(run)).reason
    remote.call(remote.owner(run.bytes), "redrive", { id = run.id, actor = call.actor, token = p.clientToken },
        function(result)
            if result.code == "WRONG_STATE" or result.code == "RELEASE_MISSING" then
                return call:fail("ExecutionNotRedrivable", reason or result.detail)
            elseif result.status then
                return refuse(call, result)
            end
            call:reply { redriveDate = time(result.at or timer.now_ms()) }
        end)
end

operations.add("RedriveExecution", { run = redrive, takes = { executionArn = check.ARN,
    clientToken = { "string", min = 1, max = 64, pattern = "^[!-~]+$", shown = "[!-~]+" } } })

return M
