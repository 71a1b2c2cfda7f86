-- SPDX-License-Identifier: MIT
-- A request that a flow sent, as a mock and a test see it: { method, url, path, query, headers, body, json,
-- idempotency_key } and where it comes from { run, flow, step, line }.

local parts = require "flowhost.testing.parts"

local json = parts.json

local M = {}

local function unescape(text)
    return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
        return string.char(tonumber(hex, 16))
    end))
end

--- name -> value; of a name that is there twice the last one.
function M.parse_query(text)
    local query = {}
    for name, value in (text or ""):gmatch "([^&=]+)=?([^&]*)" do
        query[unescape(name)] = unescape(value)
    end
    return query
end

---@param call table  what core.client.start got, and `origin`
function M.new(call)
    local headers = {}
    for _, header in ipairs(call.headers) do
        headers[header[1]:lower()] = header[2] .. (header[3] and ("[secret %s]"):format(header[3]) or "")
    end
    local path, query = call.url:match "^%w+://[^/?#]*([^?#]*)%??([^#]*)"
    local value = call.body and call.body ~= "" and json.decode(call.body) or nil
    return {
        method = call.method, url = call.url, path = path == "" and "/" or path or call.url,
        query = M.parse_query(query), headers = headers, body = call.body, json = value,
        idempotency_key = headers["idempotency-key"], run = call.origin.run, flow = call.origin.flow,
        step = call.origin.path, line = call.origin.line,
    }
end

return M
