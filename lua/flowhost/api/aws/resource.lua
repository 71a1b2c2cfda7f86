-- SPDX-License-Identifier: MIT
-- What parameters name: ARNs, the machines and executions behind them. Each function answers by itself when there is no
-- such thing, and returns nil then.

local core = require "flowhost.core"
local arn_module = require "flowhost.dialect.asl.arn"
local machine_files = require "flowhost.engine.machine_files"
local machines = require "flowhost.engine.machines"
local rows = require "flowhost.engine.rows"

local system = core.system

local M = {}

local function invalid(call, message)
    return call:fail("InvalidArn", ("Invalid Arn: '%s'"):format(message))
end

--- An ARN of one of the kinds.
---@param kinds table<string, boolean>
---@return flowhost.asl.Arn?
function M.arn(call, text, kinds)
    if text:sub(1, 4) ~= "arn:" then
        return invalid(call, "Invalid ARN prefix: " .. text)
    end
    local found = arn_module.parse(text)
    if not found then
        return invalid(call, "Invalid ARN: " .. text)
    elseif not kinds[found.kind] then
        return invalid(call, "Resource type not valid in this context: " .. found.type)
    end
    return found
end

local function is_own(call, arn)
    return arn.region == call.arns.region and arn.account == call.arns.account
end

--- Whether an ARN is one of this account and region.
M.is_own = is_own

local MACHINE = { stateMachine = true }

local function no_machine(call, text)
    return call:fail("StateMachineDoesNotExist", ("State Machine Does Not Exist: '%s'"):format(text))
end

M.no_machine = no_machine

--- The machine and its ARN. One with a label names the children of a map run.
function M.machine(call, text)
    local arn = M.arn(call, text, MACHINE)
    if not arn then
        return
    end
    local row = is_own(call, arn) and machine_files.find(arn.name)
    if not row then
        return no_machine(call, text)
    end
    return row, arn
end

--- Answers that nothing can be done by the ARN of a Map state.
function M.no_map_state(call, text)
    return call:fail("ValidationException", ("The ARN refers to a Distributed Map state: '%s'"):format(text))
end

--- The machine that an ARN without a version or alias names.
function M.whole_machine(call, text)
    local row, arn = M.machine(call, text)
    if row and arn.label then
        return M.no_map_state(call, text)
    elseif row and arn.qualifier then
        return invalid(call, "Resource type not valid in this context: " .. (tonumber(arn.qualifier)
            and "version" or "alias"))
    end
    return row, arn
end

--- Whether an ARN ends with the number of a version.
function M.version_number(arn)
    return arn.qualifier and arn.qualifier:find "^[1-9]%d*$" and tonumber(arn.qualifier) or nil
end

--- The machine and its ARN, which may name a version or an alias that there is.
function M.qualified_machine(call, text)
    local row, arn = M.machine(call, text)
    if not row then
        return
    end
    local number = M.version_number(arn)
    if number and not machines.version(row, number)
        or arn.qualifier and not number and not machines.alias(row, arn.qualifier) then
        return no_machine(call, text)
    end
    return row, arn
end

--- The machine, the version or alias (nil) and its number or name of an ARN with a qualifier.
---@param is_version boolean
local function qualified(call, text, is_version)
    local arn = M.arn(call, text, MACHINE)
    if not arn then
        return
    end
    local number = M.version_number(arn)
    if not arn.qualifier or (number ~= nil) ~= is_version then
        return invalid(call, ("Invalid ARN: %s"):format(text))
    end
    local row = is_own(call, arn) and machine_files.find(arn.name) or nil
    return arn, row, row and (is_version and machines.version(row, number) or not is_version
        and machines.alias(row, arn.qualifier)) or nil
end

function M.version(call, text)
    return qualified(call, text, true)
end

function M.alias(call, text)
    return qualified(call, text, false)
end

-- executions -------------------------------------------------------------------------------------------

local EXECUTION = { execution = true }

local function no_execution(call, text)
    return call:fail("ExecutionDoesNotExist", ("Execution Does Not Exist: '%s'"):format(text))
end

--- Whether a run is an execution of the machine as it is now, not of one that had its name before.
function M.is_of(machine, row)
    if row.flow ~= machines.flow_name(machine.name) then
        return false
    elseif row.key then
        local prefix = machines.execution_key(machine, "")
        return row.key:sub(1, #prefix) == prefix or (machine.is_file and not row.key:find("\0aws:", 1, true)) or false
    end
    return machine.is_file or row.created >= machine.created
end

--- The name of an execution: what it was started with, else the id of its run.
function M.execution_name(row)
    return row.tags and row.tags["aws.execution"] or row.id
end

--- The row of an execution; nil when there is none of that name.
function M.find_execution(machine, name)
    local bytes = rows.read_idempotency(machines.execution_key(machine, name))
    local by_id = not bytes and system.id_bytes(name)
    local row = (bytes or by_id) and rows.read(bytes or by_id)
    return row and M.is_of(machine, row) and M.execution_name(row) == name and row or nil
end

--- The row of an execution, its machine and its ARN. Children of map runs have no rows: map_children.lua.
function M.execution(call, text)
    local arn = M.arn(call, text, EXECUTION)
    if not arn then
        return
    end
    local machine = is_own(call, arn) and not arn.label and machine_files.find(arn.name)
    local row = machine and M.find_execution(machine, arn.execution)
    if not row then
        return no_execution(call, text)
    end
    return row, machine, arn
end

return M
