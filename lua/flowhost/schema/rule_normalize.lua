-- SPDX-License-Identifier: MIT
-- A rule document without faults as the runtime uses it: one spelling of each field, defaults filled in. Pure.
--
--   { version = text | nil, record = bool, suspend = bool,
--     request = { type = "json" | "xml" | nil, query = , header = , body = , is_wide = true }, -- for schema/fields.lua
--     layer_count = n,                                                      -- with empty ones
--     layers = { { number = 1, components = { component... } } },           -- without them; numbers of the document
--     response = { type = "json" | "xml" | "text", body = , defaultBody = , header = , xmlName = text } }
--
-- component: the fields of rule_fields.COMPONENT that its type has, and layer, column (from 1 as in the document).
-- input, outputData, condition, responseCondition, outputName, contentType, auth, header, tls, desc: nil when not given
-- or blank. The templates in it are those of the document; nothing is resolved.

local rule_fields = require "flowhost.schema.rule_fields"

local M = {}

local MAX_TIMEOUT = 60

--- A copy of an object without its nulls, each other value made anew by `clean`.
local function map_given(object, clean)
    if not rule_fields.is_object(object) then
        return object
    end
    local own = {}
    for key, value in next, object do
        if rule_fields.is_given(value) then
            own[key] = clean(value, key)
        end
    end
    return own
end

local function clean_fields(fields)
    return map_given(fields, function(rule)
        return map_given(rule, function(value, key)
            return key == "attribute" and clean_fields(value) or value
        end)
    end)
end

--- A request block without the nulls of its rules, which say as much as nothing.
function M.clean_request(request)
    return map_given(request, clean_fields)
end

local function pick(document, list, kind)
    local own = {}
    for _, field in ipairs(list) do
        if rule_fields.applies(field, kind) then
            local value = rule_fields.value_of(document, field)
            if value == nil or (value == "" and field.default ~= nil) then
                value = field.default
            end
            own[field[1]] = value
        end
    end
    return own
end

local function nil_when_blank(component, name)
    if component[name] and not component[name]:find "%S" then
        component[name] = nil
    end
end

local CONTENT_TYPES = { json = "application/json", xml = "application/xml" }

local function normalize_component(document, layer, column)
    local own = pick(document, rule_fields.COMPONENT, document.type)
    own.layer, own.column = layer, column
    for _, name in ipairs { "condition", "responseCondition", "outputName", "contentType", "responseType", "desc" } do
        nil_when_blank(own, name)
    end
    if own.timeout <= 0 or own.timeout > MAX_TIMEOUT then
        own.timeout = MAX_TIMEOUT
    end
    if own.type == "api" then
        own.method = own.method:upper()
        own.contentType = own.contentType or CONTENT_TYPES[own.requestType]
    end
    return own
end

local function normalize_layers(components)
    local layers = {}
    for number, layer in ipairs(components) do
        local list = {}
        for column, component in ipairs(layer) do
            list[column] = normalize_component(component, number, column)
        end
        if list[1] then
            layers[#layers + 1] = { number = number, components = list }
        end
    end
    return layers, #components
end

local REQUEST_TYPES = { json = "json", xml = "xml" }
local RESPONSE_TYPES = { xml = "xml", text = "text" }

local function normalize_request(request)
    local clean = M.clean_request(request)
    return { is_wide = true, type = REQUEST_TYPES[clean.type], query = clean.query, header = clean.header,
        body = clean.body }
end

--- The table above, of a document in which rule_document.find_problems finds none. Values are those of the document,
--- not copies: neither may be changed.
function M.normalize(rule)
    local own = pick(rule, rule_fields.RULE)
    own.components = nil
    own.version = own.version ~= "" and own.version or nil
    own.layers, own.layer_count = normalize_layers(rule_fields.is_given(rule.components) and rule.components or {})
    own.request = normalize_request(own.request or {})
    own.response = pick(own.response or {}, rule_fields.RESPONSE)
    own.response.type = RESPONSE_TYPES[own.response.type] or "json"
    return own
end

return M
