-- SPDX-License-Identifier: MIT
-- What an execution runs on: the machine that an ARN names, the version that it says or its alias leads to, and what
-- the run is tagged with, by which the Step Functions API finds and shows it.

local catalog = require "flowhost.engine.catalog"
local machine_files = require "flowhost.engine.machine_files"
local machines = require "flowhost.engine.machines"

local M = {}

--- The version that an ARN's qualifier names or its alias leads to, and the alias's name; nil without a qualifier;
--- false when there is no such version.
local function version_of(machine, qualifier, fraction)
    if not qualifier then
        return nil
    end
    local number = qualifier:find "^[1-9]%d*$" and tonumber(qualifier) or nil
    local alias = not number and machines.alias(machine, qualifier) or nil
    local version = machines.version(machine, number or alias and machines.route(alias, fraction) or 0)
    return version or false, alias and alias.name
end

local function tags_of(machine, arn, version, alias, more)
    return { ["aws.execution"] = more.name, ["aws.role"] = (version or machine).role,
        ["aws.revision"] = (version or machine).revision, ["aws.updated"] = ("%d"):format(machine.updated),
        ["aws.qualifier"] = arn.qualifier, ["aws.version"] = version and ("%d"):format(version.number) or nil,
        ["aws.alias"] = alias, ["aws.trace"] = more.trace }
end

---@class flowhost.MachineFlow
---@field machine table   machine_files.find
---@field flow table      of the version, else the one that new runs take
---@field tags table<string, string>

--- What to start; nil, code, detail: "NO_MACHINE", or the catalog's own.
---@param arn flowhost.asl.Arn   of a state machine of ours
---@param o { name: string, trace: string?, fraction: number }   name of the execution; fraction: picks among versions
---@return flowhost.MachineFlow?
function M.find(arn, o)
    local machine = machine_files.find(arn.name)
    if not machine then
        return nil, "NO_MACHINE"
    end
    local version, alias = version_of(machine, arn.qualifier, o.fraction)
    if version == false then
        return nil, "NO_MACHINE"
    end
    local name = machines.flow_name(machine.name)
    local flow, code, detail
    if version then
        flow, detail = catalog.flow_of(version.release, name)
    else
        flow, code, detail = catalog.take(name)
    end
    if not flow then
        return nil, code or "BROKEN", detail
    end
    return { machine = machine, flow = flow, tags = tags_of(machine, arn, version, alias, o) }
end

return M
