-- SPDX-License-Identifier: MIT
-- flowhost completion: what a shell sources to complete our words.

local output = require "flowhost.cli.output"

local M = { name = "completion", summary = "Print a completion script: flowhost completion bash > FILE." }

function M.declare(command)
    command:argument("shell", "bash, zsh or fish."):choices { "bash", "zsh", "fish" }
end

function M.run(o)
    local parser = require("flowhost.cli.arguments").new_parser()
    output.write(parser["get_" .. o.shell .. "_complete"](parser))
end

return M
