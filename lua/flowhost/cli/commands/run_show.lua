-- SPDX-License-Identifier: MIT
-- flowhost run-show: a run and its steps.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local show = require "flowhost.cli.show"

local M = { name = "run-show", summary = "Show a run and its steps." }

function M.declare(command)
    command:argument("id", "The run.")
    options.client(command)
end

function M.run(o)
    local host = client.new(o)
    local run, run_text = host:get(client.path("/v1/runs/{}", o.id))
    local steps, steps_text = host:get(client.path("/v1/runs/{}/steps", o.id))
    if o.json then
        output.raw(run_text)
        return output.raw(steps_text)
    end
    show.run(run)
    output.line()
    show.steps(steps.items)
end

return M
