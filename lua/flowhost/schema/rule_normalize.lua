-- SPDX-License-Identifier: MIT
-- A rule document without faults as the runtime uses it: one spelling of each field, defaults filled in. Pure.
--
--   { version = , name = , http = , description = , durable = text | nil, method = upper case | nil, record = bool,
--     suspend = bool,
--     request = { type = text | nil, query = , header = , body = , is_wide = true },   -- for schema/fields.lua
--     components = { { component... } },                                               -- layers, empty ones too
--     response = { type = text | nil, body = , defaultBody = , header = , xmlName = text | nil } | nil }
--
-- component: the fields of rule_fields.COMPONENT that its type has. What is not given, null or blank is nil, but for
-- those with a default. The templates in it are those of the document; nothing is resolved.

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

--- Blank text is as good as none.
local function drop_blank(own, names)
    for _, name in ipairs(names) do
        if own[name] and not own[name]:find "%S" then
            own[name] = nil
        end
    end
end

local MAY_BE_BLANK = { "condition", "responseCondition", "outputName", "contentType", "responseType", "xmlName",
    "errorMsg", "desc" }

local function normalize_component(document)
    local own = pick(document, rule_fields.COMPONENT, document.type)
    drop_blank(own, MAY_BE_BLANK)
    own.method = own.method and own.method:upper()
    if not (own.timeout > 0 and own.timeout <= MAX_TIMEOUT) then
        own.timeout = MAX_TIMEOUT
    end
    return own
end

local function normalize_layers(components)
    local layers = {}
    for number, layer in ipairs(components) do
        layers[number] = {}
        for column, component in ipairs(layer) do
            layers[number][column] = normalize_component(component)
        end
    end
    return layers
end

local function normalize_request(request)
    local clean = M.clean_request(request)
    return { is_wide = true, type = clean.type, query = clean.query, header = clean.header, body = clean.body }
end

--- The table above, of a document in which rule_document.find_problems finds none. Values are those of the document,
--- not copies: neither may be changed.
function M.normalize(rule)
    local own = pick(rule, rule_fields.RULE)
    drop_blank(own, { "version", "name", "http", "description" })
    own.method = own.method and own.method:upper()
    own.components = normalize_layers(own.components or {})
    own.request = normalize_request(own.request or {})
    own.response = own.response and pick(own.response, rule_fields.RESPONSE)
    return own
end

return M
