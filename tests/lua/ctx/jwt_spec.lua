-- SPDX-License-Identifier: MIT
-- Tokens and time: what a replay sees of a check, and what is recorded of keys and tokens. HS256 alone has a stand-in
-- here; the other algorithms are tried in tests/integration/test_crypto.py.
local world = require "support.world"

local flow = world.flow

local KEY = "a shared secret that is long enough"

local function new(text, upstream)
    return world.new { files = { ["a.lua"] = flow(text) }, secrets = { SHARED = KEY }, upstream = upstream }
end

local function nobody() end

local function output_of(w, input)
    local answer = w:play("a", input or {})
    assert.equal(200, answer.status, answer.body)
    return answer:json()
end

describe("ctx.jwt", function()
    it("gives a token that holds as long as it was said to", function()
        local w = new [[
            local key, o = ctx.secret "SHARED", { alg = "HS256" }
            local token = input.token or ctx.jwt.sign({ sub = "17" }, key, { alg = "HS256", expires_in = 60 })
            local ok, answer = pcall(ctx.jwt.verify, token, key, o)
            return ok and { token = token, claims = answer } or { code = answer.code, message = answer.message }
        ]]
        local first = output_of(w, {})
        assert.same({ sub = "17", iat = 1700000000, exp = 1700000060 }, first.claims)
        w:advance(59999)
        assert.same(first.claims, output_of(w, { token = first.token }).claims)
        w:advance(1)
        local late = output_of(w, { token = first.token })
        assert.equal("JWT_EXPIRED", late.code)
        assert.equal("ctx.jwt.verify: the token expired 0 s ago", late.message)
    end)

    it("knows leeway on both sides", function()
        local w = new [[
            local function check(claims, leeway)
                local token = ctx.jwt.sign(claims, "key", { alg = "HS256" })
                local ok, err = pcall(ctx.jwt.verify, token, "key", { alg = "HS256", leeway = leeway })
                return ok and "ok" or err.code
            end
            local now = math.floor(ctx.now())
            return { check({ exp = now - 4 }, 5), check({ exp = now - 5 }, 5), check({ nbf = now + 5 }, 5),
                check({ nbf = now + 6 }, 5), check({ iat = now + 5 }, 5), check({ iat = now + 6 }, 5) }
        ]]
        assert.same({ "ok", "JWT_EXPIRED", "ok", "JWT_INVALID", "ok", "JWT_INVALID" }, output_of(w))
    end)

    it("sees on replay what it saw, whatever the time has become", function()
        local text = [[
            local token = ctx.jwt.sign({ sub = "17" }, ctx.secret "SHARED", { alg = "HS256", expires_in = 60 })
            local claims = ctx.jwt.verify(token, ctx.secret "SHARED", { alg = "HS256" })
            local _, bad = pcall(ctx.jwt.verify, token, ctx.secret "SHARED", { alg = "HS256", audience = "shop" })
            ctx.request { url = "http://u/x", json = { token = token } }
            return { token, claims, bad.code }
        ]]
        local w = new(text, nobody)
        w:start "a"
        w:settle()
        local sent = w.calls[1].body
        w:advance(3600000)
        local again = w:crash(nil, { upstream = function()
            return 200, nil, {}
        end })
        again:settle()
        assert.equal(sent, again.calls[1].body)
        local run = again:run(again:ids()[1])
        assert.equal("succeeded", run.status)
        assert.equal(1700000060, run.output[2].exp)
        assert.equal("JWT_INVALID", run.output[3])
    end)

    it("leaves neither token nor key in the journal", function()
        local w = new [[
            local token = ctx.jwt.sign({ sub = "17" }, ctx.secret "SHARED", { alg = "HS256", expires_in = 60 })
            ctx.hmac.sha256(ctx.secret "SHARED", token)
            return #token
        ]]
        output_of(w)
        local seen = ""
        for _, batch in ipairs(w.store.log) do
            for _, op in ipairs(batch) do
                seen = seen .. (op.value or "")
            end
        end
        assert.is_truthy(seen:find("jwt.sign", 1, true))
        assert.is_nil(seen:find("eyJ", 1, true))
        assert.is_nil(seen:find(KEY, 1, true))
    end)
end)

describe("verbs with a secret", function()
    it("are steps, those with a text are none", function()
        local w = new [[
            ctx.hmac.sha256("text", "x")
            local a = ctx.hmac.sha256(ctx.secret "SHARED", "x")
            return { a, ctx.hmac.equal(a, a), ctx.base64.encode_url "??>" }
        ]]
        local output = output_of(w)
        assert.same({ true, "Pz8-" }, { output[2], output[3] })
        local _, entries = w:entries()
        assert.equal(1, #entries)
        assert.same({ "hmac.sha256", "SHARED" }, { entries[1].kind, entries[1].name })
    end)

    it("take no names of secrets but where they say so, and show no key", function()
        local w = new [[
            local codes = {}
            for i, call in ipairs {
                function() return ctx.hmac.sha256(nil, "x") end,
                function() return ctx.aes.seal({}, "x") end,
                function() return ctx.jwt.sign({}, ctx.secret "NOBODY", { alg = "HS256" }) end,
                function() return ctx.rsa.sign("a key = hush", "x") end,
                function() return ctx.rsa.sign("NOBODY", "x") end,
            } do
                local ok, err = pcall(call)
                codes[i] = ok and "ok" or tostring(err)
            end
            return codes
        ]]
        local codes = output_of(w)
        assert.same({
            "INVALID: ctx.hmac.sha256: the key must be a string or a secret (ctx.secret)",
            "INVALID: ctx.aes.seal: the key must be a string or a secret (ctx.secret)",
            "SECRET_MISSING: there is no secret 'NOBODY'",
            "SECRET_MISSING: ctx.rsa.sign: there is no secret of that name",
            "SECRET_MISSING: ctx.rsa.sign: there is no secret 'NOBODY'",
        }, codes)
    end)
end)
