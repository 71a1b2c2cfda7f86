-- SPDX-License-Identifier: MIT
local world = require "support.world"

local flow = world.flow

local function nobody() end

local function new(text, o)
    local given = { files = { ["a.lua"] = flow(text) } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

local function call_to(w, url)
    for _, call in ipairs(w:open_calls()) do
        if call.url == url then
            return call
        end
    end
end

describe("ctx.all", function()
    it("returns as many values as functions, in order, nil among them", function()
        local w = new [[
            local n = select("#", ctx.all { function() end, function() return 2 end, function() end })
            local a, b, c = ctx.all { function() end, function() return 2 end, function() return false end }
            return { n, a == nil, b, c }
        ]]
        assert.equal("[3,true,2,false]", w:play("a").body)
    end)

    it("of nothing returns nothing", function()
        assert.equal("[0,0]", new([[ return { select("#", ctx.all {}), #ctx.map({}, print) } ]]):play("a").body)
    end)

    it("keeps the order whatever order the answers come in", function()
        local w = new([[
            return { ctx.all {
                function() return ctx.request { url = "http://u/1" } end,
                function() return ctx.request { url = "http://u/2" } end,
                function() return ctx.request { url = "http://u/3" } end,
            } }
        ]], { upstream = nobody })
        local request = w:start "a"
        w:commit()
        for _, i in ipairs { 3, 1, 2 } do
            w:answer(call_to(w, "http://u/" .. i), 200, nil, { i })
            w:commit()
        end
        w:settle()
        assert.equal("[[1],[2],[3]]", request.body)
    end)

    it("waits for all and raises the error of the lowest branch", function()
        local w = new [[
            local done = 0
            local ok, err = pcall(ctx.all, {
                function() ctx.sleep(3) done = done + 1 end,
                function() ctx.sleep(2) error { code = "SECOND", message = "m" } end,
                function() error { code = "THIRD", message = "m" } end,
                function() ctx.sleep(5) done = done + 1 end,
            })
            return { ok, err.code, done }
        ]]
        assert.equal('[false,"SECOND",2]', w:play("a").body)
    end)

    it("refuses what is not a list of functions", function()
        local w = new [[
            local codes = {}
            for i, wrong in ipairs { 1, { 1 } } do
                local _, err = pcall(ctx.all, wrong)
                codes[i] = tostring(err)
            end
            return codes
        ]]
        assert.same({ "INVALID: ctx.all: a list of functions is expected",
            "INVALID: ctx.all: entry 1 is a number, not a function" }, w:play("a"):json())
    end)

    it("nests", function()
        local w = new [[
            local function leaf(n) return function() return ctx.request { url = "http://u/" .. n }.n end end
            local out = { ctx.all {
                function() return { ctx.all { leaf(1), function() return ctx.map({ 2, 3 }, function(n)
                    return leaf(n)() end) end } } end,
                leaf(4),
            } }
            return out
        ]]
        w.upstream = function(call)
            return 200, nil, { n = tonumber(call.url:match "%d+") }
        end
        assert.equal("[[1,[2,3]],4]", w:play("a").body)
        local by_path = w:entries()
        for path, name in pairs { ["1.1.1.1.1"] = 1, ["1.1.1.2.1.1.1"] = 2, ["1.1.1.2.1.2.1"] = 3, ["1.2.1"] = 4 } do
            assert.equal("GET http://u/" .. name, by_path[path].name)
        end
    end)

    it("gives each branch random numbers of its own, whatever the order", function()
        local text = [[
            local function roll(n) return function()
                local first = math.random(1e9)
                ctx.request { url = "http://u/" .. n }
                return { first, math.random(1e9) }
            end end
            return { ctx.all { roll(1), roll(2), roll(3) } }
        ]]
        local bodies = {}
        for i, is_reversed in ipairs { false, true } do
            local w = new(text, { is_reversed = is_reversed })
            bodies[i] = w:play("a").body
        end
        assert.equal(bodies[1], bodies[2])
    end)
end)

describe("ctx.map", function()
    it("passes item and index and returns a list", function()
        local w = new [[ return ctx.map({ "a", "b" }, function(x, i) return x .. i end) ]]
        assert.equal('["a1","b2"]', w:play("a").body)
    end)

    it("has no more branches going on than it may", function()
        local w = new([[
            return ctx.map({ 1, 2, 3, 4, 5, 6, 7 }, function(n)
                ctx.request { url = "http://u/" .. n }
                return ctx.request { url = "http://u/again/" .. n }.n
            end, { concurrency = 3 })
        ]], { upstream = nobody })
        local request = w:start "a"
        w:commit()
        local most = 0
        while not request.answered do
            local open = w:open_calls()
            most = math.max(most, #open)
            w:answer(open[#open], 200, nil, { n = tonumber(open[#open].url:match "%d+") })
            while w:commit() do end
        end
        assert.equal(3, most)
        assert.equal(14, #w.calls)
        assert.equal("[1,2,3,4,5,6,7]", request.body)
    end)

    it("refuses a concurrency below 1", function()
        local w = new [[ local _, err = pcall(ctx.map, { 1 }, print, { concurrency = 0 }) return tostring(err) ]]
        assert.matches("INVALID: ctx.map: concurrency must be", w:play("a"):json(), 1, true)
    end)

    it("takes 10,000 branches", function()
        local w = new [[
            local list = {}
            for i = 1, 10000 do list[i] = i end
            local sum = 0
            for _, n in ipairs(ctx.map(list, function(n) return ctx.step("s", function() return n end) end)) do
                sum = sum + n
            end
            ctx.request { url = "http://u/end" }
            return sum
        ]]
        assert.equal("50005000", w:play("a").body)
        local again = w:crash(w:applied() - 1)
        again:settle()
        assert.equal(50005000, again:run().output)
    end)

    it("takes 10,000 branches that all end while the group begins, one at a time", function()
        local w = new [[
            local list = {}
            for i = 1, 10000 do list[i] = i end
            return #ctx.map(list, function(n) return n end, { concurrency = 1 })
        ]]
        assert.equal("10000", w:play("a").body)
    end)

    it("takes branches that wait, 1,000 of them at a time", function()
        local w = new([[
            local list = {}
            for i = 1, 1000 do list[i] = i end
            return #ctx.map(list, function(n) ctx.sleep(n % 7) return ctx.request { url = "http://u/" .. n } end)
        ]], { answers_together = true })
        assert.equal("1000", w:play("a").body)
        assert.equal(1000, #w.calls)
    end)
end)

describe("a group whose branches fail", function()
    it("remembers the failed steps of all branches, nested ones too", function()
        local w = new([[
            ctx.all {
                function() ctx.request { url = "http://u/ok" } ctx.request { url = "http://u/bad/1" } end,
                function() return ctx.request { url = "http://u/ok/2" } end,
                function() ctx.all {
                    function() ctx.request { url = "http://u/bad/3" } end,
                    function() ctx.step("s", function() ctx.request { url = "http://u/bad/4" } end) end,
                } end,
            }
        ]], { upstream = function(call)
            return call.url:find "bad" and 500 or 200, nil, {}
        end })
        w:play "a"
        local row = w:module("flowhost.engine.rows").read(w.core.system.id_bytes(w:ids()[1]))
        assert.same({ "1.1.2", "1.3.1.1.1", "1.3.1.2.1.1" }, { unpack(row.redo) })
    end)

    it("passes what a branch raised without a step", function()
        local w = new [[
            local ok, err = pcall(ctx.all, { function() error "plain" end })
            return { ok, err.code, err.message, err.step }
        ]]
        assert.equal('[false,"LUA_ERROR","a.lua:1: plain"]', (w:play("a").body:gsub("a.lua:%d+", "a.lua:1")))
    end)
end)

describe("ctx.data", function()
    it("in branches that race replays as it happened", function()
        local text = [[
            local seen = { ctx.all {
                function() ctx.request { url = "http://u/1" } ctx.data.store("k", "one") return ctx.data.load "k" end,
                function() ctx.request { url = "http://u/2" } ctx.data.store("k", "two") return ctx.data.load "k" end,
                function() ctx.request { url = "http://u/3" } return ctx.data.load "k" or "none" end,
            } }
            seen[4] = ctx.data.load "k"
            ctx.request { url = "http://u/last" }
            return seen
        ]]
        for _, order in ipairs { { 1, 2, 3 }, { 2, 3, 1 }, { 3, 2, 1 } } do
            local w = new(text, { upstream = nobody })
            local request = w:start "a"
            w:commit()
            for _, i in ipairs(order) do
                w:answer(call_to(w, "http://u/" .. i), 200)
                w:commit()
            end
            while w:commit() do end
            local again = w:crash(nil, { upstream = function() return 200, nil, {} end })
            again:settle()
            w:answer(call_to(w, "http://u/last"), 200)
            w:settle()
            assert.equal(request.body, world.json.encode(again:run().output))
        end
    end)

    it("holds a copy of what was stored", function()
        local w = new [[
            local t = { 1 }
            ctx.data.store("k", t)
            t[1] = 2
            local first = ctx.data.load "k"
            first[1] = 3
            return { first, ctx.data.load "k" }
        ]]
        assert.equal("[[3],[1]]", w:play("a").body)
    end)
end)
