-- SPDX-License-Identifier: MIT
-- ctx.request(o): an HTTP call as a step.
--
-- o: url, method ("GET", or "POST" when there is a body), query, headers (or header), json | form | body, auth { user,
-- pass },
--    bearer, timeout (s, 30), responseType ("json" | "text"; default by the answer's Content-Type), onlyData (true),
--    raise (true when onlyData), follow (redirects, 0), max_bytes (8 MiB)
-- Returns the decoded body, or with onlyData = false { status, headers, header, cookies, data }.
-- Raises NETWORK, TIMEOUT, TLS, TOO_LARGE, NOT_JSON, INVALID, and HTTP_STATUS (status >= 400; `data` is the body).

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local live = require "flowhost.engine.live"
local effect = require "flowhost.engine.effect"
local header = require "flowhost.ctx.header"
local options_module = require "flowhost.ctx.options"
local step = require "flowhost.engine.step"
local time = require "flowhost.schema.time"
local token = require "flowhost.engine.token"

local client, json, system, timer = core.client, core.json, core.system, core.timer

local DEFAULT_TIMEOUT_S = 30
local MAX_HEADERS = 90 -- the client takes 100, some are added
local UNSAFE = { POST = true, PUT = true, PATCH = true, DELETE = true }

local RESPONSE_TYPES = { json = true, text = true }

local KNOWN = {
    url = true, method = true, query = true, headers = true, header = true, json = true, form = true, body = true,
    auth = true, bearer = true, timeout = true, responseType = true, onlyData = true, raise = true, follow = true,
    max_bytes = true, retry = true, once = true,
}
local SHARED = { retry = true, once = true }
local MAX_INPUT = 16384 -- bytes of a body that is kept with the step

local function invalid(message)
    error_object.raise("INVALID", "ctx.request: " .. message)
end

local TEXTUAL = { string = true, number = true, boolean = true, cdata = true }

--- The text of a value. That of a table or function would be an address, which a replay does not find again.
local function to_text(what, value)
    if value ~= nil and not TEXTUAL[type(value)] then
        invalid(what .. " must be a text, not a " .. type(value))
    end
    return tostring(value)
end

local function escape(text)
    return (text:gsub("[^%w%-._~]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
end

local function sorted_keys(map)
    local keys = {}
    for key in pairs(map) do
        if type(key) ~= "string" then
            invalid("names of query, form and headers must be strings")
        end
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

local function encode_form(what, map)
    if type(map) ~= "table" then
        invalid(what .. " must be a table")
    end
    local parts = {}
    for _, key in ipairs(sorted_keys(map)) do
        local value = map[key]
        if type(value) == "table" and #value == 0 and next(value) ~= nil then
            invalid(("the value of '%s' in query or form must be a text or a list of texts"):format(key))
        end
        for _, one in ipairs(type(value) == "table" and value or { value }) do
            parts[#parts + 1] = escape(key) .. "=" .. escape(to_text("the value of '" .. key .. "'", one))
        end
    end
    return table.concat(parts, "&")
end

local function build_url(o)
    if type(o.url) ~= "string" or o.url == "" then
        invalid("url must be a non-empty string")
    end
    if o.query == nil then
        return o.url
    end
    local query = type(o.query) == "table" and encode_form("query", o.query) or to_text("query", o.query)
    if query == "" then
        return o.url
    end
    return o.url .. (o.url:find("?", 1, true) and "&" or "?") .. query
end

--- Body and its content type.
local function build_body(o)
    if o.json ~= nil then
        local text, reason = json.encode(o.json)
        if not text then
            invalid("json: " .. reason)
        end
        return text, "application/json"
    elseif o.form ~= nil then
        return encode_form("form", o.form), "application/x-www-form-urlencoded"
    elseif type(o.body) == "table" then
        local text, reason = json.encode(o.body)
        if not text then
            invalid("body: " .. reason)
        end
        return text, "application/json"
    elseif o.body ~= nil then
        return to_text("body", o.body)
    end
end

local function build_headers(o, content_type)
    local list, has = {}, {}
    local given = o.headers or o.header
    if given then
        if type(given) ~= "table" then
            invalid("headers must be a table")
        end
        for _, name in ipairs(sorted_keys(given)) do
            list[#list + 1] = { name, header.check("ctx.request", name, given[name]) }
            has[name:lower()] = true
        end
    end
    if content_type and not has["content-type"] then
        list[#list + 1] = { "Content-Type", content_type }
    end
    if o.bearer and not has.authorization then
        list[#list + 1] = { "Authorization", "Bearer " .. to_text("bearer", o.bearer) }
    end
    if #list > MAX_HEADERS then
        invalid(("more than %d headers"):format(MAX_HEADERS))
    end
    return list, has
end

--- What a replay must find the same: everything that is sent, but for what differs by attempt.
local function fingerprint(call)
    local parts = { call.method, call.url }
    for _, pair in ipairs(call.headers) do
        parts[#parts + 1] = pair[1] .. ":" .. pair[2]
    end
    parts[#parts + 1] = call.user or ""
    parts[#parts + 1] = call.body or ""
    return table.concat(parts, "\n")
end

local function parse_cookies(lines)
    local cookies = {}
    for line in (lines or ""):gmatch "[^\n]+" do
        local name, value = line:match "^%s*([^=;%s]+)=([^;]*)"
        if name then
            cookies[name] = value
        end
    end
    return cookies
end

--- Text of the decoded body as JSON, and the value. nil, error object when it is not what was asked for.
local function decode_body(o, headers, body)
    local kind = o.responseType
    if not kind then
        kind = (headers["content-type"] or ""):lower():find("json", 1, true) and "json" or "text"
    end
    if body == "" or (kind == "json" and body:find "^%s*null%s*$") then
        return "null", nil
    elseif kind == "json" then
        local value, reason = json.decode(body)
        if value == nil then
            return nil, error_object.new("NOT_JSON", "the answer is not JSON: " .. reason, { data = body:sub(1, 200) })
        end
        return body, value
    end
    return json.encode_stored(body), body
end

--- Seconds to wait as a Retry-After header says, a number or an HTTP date (RFC 9110); nil when it says nothing.
local function retry_after_s(text)
    local seconds = tonumber(text and text:match "^%s*(%d+)%s*$")
    if seconds or not text then
        return seconds
    end
    local at = time.parse_http(text)
    return at and math.max(0, at - timer.now_ms() / 1000)
end

local function on_answer(o, done, status, headers, body)
    local text, value = decode_body(o, headers, body)
    local raises = o.raise
    if raises == nil then
        raises = o.onlyData ~= false
    end
    if raises and status >= 400 then
        return done(nil, error_object.new("HTTP_STATUS", ("%s answered %d"):format(o.url, status), {
            status = status, data = text and value or body:sub(1, 1000), retryable = status >= 500 or status == 429,
            retry_after = retry_after_s(headers["retry-after"]),
        }))
    end
    if not text then
        return done(nil, value)
    end
    if o.onlyData ~= false then
        return done(text, value)
    end
    local cookies = parse_cookies(headers["set-cookie"])
    local alias = {} -- a table of its own, as it is when it comes back from the journal
    for name, text_of in pairs(headers) do
        alias[name] = text_of
    end
    local result = { status = status, headers = headers, header = alias, cookies = cookies, data = value }
    return done(json.encode_stored(result), result)
end

--- A trace id that the caller gave in another form than W3C's is hashed into one.
local function traceparent(trace_id)
    if #trace_id ~= 32 or trace_id:find "[^%x]" then
        trace_id = system.hex(system.sha256(trace_id):sub(1, 16))
    end
    return ("00-%s-%s-01"):format(trace_id:lower(), system.hex(system.random(8)))
end

local function send(o, call, run, done, path)
    local headers = { unpack(call.headers) }
    if UNSAFE[call.method] and not call.has["idempotency-key"] then
        headers[#headers + 1] = { "Idempotency-Key", run.id .. "/" .. path }
    end
    if not call.has.traceparent then
        headers[#headers + 1] = { "traceparent", traceparent(live.trace_id(run)) }
    end
    local waiting = token.new(function(code, a, b, c)
        if code then
            return done(nil, error_object.new(code, a, { retryable = code == "NETWORK" or code == "TIMEOUT" }))
        end
        return on_answer(o, done, a, b, c)
    end)
    local handle, code, detail = client.start({
        method = call.method, url = call.url, headers = headers, body = call.body, user = call.user,
        password = call.password, timeout_ms = call.timeout_ms, max_bytes = o.max_bytes, max_redirects = o.follow,
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

local function check_count(name, value, least)
    if value ~= nil and (type(value) ~= "number" or value < least or value > 2 ^ 31 or value ~= math.floor(value)) then
        invalid(("%s must be a whole number of at least %d"):format(name, least))
    end
end

local function check(o)
    if type(o) ~= "table" then
        invalid("a table is expected, e.g. { url = ... }")
    end
    for name in pairs(o) do
        if not KNOWN[name] then
            invalid(("unknown option '%s'"):format(tostring(name)))
        end
    end
    local timeout = o.timeout == nil and DEFAULT_TIMEOUT_S or o.timeout
    if type(timeout) ~= "number" or not (timeout > 0 and timeout <= 1e9) then
        invalid("timeout must be a number of seconds above 0, at most 1e9")
    end
    if o.method ~= nil and type(o.method) ~= "string" then
        invalid("method must be a string")
    elseif o.auth ~= nil and type(o.auth) ~= "table" then
        invalid("auth must be a table { user = ..., pass = ... }")
    elseif o.responseType ~= nil and not RESPONSE_TYPES[o.responseType] then
        invalid("responseType must be \"json\" or \"text\"")
    end
    check_count("max_bytes", o.max_bytes, 1)
    check_count("follow", o.follow, 0)
    return timeout
end

--- The body as JSON, to be kept with the step.
local function input_of(body, content_type)
    if not body or #body > MAX_INPUT then
        return nil
    end
    return content_type == "application/json" and body or json.encode_stored(body)
end

local function auth_text(value)
    return value ~= nil and to_text("a part of auth", value) or nil
end

local function request(o)
    local timeout = check(o)
    local body, content_type = build_body(o)
    local auth = o.auth or {}
    local headers, has = build_headers(o, content_type)
    local call = {
        method = (o.method or (body and "POST") or "GET"):upper(), url = build_url(o), body = body,
        headers = headers, has = has, user = auth_text(auth.user or auth[1]),
        password = auth_text(auth.pass or auth[2]),
        timeout_ms = math.max(1, math.ceil(timeout * 1000)), -- 0 would be none
    }
    local run = step.current_fiber("request").run
    -- the given table may change before the answer is there
    local options = { url = o.url, responseType = o.responseType, onlyData = o.onlyData, raise = o.raise,
        follow = o.follow, max_bytes = o.max_bytes }
    local shared = { policy = nil, is_once = nil }
    if o.retry ~= nil or o.once ~= nil then
        shared = options_module.parse("request", { retry = o.retry, once = o.once }, SHARED)
    end
    return effect.run("request", call.method .. " " .. o.url, fingerprint(call), function(current, done)
        return send(options, call, run, done, current.path)
    end, { policy = shared.policy, is_once = shared.is_once, input = input_of(body, content_type) })
end

return { request = request }
