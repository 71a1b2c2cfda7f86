-- SPDX-License-Identifier: MIT
-- GET /v1/openapi.json against the router, and against itself.
local rules = require "support.rules"

local json = rules.json

local FLOWS = {
    ["sign.lua"] = [[return {
        http = "POST /sign/{user}", description = "Signs.",
        request = {
            query = { lang = { type = "string", enum = { "de", "en" } } },
            header = { ["X-Key"] = { type = "string", required = true } },
            body = { age = { type = "int", min = 18, required = true }, tags = { type = "slice", maxLen = 3 },
                address = { type = "object", attribute = {
                    city = { type = "string", required = true, minLen = 2 } } } },
        },
        run = function() end }]],
    ["other.lua"] = [[return { http = "GET /sign/{name}", run = function() end }]],
    ["files.lua"] = [[return { http = "PUT /files/{rest+}", run = function() end }]],
    ["silent.lua"] = [[return function() end]],
}
local RULES = { shop = { method = "post", request = { type = "xml", body = { id = { type = "string" } } },
    components = { { rules.script("s") } }, response = { type = "text" } } }

local function new()
    local w = rules.new(RULES, { files = { ["components/s.lua"] = rules.handler "return 1" } })
    assert.same({}, w.problems)
    return w
end

local function world_of_flows()
    local w = rules.new({}, { files = FLOWS })
    assert.same({}, w.problems)
    return w
end

local function read(w)
    local request = w:request("GET", "/v1/openapi.json")
    assert.equal(200, request.status)
    return request:json(), request.body
end

--- "METHOD /path" of every operation that is no flow's.
local function own_operations(document)
    local found = {}
    for path, item in pairs(document.paths) do
        for method, operation in pairs(item) do
            if not operation["x-flowhost-flow"] then
                found[method:upper() .. " " .. path] = operation
            end
        end
    end
    return found
end

local function each_table(value, fn)
    if type(value) == "table" then
        fn(value)
        for _, one in pairs(value) do
            each_table(one, fn)
        end
    end
end

describe("the OpenAPI document", function()
    it("has each of the host's routes with its role, and no other", function()
        local w = new()
        local documented, routed = own_operations(read(w)), {}
        for _, route in ipairs(w:module("flowhost.api.router").own()) do
            local name = route.method .. " " .. route.path:gsub("%+}", "}")
            routed[name] = true
            assert.is_table(documented[name], name .. " is not documented")
            assert.equal(route.role, documented[name]["x-flowhost-role"], name)
        end
        for name in pairs(documented) do
            assert.is_true(routed[name], name .. " is documented, but no route")
        end
    end)

    it("refers to schemas that are there, and uses all that are there", function()
        local document = read(new())
        local schemas, used = document.components.schemas, {}
        each_table(document, function(one)
            local name = type(one["$ref"]) == "string" and one["$ref"]:match "^#/components/schemas/(%w+)$"
            if one["$ref"] then
                assert.is_table(schemas[name], one["$ref"])
                used[name] = true
            end
        end)
        for name in pairs(schemas) do
            assert.is_true(used[name], name .. " is used nowhere")
        end
    end)

    it("requires members that the schema has", function()
        each_table(read(new()), function(one)
            if one.type == "object" and one.required and one.properties then
                for _, name in ipairs(one.required) do
                    assert.is_not_nil(one.properties[name], name)
                end
            end
        end)
    end)

    it("names operations once, and declares the parameters of their paths", function()
        local seen = {}
        for path, item in pairs(read(world_of_flows()).paths) do
            for method, operation in pairs(item) do
                assert.is_nil(seen[operation.operationId], operation.operationId)
                seen[operation.operationId] = true
                local declared = {}
                for _, parameter in ipairs(operation.parameters or {}) do
                    declared[parameter["in"] .. " " .. parameter.name] = parameter
                end
                for name in path:gmatch "{([^}]+)}" do
                    local parameter = declared["path " .. name]
                    assert.is_true(parameter and parameter.required, method .. " " .. path)
                end
                assert.is_not_nil(next(operation.responses))
            end
        end
    end)

    it("asks for no token where none is asked for", function()
        local document = read(new())
        assert.same({}, document.paths["/healthz"].get.security)
        assert.is_nil(document.paths["/v1/runs"].get.security)
        assert.same({ { token = {} }, { session = {} } }, document.security)
        local _, text = read(new())
        assert.is_truthy(text:find('"security":[{"token":[]},{"session":[]}]', 1, true))
    end)

    it("has the routes of flows with their request blocks as schemas", function()
        local paths = read(world_of_flows()).paths
        local sign = paths["/sign/{name}"]
        assert.equal("other", sign.get["x-flowhost-flow"])
        assert.is_nil(paths["/sign/{user}"]) -- the same path as far as OpenAPI goes
        assert.equal("Signs.", sign.post.summary)
        assert.same({
            type = "object", required = { "age" }, properties = {
                age = { type = "integer", minimum = 18 }, tags = { type = "array", maxItems = 3 },
                address = { type = "object", required = { "city" }, properties = {
                    city = { type = "string", minLength = 2 } } },
            },
        }, sign.post.requestBody.content["application/json"].schema)
        assert.is_true(sign.post.requestBody.required)
        assert.same({
            { name = "name", ["in"] = "path", required = true, schema = { type = "string" } },
            { name = "lang", ["in"] = "query", schema = { type = "string", enum = { "de", "en" } } },
            { name = "X-Key", ["in"] = "header", required = true, schema = { type = "string" } },
        }, sign.post.parameters)
        assert.is_table(paths["/files/{rest}"].put)
    end)

    it("has rules with what they take and answer", function()
        local rule = read(new()).paths["/ps/shop"].post
        assert.equal("shop", rule["x-flowhost-flow"])
        assert.is_table(rule.requestBody.content["application/xml"].schema.properties.id)
        assert.is_table(rule.responses["200"].content["text/plain"])
        assert.is_nil(rule.responses.default)
    end)

    it("is that of the flows that are served now", function()
        local w = new()
        assert.is_table(read(w).paths["/ps/shop"])
        w:module("flowhost.api.openapi").set_flows {}
        assert.is_nil(read(w).paths["/ps/shop"])
        assert.is_table(read(w).paths["/v1/runs"])
    end)

    it("is the same text each time", function()
        local _, first = read(new())
        local _, second = read(new())
        assert.equal(first, second)
        assert.is_table(json.decode(first))
    end)
end)
