-- SPDX-License-Identifier: MIT
-- flowhost import: put an exported run into a running host.

local client = require "flowhost.cli.client"
local core = require "flowhost.core"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local show = require "flowhost.cli.show"
local stop = require "flowhost.cli.stop"

local M = { name = "import", summary = "Put an exported run into a running host." }

function M.declare(command)
    command:argument("file", "What export wrote.")
    options.client(command)
end

--- Sends the file to the host; the run, and the answer's text. Shared with open.
function M.send(host, file)
    local bundle, _, detail = core.command.read(file)
    if not bundle then
        stop.with(stop.PROBLEM, detail)
    end
    return host:ask("POST", "/v1/runs/import", bundle)
end

function M.run(o)
    local run, text = M.send(client.new(o), o.file)
    if o.json then
        return output.raw(text)
    end
    show.changed(run)
end

return M
