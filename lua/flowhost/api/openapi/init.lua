-- SPDX-License-Identifier: MIT
-- GET /v1/openapi.json: the host's routes, and those of the flows that it serves, as an OpenAPI 3.1 document. One file
-- a group of resources, as data:
--
--   { tag, schemas = { NAME = schema }, paths = { PATH = { METHOD = operation } } }
--   operation: id, summary, query and headers (lists of { name, schema, description, is_required }), answers (list of
--     { status, description, schema, type, headers (names) }), body { schema, description, is_required, type }
--
-- Parameters of the path come from the path, the role from the router. A spec compares the groups with the router.

local core = require "flowhost.core"
local flow_routes = require "flowhost.api.openapi.flow_routes"
local router = require "flowhost.api.router"
local schemas = require "flowhost.api.openapi.schemas"
local shape = require "flowhost.api.openapi.shape"

local json = core.json

local M = {}

M.groups = {
    require "flowhost.api.openapi.host",
    require "flowhost.api.openapi.flows",
    require "flowhost.api.openapi.runs",
    require "flowhost.api.openapi.run_changes",
    require "flowhost.api.openapi.documents",
    require "flowhost.api.openapi.accounts",
    require "flowhost.api.openapi.psgo",
    require "flowhost.api.openapi.aws",
}

local DEEP = { max_depth = 128 }
local DESCRIPTION = "Times are RFC 3339 in UTC with milliseconds, what is absent is null. Errors are problems "
    .. "(RFC 9457); those of ps-go's API are in its envelope."

--- A path as OpenAPI writes it: {name+} is {name}.
function M.to_path(path)
    return (path:gsub("{([%w_]+)%+}", "{%1}"))
end

-- operations ---------------------------------------------------------------------------------------

local function parameter(place, given)
    return { name = given[1], ["in"] = place, schema = given[2], description = given[3],
        required = (place == "path" or given[4]) and true or nil }
end

local function parameters_of(path, operation)
    local list = {}
    for name in path:gmatch "{([%w_]+)}" do
        list[#list + 1] = parameter("path", { name, shape.text })
    end
    for _, given in pairs(operation.query or {}) do
        list[#list + 1] = parameter("query", given)
    end
    for _, given in pairs(operation.headers or {}) do
        list[#list + 1] = parameter("header", given)
    end
    return list[1] and json.array(list) or nil
end

local function headers_of(names)
    local headers = {}
    for _, name in pairs(names or {}) do
        headers[name] = { schema = shape.text }
    end
    return next(headers) and headers or nil
end

local function content(schema, content_type)
    return schema and { [content_type or "application/json"] = { schema = schema } } or nil
end

local PROBLEM = { description = "It was refused, or went wrong",
    content = content(shape.ref "Problem", "application/problem+json") }

local function responses_of(operation)
    local responses = {}
    for _, answer in ipairs(operation.answers) do
        responses[tostring(answer.status)] = { description = answer.description,
            content = content(answer.schema, answer.type), headers = headers_of(answer.headers) }
    end
    responses.default = operation.has_problem ~= false and PROBLEM or nil
    return responses
end

local function body_of(body)
    return body and { required = body.is_required, description = body.description,
        content = content(body.schema, body.type) } or nil
end

local function to_operation(path, operation, tag, role)
    return {
        operationId = operation.id, summary = operation.summary, tags = json.array { tag },
        parameters = parameters_of(path, operation), requestBody = body_of(operation.body),
        responses = responses_of(operation), ["x-flowhost-role"] = role, ["x-flowhost-flow"] = operation.flow,
        security = (role == "none" or role == "open") and json.array {} or nil,
    }
end

-- the document -------------------------------------------------------------------------------------

--- The role of each of the host's own routes: "GET /v1/runs" -> role.
local function read_roles()
    local roles = {}
    for _, route in ipairs(router.own()) do
        roles[route.method:lower() .. " " .. M.to_path(route.path)] = route.role
    end
    return roles
end

local function add_groups(document)
    local roles = read_roles()
    for i, group in ipairs(M.groups) do
        document.tags[i] = { name = group.tag }
        for path, item in pairs(group.paths) do
            local operations = {}
            for method, operation in pairs(item) do
                operations[method] = to_operation(path, operation, group.tag, roles[method .. " " .. path])
            end
            document.paths[path] = operations
        end
        for name, schema in pairs(group.schemas or {}) do
            document.components.schemas[name] = schema
        end
    end
end

--- Two paths may not differ in the names of their parameters only: the first one's are taken.
local function add_flows(document, flows)
    local known = {}
    for path in pairs(document.paths) do
        known[path:gsub("{[%w_]+}", "{}")] = path
    end
    flow_routes.each(flows, function(method, given, operation)
        local path = M.to_path(given)
        local form = path:gsub("{[%w_]+}", "{}")
        path = known[form] or path
        known[form] = path
        local item = document.paths[path] or {}
        document.paths[path] = item
        item[method] = item[method] or to_operation(path, operation, "flows' own routes", "none")
    end)
end

--- Lists of the groups are plain tables: as arrays, also those with nothing in them.
local function mark_arrays(value)
    if type(value) ~= "table" or json.is_array(value) or value == json.null then
        return value
    elseif value[1] ~= nil then
        local list = {}
        for i, one in ipairs(value) do
            list[i] = mark_arrays(one)
        end
        return json.array(list)
    end
    local copy = {}
    for name, one in pairs(value) do
        copy[name] = mark_arrays(one)
    end
    return copy
end

--- The document with the routes of these flows.
---@param flows table<string, table>
function M.document(flows)
    local document = {
        openapi = "3.1.0",
        info = { title = "flowhost", version = core.system.version, description = DESCRIPTION },
        tags = {}, paths = {}, security = { { token = json.array {} }, { session = json.array {} } },
        components = {
            schemas = {},
            securitySchemes = { token = { type = "http", scheme = "bearer" },
                session = { type = "apiKey", ["in"] = "cookie", name = "flowhost_session" } },
        },
    }
    for name, schema in pairs(schemas) do
        document.components.schemas[name] = schema
    end
    add_groups(document)
    document.tags[#document.tags + 1] = { name = "flows' own routes" }
    add_flows(document, flows)
    return document
end

local served, text = {}, nil

--- The flows whose routes it lists from now on.
function M.set_flows(flows)
    served, text = flows, nil
end

--- GET /v1/openapi.json
function M.get(request)
    text = text or assert(json.encode(mark_arrays(M.document(served)), DEEP)) .. "\n"
    request:respond(200, { "Content-Type", "application/json" }, text)
end

return M
