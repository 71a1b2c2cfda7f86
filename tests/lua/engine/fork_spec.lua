-- SPDX-License-Identifier: MIT
-- Forks: new runs from what another one recorded.
local standing = require "support.standing"

local new, post = standing.new, standing.post

local STEPS, broken = standing.STEPS, standing.broken

describe("fork", function()
    it("is a new run from a prefix; recorded results serve, nothing leaves the process", function()
        local w = new(STEPS, { upstream = broken })
        w:play("a", { x = 1 })
        local id = w:ids()[1]
        local sent = #w.calls
        local request = post(w, "fork", { from = "3", steps = { ["1"] = { output = 50 } } }, id)
        assert.equal(201, request.status)
        local fork = w:run(request:json().id)
        assert.same({ run = id, step = "3" }, fork.forked_from)
        assert.equal("suspended", fork.status)
        assert.equal("HTTP_STATUS", fork.error.code) -- as it had been answered
        assert.equal(sent, #w.calls)
        assert.equal("suspended", w:run(id).status)
        request = post(w, "fork", { from = "1" }, id)
        assert.equal(sent, #w.calls)
        assert.equal("HTTP_STATUS", w:run(request:json().id).error.code)
    end)

    it("with effects allowed goes on for itself", function()
        local w = new(STEPS, { upstream = broken })
        w:play("a", { x = 1 })
        w.upstream = function() return 200, nil, { n = 7 } end
        local request = post(w, "fork", { from = "3", allow_effects = true })
        assert.same({ 1, 7, 7, 1 }, w:run(request:json().id).output)
        assert.equal(5, #w.calls)
        assert.matches("^" .. request:json().id, w.calls[5]:header "Idempotency-Key")
    end)

    it("has the tags and the progress of what it was forked from", function()
        local w = new [[
            ctx.tag("a", 1) ctx.progress(1, 3)
            ctx.step("cut", function() return 1 end)
            ctx.tag("a", 2) ctx.tag("b", "x") ctx.progress(2, 3)
            return 1
        ]]
        w:play "a"
        local whole, part = post(w, "fork"):json().id, post(w, "fork", { from = "3" }):json().id
        for _, id in ipairs { whole, part } do
            assert.same({ a = "2", b = "x" }, w:run(id).tags)
            assert.equal(2, w:run(id).progress.done)
        end
        local stopped = post(w, "fork", { from = "3", steps = {} }):json().id
        assert.equal("succeeded", w:run(stopped).status)
        local found = w:request("GET", "/v1/runs", { query = { tag = "a:2" } }):json().items
        assert.equal(4, #found)
        assert.same({}, w:request("GET", "/v1/runs", { query = { tag = "a:1" } }):json().items)
    end)

    it("gets what was false as it was", function()
        local w = new [[ return { ctx.wait "x" == false } ]]
        w:start "a"
        while w:commit() do end
        w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/signal/x", { body = "false" })
        w:settle()
        local fork = post(w, "fork", { from = "1" }):json().id
        assert.same({ true }, w:run(fork).output)
    end)

    it("of a run that has ended, with another input", function()
        local w = new([[ return { input.x, ctx.uuid(), math.random(1000000), os.time() } ]])
        w:play("a", { x = 1 })
        w.clock.now = w.clock.now + 50000
        local same = post(w, "fork"):json().id
        assert.same(w:run().output, w:run(same).output)
        local other = post(w, "fork", { input = { x = 2 } }):json().id
        assert.equal(2, w:run(other).output[1])
    end)

    it("what the other run never did is not done", function()
        local w = new([[
            if input.more then return ctx.request { url = "http://u/new", json = 1 } end
            return 1
        ]])
        w:play("a", {})
        local fork = post(w, "fork", { input = { more = true } }):json().id
        assert.equal("EFFECT_NOT_ALLOWED", w:run(fork).error.code)
        assert.equal(0, #w.calls)
        post(w, "recover", { value = { by = "hand" } }, fork)
        assert.same({ by = "hand" }, w:run(fork).output)
    end)
end)
