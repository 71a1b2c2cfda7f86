-- SPDX-License-Identifier: MIT
local compare = require "flowhost.testing.compare"
local json = require "support.json"

describe("a difference", function()
    it("is none between equal values, in any depth", function()
        assert.is_nil(compare.diff({ a = { 1, 2, { b = "x" } } }, { a = { 1, 2, { b = "x" } } }))
        assert.is_nil(compare.diff(json.array {}, {}))
        assert.is_nil(compare.diff(nil, json.null))
        assert.is_nil(compare.diff(0 / 0, 0 / 0))
    end)

    it("is named by its path, with both sides", function()
        assert.equal("at .user.id\n  expected 18\n  actual   17", compare.diff({ user = { id = 17 } },
            { user = { id = 18 } }))
        assert.equal("at [2]\n  expected nothing\n  actual   true", compare.diff({ 1, true }, { 1 }))
        assert.equal("at [\"a b\"]\n  expected {}\n  actual   nothing", compare.diff({}, { ["a b"] = {} }))
        assert.equal("  expected \"1\"\n  actual   1", compare.diff(1, "1"))
        assert.equal("at .a\n  expected nothing\n  actual   null", compare.diff({ a = json.null }, {}))
    end)

    it("does not look at what a part does not name", function()
        assert.is_nil(compare.diff({ a = 1, b = { c = 2, d = 3 } }, { b = { c = 2 } }, true))
        assert.equal("at .b.c\n  expected 3\n  actual   2", compare.diff({ b = { c = 2 } }, { b = { c = 3 } }, true))
    end)

    it("is cut when there are many, or one is long", function()
        local many, long = {}, ("x"):rep(1000)
        for i = 1, 20 do
            many[i] = i
        end
        assert.matches("and 12 more$", compare.diff(many, {}))
        assert.is_true(#compare.diff(long, "") < 400)
    end)

    it("ends in tables that hold themselves", function()
        local a, b = {}, {}
        a.a, b.a = a, b
        assert.is_nil(compare.diff(a, b))
        assert.is_string(compare.diff(a, 1))
    end)
end)

describe("a value is written", function()
    it("as Lua has it, keys in order", function()
        assert.equal('{ 1, 2.5, b = "x\\n\\"", c = { false } }', compare.render { 1, 2.5, c = { false }, b = 'x\n"' })
        assert.equal("0.1", compare.render(0.1))
        assert.equal("null", compare.render(json.null))
    end)
end)
