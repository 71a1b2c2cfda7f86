-- SPDX-License-Identifier: MIT
-- ctx.request(o): an HTTP call as a step. Returns the decoded body; with onlyData = false { status, headers, header,
-- cookies, data }, where `header` is the same as `headers`. Status >= 400 raises HTTP_STATUS, unless raise = false or
-- onlyData = false, or the run is one of a rule. Errors: NETWORK, TIMEOUT, TLS, TOO_LARGE, NOT_JSON, NOT_XML,
-- NETWORK_REFUSED, SECRET_MISSING, INVALID.

local core = require "flowhost.core"
local build = require "flowhost.ctx.request_build"
local effect = require "flowhost.engine.effect"
local live = require "flowhost.engine.live"
local options_module = require "flowhost.ctx.options"
local request_cache = require "flowhost.ctx.request_cache"
local request_send = require "flowhost.ctx.request_send"
local step = require "flowhost.engine.step"

local json, system = core.json, core.system

local UNSAFE = { POST = true, PUT = true, PATCH = true, DELETE = true }
local SHARED = { retry = true, once = true }
local MAX_INPUT = 16384 -- bytes of a body that is kept with the step

--- A trace id that the caller gave in another form than W3C's is hashed into one.
local function traceparent(trace_id, is_w3c)
    if not is_w3c then
        trace_id = system.hex(system.sha256(trace_id):sub(1, 16))
    end
    return ("00-%s-%s-01"):format(trace_id:lower(), system.hex(system.random(8)))
end

local function sent_headers(call, run, path)
    local headers = { unpack(call.headers) }
    if UNSAFE[call.method] and not call.has["idempotency-key"] then
        headers[#headers + 1] = { "Idempotency-Key", run.id .. "/" .. path }
    end
    local trace_id = live.trace_id(run)
    local is_w3c = #trace_id == 32 and not trace_id:find "[^%x]"
    if not call.has.traceparent then
        headers[#headers + 1] = { "traceparent", traceparent(trace_id, is_w3c) }
    end
    if not is_w3c and not call.has["trace-id"] then
        headers[#headers + 1] = { "trace-id", trace_id } -- as it came: a hash would not be found again
    end
    return headers
end

--- The same for everybody who asks for the same in the same way: also what is no part of the step's fingerprint.
local function cache_key(o, call, fingerprint)
    local tls = call.tls or {}
    local parts = { fingerprint, call.password or "", call.password_secret or "", tls.ca or "", tls.cert or "",
        tls.key or "", o.responseType or "", o.follow or 0, o.max_bytes or 0, call.timeout_ms }
    for i, part in ipairs(parts) do
        parts[i] = #tostring(part) .. ":" .. part
    end
    return system.sha256(table.concat(parts) .. tostring(o.onlyData) .. tostring(o.raise) .. tostring(o.is_rule))
end

--- The body as JSON, to be kept with the step.
local function input_of(call)
    local body = call.body
    if not body or #body > MAX_INPUT then
        return nil
    end
    return call.content_type == "application/json" and body or json.encode_stored(body)
end

--- Notes the status beside the answer, which does not have it with onlyData: for the run log of a rule.
local function noting_status(current, done)
    return function(text, value, status)
        if status then
            current.extra = current.extra or {}
            current.extra.status = status
        end
        return done(text, value)
    end
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
    local key = o.isCache and cache_key(options, call, fingerprint)
    return effect.run("request", call.method .. " " .. o.url, fingerprint, function(current, done)
        local headers = sent_headers(call, run, current.path)
        done = options.is_rule and options.onlyData ~= false and noting_status(current, done) or done
        if key then
            return request_cache.get(key, options, call, headers, done)
        end
        return request_send.send(options, call, headers, done)
    end, { policy = shared.policy, is_once = shared.is_once, input = input_of(call) })
end

return { request = request }
