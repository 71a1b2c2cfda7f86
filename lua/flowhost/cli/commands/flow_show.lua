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
    local rows = { { "version", "release", "since", "new runs" } }
    for _, one in ipairs(answer.items) do
        local share = output.is_absent(one.weight) and 0 or one.weight
        rows[#rows + 1] = { cell(one.version), cell(one.release):sub(1, 12), output.time(one.activated_at),
            share > 0 and ("%d %%"):format(share) or "" }
    end
    output.table(rows)
end

return M
