-- SPDX-License-Identifier: MIT
-- flowhost export: a run with its journal and code as one document.

local client = require "flowhost.cli.client"
local core = require "flowhost.core"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = { name = "export", summary = "Write a run, its journal and its code as one file." }

function M.declare(command)
    command:argument("id", "The run.")
    command:argument("file", "The new file; without one: stdout."):args "?"
    options.client(command)
end

function M.run(o)
    local _, text = client.new(o):get(client.path("/v1/runs/{}/export", o.id))
    if not o.file then
        return output.raw(text)
    end
    local ok, _, detail = core.command.create(o.file, text, true)
    if not ok then
        stop.with(stop.PROBLEM, detail)
    end
    output.line("wrote run %s to %s", output.clean(o.id), o.file)
end

return M
