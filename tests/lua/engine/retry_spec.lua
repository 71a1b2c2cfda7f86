-- SPDX-License-Identifier: MIT
-- Retries of requests, steps, components and children; steps that may run once.

local world = require "support.world"

local flow = world.flow
local retry = world.new({ files = {} }):module "flowhost.engine.retry"

local function new(text, o)
    local given = { files = { ["a.lua"] = flow(text) }, settings = { park_after = "5" } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

--- Fails `count` times, then answers.
local function failing(count, how)
    local left = count
    return function()
        left = left - 1
        if left >= 0 then
            return unpack(how or { "NETWORK", "cut" })
        end
        return 200, nil, { ok = true }
    end
end

local function waits(policy, count, ...)
    local list = {}
    for i = 1, count do
        list[i] = retry.wait_s(policy, i, 0, ...)
    end
    return list
end

describe("a policy", function()
    it("waits as it says", function()
        assert.same({ 1, 2, 4, 8, 10 }, waits(retry.parse("x", { max = 9, cap = 10 }), 5))
        assert.same({ 2, 4, 6 }, waits(retry.parse("x", { max = 9, base = 2, linear = true }), 3))
        assert.same({ 1, 1, 2, 3, 5, 8 }, waits(retry.parse("x", { max = 9, fibonacci = true }), 6))
        assert.same({ 0, 0 }, waits(retry.parse("x", { max = 2, base = 0 }), 2))
        local policy = retry.parse("x", { max = 1, base = 10, jitter = true })
        assert.equal(5, retry.wait_s(policy, 1, 0.5))
        assert.equal(30, retry.wait_s(policy, 1, 0.5, 30))
    end)

    it("that cannot be is refused", function()
        for _, wrong in ipairs { { max = -1 }, { max = 1.5 }, {}, { max = 1, nope = 1 }, { max = 1, on = {} },
            { max = 1, linear = true, fibonacci = true }, { max = 1, jitter = 2 }, { max = 1, base = -1 }, "3" } do
            assert.is_false(pcall(retry.parse, "x", wrong))
        end
    end)
end)

describe("a request with retry", function()
    it("is sent again with the same key until it succeeds; its attempts are in the journal", function()
        local w = new([[ return ctx.request { url = "http://u/1", json = 1, retry = { max = 3 } } ]],
            { upstream = failing(2) })
        w:start "a"
        w:settle()
        assert.equal("succeeded", w:run().status)
        assert.equal(3, #w.calls)
        assert.equal(w.calls[1]:header "Idempotency-Key", w.calls[3]:header "Idempotency-Key")
        assert.equal(1700000003000, w.clock.now)
        local by_path, list = w:entries()
        assert.equal(3, by_path["1"].attempts)
        assert.equal(3, #list)
        assert.equal("t", list[1].state)
        assert.equal("NETWORK", list[1].value.error.code)
    end)

    it("gives up after max, with the last error", function()
        local w = new([[ return ctx.request { url = "http://u/1", retry = 2 } ]], { upstream = failing(9) })
        w:start "a"
        w:settle()
        assert.equal("suspended", w:run().status)
        assert.equal(3, #w.calls)
        w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/recover")
        w:settle()
        assert.equal(6, #w.calls)
    end)

    it("tries again what it is told to, and only that", function()
        local w = new([[ return ctx.request { url = "http://u/1", retry = { max = 5, on = { 404, "TLS" } } } ]],
            { upstream = failing(1, { 404, nil, { none = true } }) })
        w:play "a"
        assert.equal(2, #w.calls)
        w = new([[ return ctx.request { url = "http://u/1", retry = 5 } ]],
            { upstream = failing(1, { 404, nil, { none = true } }) })
        w:play "a"
        assert.equal(1, #w.calls)
    end)

    it("honours Retry-After", function()
        local w = new([[ return ctx.request { url = "http://u/1", retry = 5 } ]],
            { upstream = failing(1, { 503, { ["retry-after"] = "120" }, "busy" }) })
        w:start "a"
        w:settle()
        assert.equal("succeeded", w:run().status)
        assert.equal(1700000120000, w.clock.now)
    end)

    it("goes on over a restart with the attempt it was at, at its time", function()
        local w = new([[ return ctx.request { url = "http://u/1", retry = { max = 3, base = 100, cap = 1000 } } ]],
            { upstream = failing(9) })
        w:start "a"
        repeat until not w:commit()
        w:answer(w.calls[1], "NETWORK", "cut")
        repeat until not w:commit()
        local again = w:crash(nil, { upstream = failing(1), seconds_later = 50 })
        assert.equal(0, #again:open_calls())
        again:settle()
        assert.equal("succeeded", again:run().status)
        assert.equal(2, #again.calls)
        assert.equal(1700000000000 + 100000 + 200000, again.clock.now)
        assert.equal(3, again:entries()["1"].attempts)
    end)

    it("is parked while it waits for long", function()
        local w = new([[ return ctx.request { url = "http://u/1", retry = { max = 3, base = 100, cap = 1000 } }.ok ]],
            { upstream = failing(1) })
        w:start "a"
        repeat until not w:commit()
        w:answer(w.calls[1], "NETWORK", "cut")
        repeat until not w:commit()
        w:advance(6000)
        repeat until not w:commit()
        assert.equal("waiting", w:run().status)
        assert.equal("retry", w:run().waiting_for.kind)
        assert.matches("^retry 1 of step 1 .* last error NETWORK: cut", w:request("GET", "/v1/runs/" .. w:ids()[1]
            .. "/why"):json().sentence)
        w.upstream = failing(0)
        w:settle()
        assert.is_true(w:run().output)
    end)
end)

describe("a step with retry", function()
    it("runs its function anew; steps of former attempts stay theirs", function()
        local w = new([[
            local tries = 0
            local out = ctx.step("s", function()
                tries = tries + 1
                local n = ctx.request { url = "http://u/" .. tries, json = tries }.n
                if tries < 3 then error { code = "AGAIN", message = "no" } end
                return n
            end, { retry = { max = 5, on = { "AGAIN" }, base = 0 } })
            return { out, tries }
        ]], { upstream = function(call) return 200, nil, { n = tonumber(call.url:match "%d+$") } end })
        w:start "a"
        w:settle()
        assert.same({ 3, 3 }, w:run().output)
        assert.equal(3, #w.calls)
        assert.not_nil(w:entries()["1.1"])
        assert.not_nil(w:entries()["1.r3.1"])
        assert.equal(3, w:entries()["1"].attempts)
    end)
end)

describe("once", function()
    local TEXT = [[ return ctx.request { url = "http://u/pay", json = 1, once = true } ]]

    it("a step that had begun when the process died waits for a person", function()
        local w = new(TEXT, { upstream = function() end })
        w:start "a"
        repeat until not w:commit()
        assert.equal(1, #w.calls)
        local again = w:crash()
        again:settle()
        assert.equal("suspended", again:run().status)
        assert.equal("OUTCOME_UNKNOWN", again:run().error.code)
        assert.equal(0, #again.calls)
        local told = again:crash()
        told:request("POST", "/v1/runs/" .. told:ids()[1] .. "/recover", { body = { value = { paid = true } } })
        told:settle()
        assert.same({ paid = true }, told:run().output)
        assert.equal(0, #told.calls)
        again:request("POST", "/v1/runs/" .. again:ids()[1] .. "/recover")
        again.upstream = failing(0)
        again:settle()
        assert.equal(1, #again.calls)
        assert.equal("succeeded", again:run().status)
    end)

    it("is on disk before it leaves; a result that was recorded is taken", function()
        local w = new(TEXT)
        w:play "a"
        assert.equal("succeeded", w:run().status)
        local again = w:crash(w.calls[1].at)
        again:settle()
        assert.equal("OUTCOME_UNKNOWN", again:run().error.code)
    end)

    it("for functions", function()
        local w = new [[
            return ctx.step("s", function() return ctx.request { url = "http://u/x" } end, { once = true })
        ]]
        w:play "a"
        assert.equal("succeeded", w:run().status)
        local again = w:crash(w.calls[1].at)
        again:settle()
        assert.equal("OUTCOME_UNKNOWN", again:run().error.code)
        assert.equal("1", again:run().error.step)
    end)

    it("and retry exclude each other", function()
        local w = new [[ return ctx.request { url = "http://u/x", once = true, retry = 1 } ]]
        w:play "a"
        assert.equal("INVALID", w:run().error.code)
    end)
end)
