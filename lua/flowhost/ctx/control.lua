-- SPDX-License-Identifier: MIT
-- ctx.stop(reason), ctx.break(reason): end the run now as `broken`. ctx.fail(code, message): end it as `failed`.
-- No pcall catches either. ctx.response(body, { status, headers }): answer the caller now; the run goes on.

local error_object = require "flowhost.engine.error"
local header = require "flowhost.ctx.header"
local run_module = require "flowhost.engine.run"
local step = require "flowhost.engine.step"

local MAX_HEADERS = 60 -- the server takes 64, some are added

local function stop(reason)
    if type(reason) == "table" or type(reason) == "function" then
        error_object.raise("INVALID", "ctx.stop: the reason must be text")
    end
    reason = reason == nil and "" or tostring(reason)
    step.current_fiber("stop")
    step.halt(function(run)
        run_module.stop(run, reason)
    end)
end

local function fail(code, message)
    if type(code) ~= "string" then
        error_object.raise("INVALID", "ctx.fail: a code is expected")
    elseif type(message) == "table" or type(message) == "function" then
        error_object.raise("INVALID", "ctx.fail: the message must be text")
    end
    local err = error_object.new(code, message == nil and code or tostring(message))
    step.current_fiber("fail")
    step.halt(function(run)
        run_module.fail(run, err)
    end)
end

local function response(body, o)
    o = o or {}
    if o.status ~= nil and (type(o.status) ~= "number" or o.status < 200 or o.status > 599) then
        error_object.raise("INVALID", "ctx.response: status must be a number from 200 to 599")
    elseif o.headers ~= nil and type(o.headers) ~= "table" then
        error_object.raise("INVALID", "ctx.response: headers must be a table")
    end
    local count = 0
    for name, value in pairs(o.headers or {}) do
        header.check("ctx.response", name, value)
        count = count + 1
    end
    if count > MAX_HEADERS then
        error_object.raise("INVALID", ("ctx.response: more than %d headers"):format(MAX_HEADERS))
    end
    local answer = step.value("response", "", function()
        return { body = body, status = o.status or 200, headers = o.headers }
    end)
    step.outside(function(run)
        run_module.respond(run, answer)
    end)
end

return { stop = stop, ["break"] = stop, fail = fail, response = response }
