-- SPDX-License-Identifier: MIT
-- OpenAPI: the routes of the flows that are served, with their request blocks as schemas. What a rule takes may be
-- written otherwise, too ("12" for 12): the schema says what it is read as.

local fields_of = {
    int = function() return { type = "integer" } end,
    float = function() return { type = "number" } end,
    bool = function() return { type = "boolean" } end,
    string = function(rule)
        return { type = "string", minLength = rule.minLen, maxLength = rule.maxLen }
    end,
    slice = function(rule)
        return { type = "array", minItems = rule.minLen, maxItems = rule.maxLen,
            items = rule.enum and { enum = rule.enum } or nil }
    end,
}

local M = {}

local to_object

--- A field of a request block as a schema.
local function to_schema(rule)
    local schema
    if rule.type == "object" then
        schema = to_object(rule.attribute or {})
    else
        schema = (fields_of[rule.type] or function() return {} end)(rule)
    end
    schema.minimum, schema.maximum, schema.default = rule.min, rule.max, rule.default
    if rule.type ~= "slice" then
        schema.enum = rule.enum
    end
    return schema
end

local function sorted_names(t)
    local names = {}
    for name in pairs(t) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

function to_object(block)
    local properties, required = {}, {}
    for _, name in ipairs(sorted_names(block)) do
        properties[name] = to_schema(block[name])
        if block[name].required then
            required[#required + 1] = name
        end
    end
    return { type = "object", properties = next(properties) and properties or nil,
        required = required[1] and required or nil }
end

local function parameters_of(block)
    local list = {}
    for _, name in ipairs(sorted_names(block or {})) do
        list[#list + 1] = { name, to_schema(block[name]), nil, block[name].required or false }
    end
    return list
end

local BODILESS = { get = true, head = true }

local function body_of(flow, method)
    local block = flow.request and flow.request.body
    if not block then
        return not BODILESS[method] and { schema = {} } or nil
    end
    local schema = to_object(block)
    return { schema = schema, is_required = schema.required ~= nil,
        type = flow.rule and flow.rule.type == "xml" and "application/xml" or nil }
end

local RULE_TYPES = { xml = "application/xml", text = "text/plain" }

local function operation_of(flow, method, path)
    local rule = flow.rule
    return {
        id = ("flow %s %s %s"):format(flow.name, method, path):gsub("[^%w]+", "_"),
        summary = flow.description or ("Run the flow " .. flow.name), flow = flow.name, role = "none",
        query = parameters_of(flow.request and flow.request.query),
        headers = parameters_of(flow.request and flow.request.header), body = body_of(flow, method),
        answers = { { status = 200, description = rule and "What the rule's response block says"
            or "The run's output, or what it passed to ctx.response", schema = {},
            type = rule and RULE_TYPES[rule.response.type] or nil,
            headers = { "Flowhost-Run", rule and "Trx" or nil } } },
        has_problem = rule == nil,
    }
end

--- Calls add(method in lower case, path, operation) for each route, by name of the flow.
---@param flows table<string, table>
function M.each(flows, add)
    for _, name in ipairs(sorted_names(flows)) do
        local flow = flows[name]
        if flow.http then
            local method = flow.http.method:lower()
            add(method, flow.http.path, operation_of(flow, method, flow.http.path))
        end
        local rule = flow.rule
        if rule and (rule.name or name) then
            local path, method = "/ps/" .. (rule.name or name), rule.method:lower()
            add(method, path, operation_of(flow, method, path))
        end
    end
end

return M
