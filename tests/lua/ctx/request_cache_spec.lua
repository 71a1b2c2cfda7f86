-- SPDX-License-Identifier: MIT
-- isCache of ctx.request: one call for all who ask for the same.
local world = require "support.world"

local flow = world.flow

local ASK = [[return ctx.request { url = input.url, isCache = true, auth = input.auth, timeout = input.timeout,
    responseType = input.as, onlyData = input.only, raise = input.raise, json = input.json }]]

local function hold() end

local function options(o)
    local own = { files = { ["a.lua"] = flow(ASK), ["b.lua"] = flow(ASK, [[durable = "never"]]) } }
    for name, value in pairs(o or {}) do
        own[name] = value
    end
    return own
end

local function new(o)
    return world.new(options(o))
end

local function count(shards)
    local sum = 0
    for i = 0, #shards do
        sum = sum + #shards[i].calls
    end
    return sum
end

describe("isCache of ctx.request", function()
    it("makes one call for ten who ask at the same time, each run has its own result", function()
        local w = new { upstream = hold }
        local requests = {}
        for i = 1, 10 do
            requests[i] = w:start("a", { url = "http://u" })
        end
        w:rest()
        assert.equal(1, #w.calls)
        w:answer(w.calls[1], 200, nil, { n = 7 })
        w:settle()
        for i = 1, 10 do
            assert.same({ n = 7 }, requests[i]:json())
        end
        for _, id in ipairs(w:ids()) do
            assert.same({ n = 7 }, w:entries(id)["1"].value)
        end
        assert.same({ n = 7 }, w:play("b", { url = "http://u" }):json())
        assert.equal(1, #w.calls)
    end)

    it("makes one call for all shards", function()
        local shards = world.shards(3, options { upstream = hold })
        local requests = {}
        for i = 0, 8 do
            requests[i] = shards[i % 3]:start("a", { url = "http://u" })
        end
        shards[0]:rest()
        assert.equal(1, count(shards))
        for i = 0, 2 do
            for _, call in ipairs(shards[i].calls) do
                shards[i]:answer(call, 200, nil, { n = 7 })
            end
        end
        shards[0]:settle()
        for i = 0, 8 do
            assert.same({ n = 7 }, requests[i]:json())
            assert.same({ n = 7 }, shards[i % 3]:play("a", { url = "http://u" }):json())
        end
        assert.equal(1, count(shards))
    end)

    it("tells all shards what went wrong", function()
        local shards = world.shards(2, options { upstream = function() return "NETWORK", "cut" end })
        for i = 0, 1 do
            local run = shards[i]:play("a", { url = "http://u" })
            assert.equal(502, run.status)
            assert.equal("NETWORK", run:json().code)
        end
    end)

    it("keeps it for five minutes", function()
        local w = new()
        w:play("a", { url = "http://u" })
        w:pass(299000)
        w:play("a", { url = "http://u" })
        assert.equal(1, #w.calls)
        w:pass(2000)
        w:play("a", { url = "http://u" })
        assert.equal(2, #w.calls)
    end)

    it("tells apart what is sent and how it is read", function()
        local w = new()
        local different = {
            { url = "http://u" }, { url = "http://u?a=1" }, { url = "http://u", auth = { "u", "p" } },
            { url = "http://u", auth = { "u", "q" } }, { url = "http://u", as = "text" },
            { url = "http://u", only = false }, { url = "http://u", timeout = 5 },
            { url = "http://u", json = 1 }, { url = "http://u", json = 2 },
            { url = "http://u", raise = false },
        }
        for _ = 1, 2 do
            for _, input in ipairs(different) do
                assert.equal(200, w:play("a", input).status)
            end
        end
        assert.equal(#different, #w.calls)
    end)

    it("keeps no failure, nor an answer that says so", function()
        local answers = { { "NETWORK", "cut" }, { 500 }, { 404 }, { 200, nil, { n = 1 } } }
        local w = new { upstream = function(_, own) return unpack(answers[#own.calls], 1, 3) end }
        assert.equal("NETWORK", w:play("a", { url = "http://u", raise = false }):json().code)
        w:play("a", { url = "http://u", raise = false })
        w:play("a", { url = "http://u", raise = false })
        assert.same({ n = 1 }, w:play("a", { url = "http://u", raise = false }):json())
        assert.equal(4, #w.calls)
        w:play("a", { url = "http://u", raise = false })
        assert.equal(4, #w.calls)
    end)

    it("goes on when the run that began it is cancelled, and stops when nobody waits", function()
        local w = new { upstream = hold }
        local first = w:start("a", { url = "http://u" })
        w:rest()
        local second = w:start("a", { url = "http://u" })
        w:rest()
        local ids = w:ids()
        w:request("POST", "/v1/runs/" .. ids[1] .. "/cancel")
        w:rest()
        assert.is_not_nil(first.status)
        assert.is_true(w.calls[1].is_open)
        w:answer(w.calls[1], 200, nil, { n = 7 })
        w:settle()
        assert.same({ n = 7 }, second:json())

        w:start("a", { url = "http://u/other" })
        w:rest()
        ids = w:ids()
        w:request("POST", "/v1/runs/" .. ids[#ids] .. "/cancel")
        w:rest()
        assert.is_false(w.calls[2].is_open)
        w:start("a", { url = "http://u/other" })
        w:rest()
        assert.equal(3, #w.calls)
    end)

    it("gives everybody a result of their own", function()
        local w = world.new { files = { ["a.lua"] = flow [[
            local function get() return ctx.request { url = "http://u", isCache = true } end
            local one, two = ctx.all { get, get }
            one.n = 8
            return { two.n, get().n }
        ]] }, upstream = function() return 200, nil, { n = 7 } end }
        assert.same({ 7, 7 }, w:play("a"):json())
        assert.equal(1, #w.calls)
    end)

    it("replays from the journal, not from memory", function()
        local w = world.new { files = { ["a.lua"] = flow [[
            local one = ctx.request { url = "http://u/1", isCache = true }
            ctx.request { url = "http://u/2" }
            return one
        ]] }, upstream = function() return 200, nil, { n = 7 } end }
        w:play "a"
        local again = w:crash(w:applied() - 1)
        again:settle()
        assert.equal(1, #again.calls)
        assert.same({ n = 7 }, again:run().output)
    end)
end)
