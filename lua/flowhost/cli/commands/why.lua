-- SPDX-License-Identifier: MIT
-- flowhost why: why a run stands where it does, in one sentence.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"

local M = { name = "why", summary = "Say why a run stands where it does." }

function M.declare(command)
    command:argument("id", "The run.")
    options.client(command)
end

function M.run(o)
    local answer, text = client.new(o):get(client.path("/v1/runs/{}/why", o.id))
    if o.json then
        return output.raw(text)
    end
    output.line(output.cell(answer.sentence))
end

return M
