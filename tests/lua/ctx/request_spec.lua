-- SPDX-License-Identifier: MIT
local world = require "support.world"

local flow = world.flow

local function new(text, upstream)
    return world.new { files = { ["a.lua"] = flow(text) }, upstream = upstream }
end

--- The call that a request with these options makes.
local function sent(options)
    local w = new(("return ctx.request %s"):format(options))
    local request = w:play "a"
    assert(w.calls[1], request.body)
    return w.calls[1], w
end

--- The error that a request raises, as JSON text.
local function raised(options, upstream)
    local text = "local ok, err = pcall(ctx.request, %s) return { ok, err.code, err.message }"
    local w = new(text:format(options), upstream)
    local result = w:play("a"):json()
    assert.is_false(result[1])
    return result[2] .. ": " .. result[3]
end

describe("ctx.request sends", function()
    it("GET, or POST when there is a body, or what it is told", function()
        assert.equal("GET", sent([[{ url = "http://u" }]]).method)
        assert.equal("POST", sent([[{ url = "http://u", json = {} }]]).method)
        assert.equal("DELETE", sent([[{ url = "http://u", method = "delete" }]]).method)
    end)

    it("a query in a fixed order, escaped", function()
        assert.equal("http://u?a=1&b=x%20y%26%C3%A4&list=1&list=2",
            sent([[{ url = "http://u", query = { b = "x y&ä", a = 1, list = { 1, 2 } } }]]).url)
        assert.equal("http://u?a=1&b=true", sent([[{ url = "http://u?a=1", query = { b = true } }]]).url)
        assert.equal("http://u?raw=1", sent([[{ url = "http://u", query = "raw=1" }]]).url)
        assert.equal("http://u", sent([[{ url = "http://u", query = {} }]]).url)
    end)

    it("JSON, a form, text", function()
        local call = sent([[{ url = "http://u", json = { b = { 1 }, a = ctx.json.null } }]])
        assert.equal('{"a":null,"b":[1]}', call.body)
        assert.equal("application/json", call:header "Content-Type")
        call = sent([[{ url = "http://u", form = { a = "x y", b = { 1, 2 } } }]])
        assert.equal("a=x%20y&b=1&b=2", call.body)
        assert.equal("application/x-www-form-urlencoded", call:header "Content-Type")
        call = sent([[{ url = "http://u", body = "text" }]])
        assert.equal("text", call.body)
        assert.is_nil(call:header "Content-Type")
        assert.equal("text/x", sent([[{ url = "http://u", json = 1, headers = { ["content-type"] = "text/x" } }]])
            :header "Content-Type")
    end)

    it("an Idempotency-Key with what changes things, the author's own first", function()
        local call, w = sent([[{ url = "http://u", json = 1 }]])
        assert.equal(w:ids()[1] .. "/1", call:header "Idempotency-Key")
        assert.is_nil(sent([[{ url = "http://u" }]]):header "Idempotency-Key")
        for _, method in ipairs { "PUT", "PATCH", "DELETE", "POST" } do
            assert.is_truthy(sent(([[{ url = "http://u", method = "%s" }]]):format(method)):header "Idempotency-Key")
        end
        assert.equal("mine", sent([[{ url = "http://u", json = 1, headers = { ["idempotency-key"] = "mine" } }]])
            :header "Idempotency-Key")
    end)

    it("the run's trace", function()
        local call, w = sent([[{ url = "http://u" }]])
        assert.matches("^00%-" .. w:run().trace_id .. "%-%x+%-01$", call:header "traceparent")
    end)

    it("a timeout of at least a millisecond", function()
        assert.equal(1, sent([[{ url = "http://u", timeout = 1e-9 }]]).timeout_ms)
        assert.equal(1501, sent([[{ url = "http://u", timeout = 1.5001 }]]).timeout_ms)
    end)

    it("credentials, limits", function()
        local call = sent([[{ url = "http://u", auth = { user = "u", pass = "p" }, timeout = 1.5, follow = 3,
            max_bytes = 100 }]])
        assert.same({ "u", "p", 1500, 3, 100 },
            { call.user, call.password, call.timeout_ms, call.max_redirects, call.max_bytes })
        call = sent([[{ url = "http://u", bearer = "t" }]])
        assert.equal("Bearer t", call:header "Authorization")
        assert.equal(30000, call.timeout_ms)
    end)
end)

describe("ctx.request returns", function()
    local function answers(options, status, headers, body)
        local w = new(("local r = ctx.request %s return type(r) == 'nil' and 'nil' or r"):format(options), function()
            return status, headers, body
        end)
        return w:play("a"):json()
    end

    local JSON = { ["content-type"] = "application/json; charset=utf-8" }

    it("the decoded body, or text", function()
        assert.same({ a = 1 }, answers([[{ url = "http://u" }]], 200, JSON, '{"a":1}'))
        assert.equal('{"a":1}', answers([[{ url = "http://u" }]], 200, {}, '{"a":1}'))
        assert.equal('{"a":1}', answers([[{ url = "http://u", responseType = "text" }]], 200, JSON, '{"a":1}'))
        assert.same({ a = 1 }, answers([[{ url = "http://u", responseType = "json" }]], 200, {}, '{"a":1}'))
        assert.equal("nil", answers([[{ url = "http://u" }]], 204, JSON, ""))
    end)

    it("all of the answer with onlyData = false", function()
        local all = answers([[{ url = "http://u", onlyData = false }]], 404,
            { ["content-type"] = "application/json", ["set-cookie"] = "a=1; Path=/\nb=2" }, "[]")
        assert.equal(404, all.status)
        assert.same({ a = "1", b = "2" }, all.cookies)
        assert.equal("application/json", all.headers["content-type"])
        assert.same(all.headers, all.header)
        assert.same({}, all.data)
    end)

    it("the same live and replayed, whatever it is", function()
        for _, body in ipairs { "null", " null ", "false", "[]", "{}", "0", '""', '[null,{"a":null}]',
            "9007199254740993", "-0" } do
            for _, options in ipairs { "", ", onlyData = false", ", responseType = 'text'" } do
                local w = new(([[
                    local r = ctx.request { url = "http://u/1" %s }
                    if type(r) == "table" and r.header then r.header.changed = "yes" end
                    local kind = r == nil and "nil" or r == ctx.json.null and "null" or type(r)
                    ctx.request { url = "http://u/2" }
                    return { kind, kind ~= "nil" and r or "nil" }
                ]]):format(options), function(call)
                    return 200, JSON, call.url:find "1" and body or "1"
                end)
                local live = w:play("a").body
                local again = w:crash(w:applied() - 1)
                again:settle()
                assert.equal(1, #again.calls)
                assert.equal(live, world.json.encode(again:run().output))
            end
        end
    end)
end)

describe("ctx.request raises", function()
    it("what the network, the answer or the author did wrong", function()
        assert.equal("NETWORK: refused", raised([[{ url = "http://u" }]], function() return "NETWORK", "refused" end))
        assert.equal("HTTP_STATUS: http://u answered 404", raised([[{ url = "http://u" }]], function() return 404 end))
        assert.matches("^NOT_JSON: the answer is not JSON", raised([[{ url = "http://u", responseType = "json" }]],
            function() return 200, {}, "<" end))
        assert.equal("HTTP_STATUS: http://u answered 500",
            raised([[{ url = "http://u", raise = true, onlyData = false }]], function() return 500 end))
    end)

    it("INVALID for what cannot be sent, before anything is", function()
        for options, message in pairs {
            ["5"] = "a table is expected", ["{}"] = "url must be a non-empty string",
            ["{ url = 'http://u', uri = 1 }"] = "unknown option 'uri'",
            ["{ url = 'http://u', timeout = 0 }"] = "timeout must be",
            ["{ url = 'http://u', timeout = 0/0 }"] = "timeout must be",
            ["{ url = 'http://u', method = 5 }"] = "method must be a string",
            ["{ url = 'http://u', json = { f = print } }"] = "json:",
            ["{ url = 'http://u', headers = 'x' }"] = "headers must be a table",
            ["{ url = 'http://u', headers = { ['a b'] = 'x' } }"] = "the header 'a b'",
            ["{ url = 'http://u', headers = { a = 'x\\r\\nb: y' } }"] = "the header 'a'",
            ["{ url = 'http://u', headers = { 'x' } }"] = "must be strings",
            ["{ url = 'http://u', headers = { a = {} } }"] = "the header 'a'",
            ["{ url = 'http://u', query = { a = { {} } } }"] = "must be a text",
            ["{ url = 'http://u', query = { a = print } }"] = "must be a text",
            ["{ url = 'http://u', query = print }"] = "must be a text",
            ["{ url = 'http://u', form = { a = { b = 1 } } }"] = "must be a text",
            ["{ url = 'http://u', form = 5 }"] = "form must be a table",
            ["{ url = 'http://u', body = print }"] = "must be a text",
            ["{ url = 'http://u', bearer = {} }"] = "must be a text",
            ["{ url = 'http://u', auth = 'x' }"] = "auth must be a table",
            ["{ url = 'http://u', auth = { user = {} } }"] = "must be a text",
            ["{ url = 'http://u', responseType = 'yaml' }"] = "responseType must be",
            ["{ url = 'http://u', follow = -1 }"] = "follow must be",
            ["{ url = 'http://u', max_bytes = 0 }"] = "max_bytes must be",
        } do
            local text = raised(options)
            assert.matches("^INVALID: ctx.request: ", text)
            assert.is_truthy(text:find(message, 1, true), options .. " gave " .. text)
        end
    end)

    it("what the client refuses to begin, in a later turn", function()
        local w = new [[ local ok, err = pcall(ctx.request, { url = "nonsense" }) return err.code ]]
        w.refuse_call = "INVALID"
        assert.equal('"INVALID"', w:play("a").body)
        assert.equal("e", w:entries()["1"].state)
    end)
end)

describe("a call that the client refuses", function()
    it("leaves no token behind when the run is cancelled before it is told", function()
        local w = new [[ ctx.request { url = "http://u" } ]]
        w.refuse_call = "INVALID"
        local token, dropped = w:module "flowhost.engine.token", {}
        local drop = token.drop
        function token.drop(one)
            dropped[one] = true
            return drop(one)
        end
        w:start "a"
        w:commit()
        local timer = w:next_timer()
        w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/cancel")
        assert.is_true(dropped[timer.token])
        assert.is_nil(w:next_timer())
        w:settle()
        assert.equal("cancelled", w:run().status)
    end)
end)

describe("ctx.component", function()
    it("of the program returns the same live and replayed", function()
        for _, text in ipairs { "null", "false", "true", "0", "[]", '{"a":null}', '"x"' } do
            local w = world.new {
                files = { ["a.lua"] = flow [[
                    local r = ctx.component("native", { 1 })
                    ctx.request { url = "http://u" }
                    return { type(r), r == nil and "nil" or r }
                ]] },
                natives = { native = function(input)
                    assert.equal("[1]", input)
                    return nil, text
                end },
            }
            local live = w:play("a").body
            local again = w:crash(w:applied() - 1)
            again:settle()
            assert.equal(live, world.json.encode(again:run().output))
        end
    end)

    it("passes the errors of the program's", function()
        local w = world.new {
            files = { ["a.lua"] = flow [[
                local _, a = pcall(ctx.component, "fails")
                local _, b = pcall(ctx.component, "talks")
                local _, c = pcall(ctx.component, "nobody")
                return { a.code, a.message, b.code, c.code }
            ]] },
            natives = {
                fails = function() return "MINE", "no" end,
                talks = function() return nil, "no JSON" end,
            },
        }
        assert.same({ "MINE", "no", "NOT_JSON", "NOT_FOUND" }, { unpack(w:play("a"):json()) })
    end)

    it("of the folder has an environment and an input of its own", function()
        local w = world.new { files = {
            ["a.lua"] = flow [[
                x = "flow"
                local input = { 1 }
                local a = ctx.component("c", input)
                return { a, ctx.component("c", input), x, input }
            ]],
            ["components/c.lua"] = "x = (x or 0) + 1 return function(ctx, input) input[2] = x return input end",
        } }
        assert.equal('[[1,1],[1,1],"flow",[1]]', w:play("a").body)
    end)
end)
