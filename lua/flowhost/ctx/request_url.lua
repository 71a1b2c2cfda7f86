-- SPDX-License-Identifier: MIT
-- The url of ctx.request with its query, and forms, which look the same. Not a verb.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"

local json = core.json

local M = {}

function M.invalid(message)
    error_object.raise("INVALID", "ctx.request: " .. message)
end

local TEXTUAL = { string = true, number = true, boolean = true, cdata = true }

--- The text of a value. That of a table or function would be an address, which a replay does not find again.
function M.to_text(what, value)
    if value ~= nil and not TEXTUAL[type(value)] then
        M.invalid(what .. " must be a text, not a " .. type(value))
    end
    return tostring(value)
end

local function escape(text)
    return (text:gsub("[^%w%-._~]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
end

function M.sorted_keys(map)
    local keys = {}
    for key in pairs(map) do
        if type(key) ~= "string" then
            M.invalid("names of query, form and headers must be strings")
        end
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

--- A value of a query: objects are JSON, null is nothing.
local function add_pairs(parts, key, value)
    if type(value) == "table" and #value == 0 and next(value) ~= nil then
        M.invalid(("the value of '%s' in query or form must be a text or a list of texts"):format(key))
    end
    for _, one in ipairs(type(value) == "table" and value or { value }) do
        if one ~= json.null then
            parts[#parts + 1] = escape(key) .. "=" .. escape(M.to_text("the value of '" .. key .. "'", one))
        end
    end
end

function M.encode_form(what, map)
    if type(map) ~= "table" then
        M.invalid(what .. " must be a table")
    end
    local parts = {}
    for _, key in ipairs(M.sorted_keys(map)) do
        add_pairs(parts, key, map[key])
    end
    return table.concat(parts, "&")
end

--- The body of a GET goes into its query, as the seeds have it; what is no text there as JSON.
local function query_of_body(body)
    local flat = {}
    for key, value in pairs(body) do
        local is_object = type(value) == "table" and #value == 0 and next(value) ~= nil
        flat[key] = is_object and json.encode(value) or value
    end
    return M.encode_form("body", flat)
end

local function add_query(url, query)
    if query == "" then
        return url
    end
    local base, fragment = url:match "^([^#]*)(#?.*)$"
    return base .. (base:find("?", 1, true) and "&" or "?") .. query .. fragment
end

function M.build(o, is_body_in_query)
    if type(o.url) ~= "string" or o.url == "" then
        M.invalid("url must be a non-empty string")
    end
    local url = o.url
    if o.query ~= nil then
        url = add_query(url,
            type(o.query) == "table" and M.encode_form("query", o.query) or M.to_text("query", o.query))
    end
    return is_body_in_query and add_query(url, query_of_body(o.body)) or url
end

return M
