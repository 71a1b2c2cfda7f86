-- SPDX-License-Identifier: MIT
local world = require "support.world"

local function flow_on(route, text)
    return world.flow(text or "return input", ("http = %q"):format(route))
end

local function new(files, o)
    local given = { files = files }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    local w = world.new(given)
    assert.same({}, w.problems)
    return w
end

local function ask(w, method, path, o)
    local request = w:request(method, path, o)
    w:settle()
    return request
end

describe("a flow's route", function()
    it("passes what came in", function()
        local w = new { ["a.lua"] = flow_on "POST /a" }
        local request = ask(w, "POST", "/a", { headers = { ["x-y"] = "z" }, query = { q = "1" }, body = { n = 1 } })
        assert.equal(200, request.status)
        assert.same({ method = "POST", path = "/a", query = { q = "1" }, header = { ["x-y"] = "z" }, body = { n = 1 } },
            request:json())
        assert.equal(w:ids()[1], request.answered.headers["flowhost-run"])
    end)

    it("without a body has a body of nil, and null counts as none", function()
        local w = new { ["a.lua"] = flow_on("POST /a", "return input.body == nil") }
        assert.equal("true", ask(w, "POST", "/a").body)
        assert.equal("true", ask(w, "POST", "/a", { body = "null" }).body)
    end)

    it("captures one segment, or several", function()
        local w = new {
            ["a.lua"] = flow_on("GET /users/{id}/orders/{order_id}", "return input.params"),
            ["b.lua"] = flow_on("GET /files/{path+}", "return input.params"),
        }
        assert.same({ id = "7", order_id = "a.b-c" }, ask(w, "GET", "/users/7/orders/a.b-c"):json())
        assert.same({ path = "x/y/z" }, ask(w, "GET", "/files/x/y/z"):json())
        for _, path in ipairs { "/users/7/orders", "/users/7/8/orders/9", "/users//orders/1", "/files/", "/files" } do
            assert.equal(404, ask(w, "GET", path).status)
        end
    end)

    it("takes the characters of patterns as they are", function()
        local w = new { ["a.lua"] = flow_on("GET /a.b+c(d)-%/{id}", "return input.params.id") }
        assert.equal('"1"', ask(w, "GET", "/a.b+c(d)-%/1").body)
        assert.equal(404, ask(w, "GET", "/aXb+c(d)-%/1").status)
        assert.equal(404, ask(w, "GET", "/a.bbc(d)-%/1").status)
    end)

    it("has the names of its own parameters though another method calls them otherwise", function()
        local w = new {
            ["a.lua"] = flow_on("GET /u/{id}", "return input.params"),
            ["b.lua"] = flow_on("DELETE /u/{name}", "return input.params"),
        }
        assert.same({ id = "1" }, ask(w, "GET", "/u/1"):json())
        assert.same({ name = "1" }, ask(w, "DELETE", "/u/1"):json())
    end)

    it("that is exact wins over one with parameters", function()
        local w = new {
            ["a.lua"] = flow_on("GET /u/{id}", "return 'any'"),
            ["b.lua"] = flow_on("GET /u/me", "return 'me'"),
        }
        assert.equal('"me"', ask(w, "GET", "/u/me").body)
        assert.equal('"any"', ask(w, "GET", "/u/you").body)
    end)

    it("refuses a body that is not JSON", function()
        local w = new { ["a.lua"] = flow_on "POST /a" }
        local request = ask(w, "POST", "/a", { body = "{" })
        assert.equal(400, request.status)
        assert.equal("BODY_NOT_JSON", request:json().code)
    end)

    it("tells all that is wrong with the input", function()
        local w = new { ["a.lua"] = world.flow("return 1", [[ http = "POST /a", request = {
            query = { n = { type = "int", required = true } }, body = { s = { required = true } } } ]]) }
        local request = ask(w, "POST", "/a", { body = "{}" })
        assert.equal(400, request.status)
        local problem = request:json()
        assert.equal("INPUT_INVALID", problem.code)
        assert.equal("/query/n: is required", problem.detail)
        assert.same({ { pointer = "/query/n", message = "is required" },
            { pointer = "/body/s", message = "is required" } }, { unpack(problem.errors) })
        assert.equal(0, #w:ids())
    end)

    it("takes over the trace id of its caller", function()
        local w = new { ["a.lua"] = flow_on("POST /a", "return ctx.logId()") }
        local id = ("ab"):rep(16)
        local function trace(headers)
            return ask(w, "POST", "/a", { headers = headers }):json()
        end
        assert.equal(id, trace { traceparent = "00-" .. id .. "-0123456789abcdef-01", ["trace-id"] = "other" })
        assert.equal("mine-1.2_3", trace { ["trace-id"] = "mine-1.2_3" })
        local long = ("x"):rep(65)
        for _, wrong in ipairs { { traceparent = "00-12-34-01" }, { ["trace-id"] = "a b" }, { ["trace-id"] = long } } do
            assert.matches("^%x+$", trace(wrong))
            assert.equal(32, #trace(wrong))
        end
    end)
end)

describe("a route", function()
    it("of the host is never a flow's, whatever the pattern", function()
        local w = new { ["a.lua"] = flow_on("GET /{x+}", "return 'flow'"),
            ["b.lua"] = flow_on("POST /{x+}", "return 'flow'") }
        assert.equal('"flow"', ask(w, "GET", "/other/path").body)
        assert.equal("ok\n", ask(w, "GET", "/healthz").body)
        assert.equal(405, ask(w, "POST", "/healthz").status)
        assert.equal(405, ask(w, "GET", "/").status)
        assert.equal(200, ask(w, "GET", "/v1/flows").status)
        for _, path in ipairs { "/v1/nothing", "/v1", "/metrics", "/console/x" } do
            assert.equal(404, ask(w, "GET", path).status)
        end
    end)

    it("is found by its method among patterns that overlap", function()
        local w = new {
            ["a.lua"] = flow_on("GET /x/{id}", "return 'a'"),
            ["b.lua"] = flow_on("POST /x/{name+}", "return input.params"),
            ["c.lua"] = flow_on("PUT /x/me", "return 'c'"),
        }
        assert.equal('"a"', ask(w, "GET", "/x/me").body)
        assert.same({ name = "me" }, ask(w, "POST", "/x/me"):json())
        assert.equal('"c"', ask(w, "PUT", "/x/me").body)
        assert.equal("GET, HEAD, POST, PUT", ask(w, "DELETE", "/x/me").answered.headers.allow)
        assert.equal("GET, HEAD, POST", ask(w, "DELETE", "/x/1").answered.headers.allow)
    end)

    it("under /v1 is for this machine's own names and pages", function()
        local w = new { ["a.lua"] = flow_on "GET /a" }
        local function code(path, headers)
            local request = ask(w, "GET", path, { headers = headers })
            return request.status == 200 and 200 or request:json().code
        end
        for _, host in ipairs { "localhost", "LOCALHOST:80", "127.0.0.1:8080", "127.1.2.3", "[::1]", "[::1]:8080" } do
            assert.equal(200, code("/v1/runs", { host = host }))
            assert.equal(200, code("/v1/runs", { host = host, origin = "http://" .. host:lower() }))
            assert.equal(200, code("/v1/runs", { host = host, origin = "https://" .. host }))
            assert.equal("FOREIGN_ORIGIN", code("/v1/runs", { host = host, origin = "null" }))
            assert.equal("FOREIGN_ORIGIN", code("/v1/runs", { host = host, origin = "http://evil.example" }))
            assert.equal("FOREIGN_ORIGIN", code("/v1/runs", { host = host, origin = "http://" .. host .. "1" }))
        end
        for _, host in ipairs { "", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1",
            "localhost:80:80", "127.0.0.1x", "[::2]", "::1", "localhost@evil" } do
            assert.equal("FOREIGN_HOST", code("/v1/runs", { host = host }))
            assert.equal("FOREIGN_HOST", code("/v1/runs/x", { host = host, origin = "http://" .. host }))
            for _, path in ipairs { "/a", "/healthz", "/readyz" } do
                assert.equal(200, code(path, { host = host, origin = "http://other" }))
            end
        end
        assert.equal("FOREIGN_ORIGIN", code("/v1/runs", { origin = "http://localhost" }))
        assert.equal(200, code("/v1/runs", {}))
    end)

    it("that takes other methods says which", function()
        local w = new { ["a.lua"] = flow_on "GET /a", ["b.lua"] = flow_on "POST /a", ["c.lua"] = flow_on "PUT /c" }
        local request = ask(w, "DELETE", "/a")
        assert.equal(405, request.status)
        assert.equal("GET, HEAD, POST", request.answered.headers.allow)
        assert.equal("METHOD_NOT_ALLOWED", request:json().code)
        assert.equal("PUT", ask(w, "HEAD", "/c").answered.headers.allow)
        assert.equal("GET, HEAD", ask(w, "POST", "/v1/runs").answered.headers.allow)
    end)

    it("for GET takes HEAD", function()
        local w = new { ["a.lua"] = flow_on("GET /a", "return input.method") }
        assert.equal('"HEAD"', ask(w, "HEAD", "/a").body)
        assert.equal(200, ask(w, "HEAD", "/healthz").status)
    end)

    it("that nobody has is a problem", function()
        local w = new {}
        local request = ask(w, "GET", "/nowhere")
        assert.equal(404, request.status)
        assert.equal("application/problem+json", request.answered.headers["content-type"])
        local problem = request:json()
        assert.same({ type = "about:blank", title = "Not Found", status = 404, code = "NO_ROUTE",
            detail = "no route /nowhere" }, problem)
    end)

    it("whose handler fails is answered 500, and the error goes on to the log", function()
        local w = new {}
        w:module("flowhost.engine.catalog").active = nil
        local request
        local emit = w.emit
        w.emit = function(self, event, given, ...)
            request = given
            return emit(self, event, given, ...)
        end
        assert.has_error(function()
            w:request("GET", "/v1/flows")
        end)
        assert.equal(500, request.status)
        assert.equal("INTERNAL", request:json().code)
    end)
end)

describe("an answer that cannot be written", function()
    it("is an error of the host's", function()
        local w = new { ["a.lua"] = flow_on("GET /a", "return 1") }
        local caller = w:module "flowhost.api.caller"
        local request
        caller.send({ respond = function(_, status, _, body)
            request = { status, assert(world.json.decode(body)).code }
        end }, { id = "x", flow = "a", status = "succeeded" }, { status = 200, body = print })
        assert.same({ 500, "INTERNAL" }, request)
    end)
end)

describe("the status of a run that did not succeed", function()
    local function status_of(text, upstream)
        local w = new({ ["a.lua"] = flow_on("POST /a", text) }, { upstream = upstream })
        local request = ask(w, "POST", "/a")
        return request.status, request:json().code
    end

    local function fails_with(code)
        return { status_of([[ ctx.request { url = "http://u" } ]], function() return code, "detail" end) }
    end

    it("says whose fault it was", function()
        assert.same({ 502, "NETWORK" }, fails_with "NETWORK")
        assert.same({ 502, "TLS" }, fails_with "TLS")
        assert.same({ 502, "TOO_LARGE" }, fails_with "TOO_LARGE")
        assert.same({ 504, "TIMEOUT" }, fails_with "TIMEOUT")
        assert.same({ 502, "HTTP_STATUS" }, { status_of([[ ctx.request { url = "http://u" } ]],
            function() return 404 end) })
        assert.same({ 502, "NOT_JSON" }, { status_of([[ ctx.request { url = "http://u", responseType = "json" } ]],
            function() return 200, {}, "<" end) })
        assert.same({ 500, "NOT_JSON" }, { status_of [[ return print ]] })
        assert.same({ 500, "LUA_ERROR" }, { status_of [[ error "x" ]] })
        assert.same({ 500, "TIMEOUT" }, { status_of [[ error { code = "TIMEOUT", message = "my own" } ]] })
        assert.same({ 409, "BROKEN" }, { status_of [[ ctx.stop() ]] })
    end)
end)
