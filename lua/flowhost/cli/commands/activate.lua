-- SPDX-License-Identifier: MIT
-- flowhost activate: which version of a flow new runs get.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"

local M = { name = "activate", summary = "Let new runs of a flow use another version." }

function M.declare(command)
    command:argument("name", "The flow.")
    command:option("--release", "The release that has it."):argname "RELEASE"
    command:option("--version", "The version (flow-show lists them)."):argname "VERSION"
    command:option("--weight", "Only for this share of new runs, from 0 to 1."):argname "SHARE":convert(function(text)
        local share = tonumber(text)
        if not share or share < 0 or share > 1 then
            return nil, ("'%s' is not a number from 0 to 1"):format(text)
        end
        return share
    end)
    options.client(command)
end

function M.check(o)
    if (o.release == nil) == (o.version == nil) then
        return nil, "name one of --release and --version"
    end
    return true
end

function M.run(o)
    local body = { release = o.release, version = o.version, weight = o.weight }
    local _, text = client.new(o):post(client.path("/v1/flows/{+}/activate", o.name), body)
    if o.json then
        return output.raw(text)
    end
    output.line("flow %s: %s is active", output.clean(o.name), output.clean(o.version or o.release))
end

return M
