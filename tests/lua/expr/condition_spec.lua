-- SPDX-License-Identifier: MIT
local condition = require "flowhost.expr.condition"
local json = require "support.json"

local ROOT = json.decode [[{ "u": { "id": 9, "name": "Bo", "none": null, "big": 9007199254740993 } }]]

local function evaluate(text, root)
    return assert(condition.compile(text))(root or ROOT)
end

describe("a condition", function()
    it("that is blank holds", function()
        assert.is_true(condition.compile ""())
        assert.is_true(condition.compile " \n\t"())
        assert.is_true(condition.compile(nil)())
    end)

    it("binds values, whatever they hold", function()
        assert.is_true(evaluate("{a} == '\\' || true || \\''", { a = "' || true || '" }))
        assert.is_false(evaluate("{a} == 'x'", { a = "x' || 'x' == 'x" }))
    end)

    it("takes missing values for null", function()
        assert.is_true(evaluate "{u.x} === null && {x.y.z} === null && {u.none} === null && {u.x} == undefined")
        assert.is_false(evaluate "{u.x} === undefined")
    end)

    it("compares integers of 64 bits exactly", function()
        assert.is_true(evaluate "{u.big} == 9007199254740993 && {u.big} === 9007199254740993")
        assert.is_true(evaluate "{u.big} == '9007199254740993' && {u.big} != 9007199254740992")
        assert.is_true(evaluate "{u.big} > 9007199254740992 && {u.big} < 9007199254740994 && {u.big} < 1e30")
    end)

    it("must give true or false", function()
        for text, kind in pairs { ["1"] = "a number", ["'true'"] = "a string", ["{u}"] = "an array or object",
            null = "null", undefined = "undefined", ["{u.big}"] = "a number", ["{u.x} || 0"] = "a number" } do
            local ok, err = pcall(evaluate, text)
            assert.is_false(ok)
            assert.equal("110004", err.code)
            assert.equal(1, err.position)
            assert.equal(('the condition "%s" gives %s, it must give true or false'):format(text, kind), err.message)
        end
    end)

    it("may be held to names that there are", function()
        assert.is_function(condition.compile("{u.id} == 9", { roots = { u = true } }))
        local fn, err = condition.compile("{u.id} == {v.id}", { roots = { u = true } })
        assert.is_nil(fn)
        assert.same({ position = 11, message = [[{v.id} refers to nothing: there is no 'v', at position 11 of ]]
            .. [["{u.id} == {v.id}"]] }, err)
    end)

    it("tells what it refers to", function()
        assert.same({ "a.b", "c", "d" }, condition.paths "{c} ? !{a.b} : ({d} && {c}) + '{e}'")
        assert.same({}, condition.paths "")
        assert.equal(4, select(2, condition.paths "1 +").position)
    end)
end)
