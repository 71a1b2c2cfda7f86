-- SPDX-License-Identifier: MIT
-- flowhost open: look at an exported run in a host of its own, which the program has started and ends afterwards.

local client = require "flowhost.cli.client"
local import = require "flowhost.cli.commands.import"
local output = require "flowhost.cli.output"
local replay = require "flowhost.cli.commands.replay"
local show = require "flowhost.cli.show"

local M = { name = "open", summary = "Look at an exported run in a host of its own." }

function M.declare(command)
    command:argument("file", "What export wrote.")
    command:flag("--replay", "Replay it in memory.")
    replay.declare_how(command)
    command:option("--listen", "Serve the API there afterwards, until a signal."):argname "ADDRESS"
    command:flag("--json", "Print the answers as they are.")
end

function M.run(o)
    local host = client.new(o)
    local run, run_text = import.send(host, o.file)
    local steps, steps_text = host:get(client.path("/v1/runs/{}/steps", run.id))
    if o.json then
        output.raw(run_text)
        output.raw(steps_text)
    else
        show.run(run)
        output.line()
        show.steps(steps.items)
    end
    if o.replay then
        output.line()
        return replay.show(host, run.id, o)
    end
end

return M
