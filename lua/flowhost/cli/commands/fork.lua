-- SPDX-License-Identifier: MIT
-- flowhost fork: a new run from the beginning of another one.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local show = require "flowhost.cli.show"

local M = { name = "fork", summary = "Start a new run from what another one recorded." }

function M.declare(command)
    command:argument("id", "The run to begin like.")
    options.edits(command)
    command:flag("--allow-effects", "Beyond what it recorded, do what the flow asks for.")
    options.client(command)
end

function M.run(o)
    local body = options.edits_of(o)
    body.allow_effects = o.allow_effects
    local answer, text = client.new(o):post(client.path("/v1/runs/{}/fork", o.id), body)
    if o.json then
        return output.raw(text)
    end
    show.changed(answer)
end

return M
