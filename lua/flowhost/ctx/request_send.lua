-- SPDX-License-Identifier: MIT
-- One call of ctx.request on its way: sent, and its answer taken. Not a verb.

local core = require "flowhost.core"
local answer = require "flowhost.ctx.request_answer"
local error_object = require "flowhost.engine.error"
local token = require "flowhost.engine.token"

local client, timer = core.client, core.timer

local M = {}

--- Answered in a later turn, as everything else: a flow is not resumed from within its own yield.
local function fail_soon(done, code, detail)
    local waiting = token.new(function()
        done(nil, error_object.new(code, detail))
    end)
    local handle = timer.start(0, waiting)
    return function()
        token.drop(waiting)
        handle:stop()
    end
end

--- Calls done(JSON text, value, status), or done(nil, error object). Returns a cancel function.
---@param o table     url, responseType, onlyData, raise, follow, max_bytes, is_rule
---@param call table  see request_build.lua
---@param headers table  all of them
function M.send(o, call, headers, done)
    local waiting = token.new(function(code, a, b, c)
        if code then
            return done(nil, error_object.new(code, a, { retryable = code == "NETWORK" or code == "TIMEOUT" }))
        end
        return answer.take(o, done, a, b, c)
    end)
    local handle, code, detail = client.start({
        method = call.method, url = call.url, headers = headers, body = call.body, user = call.user,
        password = call.password, password_secret = call.password_secret, tls = call.tls,
        timeout_ms = call.timeout_ms, max_bytes = o.max_bytes, max_redirects = o.follow,
    }, waiting)
    if not handle then
        token.drop(waiting)
        return fail_soon(done, code, detail)
    end
    return function()
        token.drop(waiting)
        handle:cancel()
    end
end

return M
