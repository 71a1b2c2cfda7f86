-- SPDX-License-Identifier: MIT
-- flowhost activate: which version of a flow new runs get.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"

local M = { name = "activate", summary = "Let new runs of a flow use another version." }

local function check_weight(text)
    local percent = text:find "^%d+$" and tonumber(text)
    if not percent or percent < 1 or percent > 99 then
        return nil, ("'%s' is not a whole number from 1 to 99"):format(text)
    end
    return percent
end

function M.declare(command)
    command:argument("name", "The flow.")
    command:option("--version", "The version (flow-show lists them)."):argname "VERSION"
    command:option("--release", "The release that has it, or newest: what the folder holds."):argname "RELEASE"
    command:option("--weight", "Only for so many percent of new runs, 1 to 99."):argname "PERCENT":convert(check_weight)
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
    local share = o.weight and (" for %d %% of new runs"):format(o.weight) or ""
    output.line("flow %s: %s is active%s", output.clean(o.name), output.clean(o.version or o.release), share)
end

return M
