-- SPDX-License-Identifier: MIT
local random = require("flowhost.flow.random")
local H = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "sandbox_helper.lua")

local restore = H.protect_string_metatable()

describe("random", function()
    it("is xoshiro128**", function()
        local state, out = { 1, 2, 3, 4 }, {}
        for i = 1, 10 do out[i] = random.next(state) % 2 ^ 32 end
        assert.same({ 11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597,
            4258142804 }, out)
        for _ = 11, 999999 do random.next(state) end
        assert.equal(3457443141, random.next(state) % 2 ^ 32)
    end)

    -- Journals depend on these numbers: they may never change.
    it("gives a seed's state and sequences for ever", function()
        assert.same({ -458310341, 873637031, -1448202435, -595678234 }, random.seed("run"))
        assert.same({ -921730687, 1089956889, 1987528420, 2006292867 }, random.seed(""))
        local state, out = random.seed("run"), {}
        for i = 1, 8 do out[i] = random.random(state, 1, 100) end
        assert.same({ 63, 51, 78, 59, 62, 89, 4, 59 }, out)
        state = random.seed("run")
        assert.equal(0.63856014684428786, random.random(state))
        assert.equal(0.97777456647401284, random.random(state))
    end)

    it("has a state of its own for each text", function()
        local seen = {}
        for i = 1, 1000 do
            local key = table.concat(random.seed("run" .. i), " ")
            assert.is_nil(seen[key])
            seen[key] = true
        end
    end)

    it("is uniform", function()
        local state, counts = random.seed("dice"), { 0, 0, 0, 0, 0, 0 }
        for _ = 1, 60000 do
            local face = random.random(state, 6)
            counts[face] = counts[face] + 1
        end
        local chi_square = 0
        for face = 1, 6 do chi_square = chi_square + (counts[face] - 10000) ^ 2 / 10000 end
        -- 5 degrees of freedom: over 20.5 in one of a thousand sequences; this one is fixed.
        assert.is_true(chi_square < 20.5)
    end)

    it("stays in wide intervals", function()
        local state = random.seed("wide")
        for _ = 1, 1000 do
            local wide = random.random(state, -2 ^ 52, 2 ^ 52)
            assert.is_true(wide >= -2 ^ 52 and wide <= 2 ^ 52 and wide == math.floor(wide))
            local float = random.random(state)
            assert.is_true(float >= 0 and float < 1)
        end
        assert.equal(7, random.random(state, 7, 7))
        assert.equal(-1, random.random(state, -1, -1))
    end)
end)

describe("math.random", function()
    local host

    before_each(function() host = H.new() end)
    teardown(restore)

    it("draws from the state of the branch", function()
        assert.same({ 63, 51 }, { host:run("return math.random(100), math.random(1, 100)") })
        host.random = random.seed("run")
        assert.equal(0.63856014684428786, host:run("return math.random()"))
    end)

    it("is reseeded by math.randomseed", function()
        local text = [[math.randomseed(42) local out = {} for i = 1, 8 do out[i] = math.random(6) end
            return table.concat(out, ' ')]]
        assert.equal("6 4 5 4 5 1 4 5", host:run(text))
        assert.equal("6 4 5 4 5 1 4 5", host:run(text))
    end)

    local refused = {
        ["math.random(0)"] = "bad argument #1 to 'random' (interval is empty)",
        ["math.random(2, 1)"] = "bad argument #2 to 'random' (interval is empty)",
        ["math.random({})"] = "bad argument #1 to 'random' (number expected, got table)",
        ["math.random(1, 'x')"] = "bad argument #2 to 'random' (number expected, got string)",
        ["math.random(nil)"] = "bad argument #1 to 'random' (number expected, got nil)",
        ["math.randomseed()"] = "bad argument #1 to 'randomseed' (number expected, got nil)",
    }
    for text, message in pairs(refused) do
        it("refuses " .. text, function()
            assert.equal("flow.lua:1: " .. message, host:error_of("local x = " .. text))
        end)
    end
end)
