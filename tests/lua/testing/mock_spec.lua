-- SPDX-License-Identifier: MIT
local mock = require "flowhost.testing.mock"

local function request(method, url)
    return { method = method, url = url, path = url:match "^%w+://[^/?]*([^?]*)" }
end

local function match(pattern, url, method)
    return mock.new_request("GET", pattern, {}):match(request(method or "GET", url))
end

describe("a mock of a request", function()
    it("is found by the path, whatever the host", function()
        assert.same({}, match("/users", "http://a.example/users"))
        assert.same({}, match("/users", "https://b.example:8443/users?x=1"))
        assert.is_nil(match("/users", "http://a.example/users/1"))
        assert.is_nil(match("/users", "http://a.example/users", "POST"))
    end)

    it("is found by the whole url, whatever the query", function()
        assert.same({}, match("http://a.example/users", "http://a.example/users?x=1"))
        assert.is_nil(match("http://a.example/users", "http://b.example/users"))
    end)

    it("has patterns: any text, and parts with names", function()
        assert.same({ id = "17", what = "mails" }, match("/users/{id}/{what}", "http://a/users/17/mails"))
        assert.is_nil(match("/users/{id}", "http://a/users/17/mails"))
        assert.same({}, match("/users/*", "http://a/users/17/mails"))
        assert.same({}, match("*", "http://a/"))
        assert.same({}, match("/a.b-c+d", "http://a/a.b-c+d"))
        assert.is_nil(match("/a.b", "http://a/axb"))
    end)

    it("gives its answers in turn, the last one for good", function()
        local one = mock.new_request("GET", "/", { { status = 500 }, { status = 200 } })
        assert.equal(500, one:next_answer().status)
        assert.equal(200, one:next_answer().status)
        assert.equal(200, one:next_answer().status)
        one:reset()
        assert.equal(500, one:next_answer().status)
    end)

    it("wins over older ones, one of the case over one of the file", function()
        local old, new = mock.new_request("GET", "/a", {}), mock.new_request("*", "/*", {})
        local own = mock.new_request("GET", "/b", {})
        assert.equal(new, (mock.find({ {}, { old, new } }, request("GET", "http://a/a"))))
        assert.equal(own, (mock.find({ { own }, { old, new } }, request("GET", "http://a/b"))))
        assert.is_nil(mock.find({ {}, { old } }, request("GET", "http://a/b")))
    end)

    it("is refused when it cannot be", function()
        local function refused(text, ...)
            local ok, raised = pcall(mock.new_request, ...)
            assert.is_false(ok)
            assert.matches(text, raised.message, 1, true)
        end
        refused("the method is 'FETCH'", "FETCH", "/", {})
        refused("the url is 'users'", "GET", "users", {})
        refused("the url has no query", "GET", "/users?id=1", {})
        refused("an answer has no field 'id'", "GET", "/users", { id = 17 })
        refused("an answer has no field 'id'", "GET", "/users", { { status = 200 }, { id = 17 } })
        refused("status of an answer must be a number", "GET", "/users", { status = "200" })
        refused("the answer is a nil", "GET", "/users")
    end)

    it("answers as the client of the host would", function()
        assert.same({ 201, { ["content-type"] = "application/json", ["x-y"] = "1" }, '{"id":1}' },
            { mock.to_http { status = 201, json = { id = 1 }, headers = { ["X-Y"] = 1 } } })
        assert.same({ 200, { ["content-type"] = "text/plain" }, "hi" }, { mock.to_http { body = "hi" } })
        assert.same({ "TLS", "bad" }, { mock.to_http { error = "TLS", message = "bad" } })
    end)
end)
