-- SPDX-License-Identifier: MIT
local limit = require "flowhost.engine.access_limit"

local function new(o)
    local given = { threshold = 3, base_ms = 100, max_ms = 1000, forget_ms = 60000, max_keys = 4 }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return limit.new(given)
end

local function fail(l, key, count, now)
    for _ = 1, count do
        l:fail(key, now)
    end
end

describe("failures of a key", function()
    it("cost nothing up to the threshold, then twice as long each", function()
        local l = new()
        fail(l, "a", 2, 1000)
        assert.equal(0, l:wait_ms("a", 1000))
        local waits = {}
        for i = 1, 6 do
            l:fail("a", 1000)
            waits[i] = l:wait_ms("a", 1000)
        end
        assert.same({ 100, 200, 400, 800, 1000, 1000 }, waits)
        assert.equal(400, l:wait_ms("a", 1600))
        assert.equal(0, l:wait_ms("a", 2000))
        assert.equal(0, l:wait_ms("b", 1000))
        assert.equal(8, l.total)
    end)

    it("are forgotten by a success, by time, and when the clock is set back", function()
        local l = new()
        fail(l, "a", 9, 1000)
        l:clear("a")
        assert.equal(0, l:wait_ms("a", 1000))
        fail(l, "a", 9, 1000)
        assert.equal(0, l:wait_ms("a", 999))
        l:fail("a", 61000)
        assert.equal(0, l:wait_ms("a", 61000))
    end)

    it("take bounded room; what failed lately is kept", function()
        local l = new()
        fail(l, "a", 5, 1000)
        for i = 1, 4 do
            l:fail("x" .. i, 1000)
        end
        assert.equal(400, l:wait_ms("a", 1000))
        l:fail("a", 1000)
        for i = 1, 1000 do
            l:fail("y" .. i, 1000)
            l:fail("a", 1000)
        end
        assert.equal(1000, l:wait_ms("a", 1000))
        local kept = 0
        for _, generation in ipairs { l.young, l.old } do
            for _ in pairs(generation) do
                kept = kept + 1
            end
        end
        assert.is_true(kept <= 8)
    end)
end)
