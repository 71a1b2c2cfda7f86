-- SPDX-License-Identifier: MIT
-- From the options of ctx.request to what is sent; raises INVALID for those that cannot be. Not a verb.
--
--   call: method, url, body, headers { { name, value [, secret's name behind it] } }, has (lower-case names), user,
--         password, password_secret, tls { ca, cert, key: secrets' names }, timeout_ms, content_type
--
-- Whether the secrets exist is seen when the call is made, not here: a replay must not depend on it.

local core = require "flowhost.core"
local header = require "flowhost.ctx.header"
local request_url = require "flowhost.ctx.request_url"
local secret = require "flowhost.engine.secret"
local xml = require "flowhost.codec.xml"

local json = core.json
local encode_form, invalid, sorted_keys, to_text = request_url.encode_form, request_url.invalid,
    request_url.sorted_keys, request_url.to_text

local M = {}

local DEFAULT_TIMEOUT_S = 30
local MAX_HEADERS = 90 -- the client takes 100, some are added

local RESPONSE_TYPES = { json = true, text = true, xml = true }

local KNOWN = {
    url = true, method = true, query = true, headers = true, header = true, json = true, form = true, body = true,
    xml = true, xmlName = true, requestType = true, contentType = true, tls = true, isCache = true,
    auth = true, bearer = true, timeout = true, responseType = true, onlyData = true, raise = true, follow = true,
    max_bytes = true, retry = true, once = true,
}

-- body ---------------------------------------------------------------------------------------------

local function encode_json(what, value)
    local text, reason = json.encode(value)
    if not text then
        invalid(what .. ": " .. reason)
    end
    return text
end

--- How a body is written, by requestType: text, content type.
local WRITERS = {
    json = function(body)
        return encode_json("body", body), "application/json"
    end,
    xml = function(body, o)
        local text, reason = xml.encode(o.xmlName or "xml", body)
        if not text then
            invalid("body: " .. reason)
        end
        return text, "application/xml"
    end,
    text = function(body)
        return type(body) == "table" and encode_json("body", body) or to_text("body", body), "text/plain"
    end,
    form = function(body)
        return encode_form("body", body), "application/x-www-form-urlencoded"
    end,
}

--- Body and its content type.
local function build_body(o)
    if o.json ~= nil then
        return encode_json("json", o.json), "application/json"
    elseif o.form ~= nil then
        return encode_form("form", o.form), "application/x-www-form-urlencoded"
    elseif o.xml ~= nil then
        return WRITERS.xml(o.xml, o)
    elseif o.body == nil then
        return nil
    elseif o.requestType then
        return WRITERS[o.requestType](o.body, o)
    elseif type(o.body) == "table" then
        return encode_json("body", o.body), "application/json"
    end
    return to_text("body", o.body)
end

-- headers ------------------------------------------------------------------------------------------

--- Adds what is given but for names that are there already. A secret goes as a third part: C puts its bytes there.
local function add_given(list, has, given)
    if type(given) ~= "table" then
        invalid("headers must be a table")
    end
    local own = {}
    for _, name in ipairs(sorted_keys(given)) do
        local secret_name = secret.name_of(given[name])
        local value = header.check("ctx.request", name, secret_name and "" or given[name])
        if not has[name:lower()] then
            list[#list + 1] = { name, value, secret_name }
            own[#own + 1] = name:lower()
        end
    end
    for _, name in ipairs(own) do
        has[name] = true
    end
end

local function build_headers(o, content_type)
    local list, has = {}, {}
    if o.headers ~= nil then
        add_given(list, has, o.headers)
    end
    if o.header ~= nil then
        add_given(list, has, o.header)
    end
    content_type = o.contentType or content_type
    if content_type and not has["content-type"] then
        list[#list + 1] = { "Content-Type", header.check("ctx.request", "Content-Type", content_type) }
    end
    if o.bearer and not has.authorization then
        local secret_name = secret.name_of(o.bearer)
        local text = secret_name and "" or to_text("bearer", o.bearer)
        text = header.check("ctx.request", "Authorization", "Bearer " .. text)
        list[#list + 1] = { "Authorization", text, secret_name }
    end
    if #list > MAX_HEADERS then
        invalid(("more than %d headers"):format(MAX_HEADERS))
    end
    return list, has
end

-- options ------------------------------------------------------------------------------------------

local function check_count(name, value, least)
    if value ~= nil and (type(value) ~= "number" or value < least or value > 2 ^ 31 or value ~= math.floor(value)) then
        invalid(("%s must be a whole number of at least %d"):format(name, least))
    end
end

local function check_types(o)
    if o.method ~= nil and type(o.method) ~= "string" then
        invalid("method must be a string")
    elseif o.auth ~= nil and type(o.auth) ~= "table" then
        invalid("auth must be a table { user = ..., pass = ... }")
    elseif o.responseType ~= nil and not RESPONSE_TYPES[o.responseType] then
        invalid("responseType must be \"json\", \"xml\" or \"text\"")
    elseif o.requestType ~= nil and not WRITERS[o.requestType] then
        invalid("requestType must be \"json\", \"xml\", \"text\" or \"form\"")
    elseif o.contentType ~= nil and type(o.contentType) ~= "string" then
        invalid("contentType must be a string")
    elseif o.isCache ~= nil and type(o.isCache) ~= "boolean" then
        invalid("isCache must be true or false")
    elseif o.xmlName ~= nil and type(o.xmlName) ~= "string" then
        invalid("xmlName must be a string")
    elseif o.tls ~= nil and type(o.tls) ~= "table" then
        invalid("tls must be a table of secrets' names { ca = ..., cert = ..., key = ... }")
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
    check_types(o)
    check_count("max_bytes", o.max_bytes, 1)
    check_count("follow", o.follow, 0)
    return timeout
end

--- The names of the secrets for TLS. The seed's { ca, key }: `ca` is the certificate that goes with the key.
local function build_tls(tls)
    if not tls then
        return nil
    end
    local own = {}
    for name, value in pairs(tls) do
        if name ~= "ca" and name ~= "cert" and name ~= "key" then
            invalid(("tls has the unknown part '%s': use ca, cert, key"):format(tostring(name)))
        end
        own[name] = secret.name_of(value) or to_text("a part of tls", value)
    end
    if own.key and not own.cert then
        own.cert, own.ca = own.ca, nil
    end
    if (own.cert == nil) ~= (own.key == nil) then
        invalid("tls needs both the certificate and its key")
    end
    return own
end

local function add_auth(call, auth)
    if not auth then
        return
    end
    local user, pass = auth.user, auth.pass
    user, pass = user == nil and auth[1] or user, pass == nil and auth[2] or pass
    call.user = user ~= nil and to_text("a part of auth", user) or nil
    call.password_secret = secret.name_of(pass)
    if pass ~= nil and not call.password_secret then
        call.password = to_text("a part of auth", pass)
    end
end

local BODYLESS = { GET = true, HEAD = true }

--- What is sent.
---@param o table  options of ctx.request
function M.build(o)
    local timeout = check(o)
    local method = o.method and o.method:upper()
    local is_body_in_query = BODYLESS[method] and type(o.body) == "table"
    local body, content_type
    if not is_body_in_query then
        body, content_type = build_body(o)
    end
    local headers, has = build_headers(o, content_type)
    local call = {
        method = method or (body and "POST") or "GET", url = request_url.build(o, is_body_in_query), body = body,
        content_type = content_type, headers = headers, has = has, tls = build_tls(o.tls), user = nil, password = nil,
        password_secret = nil, timeout_ms = math.max(1, math.ceil(timeout * 1000)), -- 0 would be none
    }
    add_auth(call, o.auth)
    return call
end

--- What a replay must find the same: everything that is sent, but for what differs by attempt.
function M.fingerprint(call)
    local parts = { call.method, call.url }
    for _, pair in ipairs(call.headers) do
        parts[#parts + 1] = pair[1] .. ":" .. pair[2] .. (pair[3] and "secret " .. pair[3] or "")
    end
    parts[#parts + 1] = call.user or ""
    parts[#parts + 1] = call.body or ""
    return table.concat(parts, "\n")
end

return M
