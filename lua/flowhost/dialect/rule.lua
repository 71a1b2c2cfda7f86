-- SPDX-License-Identifier: MIT
-- Rules: JSON documents that fan one call out to services and scripts (ps-go's, docs/reference/rules.md). Compiled once
-- into a function over what documents run on (ctx/document_host.lua). Pure.
--
--   document: options { description, http, request, durable, on_error, record, rule { name, method } }, main(host),
--             warnings { line, message } of what is hardly meant
--
-- A rule: request, layers (list of lists of components), response. Components of one layer run at the same time.
--
--   component: name, layer, column, line, is_api, condition(root), resolve(root), options (of its step), rule (what
--              its step says of it), output (path in the store, a list), text (its JSON, of one that is cached), ...

local condition = require "flowhost.expr.condition"
local line = require "flowhost.dialect.line"
local rule_document = require "flowhost.schema.rule_document"
local rule_run = require "flowhost.dialect.rule_run"
local template = require "flowhost.expr.template"

local M = {}

local RESPONSE_TYPES = { xml = true, text = true }

local function compile_condition(text)
    if not text then
        return nil
    end
    return assert(condition.compile(text)) -- it was checked with the rest
end

local function split(path)
    local parts = {}
    for part in path:gmatch "[^.]+" do
        parts[#parts + 1] = part
    end
    return parts
end

--- Whether any of the values refers to a root.
local function refers_to(root, ...)
    for i = 1, select("#", ...) do
        local value = select(i, ...)
        if value ~= nil and template.references(value)[root] then
            return true
        end
    end
    return false
end

local function escape_url(text)
    return (text:gsub("[^%w%-._~]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
end

--- What only components that call services have.
local function add_api(component, given, o)
    component.is_api = true
    component.method, component.request_type, component.response_type = given.method, given.requestType,
        given.responseType
    component.content_type, component.xml_name, component.tls = given.contentType, given.xmlName, given.tls
    component.url = template.compile(given.url, { encode = o.encode, is_array = o.is_array, array = o.array,
        null = o.null, escape = escape_url, raw_roots = { env = true } })
    component.header = given.header and template.compile(given.header, o)
    component.auth = given.auth and template.compile(given.auth, o)
    component.response_condition = compile_condition(given.responseCondition)
    component.error_message = given.errorMsg and template.compile(given.errorMsg, o)
    component.wants_status = refers_to("http_status", given.responseCondition, given.errorMsg)
end

local function compile_component(given, layer, column, o)
    local component = {
        name = given.name, layer = layer, column = column, timeout_s = given.timeout, url_text = given.url,
        line = ("%s#/components/%d/%d"):format(o.file, layer - 1, column - 1),
        condition = compile_condition(given.condition), input = template.compile(given.input, o),
        output_data = given.outputData ~= nil and given.outputData ~= o.null and template.compile(given.outputData, o)
            or nil,
        output = given.outputName and split(given.outputName) or nil, is_cached = given.isCache,
        text = given.isCache and o.encode(given) or nil,
        ignores_error = given.ignoreError, answers_now = given.nowResponse,
        retries = given.ignoreError and 0 or given.retryMaxCount, retry_wait_s = given.retryMaxWait,
        needs_global = refers_to("global_store", given.condition, given.input, given.url, given.header, given.auth),
        rule = { layer = layer, column = column, ignore_error = given.ignoreError or nil },
    }
    if given.type == "api" then
        add_api(component, given, o)
    end
    return component
end

local function compile_layers(rule, o)
    local layers = {}
    for number, given in ipairs(rule.components) do
        local layer = { number = number }
        for column, component in ipairs(given) do
            layer[column] = compile_component(component, number, column, o)
        end
        layers[number] = layer
    end
    return layers
end

--- A template, or nil for what is not there.
local function compile_part(value, o)
    if value == nil or value == o.null then
        return nil
    end
    return template.compile(value, o)
end

local function compile_response(given, o)
    local response = given or {}
    return {
        type = RESPONSE_TYPES[response.type] and response.type or "json", xml_name = response.xmlName,
        body = compile_part(response.body, o), default_body = response.defaultBody, header = compile_part(
            response.header, o),
    }
end

--- The names of a decoded rule's components, by layer.
function M.outline(given)
    local outline = {}
    for number, layer in ipairs(rule_document.normalize(given).components) do
        outline[number] = {}
        for column, component in ipairs(layer) do
            outline[number][column] = component.name
        end
    end
    return outline
end

--- How much of a run is kept: all of it for the run log, or what is needed to go on once it has come to stand.
local function durability_of(rule)
    if rule.durable then
        return rule.durable
    elseif rule.record then
        return "always"
    end
    return rule.suspend and "on_error" or "never"
end

--- What is said of a place of a rule's text.
local function remark_of(text, one)
    return { line = one.line or line.of(text, one.pointer),
        message = one.pointer ~= "" and ("%s: %s"):format(one.pointer, one.message) or one.message }
end

local function problem_of(text, problems)
    for _, problem in ipairs(problems) do
        problem.line = problem.line or line.of(text, problem.pointer)
    end
    local problem = remark_of(text, problems[1])
    problem.faults = problems
    return problem
end

--- The parts of a decoded rule that was checked.
local function build(rule, o)
    local built = { layers = compile_layers(rule, o), response = compile_response(rule.response, o) }
    built.has_global = built.response.body and refers_to("global_store", rule.response.body)
    return built
end

local function template_options(json, file)
    return { encode = json.encode, is_array = json.is_array, array = json.array, null = json.null, file = file }
end

--- What is wrong with a rule's text: a list of { pointer, message, line }, empty when nothing is; the rule, decoded;
--- such a list of what is hardly meant.
function M.check(text, json)
    local given, reason = json.decode(text)
    if given == nil then
        return { { pointer = "", line = tonumber(reason:match "line (%d+)") or 1,
            message = "the rule is not JSON: " .. reason } }
    elseif type(given) ~= "table" or json.is_array(given) then
        return { { pointer = "", line = 1, message = "the rule must be a JSON object" } }
    end
    local problems, warnings = rule_document.find_problems(given, json)
    return problems, given, warnings
end

--- A document of a rule's text; nil, { line, message, faults } when it cannot be used.
---@param o { json: table, file: string }
function M.compile(text, o)
    local problems, given, warnings = M.check(text, o.json)
    problems = problems[1] and problems or rule_document.find_lost_conditions(given)
    if problems[1] then
        return nil, problem_of(text, problems)
    end
    for i, warning in ipairs(warnings) do
        warnings[i] = remark_of(text, warning)
    end
    local rule = rule_document.normalize(given)
    local options = template_options(o.json, o.file)
    local built = build(rule, options)
    local function compile_edited(edited_text)
        local _, edited = M.check(edited_text, o.json)
        return build(rule_document.normalize(edited), options)
    end
    return {
        outline = M.outline(given), warnings = warnings,
        options = {
            description = rule.description, http = rule.http, request = rule.request, durable = durability_of(rule),
            on_error = rule.suspend and "suspend" or "fail", record = rule.record or nil,
            rule = { name = rule.name, method = rule.method or "POST", type = rule.request and rule.request.type,
                response = built.response, layers = #built.layers },
        },
        main = function(host)
            return rule_run.main(built, host, compile_edited)
        end,
    }
end

return M
