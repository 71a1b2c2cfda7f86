-- SPDX-License-Identifier: MIT
-- ctx.request(o): an HTTP call as a step. Returns the decoded body; with onlyData = false { status, headers, header,
-- cookies, data }, where `header` is the same as `headers`. Status >= 400 raises HTTP_STATUS, unless raise = false or
-- onlyData = false, or the run is one of a rule. Errors: NETWORK, TIMEOUT, TLS, TOO_LARGE, NOT_JSON, NOT_XML,
-- NETWORK_REFUSED, SECRET_MISSING, INVALID.

local core = require "flowhost.core"
local answer = require "flowhost.ctx.request_answer"
local build = require "flowhost.ctx.request_build"
local cache = require "flowhost.ctx.request_cache"
local effect = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local live = require "flowhost.engine.live"
local options_module = require "flowhost.ctx.options"
local step = require "flowhost.engine.step"
local token = require "flowhost.engine.token"

local client, json, system, timer = core.client, core.json, core.system, core.timer

local UNSAFE = { POST = true, PUT = true, PATCH = true, DELETE = true }
local SHARED = { retry = true, once = true }
local MAX_INPUT = 16384 -- bytes of a body that is kept with the step

--- A trace id that the caller gave in another form than W3C's is hashed into one.
local function traceparent(trace_id)
    if #trace_id ~= 32 or trace_id:find "[^%x]" then
        trace_id = system.hex(system.sha256(trace_id):sub(1, 16))
    end
    return ("00-%s-%s-01"):format(trace_id:lower(), system.hex(system.random(8)))
end

local function sent_headers(call, run, path)
    local headers = { unpack(call.headers) }
    if UNSAFE[call.method] and not call.has["idempotency-key"] then
        headers[#headers + 1] = { "Idempotency-Key", run.id .. "/" .. path }
    end
    if not call.has.traceparent then
        headers[#headers + 1] = { "traceparent", traceparent(live.trace_id(run)) }
    end
    return headers
end

local function send(o, call, run, done, path)
    local waiting = token.new(function(code, a, b, c)
        if code then
            return done(nil, error_object.new(code, a, { retryable = code == "NETWORK" or code == "TIMEOUT" }))
        end
        return answer.take(o, done, a, b, c)
    end)
    local handle, code, detail = client.start({
        method = call.method, url = call.url, headers = sent_headers(call, run, path), body = call.body,
        user = call.user, password = call.password, password_secret = call.password_secret, tls = call.tls,
        timeout_ms = call.timeout_ms, max_bytes = o.max_bytes, max_redirects = o.follow,
    }, waiting)
    if not handle then
        -- answered in a later turn, as everything else: the flow is not resumed from within its own yield
        token.drop(waiting)
        waiting = token.new(function()
            done(nil, error_object.new(code, detail))
        end)
        handle = timer.start(0, waiting)
        return function()
            token.drop(waiting)
            handle:stop()
        end
    end
    return function()
        token.drop(waiting)
        handle:cancel()
    end
end

--- The same for everybody who asks for the same.
local function cache_key(o, fingerprint)
    return system.sha256(table.concat({ fingerprint, o.responseType or "", tostring(o.onlyData),
        tostring(o.raise) }, "\n"))
end

--- The body as JSON, to be kept with the step.
local function input_of(call)
    local body = call.body
    if not body or #body > MAX_INPUT then
        return nil
    end
    return call.content_type == "application/json" and body or json.encode_stored(body)
end

local NOTHING = { policy = nil, is_once = nil }

local function request(o)
    local call = build.build(o)
    local run = step.current_fiber("request").run
    -- the given table may change before the answer is there
    local options = { url = o.url, responseType = o.responseType, onlyData = o.onlyData, raise = o.raise,
        follow = o.follow, max_bytes = o.max_bytes, is_rule = run.document ~= nil }
    local shared = NOTHING
    if o.retry ~= nil or o.once ~= nil then
        shared = options_module.parse("request", { retry = o.retry, once = o.once }, SHARED)
    end
    local fingerprint = build.fingerprint(call)
    local key = o.isCache == true and cache_key(o, fingerprint)
    return effect.run("request", call.method .. " " .. o.url, fingerprint, function(current, done)
        if key then
            return cache.get(key, function(landed)
                return send(options, call, run, landed, current.path)
            end, done)
        end
        return send(options, call, run, done, current.path)
    end, { policy = shared.policy, is_once = shared.is_once, input = input_of(call) })
end

return { request = request }
