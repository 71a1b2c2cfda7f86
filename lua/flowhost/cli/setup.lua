-- SPDX-License-Identifier: MIT
-- What C asks of a vm that serves nothing: event "command" (command.lua), and event "setup" before a host is open:
--
--   ("arguments", words)                          -> { name = text, ... } | { text = } | { usage = }
--   ("settings", { given, environment, host_file }) -> { name = text, ..., env = JSON } | { problem = }

local core = require "flowhost.core"
local settings = require "flowhost.cli.settings"

local json = core.json

local asks = {}

function asks.arguments(words)
    local options, stop = require("flowhost.cli.arguments").parse(words)
    return options or stop
end

local function merge(into, values)
    for name, value in pairs(values) do
        into[name] = value
    end
end

function asks.settings(o)
    local values = settings.defaults()
    local env = {}
    if o.host_file then
        local from_file, given_env = require("flowhost.cli.host_file").read(o.host_file, o.environment)
        if not from_file then
            return { problem = ("host.lua:%d: %s"):format(given_env.line, given_env.message) }
        end
        merge(values, from_file)
        env = given_env
    end
    local from_environment, reason = settings.from_environment(o.environment)
    if not from_environment then
        return { problem = reason }
    end
    merge(values, from_environment)
    for name, value in pairs(o.given) do
        local checked, why = settings.check(name, value)
        if not checked then
            return { problem = why }
        end
        values[name] = checked
    end
    values.env = json.encode(env)
    return values
end

core.on("setup", function(ask, o)
    return asks[ask](o)
end)

core.on("command", function(name, arguments)
    return require("flowhost.cli.command").begin(name, arguments)
end)
