-- SPDX-License-Identifier: MIT
-- enable and disable differ in one word.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"

local M = {}

function M.new(verb, summary)
    local command = { name = verb, summary = summary }
    function command.declare(words)
        words:argument("name", "The flow.")
        options.client(words)
    end
    function command.run(o)
        local _, text = client.new(o):post(client.path("/v1/flows/{+}/" .. verb, o.name))
        if o.json then
            return output.raw(text)
        end
        output.line("flow %s: %sd", output.clean(o.name), verb)
    end
    return command
end

return M
