-- SPDX-License-Identifier: MIT
-- What the children of a distributed Map brought, as its ResultWriter wants it: in the state's result, or in files.
-- Pure.
--
--   child   { input, output or failure { error, cause }, started, ended (ms) }
--
-- Source of the forms: AWS Step Functions Developer Guide, "ResultWriter (Map)".

local items_module = require "flowhost.dialect.asl.items"

local M = {}

--- A child as DescribeExecution shows an execution.
local function describe(f, record, i, child)
    local encode, names = f.host.json.encode, f.host:name_child(record, i)
    local shown = { ExecutionArn = names.execution, Name = names.name, StateMachineArn = names.machine,
        Input = encode(child.input), InputDetails = { Included = true }, RedriveCount = 0,
        StartDate = f.host.iso(child.started), StopDate = f.host.iso(child.ended) }
    if child.failure then
        shown.Status, shown.Error, shown.Cause = "FAILED", child.failure.error, child.failure.cause
        shown.RedriveStatus = "REDRIVABLE_BY_MAP_RUN"
        return shown
    end
    shown.Status, shown.Output, shown.OutputDetails = "SUCCEEDED", encode(child.output), { Included = true }
    shown.RedriveStatus = "NOT_REDRIVABLE"
    shown.RedriveStatusReason = "Execution is SUCCEEDED and cannot be redriven"
    return shown
end

local function append(list, f, record, i, child, transformation)
    local json = f.host.json
    if child.failure or (transformation == "NONE" and child.started) then
        list[#list + 1] = describe(f, record, i, child)
    elseif transformation == "FLATTEN" and json.is_array(child.output) then
        for k = 1, #child.output do
            list[#list + 1] = child.output[k]
        end
    else
        list[#list + 1] = child.output
    end
end

--- Those that succeeded and those that failed, apart, as they are written.
local function apart(f, record, children, transformation)
    local array = f.host.json.array
    local lists = { SUCCEEDED = array {}, FAILED = array {} }
    for i = 1, #children do
        append(lists[children[i].failure and "FAILED" or "SUCCEEDED"], f, record, i, children[i], transformation)
    end
    return lists
end

--- All in order; without `config` failed ones are left out.
local function together(f, record, children, config)
    local list = f.host.json.array {}
    for i = 1, #children do
        if config or not children[i].failure then
            append(list, f, record, i, children[i], config and config.Transformation or "COMPACT")
        end
    end
    return list
end

--- fun(f, input, value, record, children) -> the state's result.
function M.compile(given, c)
    local writer = given.ResultWriter or {}
    local config = writer.WriterConfig
    if writer.Parameters == nil and writer.Arguments == nil then
        return function(f, _, _, record, children)
            return together(f, record, children, config)
        end
    end
    local arguments = items_module.compile_arguments(writer, "ResultWriter", c)
    local transformation, kind = "NONE", "JSON"
    if config then
        transformation, kind = config.Transformation or transformation, config.OutputType or kind
    end
    return function(f, input, value, record, children)
        local parameters = arguments(f, c.is_jsonata and input or value)
        return f.host:write_results(writer.Resource, parameters, record.arn,
            apart(f, record, children, transformation), kind)
    end
end

return M
