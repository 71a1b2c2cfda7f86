-- SPDX-License-Identifier: MIT
-- From what came back to what ctx.request gives: done(JSON text, value, status), or done(nil, error object). No verb.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local time = require "flowhost.schema.time"
local xml = require "flowhost.codec.xml"

local json, keystore, timer = core.json, core.keystore, core.timer

local M = {}

local ARRAYS = { array = json.array }

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

local function unreadable(code, kind, reason, body)
    return nil, error_object.new(code, ("the answer is not %s: %s"):format(kind, reason), { data = body:sub(1, 200) })
end

--- Each gives the body's JSON text and value, or nil and an error object.
local READERS = {
    json = function(body)
        if body:find "^%s*null%s*$" then
            return "null", nil
        end
        local value, reason = json.decode(body)
        if value == nil then
            return unreadable("NOT_JSON", "JSON", reason, body)
        end
        return body, value
    end,
    xml = function(body)
        local value, reason = xml.decode(body, ARRAYS)
        if value == nil then
            return unreadable("NOT_XML", "XML", reason, body)
        end
        return json.encode_stored(value), value
    end,
    text = function(body)
        return json.encode_stored(body), body
    end,
}

--- What a body is, where nobody has said so, by its Content-Type; without one rules take what can be JSON for JSON.
local function guess_type(o, headers, body)
    local content_type = headers["content-type"]
    if not content_type then
        return o.is_rule and json.decode(body) ~= nil and "json" or "text"
    end
    content_type = content_type:lower()
    if content_type:find("json", 1, true) then
        return "json"
    end
    return content_type:find "[/+]xml" and xml.decode(body) ~= nil and "xml" or "text"
end

local function decode_body(o, headers, body)
    if body == "" then
        return "null", nil
    end
    return READERS[o.responseType or guess_type(o, headers, body)](body)
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

local function raises(o)
    if o.raise == nil then
        return o.onlyData ~= false and not o.is_rule
    end
    return o.raise
end

---@param o table  url, responseType, onlyData, raise, is_rule
---@param done fun(text: string?, value: any, status: integer?)
function M.take(o, done, status, headers, body)
    if keystore.has_any() then -- a service may send back what it was given
        body = keystore.redact(body)
        for name, text in pairs(headers) do
            headers[name] = keystore.redact(text)
        end
    end
    local text, value = decode_body(o, headers, body)
    if status >= 400 and raises(o) then
        return done(nil, error_object.new("HTTP_STATUS", ("%s answered %d"):format(o.url, status), {
            status = status, data = text and value or body:sub(1, 1000), retryable = status >= 500 or status == 429,
            retry_after = retry_after_s(headers["retry-after"]),
        }))
    end
    if not text then
        return done(nil, value)
    end
    if o.onlyData ~= false then
        return done(text, value, status)
    end
    local cookies = parse_cookies(headers["set-cookie"])
    local alias = {} -- a table of its own, as it is when it comes back from the journal
    for name, text_of in pairs(headers) do
        alias[name] = text_of
    end
    local result = { status = status, headers = headers, header = alias, cookies = cookies, data = value }
    return done(json.encode_stored(result), result, status)
end

return M
