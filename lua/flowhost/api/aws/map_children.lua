-- SPDX-License-Identifier: MIT
-- Child executions of map runs: DescribeExecution, GetExecutionHistory and ListExecutions of them. They are branches of
-- their parent's run, so its replay (ctx/asl_map_runs.lua) tells what became of them.

local core = require "flowhost.core"
local arn_module = require "flowhost.dialect.asl.arn"
local call_module = require "flowhost.api.aws.call"
local machine_files = require "flowhost.engine.machine_files"
local map_runs = require "flowhost.ctx.asl_map_runs"
local paging = require "flowhost.api.aws.paging"
local resource = require "flowhost.api.aws.resource"

local json = core.json
local time = call_module.time

local M = {}

--- The map run that an ARN names, and its machine; nil after an answer.
function M.find_map_run(call, text)
    local arn = resource.arn(call, text, { mapRun = true })
    if not arn then
        return
    end
    local machine = resource.is_own(call, arn) and arn.label and machine_files.find(arn.name)
    local found = machine and map_runs.find(machine, arn.label, arn.uuid)
    if not found then
        return call:fail("ResourceNotFound", ("Resource not found: '%s'"):format(text))
    end
    return found, machine
end

local function show(call, child, machine_name)
    return { executionArn = call.arns.execution(machine_name, child.name), name = child.name, status = child.status,
        stateMachineArn = call.arns.machine(machine_name), startDate = time(child.started), redriveCount = 0,
        stopDate = child.ended and time(child.ended) or nil }
end

function M.list(call)
    local p = call.params
    local found, machine = M.find_map_run(call, p.mapRunArn)
    if not found then
        return
    end
    local wanted, name = {}, machine.name .. "/" .. found.label
    for _, child in ipairs(found.children) do
        if (not p.statusFilter or child.status == p.statusFilter) and p.redriveFilter ~= "REDRIVEN" then
            wanted[#wanted + 1] = child
        end
    end
    paging.send(call, "executions", wanted, {
        place_of = function(child)
            return child.name
        end,
        show = function(child)
            local shown = show(call, child, name)
            shown.mapRunArn, shown.itemCount = p.mapRunArn, child.items
            return shown
        end,
    })
end

--- The child that the executionArn of a call names, its map run and the ARN; nil when that is no child's.
local function find(call)
    local arn = arn_module.parse(call.params.executionArn)
    local is_child = arn and arn.kind == "execution" and arn.label and resource.is_own(call, arn)
    local machine = is_child and machine_files.find(arn.name)
    if machine then
        local child, map_run = map_runs.find_child(machine, arn.label, arn.execution)
        return child, map_run, arn
    end
end

--- Answers DescribeExecution if it is a child that is to be described.
---@return boolean?
function M.describe(call)
    local child, map_run, arn = find(call)
    if not child then
        return
    end
    local has_data = call.params.includedData ~= "METADATA_ONLY"
    local shown = show(call, child, arn.name .. "/" .. arn.label)
    shown.mapRunArn = call.arns.map_run(arn.name, arn.label, map_run.uuid)
    shown.input, shown.inputDetails = has_data and json.encode_stored(child.input) or nil, { included = has_data }
    local is_bound = child.status == "SUCCEEDED" or child.status == "RUNNING"
    shown.redriveStatus = is_bound and "NOT_REDRIVABLE" or "REDRIVABLE_BY_MAP_RUN"
    shown.redriveStatusReason = is_bound and ("Execution is %s and cannot be redriven"):format(child.status) or nil
    if child.status == "SUCCEEDED" then
        shown.output, shown.outputDetails = has_data and json.encode_stored(child.output) or nil,
            { included = has_data }
    elseif child.failure then
        shown.error, shown.cause = child.failure.error, child.failure.cause
    end
    call:reply(shown)
    return true
end

--- The history of the child that the call's executionArn names; nil when it names none.
function M.events(call)
    local child = find(call)
    return child and child.events
end

return M
