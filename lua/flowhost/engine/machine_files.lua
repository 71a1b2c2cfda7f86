-- SPDX-License-Identifier: MIT
-- State machines that are files of the flows folder (NAME.asl.json) as the API of Step Functions shows machines: they
-- can be started and looked at, and are changed by changing the file.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local machines = require "flowhost.engine.machines"

local json, timer = core.json, core.timer

local M = {}

local began = timer.now_ms()

local function of_flow(flow)
    return { name = flow.name, is_file = true, type = flow.code.machine.type, generation = "file", created = began,
        updated = began, definition = flow.version, text = flow.code.machine.text,
        role = ("arn:aws:iam::%s:role/flowhost"):format(machines.arns.account), tags = {}, versions = json.array {},
        aliases = json.array {}, last_version = 0 }
end

local function flow_of(name)
    local flow = catalog.flow(name)
    return flow and flow.dialect == "asl" and flow.code.machine and flow or nil
end

--- A machine that was made by API, else one that is a file; nil when there is neither.
function M.find(name)
    local row = machines.get(name)
    if row then
        return row
    end
    local flow = flow_of(name)
    return flow and of_flow(flow)
end

--- All machines, by name.
function M.list()
    local list, is_known = {}, {}
    machines.each(function(row)
        list[#list + 1], is_known[machines.flow_name(row.name)] = row, true
    end)
    for name, flow in pairs(catalog.served.flows) do
        if flow.dialect == "asl" and flow.code.machine and not is_known[name] then
            list[#list + 1] = of_flow(flow)
        end
    end
    table.sort(list, function(a, b)
        return a.name < b.name
    end)
    return list
end

return M
