-- SPDX-License-Identifier: MIT
-- ctx.any, ctx.race: who wins, what becomes of the others.
local world = require "support.world"

local flow = world.flow

local function new(text, o)
    local given = { files = { ["a.lua"] = flow(text) } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

describe("ctx.race", function()
    it("gives the first to end and its index; the others are ended where they wait", function()
        local w = new([[
            local value, index = ctx.race {
                function() ctx.sleep(5) ctx.request { url = "http://u/lost" } return "slow" end,
                function() ctx.sleep(2) return "fast" end,
                function() return ctx.request { url = "http://u/never" } end,
            }
            return { value, index, ctx.request { url = "http://u/after" }.ok }
        ]], { upstream = function(call) if not call.url:find "never" then return 200, nil, { ok = true } end end })
        w:start "a"
        w:settle()
        assert.same({ "fast", 2, true }, w:run().output)
        assert.is_true(w.clock.now < 1700000003000)
        assert.is_true(w.calls[1].is_cancelled)
        assert.equal(2, w:entries()["1"].value)
        assert.equal(2, #w.calls)
        assert.is_nil(w:next_timer())
        local steps = w:request("GET", "/v1/runs/" .. w:ids()[1] .. "/steps"):json().items
        assert.equal("succeeded", steps[1].status)
        assert.equal("1.1.1", steps[2].path)
        assert.equal("cancelled", steps[2].status)
    end)

    it("raises when the first to end raised", function()
        local w = new [[
            local ok, err = pcall(ctx.race, {
                function() ctx.sleep(5) end, function() ctx.sleep(2) error { code = "LOST", message = "m" } end })
            return { ok, err.code }
        ]]
        w:start "a"
        w:settle()
        assert.same({ false, "LOST" }, w:run().output)
    end)

    it("a branch that ends at once wins; the rest never begins", function()
        local w = new [[
            local begun = 0
            local value, index = ctx.race {
                function() begun = begun + 1 ctx.sleep(1) end,
                function() begun = begun + 1 return "now" end,
                function() begun = begun + 1 return "late" end,
            }
            return { value, index, begun }
        ]]
        w:start "a"
        w:settle()
        assert.same({ "now", 2, 2 }, w:run().output)
    end)

    it("without functions is an error", function()
        local w = new [[ return ctx.race {} ]]
        w:play "a"
        assert.equal("INVALID", w:run().error.code)
    end)
end)

describe("ctx.any", function()
    local TEXT = [[
        local ok, value, index = pcall(ctx.any, {
            function() return ctx.request { url = "http://u/1" }.n end,
            function() return ctx.request { url = "http://u/2" }.n end,
            function() ctx.sleep(9) return 3 end,
        })
        return { ok, ok and value or value.code, index or #value.data }
    ]]

    it("gives the first that succeeds", function()
        local w = new(TEXT, { upstream = function(call)
            if call.url:find "1" then
                return "NETWORK", "cut"
            end
            return 200, nil, { n = 22 }
        end })
        w:start "a"
        w:settle()
        assert.same({ true, 22, 2 }, w:run().output)
        assert.is_true(w.clock.now < 1700000001000)
    end)

    it("when none does raises ALL_FAILED with every error", function()
        local w = new(TEXT:gsub("return 3", "error 'no'"), { upstream = function() return "NETWORK", "cut" end })
        w:start "a"
        w:settle()
        assert.same({ false, "ALL_FAILED", 3 }, w:run().output)
    end)

    it("nested, with groups that are ended inside", function()
        local w = new [[
            local value, index = ctx.any {
                function()
                    ctx.all {
                        function() ctx.sleep(50) end,
                        function() ctx.race { function() ctx.sleep(70) end, function() ctx.sleep(60) end } end,
                    }
                    return "outer"
                end,
                function() ctx.sleep(10) return "quick" end,
            }
            return { value, index }
        ]]
        w:start "a"
        w:settle()
        assert.same({ "quick", 2 }, w:run().output)
        assert.is_true(w.clock.now < 1700000011000)
        assert.is_nil(w:next_timer())
    end)
end)

describe("a map", function()
    it("of 10,000 branches", function()
        local w = new [[
            local list = {}
            for i = 1, 10000 do list[i] = i end
            local out = ctx.map(list, function(item) return ctx.step("s", function() return item * 2 end) end)
            return { #out, out[1], out[10000] }
        ]]
        w:start "a"
        w:settle()
        assert.same({ 10000, 2, 20000 }, w:run().output)
    end)
end)
