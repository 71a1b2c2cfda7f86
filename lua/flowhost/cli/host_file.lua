-- SPDX-License-Identifier: MIT
-- host.lua: a file that returns a table of settings and `env`. It runs in a small environment of its own: plain Lua
-- without io, under a flow's limits, and os.getenv, so that env can be taken from outside: env = { USER_URL =
-- os.getenv "USER_URL" or "http://..." }.

local core = require "flowhost.core"
local settings = require "flowhost.cli.settings"
local source = require "flowhost.flow.source"

local M = {}

local function copy(library)
    local own = {}
    for name, value in pairs(library) do
        own[name] = value
    end
    return own
end

local function new_environment(environment)
    return {
        os = {
            getenv = function(name)
                return environment[name]
            end,
        },
        tostring = tostring, tonumber = tonumber, ipairs = ipairs, pairs = pairs, type = type, error = error,
        assert = assert, string = copy(string), table = copy(table), math = copy(math),
    }
end

local function check_env(env)
    if env == nil then
        return {}
    elseif type(env) ~= "table" then
        return nil, "env must be a table"
    end
    for name, value in pairs(env) do
        local kind = type(value)
        local is_plain = kind == "string" or kind == "boolean" or (kind == "number" and value - value == 0)
        if type(name) ~= "string" or not is_plain then
            return nil, ("env.%s must be a string, a number or a boolean"):format(tostring(name))
        end
    end
    return env
end

--- aws = { account, region } as the settings aws_account and aws_region; nil, sentence.
local function flatten_aws(result)
    local flat = copy(result)
    flat.aws = nil
    if result.aws == nil then
        return flat
    elseif type(result.aws) ~= "table" then
        return nil, "aws must be a table with account and region"
    end
    for name, value in pairs(result.aws) do
        flat["aws_" .. tostring(name)] = value
    end
    return flat
end

--- settings (name -> text) and env of host.lua's text; nil, { line, message } when it cannot be used.
function M.read(text, environment)
    local chunk, reason = source.compile(text, "@host.lua")
    if not chunk then
        return nil, reason
    end
    setfenv(chunk, new_environment(environment))
    local how, result = core.flow.resume(coroutine.create(chunk))
    if how == "yield" then
        return nil, { line = 1, message = "it cannot wait" }
    elseif how == "error" then
        local line, message = tostring(result):match "^host%.lua:(%d+): (.*)$"
        return nil, { line = tonumber(line) or 1, message = message or tostring(result) }
    elseif type(result) ~= "table" then
        return nil, { line = 1, message = "it must return a table of settings" }
    end
    local flat, reason_of_aws = flatten_aws(result)
    if not flat then
        return nil, { line = 1, message = reason_of_aws }
    end
    local values = {}
    for name, value in pairs(flat) do
        if name ~= "env" then
            local checked, why = settings.check(tostring(name), value)
            if not checked then
                return nil, { line = 1, message = why }
            end
            values[name] = checked
        end
    end
    local env, why = check_env(result.env)
    if not env then
        return nil, { line = 1, message = why }
    end
    return values, env
end

return M
