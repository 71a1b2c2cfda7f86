-- SPDX-License-Identifier: MIT
-- Rules that come to stand and go on (SEEDS 1.14).
local rules = require "support.rules"

local api, call, handler, script = rules.api, rules.call, rules.handler, rules.script

local RULE = {
    suspend = true, request = { type = "json" },
    components = {
        { api("first", { input = { n = "{request.body.n}" } }) },
        { api("good", { input = { id = "{first.id}" } }), api("bad", { input = { id = "{first.id}" },
            responseCondition = "{code} == 200", errorMsg = "{msg}" }) },
        { api("last", { input = { good = "{good.id}", bad = "{bad.id}" } }) },
    },
    response = { body = { code = "{response.code}", msg = "{response.msg}", last = "{last.id}" } },
}

--- A world of that rule whose service `bad` works once `is_mended` is set, and how often each was asked.
local function new(o)
    local service = { is_mended = false, asked = {} }
    local given = { upstream = function(one)
        local name = one.url:match "[^/]*$"
        service.asked[name] = (service.asked[name] or 0) + 1
        if name == "bad" and not service.is_mended then
            return 200, nil, { code = 1, msg = "not yet" }
        end
        return 200, nil, { code = 200, id = name }
    end }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return rules.new({ a = RULE }, given), service
end

local function post(w, action, body)
    local request = w:request("POST", ("/v1/runs/%s/%s"):format(w:ids()[1], action), { body = body or "" })
    w:settle()
    return request
end

local function snapshot(w)
    return w:request("GET", ("/v1/runs/%s/snapshot"):format(w:ids()[1])):json()
end

local function put(w, body)
    local request = w:request("PUT", ("/v1/runs/%s/snapshot"):format(w:ids()[1]), { body = body })
    w:settle()
    return request
end

describe("a rule with suspend", function()
    it("stands at the layer that failed, with the names and the data", function()
        local w = new()
        local _, body = call(w, "a", { body = { n = 1 } })
        assert.equal(100001, body.code)
        assert.equal("not yet", body.msg)
        local run = w:run()
        assert.equal("suspended", run.status)
        assert.equal("100001", run.error.code)
        local at = snapshot(w)
        assert.equal(2, at.layer)
        assert.same({ "bad" }, at.names)
        assert.equal("good", at.data.good.id)
        assert.equal("first", at.data.first.id)
        assert.same({ n = 1 }, at.data.request.body)
        assert.is_nil(at.data.response)
    end)

    it("goes on with what failed and what follows, as the same run", function()
        local w, service = new()
        call(w, "a", { body = { n = 1 } })
        local id = w:ids()[1]
        service.is_mended = true
        assert.equal(202, post(w, "recover").status)
        assert.equal("succeeded", w:run().status)
        assert.equal("last", w:run().output.last)
        assert.same({ first = 1, good = 1, bad = 2, last = 1 }, service.asked)
        assert.same({ id }, w:ids())
    end)

    it("that fails again stands again", function()
        local w, service = new()
        call(w, "a")
        post(w, "recover")
        assert.equal("suspended", w:run().status)
        assert.same({ first = 1, good = 1, bad = 2 }, service.asked)
        service.is_mended = true
        post(w, "recover")
        assert.equal("succeeded", w:run().status)
        assert.same({ first = 1, good = 1, bad = 3, last = 1 }, service.asked)
    end)

    it("merges the data of a recover at the top level; templates see it", function()
        local w, service = new()
        call(w, "a")
        service.is_mended = true
        post(w, "recover", { data = { good = { id = "edited" } } })
        assert.same({ good = "edited", bad = "bad" }, rules.json.decode(w.calls[#w.calls].body))
    end)

    it("edited without going on stands, with all that was given", function()
        local w, service = new()
        call(w, "a")
        local at = snapshot(w)
        at.data.first.id = "other"
        assert.equal(200, put(w, { data = at.data, layer = 3 }).status)
        assert.equal("suspended", w:run().status)
        at = snapshot(w)
        assert.equal(3, at.layer)
        assert.equal(rules.json.null, at.names)
        post(w, "recover")
        assert.equal("succeeded", w:run().status)
        assert.same({ first = 1, good = 1, bad = 1, last = 1 }, service.asked)
        assert.same({ good = "good", bad = rules.json.null }, rules.json.decode(w.calls[#w.calls].body))
    end)

    it("goes on with another rule, for this run only", function()
        local w, service = new()
        call(w, "a")
        local rule = rules.json.decode(rules.json.encode(RULE))
        rule.components[2][2] = api("bad", { url = "http://u/mended" })
        assert.equal(200, put(w, { rule = rule }).status)
        post(w, "recover")
        assert.equal("succeeded", w:run().status)
        assert.same({ first = 1, good = 1, bad = 1, mended = 1, last = 1 }, service.asked)
        call(w, "a")
        assert.equal(2, service.asked.bad)
    end)

    it("goes on with another rule and what is to run again of it", function()
        local w, service = new()
        call(w, "a")
        local rule = rules.json.decode(rules.json.encode(RULE))
        rule.components[2][2] = api("renamed")
        assert.equal(200, put(w, { rule = rule, names = { "renamed" } }).status)
        post(w, "recover")
        assert.equal("succeeded", w:run().status)
        assert.same({ first = 1, good = 1, bad = 1, renamed = 1, last = 1 }, service.asked)
    end)

    it("refuses edits that cannot be", function()
        local w = new()
        call(w, "a")
        local function refused(body)
            local request = put(w, body)
            assert.equal(422, request.status)
            return request:json().errors[1].pointer
        end
        assert.equal("/layer", refused { layer = 4 })
        assert.equal("/layer", refused { layer = 1.5 })
        assert.equal("/names/0", refused { names = { "first" } })
        assert.equal("/names", refused { names = "bad" })
        assert.equal("/data", refused { data = { 1 } })
        assert.matches("^/rule", refused { rule = { components = { { { name = "x", type = "what" } } } } })
        assert.matches("^/rule", refused { rule = "{" })
        local rule = rules.json.decode(rules.json.encode(RULE))
        rule.components[2][2].name = "renamed"
        assert.equal("/names/0", refused { rule = rule }) -- what failed is not there any more
        assert.equal(422, post(w, "recover", { steps = { ["1"] = { output = 1 } } }).status)
        assert.equal(2, snapshot(w).layer)
    end)

    it("survives a crash at every commit, before and after it goes on", function()
        local w, service = new()
        call(w, "a")
        service.is_mended = true
        post(w, "recover")
        local last = w:applied()
        for count = 1, last do
            local again = w:crash(count)
            again:settle()
            if again:run() and again:run().status == "suspended" then
                post(again, "recover")
            end
            if again:run() then
                assert.equal("succeeded", again:run().status, "after batch " .. count)
                assert.equal("last", again:run().output.last)
            end
        end
    end)

    it("lets the layer settle before it stands", function()
        local w = rules.new({ a = { suspend = true, components = { { script("stop"), api("slow") } } } }, {
            files = { ["components/stop.lua"] = handler [[ ctx.suspend("MINE", "look at it") ]] },
            upstream = function() return 200, nil, { id = 1 } end })
        local _, body = call(w, "a")
        assert.same({ code = "MINE", msg = "look at it" }, body)
        local at = snapshot(w)
        assert.same({ "stop" }, at.names)
        assert.equal(1, at.data.slow.id)
    end)

    it("starts a component again that suspended; its one argument is the message", function()
        local w = rules.new({ a = { suspend = true, components = { { script("s") } }, response = { body = "{s}" } } }, {
            files = { ["components/s.lua"] = handler [[
                if not ctx.data.load("k") then ctx.suspend("wait") end
                return ctx.data.load("k")
            ]] } })
        local _, body = call(w, "a")
        assert.equal(rules.json.null, body)
        assert.equal("110009", w:run().error.code)
        assert.equal("wait", w:run().error.message)
        post(w, "recover", { data = { global_store = { k = 5 } } })
        assert.equal(5, w:run().output)
    end)
end)

describe("a rule without suspend", function()
    it("fails, and nothing is kept unless it is recorded", function()
        local rule = { components = { { script("s") } } }
        local files = { ["components/s.lua"] = handler [[ ctx.suspend("MINE", "x") ]] }
        local w = rules.new({ a = rule }, { files = files })
        assert.equal("MINE", select(2, call(w, "a")).code)
        assert.same({}, w:ids())
        rule.record = true
        w = rules.new({ a = rule }, { files = files })
        call(w, "a")
        assert.equal("failed", w:run().status)
        assert.equal(409, post(w, "recover").status)
    end)
end)
