-- SPDX-License-Identifier: MIT
-- flowhost flow-show: the versions of a flow.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"

local M = { name = "flow-show", summary = "List the versions of a flow." }

local cell = output.cell

function M.declare(command)
    command:argument("name", "The flow.")
    options.client(command)
end

function M.run(o)
    local answer, text = client.new(o):get(client.path("/v1/flows/{+}/versions", o.name))
    if o.json then
        return output.raw(text)
    end
    local rows = { { "version", "release", "since", "" } }
    for _, one in ipairs(answer.items) do
        local remark = one.active and "active" or ""
        if not output.is_absent(one.weight) then
            remark = ("%s weight %s"):format(remark, cell(one.weight))
        end
        rows[#rows + 1] = { cell(one.version), cell(one.release), output.time(one.created_at or one.since), remark }
    end
    output.table(rows)
end

return M
