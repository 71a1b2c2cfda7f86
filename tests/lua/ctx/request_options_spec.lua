-- SPDX-License-Identifier: MIT
-- ctx.request: bodies by type, queries of GET, credentials, secrets, TLS.
local world = require "support.world"

local flow = world.flow

local SECRETS = { TOKEN = "t0ken-bytes", CERT = "cert-bytes", KEY = "key-bytes", CA = "ca-bytes" }

local function new(text, o)
    o = o or {}
    return world.new { files = { ["a.lua"] = flow(text) }, upstream = o.upstream, secrets = o.secrets or SECRETS }
end

local function sent(options)
    local w = new(("return ctx.request %s"):format(options))
    local request = w:play "a"
    assert(w.calls[1], request.body)
    return w.calls[1], w
end

local function raised(options, o)
    local w = new(("local ok, err = pcall(ctx.request, %s) return { ok, err.code, err.message }"):format(options), o)
    local result = w:play("a"):json()
    assert.is_false(result[1])
    return result[2] .. ": " .. result[3], w
end

local function answers(options, status, headers, body)
    local w = new(("local r = ctx.request %s return type(r) == 'nil' and 'nil' or r"):format(options), {
        upstream = function() return status, headers, body end })
    return w:play("a"):json()
end

describe("ctx.request sends a body", function()
    local function body(options)
        local call = sent(options)
        return call.body, call:header "Content-Type"
    end

    it("as its requestType says", function()
        assert.same({ '{"a":1}', "application/json" },
            { body [[{ url = "http://u", requestType = "json", body = { a = 1 } }]] })
        assert.same({ '"x"', "application/json" }, { body [[{ url = "http://u", requestType = "json", body = "x" }]] })
        assert.same({ "x", "text/plain" }, { body [[{ url = "http://u", requestType = "text", body = "x" }]] })
        assert.same({ "a=1", "application/x-www-form-urlencoded" },
            { body [[{ url = "http://u", requestType = "form", body = { a = 1 } }]] })
        assert.same({ "<order><a>1</a></order>", "application/xml" },
            { body [[{ url = "http://u", requestType = "xml", xmlName = "order", body = { a = 1 } }]] })
        assert.same({ "<xml><a>1</a></xml>", "application/xml" }, { body [[{ url = "http://u", xml = { a = 1 } }]] })
    end)

    it("with the contentType that is given, unless a header says it", function()
        assert.same({ "<o>1</o>", "text/xml" },
            { body [[{ url = "http://u", xml = 1, xmlName = "o", contentType = "text/xml" }]] })
        assert.same({ "x", "b" },
            { body [[{ url = "http://u", body = "x", contentType = "a", header = { ["content-type"] = "b" } }]] })
    end)

    it("of a GET as its query, merged and escaped", function()
        local call = sent [[{ url = "http://u/p?z=1#f", method = "get", query = { q = "a b" },
            body = { b = "x&y", a = { 1, 2 }, o = { k = 1 }, n = ctx.json.null } }]]
        assert.equal("http://u/p?z=1&q=a%20b&a=1&a=2&b=x%26y&o=%7B%22k%22%3A1%7D#f", call.url)
        assert.is_nil(call.body)
    end)
end)

describe("ctx.request takes", function()
    it("header and headers, the latter first", function()
        local call = sent [[{ url = "http://u", headers = { ["X-A"] = 1 }, header = { ["x-a"] = 2, ["X-B"] = 3 } }]]
        assert.equal("1", call:header "X-A")
        assert.equal("3", call:header "X-B")
    end)

    it("credentials in both spellings", function()
        for _, auth in ipairs { [[{ "u", "p" }]], [[{ user = "u", pass = "p" }]] } do
            local call = sent(([[{ url = "http://u", auth = %s }]]):format(auth))
            assert.same({ "u", "p" }, { call.user, call.password })
        end
    end)

    it("secrets by name only: in headers, bearer, auth", function()
        local call = sent [[{ url = "http://u", headers = { ["X-Key"] = ctx.secret "TOKEN" } }]]
        assert.same({ "X-Key", "", "TOKEN" }, call.headers[1])
        call = sent [[{ url = "http://u", bearer = ctx.secret "TOKEN" }]]
        assert.same({ "Authorization", "Bearer ", "TOKEN" }, call.headers[1])
        call = sent [[{ url = "http://u", auth = { "u", ctx.secret "TOKEN" } }]]
        assert.same({ "u", "TOKEN" }, { call.user, call.password_secret })
        assert.is_nil(call.password)
    end)

    it("TLS by secrets' names; the seed's ca and key are the client's certificate", function()
        assert.same({ ca = "CA", cert = "CERT", key = "KEY" },
            sent([[{ url = "https://u", tls = { ca = "CA", cert = "CERT", key = ctx.secret "KEY" } }]]).tls)
        assert.same({ cert = "CERT", key = "KEY" },
            sent([[{ url = "https://u", tls = { ca = "CERT", key = "KEY" } }]]).tls)
        assert.same({ ca = "CA" }, sent([[{ url = "https://u", tls = { ca = "CA" } }]]).tls)
    end)
end)

describe("ctx.request returns", function()
    it("XML as objects, by type or as asked", function()
        local xml = "<r><a>1</a><b>x</b><b>y</b></r>"
        local value = { a = "1", b = { "x", "y" } }
        for _, kind in ipairs { "application/xml", "text/xml; charset=utf-8", "application/soap+xml" } do
            assert.same(value, answers([[{ url = "http://u" }]], 200, { ["content-type"] = kind }, xml))
        end
        assert.same(value, answers([[{ url = "http://u", responseType = "xml" }]], 200, {}, xml))
        assert.equal(xml, answers([[{ url = "http://u", responseType = "text" }]], 200,
            { ["content-type"] = "text/xml" }, xml))
        assert.same(value, answers([[{ url = "http://u", onlyData = false }]], 200,
            { ["content-type"] = "text/xml" }, xml).data)
    end)

    it("no secret that a service sends back", function()
        local all = answers([[{ url = "http://u", onlyData = false, headers = { ["X-Key"] = ctx.secret "TOKEN" } }]],
            200, { ["content-type"] = "text/plain", ["x-echo"] = "it was t0ken-bytes" }, "t0ken-bytes it was")
        assert.equal("[secret TOKEN] it was", all.data)
        assert.equal("it was [secret TOKEN]", all.headers["x-echo"])
        assert.equal("it was [secret TOKEN]", all.header["x-echo"])
    end)
end)

describe("ctx.request raises", function()
    it("INVALID for types that there are not", function()
        for options, message in pairs {
            [ [[{ url = "http://u", requestType = "yaml" }]] ] = "requestType must be",
            [ [[{ url = "http://u", responseType = "form" }]] ] = "responseType must be",
            [ [[{ url = "http://u", isCache = 1 }]] ] = "isCache must be",
            [ [[{ url = "http://u", contentType = 1 }]] ] = "contentType must be",
            [ [[{ url = "http://u", tls = "CA" }]] ] = "tls must be",
            [ [[{ url = "http://u", tls = { pem = "CA" } }]] ] = "unknown part 'pem'",
            [ [[{ url = "http://u", tls = { cert = "CERT" } }]] ] = "certificate and its key",
            [ [[{ url = "http://u", xml = { ["a b"] = 1 } }]] ] = "cannot be the name of an element",
            [ [[{ url = "http://u", xml = 1, xmlName = "1" }]] ] = "cannot be the name of an element",
            [ [[{ url = "http://u", bearer = "a\nb" }]] ] = "one line of text",
        } do
            local text, w = raised(options)
            assert.matches("^INVALID: .*" .. message, text)
            assert.same({}, w.calls)
        end
    end)

    it("SECRET_MISSING with the name, as the result of the step", function()
        local text, w = raised [[{ url = "https://u", tls = { ca = "NONE", key = "KEY" } }]]
        assert.equal("SECRET_MISSING: there is no secret 'NONE'", text)
        assert.same({}, w.calls)
        assert.equal("SECRET_MISSING", w:entries()["1"].value.code)
    end)

    it("NOT_XML when it is asked for", function()
        assert.matches("^NOT_XML: the answer is not XML", (raised([[{ url = "http://u", responseType = "xml" }]],
            { upstream = function() return 200, {}, "{}" end })))
    end)
end)

describe("A replay of ctx.request", function()
    it("needs no secret that has been used up", function()
        local w = new [[
            local one = ctx.request { url = "https://u/1", tls = { ca = "CERT", key = "KEY" } }
            return { one, ctx.request { url = "http://u/2" } }
        ]]
        w:play "a"
        local again = w:crash(w:applied() - 1, { secrets = {} })
        again:settle()
        assert.equal("succeeded", again:run().status)
        assert.equal("http://u/2", again.calls[1].url)
    end)
end)
