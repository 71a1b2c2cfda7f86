-- SPDX-License-Identifier: MIT
-- flowhost flow-list: what the host serves, and what it could not.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"

local M = { name = "flow-list", summary = "List the flows, and what does not load." }

local cell = output.cell

function M.declare(command)
    options.client(command)
end

local function state_of(flow)
    if flow.enabled == false then
        return "disabled"
    elseif not output.is_absent(flow.canary) then
        return ("canary %s %%"):format(cell(flow.canary.weight))
    end
    return flow.pinned and "pinned" or ""
end

function M.run(o)
    local answer, text = client.new(o):get "/v1/flows"
    if o.json then
        return output.raw(text)
    end
    local rows = { { "flow", "version", "route", "", "description" } }
    for _, flow in ipairs(answer.items) do
        rows[#rows + 1] = { cell(flow.name), cell(flow.version), cell(flow.http), state_of(flow),
            output.short(cell(flow.description), 80) }
    end
    output.table(rows)
    for _, problem in ipairs(output.is_absent(answer.problems) and {} or answer.problems) do
        output.line("%s:%s: %s", cell(problem.file), cell(problem.line), cell(problem.message))
    end
end

return M
