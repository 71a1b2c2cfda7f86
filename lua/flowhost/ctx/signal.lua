-- SPDX-License-Identifier: MIT
-- ctx.wait(name, { timeout, schema }): waits for a signal; returns its data. Raises TIMEOUT.
-- ctx.signal_url(name, { data, expires, title }): a link that sends the signal once, for somebody without an account.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local fields = require "flowhost.schema.fields"
local options = require "flowhost.ctx.options"
local signal_link = require "flowhost.engine.signal_link"
local signals = require "flowhost.engine.signals"
local step = require "flowhost.engine.step"

local json = core.json

local MAX_NAME = 100
local WAIT_OPTIONS = { timeout = true, schema = true }
local URL_OPTIONS = { data = true, expires = true, title = true }
local DAY_S = 86400

local function invalid(verb, message)
    error_object.raise("INVALID", ("ctx.%s: %s"):format(verb, message))
end

local function check_name(verb, name)
    if type(name) ~= "string" or #name > MAX_NAME or not name:find "^[%w_.:-]+$" then
        invalid(verb, ("a name of letters, digits and _ . : -, at most %d, is expected"):format(MAX_NAME))
    end
end

local function check_options(verb, o, allowed)
    if o ~= nil and type(o) ~= "table" then
        invalid(verb, "options must be a table")
    end
    for key in next, o or {} do
        if not allowed[key] then
            invalid(verb, ("unknown option '%s'"):format(tostring(key)))
        end
    end
    return o or {}
end

local function wait(name, o)
    check_name("wait", name)
    o = check_options("wait", o, WAIT_OPTIONS)
    local schema = rawget(o, "schema")
    if schema ~= nil then
        local problem = "it must be a table of fields"
        if type(schema) == "table" then
            problem = fields.find_problem { body = schema }
        end
        if problem then
            invalid("wait", "schema: " .. problem:gsub("^request%.body", "schema"))
        end
    end
    return signals.wait(name, { timeout_ms = options.timeout_ms("wait", rawget(o, "timeout")), schema = schema })
end

local function signal_url(name, o)
    check_name("signal_url", name)
    o = check_options("signal_url", o, URL_OPTIONS)
    local expires_ms = options.timeout_ms("signal_url", rawget(o, "expires"), "expires") or 7 * DAY_S * 1000
    local title = rawget(o, "title")
    if title ~= nil and (type(title) ~= "string" or #title > 200) then
        invalid("signal_url", "title must be a text of at most 200 bytes")
    end
    local data = rawget(o, "data")
    if data ~= nil then
        local text, reason = json.encode(data)
        if not text then
            invalid("signal_url", "data: " .. reason)
        end
        data = json.decode(text)
    end
    return (step.value("signal_url", name, function(fiber)
        return signal_link.make(fiber.run.id, name, { data = data, expires_ms = expires_ms, title = title })
    end))
end

return { wait = wait, signal_url = signal_url }
