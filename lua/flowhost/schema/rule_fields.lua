-- SPDX-License-Identifier: MIT
-- The fields of a ps-go rule document (docs/reference/rules.md), each once: its spellings, what it may hold, its
-- default. Pure.
--
-- An entry is { name, check, default = , aliases = { other spellings }, only = "api" }. A check is fun(value) -> nil,
-- or what is wrong with a value as a message and, for conditions, the byte.

local condition = require "flowhost.expr.condition"
local coerce = require "flowhost.schema.coerce"

local M = {}

--- null in a document is as good as no value.
function M.is_given(value)
    return value ~= nil and type(value) ~= "userdata"
end

local function is_array(value)
    return type(value) == "table" and (coerce.is_list(value) or next(value) == nil)
end

local function is_object(value)
    return type(value) == "table" and not coerce.is_list(value)
end

M.is_array, M.is_object = is_array, is_object

-- checks -----------------------------------------------------------------------------------------------

local function any()
    return nil
end

local function text(value)
    return type(value) ~= "string" and "must be a string" or nil
end

local function flag(value)
    return type(value) ~= "boolean" and "must be true or false" or nil
end

local function object(value)
    return not is_object(value) and "must be an object" or nil
end

local function filled(value)
    return text(value) or (not value:find "%S" and "must not be empty") or nil
end

local function one_of(...)
    local allowed, list = {}, table.concat({ ... }, ", "):gsub(", ([^,]+)$", " or %1")
    for _, name in ipairs { ... } do
        allowed[name] = true
    end
    return function(value)
        return text(value) or (not allowed[value] and ("'%s' is not known: use %s"):format(value, list)) or nil
    end
end

--- Empty text is as good as none.
local function none_or(check)
    return function(value)
        if value ~= "" then
            return check(value)
        end
    end
end

local function number(value)
    return type(value) ~= "number" and "must be a number" or nil
end

local function count(most)
    return function(value)
        local is_whole = type(value) == "number" and value == math.floor(value)
        return not (is_whole and value >= 0 and value <= most) and ("must be a whole number from 0 to %d"):format(most)
            or nil
    end
end

local function expression(value)
    local reason = text(value)
    if reason then
        return reason
    end
    local _, err = condition.compile(value)
    if err then
        return err.message, err.position
    end
end

local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true, OPTIONS = true }

local function method(value)
    return text(value) or (not METHODS[value:upper()] and "must be an HTTP method such as POST") or nil
end

local function pair(value)
    if not is_array(value) or #value ~= 2 or text(value[1]) or text(value[2]) then
        return "must be an array of user and password"
    end
end

local function tls(value)
    if not is_object(value) then
        return "must be an object with ca and key"
    end
    local ca, key = M.is_given(value.ca) and value.ca, M.is_given(value.key) and value.key
    if (ca and filled(ca)) or (key and filled(key)) or not (ca or key) then
        return "must name secrets: ca and key"
    end
end

local function output_name(value)
    return text(value) or (("." .. value .. "."):find("..", 1, true) and value ~= ""
        and "must not have a dot at its ends nor two in a row") or nil
end

-- fields -----------------------------------------------------------------------------------------------

M.RULE = {
    { "version", text },
    { "name", text },
    { "method", method },
    { "http", text },
    { "description", text },
    { "durable", one_of("always", "on_error", "never") },
    { "record", flag, default = false },
    { "suspend", flag, default = false },
    { "request", object },
    { "components", any },
    { "response", object },
}

M.COMPONENT = {
    { "name", filled, is_required = true },
    { "desc", text },
    { "type", one_of("api", "script"), is_required = true },
    { "url", filled, is_required = true },
    { "input", any },
    { "condition", expression },
    { "isCache", flag, default = false },
    { "nowResponse", flag, default = false },
    { "ignoreError", flag, default = false },
    { "outputData", any },
    { "outputName", output_name },
    { "timeout", number, default = 60 },
    { "retryMaxCount", count(100), default = 0 },
    { "retryMaxWait", count(86400), default = 0 },
    { "method", method, is_required = true, only = "api" },
    { "contentType", text, only = "api" },
    { "auth", pair, only = "api" },
    { "header", object, only = "api" },
    { "requestType", none_or(one_of("json", "xml", "text", "form")), aliases = { "dataType" }, default = "json",
        only = "api" },
    { "responseType", none_or(one_of("json", "xml", "text")), only = "api" },
    { "xmlName", text, only = "api" },
    { "tls", tls, only = "api" },
    { "responseCondition", expression, only = "api" },
    { "errorMsg", text, aliases = { "errMsg" }, only = "api" },
}

M.RESPONSE = {
    { "type", text },
    { "body", any },
    { "defaultBody", any },
    { "header", object },
    { "xmlName", text },
}

--- The field's value in a document under whichever of its spellings, and that spelling; nil when it has none.
function M.value_of(document, field)
    local name = field[1]
    if M.is_given(document[name]) then
        return document[name], name
    end
    for _, alias in ipairs(field.aliases or {}) do
        if M.is_given(document[alias]) then
            return document[alias], alias
        end
    end
end

--- Whether a component of this type has the field.
function M.applies(field, kind)
    return not field.only or field.only == kind
end

return M
