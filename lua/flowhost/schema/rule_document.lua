-- SPDX-License-Identifier: MIT
-- Rule documents (docs/reference/rules.md, SEEDS 1.3 to 1.9): what is wrong with one, and its canonical form. Pure.
--
-- Unknown keys are passed over. Fields that ps-go's documentation and its code call differently have both names.

local condition = require "flowhost.expr.condition"

local M = {}

local MAX_TIMEOUT_S, MAX_RETRIES = 60, 100

--- The other name of a field -> its name.
local ALIASES = { dataType = "requestType", errMsg = "errorMsg" }

-- faults -------------------------------------------------------------------------------------------

local function add(state, pointer, message)
    state.faults[#state.faults + 1] = { pointer = pointer, message = message }
end

local function is_absent(state, value)
    return value == nil or value == state.o.null
end

local function is_object(state, value)
    return type(value) == "table" and not state.o.is_array(value)
end

local TYPES = {
    text = { "text", function(value) return type(value) == "string" end },
    flag = { "true or false", function(value) return type(value) == "boolean" end },
    count = { "a whole number, 0 or more", function(value)
        return type(value) == "number" and value >= 0 and value == math.floor(value)
    end },
    number = { "a number", function(value) return type(value) == "number" end },
    object = { "an object", function(value, o) return type(value) == "table" and not o.is_array(value) end },
    list = { "an array", function(value, o)
        return type(value) == "table" and (o.is_array(value) or next(value) == nil)
    end },
}

--- Checks the type of each field that is there; true when all are what they should be.
local function check_types(state, pointer, given, types)
    local is_good = true
    local names = {}
    for name in pairs(types) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        local expected = TYPES[types[name]]
        if not is_absent(state, given[name]) and not expected[2](given[name], state.o) then
            add(state, pointer .. "/" .. name, "must be " .. expected[1])
            is_good = false
        end
    end
    return is_good
end

local function check_condition(state, pointer, text)
    if type(text) ~= "string" then
        return
    end
    local _, problem = condition.compile(text)
    if problem then
        add(state, pointer, problem.message)
    end
end

local function one_of(state, pointer, value, ...)
    local choices = { ... }
    for _, choice in ipairs(choices) do
        if value == choice then
            return
        end
    end
    add(state, pointer, ("'%s': use one of %s"):format(tostring(value), table.concat(choices, ", ")))
end

-- request ------------------------------------------------------------------------------------------

local FIELD_TYPES = { int = true, float = true, string = true, slice = true, bool = true, object = true }

local check_field_map

local function check_field(state, pointer, rule)
    if not is_object(state, rule) then
        return add(state, pointer, "must be an object such as { \"type\": \"string\" }")
    end
    if not FIELD_TYPES[rule.type] then
        one_of(state, pointer .. "/type", rule.type, "int", "float", "string", "slice", "bool", "object")
    end
    local is_good = check_types(state, pointer, rule, { required = "flag", min = "number", max = "number",
        minLen = "count", maxLen = "count", enum = "list", attribute = "object" })
    if is_good and not is_absent(state, rule.attribute) then
        if rule.type ~= "object" then
            add(state, pointer .. "/attribute", "is for fields of the type object")
        end
        check_field_map(state, pointer .. "/attribute", rule.attribute)
    end
end

function check_field_map(state, pointer, rules)
    local names = {}
    for name in pairs(rules) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        check_field(state, pointer .. "/" .. name:gsub("~", "~0"):gsub("/", "~1"), rules[name])
    end
end

local function check_request(state, request)
    if is_absent(state, request) then
        return
    elseif not is_object(state, request) then
        return add(state, "/request", "must be an object")
    end
    check_types(state, "/request", request, { type = "text" })
    for _, block in ipairs { "query", "header", "body" } do
        local rules = request[block]
        if is_object(state, rules) then
            check_field_map(state, "/request/" .. block, rules)
        elseif not is_absent(state, rules) then
            add(state, "/request/" .. block, "must be an object")
        end
    end
end

-- components ---------------------------------------------------------------------------------------

local COMPONENT = {
    name = "text", desc = "text", type = "text", url = "text", condition = "text", isCache = "flag", method = "text",
    contentType = "text", auth = "list", header = "object", requestType = "text", responseType = "text",
    xmlName = "text", tls = "object", responseCondition = "text", nowResponse = "flag", errorMsg = "text",
    ignoreError = "flag", outputName = "text", timeout = "number", retryMaxCount = "count", retryMaxWait = "number",
}

local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true, OPTIONS = true }

local function check_api(state, pointer, given)
    if type(given.method) ~= "string" or not METHODS[given.method:upper()] then
        add(state, pointer .. "/method", "must be an HTTP method such as POST")
    end
    if not is_absent(state, given.requestType) then
        one_of(state, pointer .. "/requestType", given.requestType, "json", "xml", "text", "form")
    end
    if not is_absent(state, given.responseType) then
        one_of(state, pointer .. "/responseType", given.responseType, "json", "xml", "text")
    end
    if not is_absent(state, given.auth) and #given.auth ~= 2 then
        add(state, pointer .. "/auth", "must be a user and a password")
    end
    if is_object(state, given.tls) and is_absent(state, given.tls.key) and is_absent(state, given.tls.ca) then
        add(state, pointer .. "/tls", "must name secrets: ca and key")
    end
    check_condition(state, pointer .. "/responseCondition", given.responseCondition)
end

local function is_output_name(text)
    return text == "" or (text:find "^[%w_.]+$" and not ("." .. text .. "."):find("..", 1, true))
end

--- The fields by their names, whatever spelling was used.
local function with_names(given)
    local own = {}
    for name, value in pairs(given) do
        local known = ALIASES[name]
        if not known then
            own[name] = value
        elseif given[known] == nil then
            own[known] = value
        end
    end
    return own
end

local function check_component(state, pointer, component)
    if not is_object(state, component) then
        return add(state, pointer, "must be an object")
    end
    local given = with_names(component)
    if not check_types(state, pointer, given, COMPONENT) then
        return
    elseif given.type ~= "api" and given.type ~= "script" then
        return one_of(state, pointer .. "/type", given.type, "api", "script")
    end
    if is_absent(state, given.name) or given.name == "" then
        add(state, pointer .. "/name", "must not be empty")
    end
    if is_absent(state, given.url) or given.url == "" then
        add(state, pointer .. "/url", given.type == "api" and "must be a URL" or "must be the name of a script")
    end
    if not is_absent(state, given.outputName) and not is_output_name(given.outputName) then
        add(state, pointer .. "/outputName", "must be made of letters, digits, _ and single points")
    end
    if type(given.retryMaxCount) == "number" and given.retryMaxCount > MAX_RETRIES then
        add(state, pointer .. "/retryMaxCount", ("must be at most %d"):format(MAX_RETRIES))
    end
    if type(given.retryMaxWait) == "number" and not (given.retryMaxWait >= 0 and given.retryMaxWait <= 86400) then
        add(state, pointer .. "/retryMaxWait", "must be from 0 to 86400 seconds")
    end
    check_condition(state, pointer .. "/condition", given.condition)
    if given.type == "api" then
        check_api(state, pointer, given)
    end
end

local function check_layer(state, pointer, layer)
    if type(layer) ~= "table" or not (state.o.is_array(layer) or next(layer) == nil) then
        return add(state, pointer, "must be an array of components")
    end
    local seen = {}
    for i, component in ipairs(layer) do
        local own = ("%s/%d"):format(pointer, i - 1)
        check_component(state, own, component)
        local name = type(component) == "table" and component.name
        if type(name) == "string" and seen[name] then
            add(state, own .. "/name", ("'%s' is in this layer twice"):format(name))
        end
        seen[name or false] = true
    end
end

local function check_components(state, components)
    if is_absent(state, components) then
        return
    elseif type(components) ~= "table" or not (state.o.is_array(components) or next(components) == nil) then
        return add(state, "/components", "must be an array of layers, each an array of components")
    end
    for i, layer in ipairs(components) do
        check_layer(state, ("/components/%d"):format(i - 1), layer)
    end
end

-- the whole ----------------------------------------------------------------------------------------

local RULE = { record = "flag", suspend = "flag", version = "text", name = "text", method = "text", http = "text",
    description = "text", durable = "text" }

local function check_response(state, response)
    if is_absent(state, response) then
        return
    elseif not is_object(state, response) then
        return add(state, "/response", "must be an object")
    end
    check_types(state, "/response", response, { type = "text", xmlName = "text", header = "object" })
end

--- What is wrong with a decoded rule: a list of { pointer, message } (JSON pointers), empty when nothing is.
---@param rule table
---@param o { is_array: (fun(value: table): boolean), null: any }
function M.find_problems(rule, o)
    local state = { faults = {}, o = o }
    check_types(state, "", rule, RULE)
    if type(rule.method) == "string" and not METHODS[rule.method:upper()] then
        add(state, "/method", "must be an HTTP method such as POST")
    end
    if not is_absent(state, rule.durable) then
        one_of(state, "/durable", rule.durable, "always", "on_error", "never")
    end
    check_request(state, rule.request)
    check_components(state, rule.components)
    check_response(state, rule.response)
    return state.faults
end

-- canonical form -----------------------------------------------------------------------------------

local function given_or_nil(value)
    if type(value) == "userdata" then
        return nil -- null
    end
    return value
end

local function text_or_nil(value)
    value = given_or_nil(value)
    return value ~= nil and value:find "%S" and value or nil
end

--- Seconds, whole ones as the seed had them: outside of 1 to 60 it is 60.
local function clamp_timeout(value)
    value = given_or_nil(value)
    if not value or value <= 0 or value > MAX_TIMEOUT_S then
        return MAX_TIMEOUT_S
    end
    return value
end

local function normalize_component(component)
    local own = {}
    for name, value in pairs(with_names(component)) do
        own[name] = given_or_nil(value)
    end
    own.timeout = clamp_timeout(component.timeout)
    own.condition, own.responseCondition = text_or_nil(own.condition), text_or_nil(own.responseCondition)
    own.outputName, own.errorMsg = text_or_nil(own.outputName), text_or_nil(own.errorMsg)
    own.contentType, own.xmlName = text_or_nil(own.contentType), text_or_nil(own.xmlName)
    own.method = own.type == "api" and own.method:upper() or nil
    own.requestType = own.requestType or "json"
    own.retryMaxCount, own.retryMaxWait = own.retryMaxCount or 0, own.retryMaxWait or 0
    own.isCache, own.ignoreError, own.nowResponse = own.isCache or false, own.ignoreError or false,
        own.nowResponse or false
    return own
end

local FIELD = { "type", "required", "default", "min", "max", "minLen", "maxLen", "enum" }

--- Only what the seed knows of a field; the rest is passed over.
local function normalize_fields(rules)
    local own = {}
    for name, rule in pairs(rules) do
        local field = {}
        for _, part in ipairs(FIELD) do
            field[part] = given_or_nil(rule[part])
        end
        field.attribute = type(rule.attribute) == "table" and normalize_fields(rule.attribute) or nil
        own[name] = field
    end
    return own
end

local function normalize_request(request)
    if type(request) ~= "table" then
        return nil
    end
    local own = { type = given_or_nil(request.type) }
    for _, block in ipairs { "query", "header", "body" } do
        own[block] = type(request[block]) == "table" and normalize_fields(request[block]) or nil
    end
    return own
end

--- The canonical form of a rule without faults: one spelling, defaults filled in.
function M.normalize(rule)
    local own = { record = given_or_nil(rule.record) or false, suspend = given_or_nil(rule.suspend) or false,
        components = {}, request = normalize_request(rule.request) }
    for _, name in ipairs { "version", "name", "http", "description", "durable" } do
        own[name] = text_or_nil(rule[name])
    end
    own.method = type(rule.method) == "string" and rule.method:upper() or nil
    for i, layer in ipairs(given_or_nil(rule.components) or {}) do
        own.components[i] = {}
        for column, component in ipairs(layer) do
            own.components[i][column] = normalize_component(component)
        end
    end
    local response = given_or_nil(rule.response)
    if response then
        own.response = {}
        for name, value in pairs(response) do
            own.response[name] = given_or_nil(value)
        end
    end
    return own
end

return M
