-- SPDX-License-Identifier: MIT
-- Rules as callers see them: layers, components, answers (SEEDS 1.3 to 1.12).
local rules = require "support.rules"

local api, call, handler, script = rules.api, rules.call, rules.handler, rules.script
local null = rules.json.null

--- What the services got, in order: the last part of the URL.
local function called(w)
    local names = {}
    for i, one in ipairs(w.calls) do
        names[i] = one.url:match "[^/]*$"
    end
    return names
end

local function ids(one)
    return 200, nil, { id = one.url:match "[^/]*$" }
end

describe("a rule", function()
    it("answers METHOD /ps/NAME with its response block, and the run's id as Trx", function()
        local w = rules.new({ ["api/v1/test"] = { components = { { api("u") } },
            response = { body = { id = "{u.id}", none = "{nothing.here}" } } } }, { upstream = ids })
        local request, body = call(w, "api/v1/test")
        assert.equal(200, request.status)
        assert.same({ id = "u", none = null }, body)
        assert.equal(26, #request.answered.headers.trx)
    end)

    it("is found by method and name, whatever the name begins with", function()
        local one = { components = {}, response = { defaultBody = "one" } }
        local two = { method = "GET", name = "ss/p", components = {}, response = { defaultBody = "two" } }
        local w = rules.new { ["ps/x"] = one, other = two }
        assert.equal("one", select(2, call(w, "ps/x")))
        assert.equal("two", select(2, call(w, "ss/p", { method = "GET" })))
        local request, body = call(w, "ps/x", { method = "GET" })
        assert.equal(200, request.status)
        assert.same({ code = 100001, msg = "不存在流程：GET->ps/x", data = null }, body)
        assert.equal(100001, select(2, call(w, "x")).code)
    end)

    it("may have a route of its own", function()
        local w = rules.new({ a = { http = "POST /register", components = {}, response = { defaultBody = 1 } } })
        local request = w:request("POST", "/register", { body = "{}" })
        w:settle()
        assert.equal("1", request.body)
    end)

    it("runs layers one after the other, components of one at the same time", function()
        local w = rules.new({ a = { components = { { api("a"), api("b") }, {}, { api "c" } } } }, { upstream = ids })
        local request = w:request("POST", "/ps/a")
        w:rest()
        assert.same({ "a", "b", "c" }, called(w))
        assert.is_true(w.calls[3].at >= math.max(w.calls[1].answered_at, w.calls[2].answered_at))
        w:settle()
        assert.equal("null", request.body)
    end)

    it("refuses what its request block does not take, with the whole path", function()
        local w = rules.new { a = { request = { type = "json", body = { user = { type = "object",
            attribute = { phone = { type = "string", required = true } } } } }, components = {} } }
        local request, body = call(w, "a", { body = { user = { name = "x" } } })
        assert.equal(200, request.status)
        assert.equal(400, body.code)
        assert.matches("^request%.body%.user%.phone ", body.msg)
        assert.equal(null, body.data)
        assert.same({}, w:ids())
    end)

    it("keeps all of query and body, and declared headers only", function()
        local w = rules.new { a = { request = { type = "json", header = { ["X-One"] = { type = "string" } } },
            components = {}, response = { body = "{request}" } } }
        local _, body = call(w, "a", { body = { a = 1 }, query = { q = "x" },
            headers = { ["x-one"] = "1", ["x-two"] = "2" } })
        assert.same({ query = { q = "x" }, body = { a = 1 }, header = { ["X-One"] = "1" } }, body)
    end)

    it("without request.type has an empty body; one that is not JSON is empty, too", function()
        local w = rules.new { a = { components = {}, response = { body = "{request.body}" } },
            b = { request = { type = "json" }, components = {}, response = { body = "{request.body}" } } }
        assert.same({}, (select(2, call(w, "a", { body = { a = 1 } }))))
        assert.same({}, (select(2, call(w, "b", { body = "{" }))))
        assert.same({}, (select(2, call(w, "b", { body = "[1]" }))))
    end)
end)

describe("the worked answers", function()
    local BODY = { c = "{response.code}", d = "{u.id}" }

    local function answer(response, text)
        local w = rules.new({ a = { components = { { script("u", { url = "s" }) } }, response = response } },
            { files = { ["components/s.lua"] = handler(text) } })
        return (select(2, call(w, "a")))
    end

    it("are as the table says", function()
        assert.same({ c = null, d = 9 }, answer({ body = BODY }, "return { id = 9 }"))
        assert.same({ c = 200, d = "{u.id}" },
            answer({ body = BODY, defaultBody = { c = 200, d = "{u.id}" } }, "return { id = 9 }"))
        assert.same({ c = 7, d = null }, answer({ body = BODY }, "ctx.response{ code = 7 } return { id = 9 }"))
        assert.same({ c = 7, d = null },
            answer({ body = BODY, defaultBody = 1 }, "ctx.response{ code = 7 } return { id = 9 }"))
        assert.same({ c = "110002", d = null }, answer({ body = BODY }, "error 'no'"))
        assert.equal(null, answer(nil, "return { id = 9 }"))
        local thrown = answer(nil, "error 'no'")
        assert.equal("110002", thrown.code)
        assert.matches("no", thrown.msg)
    end)

    it("may be text, and have headers", function()
        local w = rules.new({ a = { components = {}, response = { type = "text", defaultBody = "plain",
            header = { ["X-Q"] = "{request.query.q}", ["X-None"] = "{nothing}" } } } })
        local request = call(w, "a", { query = { q = "7" } })
        assert.equal("plain", request.body)
        assert.matches("^text/plain", request.answered.headers["content-type"])
        assert.equal("7", request.answered.headers["x-q"])
        assert.is_nil(request.answered.headers["x-none"])
    end)
end)

describe("a component", function()
    it("is skipped when its condition does not hold, the layer goes on", function()
        local w = rules.new({ a = { record = true, request = { type = "json" }, components = { {
            api("x", { condition = "{request.body.n} > 1" }), api("y") } },
            response = { body = { x = "{x.id}", y = "{y.id}" } } } }, { upstream = ids })
        assert.same({ x = null, y = "y" }, (select(2, call(w, "a", { body = { n = 1 } }))))
        assert.same({ x = "x", y = "y" }, (select(2, call(w, "a", { body = { n = 2 } }))))
        local skipped
        for _, entry in pairs((w:entries())) do
            skipped = skipped or (entry.kind == "component" and entry.extra.rule.is_skip and entry)
        end
        assert.equal("x", skipped.name)
    end)

    it("with a condition that is not boolean fails with 110004", function()
        local w = rules.new({ a = { components = { { api("x", { condition = "{request.query.q}" }) } } } })
        local _, body = call(w, "a", { query = { q = "1" } })
        assert.equal("110004", body.code)
        assert.equal(0, #w.calls)
    end)

    it("sends its input, method, headers and basic auth", function()
        local w = rules.new({ a = { request = { type = "json" }, components = { { api("x", { method = "put",
            input = { phone = "{request.body.phone}", all = "{request.body}" }, url = "http://u/{request.body.path}",
            header = { ["X-N"] = "{request.body.n}", ["X-None"] = "{nothing}" },
            auth = { "u", "{request.body.n}" } }) } } } })
        call(w, "a", { body = { phone = "1", n = 5, path = "a/b c" } })
        local sent = w.calls[1]
        assert.equal("PUT", sent.method)
        assert.equal("http://u/a%2Fb%20c", sent.url)
        assert.same({ phone = "1", all = { phone = "1", n = 5, path = "a/b c" } }, rules.json.decode(sent.body))
        assert.equal("5", sent:header "x-n")
        assert.is_nil(sent:header "x-none")
        assert.equal("u", sent.user)
        assert.equal("5", sent.password)
    end)

    it("that fails is answered soon; its layer settles, what answers later is too late", function()
        local rule = { suspend = true, components = { { script("late"), script("bad") } },
            response = { body = { code = "{response.code}", late = "{late}", k = "{global_store.k}" } } }
        local w = rules.new({ a = rule }, { files = {
            ["components/late.lua"] = handler
                [[ ctx.data.store("k", 1) ctx.sleep(2) ctx.response { code = 7 } return 5 ]],
            ["components/bad.lua"] = handler "error 'x'" } })
        local request = w:request("POST", "/ps/a", {})
        w:pass(1100)
        assert.same({ code = "110002", late = null, k = 1 }, rules.json.decode(request.body))
        assert.same({}, w:ids())
        w:settle()
        assert.equal("suspended", w:run().status)
        local at = w:request("GET", ("/v1/runs/%s/snapshot"):format(w:ids()[1])):json()
        assert.same({ { "bad" }, 5, nil }, { at.names, at.data.late, at.data.response })
    end)

    it("takes any status; responseCondition and errorMsg see the answer and http_status", function()
        local w = rules.new({ a = { components = { { api("x", { responseCondition = "{code} == 200",
            errorMsg = "{msg}" }) } } }, b = { components = { { api("x") } }, response = { body = "{x.code}" } },
            c = { components = { { api("x", { responseCondition = "{http_status} < 400" }) } } } },
            { upstream = function() return 500, nil, { code = 7, msg = "no money" } end })
        local _, body = call(w, "a")
        assert.same({ code = 100001, msg = "no money" }, body)
        assert.equal(7, (select(2, call(w, "b"))))
        assert.equal(100001, (select(2, call(w, "c"))).code)
    end)

    it("reshapes what came with outputData, and keeps it under a path", function()
        local w = rules.new({ a = { components = {
            { api("x", { outputData = { n = "{data.id}" }, outputName = "p.q" }) },
            { api("y", { outputData = "{data}", outputName = "p.r" }) } }, response = { body = "{p}" } } },
            { upstream = function() return 200, nil, { data = { id = 1 } } end })
        assert.same({ q = { n = 1 }, r = { id = 1 } }, (select(2, call(w, "a"))))
    end)

    it("whose error is ignored leaves null; the run goes on", function()
        local w = rules.new({ a = { record = true, components = { { api("x", { ignoreError = true }) }, { api("y") } },
            response = { body = { x = "{x}", y = "{y.id}" } } } }, { upstream = function(one)
                if one.url:find "x$" then
                    return "NETWORK", "gone"
                end
                return ids(one)
            end })
        assert.same({ x = null, y = "y" }, (select(2, call(w, "a"))))
        assert.equal("succeeded", w:run().status)
    end)

    it("retries network errors as often as it says, with ramped waits", function()
        local w = rules.new({ a = { components = { { api("x", { retryMaxCount = 3, retryMaxWait = 9 }) } } } },
            { upstream = function() return "NETWORK", "gone" end })
        local began = w.clock.now
        local request = w:request("POST", "/ps/a")
        w:settle()
        assert.equal(4, #w.calls)
        assert.equal("110007", rules.json.decode(request.body).code)
        assert.equal(9000, w.clock.now - began) -- 0 + 3 + 6
    end)

    it("does not retry what is no network error, and not without retryMaxCount", function()
        local w = rules.new({ a = { components = { { script("s", { retryMaxCount = 3 }) } } },
            b = { components = { { api("x") } } } },
            { files = { ["components/s.lua"] = handler "error 'no'" },
                upstream = function() return "NETWORK", "gone" end })
        assert.equal("110002", (select(2, call(w, "a"))).code)
        assert.equal("110007", (select(2, call(w, "b"))).code)
        assert.equal(1, #w.calls)
    end)

    it("answers at once with nowResponse; later components still run", function()
        local w = rules.new({ a = { record = true, components = { { api("x", { nowResponse = true }) }, { api("y") } },
            response = { body = { x = "{x.id}", y = "{y.id}" } } } }, { upstream = ids })
        local request = call(w, "a")
        assert.same({ x = "x", y = null }, rules.json.decode(request.body))
        assert.same({ "x", "y" }, called(w))
        assert.equal("succeeded", w:run().status)
    end)

    it("with isCache is asked once for the same input within five minutes", function()
        local w = rules.new({ a = { request = { type = "json" }, components = { { api("x", { isCache = true,
            input = { n = "{request.body.n}" } }) } }, response = { body = "{x.id}" } } }, { upstream = ids })
        for _, n in ipairs { 1, 1, 2, 1 } do
            assert.equal("x", (select(2, call(w, "a", { body = { n = n } }))))
        end
        assert.equal(2, #w.calls)
        w:pass(301000)
        call(w, "a", { body = { n = 1 } })
        assert.equal(3, #w.calls)
    end)

    it("with isCache is asked again for another url, header or user: what is known is nobody else's", function()
        local of = "{request.body.n}"
        for name, fields in pairs { url = { url = "http://u/" .. of }, header = { header = { Authorization = of } },
            auth = { auth = { of, "word" } } } do
            fields.isCache = true
            local w = rules.new({ a = { request = { type = "json" }, components = { { api("x", fields) } } } },
                { upstream = ids })
            for _, n in ipairs { "ann", "ann", "bob" } do
                call(w, "a", { body = { n = n } })
            end
            assert.equal(2, #w.calls, name)
        end
    end)

    it("with isCache does not take what it brought as it was before a change", function()
        local function rule(more)
            return { components = { { api("x", { isCache = true, outputData = more }) } }, response = { body = "{x}" } }
        end
        local w = rules.new({ a = rule "{id}" }, { upstream = ids })
        assert.equal("x", (select(2, call(w, "a"))))
        w:emit("reload", { ["a.rule.json"] = rules.json.encode(rule { was = "{id}" }) }, {}, {}, false)
        w:settle()
        assert.same({ was = "x" }, (select(2, call(w, "a"))))
    end)
end)

describe("a script", function()
    local function run(text, o)
        local rule = { components = { { script("s", o and o.component) } }, response = { body = "{s}" } }
        for name, value in pairs(o and o.rule or {}) do
            rule[name] = value
        end
        local w = rules.new({ a = rule }, { files = { ["components/s.lua"] = text }, upstream = o and o.upstream })
        return select(2, call(w, "a")), w
    end

    it("gets input and ctx, its value is the output", function()
        assert.same({ n = 3 }, (run(handler "return { n = input.a + 1 }", { component = { input = { a = 2 } } })))
    end)

    it("that is missing, throws or returns no data has the seed's codes", function()
        local function code(text, o)
            o = o or { rule = { response = null } }
            return (run(text, o)).code
        end
        assert.equal("110001", code(handler "", { component = { url = "other" }, rule = { response = null } }))
        assert.equal("110002", code(handler "error 'x'"))
        assert.equal("110002", code(handler "error { code = 'MINE', message = 'x' }"))
        assert.equal("110003", code(handler "return function() end"))
        assert.equal("110005", code(handler "ctx.request(1)"))
        assert.equal("110005", code(handler "ctx.suspend({})"))
    end)

    it("calls services without an error for a status; what cannot be reached is 110007", function()
        local text = handler [[ local r = ctx.request { url = "http://u/x", onlyData = false } return r.status ]]
        assert.equal(404, (run(text, { upstream = function() return 404, nil, { a = 1 } end })))
        assert.same(1, (run(handler [[ return ctx.request { url = "http://u/x" }.a ]],
            { upstream = function() return 500, nil, { a = 1 } end })))
        local body = run(text, { upstream = function() return "NETWORK", "gone" end, rule = { response = null } })
        assert.equal("110007", body.code)
    end)

    it("that breaks ends the run, whatever it catches; nothing is suspended", function()
        local body, w = run(handler [[ pcall(ctx["break"], "enough") ]],
            { rule = { suspend = true, record = true, response = null } })
        assert.same({ code = "110008", msg = "enough" }, body)
        assert.equal("broken", w:run().status)
        assert.equal("110008", w:run().error.code)
    end)

    it("that fails ends the run as failed, whatever it catches, once its layer has settled", function()
        local rule = { suspend = true, record = true, components = { { script("s"), api("x") } },
            response = { body = { code = "{response.code}", x = "{x.id}" } } }
        local w = rules.new({ a = rule }, { upstream = ids, files = {
            ["components/s.lua"] = handler [[ pcall(ctx.fail, "TIMEOUT", "no way") ]] } })
        assert.same({ code = "TIMEOUT", x = "x" }, (select(2, call(w, "a"))))
        assert.equal(1, #w.calls)
        assert.equal("failed", w:run().status)
        assert.same({ "TIMEOUT", "no way" }, { w:run().error.code, w:run().error.message })
    end)

    it("stores values that later components and templates see", function()
        local w = rules.new({ a = { record = true, components = { { script("one") }, { script("two") },
            { api("x", { input = { k = "{global_store.k}" } }) } },
            response = { body = { "{two}", "{global_store.k}" } } } },
            { files = { ["components/one.lua"] = handler [[ ctx.data.store("k", { n = 1 }) ]],
                ["components/two.lua"] = handler [[ return ctx.data.load("k").n ]] } })
        assert.same({ 1, { n = 1 } }, (select(2, call(w, "a"))))
        assert.same({ k = { n = 1 } }, rules.json.decode(w.calls[1].body))
    end)

    it("out of time is 110000", function()
        local body = run(handler [[ ctx.sleep(100) ]], { component = { timeout = 2 }, rule = { response = null } })
        assert.same({ code = "110000", msg = "run script s timeout" }, body)
    end)
end)
