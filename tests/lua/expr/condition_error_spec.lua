-- SPDX-License-Identifier: MIT
-- What cannot be read as a condition is told with its place.
local condition = require "flowhost.expr.condition"

-- text, byte, what the message begins with
local CASES = {
    { "1 +", 4, "expected an operand, not the end," },
    { "1 + ", 5, "expected an operand, not the end," },
    { "(1", 3, "expected ')', not the end," },
    { "1)", 2, "expected an operator or the end, not ')'," },
    { "()", 2, "expected an operand, not ')'," },
    { "== 1", 1, "expected an operand, not '=='," },
    { "1 2", 3, "expected an operator or the end, not '2'," },
    { "{a} {b}", 5, "expected an operator or the end, not {b}," },
    { "1 'a'", 3, "expected an operator or the end, not a string," },
    { "1 ? 2", 6, "expected ':', not the end," },
    { "1 ? : 2", 5, "expected an operand, not ':'," },
    { "1 : 2", 3, "expected an operator or the end, not ':'," },
    { "{a} = 1", 5, "expected an operator or the end, not '='; == compares," },
    { "{a} & {b}", 5, "expected an operator or the end, not '&'; && is and," },
    { "{a} | {b}", 5, "expected an operator or the end, not '|'; || is or," },
    { "1 ** 2", 3, "expected an operator or the end, not '**'," },
    { "1 << 2", 3, "expected an operator or the end, not '<<'," },
    { "~1", 1, "expected an operand, not '~'," },
    { "++{a}", 1, "expected an operand, not '++'," },
    { "1--1", 2, "expected an operator or the end, not '--'," },
    { "{a}.length", 4, "expected an operator or the end, not '.'," },
    { "{a}[0]", 4, "expected an operator or the end, not '['," },
    { "f({a})", 1, "the name 'f' is not known (a value of the run is written {f})" },
    { "user.id == 1", 1, "the name 'user' is not known" },
    { "typeof {a}", 1, "the name 'typeof' is not known" },
    { "1 == True", 6, "the name 'True' is not known" },
    { "not {a}", 1, "the name 'not' is not known" },
    { "true and false", 6, "expected an operator or the end, not 'and'," },
    { "1 == 1; 2", 9, "expected an operator or the end, not '2'," },
    { "'abc", 1, "the string that begins is not closed or has an escape that does not exist" },
    { "1 == \"abc'", 6, "the string that begins is not closed or has an escape that does not exist" },
    { "'a\nb'", 1, "the string that begins is not closed or has an escape that does not exist" },
    { [['\x4']], 1, "the string that begins is not closed or has an escape that does not exist" },
    { [['\u12']], 1, "the string that begins is not closed or has an escape that does not exist" },
    { [['\1']], 1, "the string that begins is not closed or has an escape that does not exist" },
    { "{}", 1, "expected a reference such as {request.body.id}" },
    { "{a-b} == 1", 1, "expected a reference such as {request.body.id}" },
    { "1 == {a", 6, "expected a reference such as {request.body.id}" },
    { "{ a } == 1", 1, "expected a reference such as {request.body.id}" },
    { "1 == 3x", 6, "bad number" },
    { "01 == 1", 1, "bad number" },
    { "0x == 1", 1, "bad number" },
    { "1e == 1", 1, "bad number" },
    { "1.2.3 == 1", 4, "expected an operator or the end, not '.3'," },
    { "1 @ 2", 3, "unexpected character '@'" },
    { "1 == #", 6, "unexpected character '#'" },
    { "1 /* 2", 4, "expected an operand, not '*'," },
    { "\0", 1, "unexpected character '\0'" },
    { "1 == \255", 6, "the name '\255' is not known" },
}

describe("a condition that cannot be read", function()
    it("is told with its place", function()
        for _, case in ipairs(CASES) do
            local text, position, message = case[1], case[2], case[3]
            local run, err = condition.compile(text)
            assert.is_nil(run, text)
            assert.equal(message, err.message:sub(1, #message))
            assert.equal(text .. " at " .. position, text .. " at " .. err.position)
            local place = (" at position %d of \"%s\""):format(position, text)
            assert.equal(place, err.message:sub(-#place))
        end
    end)

    it("is not quoted at length", function()
        local _, err = condition.compile(("'ä' == "):rep(100))
        assert.equal(801, err.position)
        assert.matches('^expected an operand, not the end, at position 801 of ".*%.%.%."$', err.message)
        assert.is_true(#err.message < 260)
    end)
end)

describe("the limits of a condition", function()
    local function position_of(text)
        local _, err = condition.compile(text)
        return err and err.message:find "more than" and err.position
    end

    it("are 200 levels of parentheses, signs, operators and choices", function()
        for _, case in ipairs {
            { function(n) return ("("):rep(n) .. "true" .. (")"):rep(n) end, 200 },
            { function(n) return ("!"):rep(n) .. "true" end, 199 },
            { function(n) return ("- "):rep(n) .. "1 == 1" end, 198 },
            { function(n) return ("1 + "):rep(n) .. "1 > 0" end, 198 },
            { function(n) return ("true ? "):rep(n) .. "true" .. (" : false"):rep(n) end, 199 },
            { function(n) return ("false ? false : "):rep(n) .. "true" end, 199 },
        } do
            local make, most = case[1], case[2]
            assert.is_true(assert(condition.compile(make(most)))({}) ~= nil)
            assert.is_number(position_of(make(most + 1)))
            assert.is_number(position_of(make(20 * most)))
        end
    end)

    it("are not for chains of && and ||", function()
        assert.is_true(assert(condition.compile(("true && "):rep(5000) .. "true"))({}))
        assert.is_false(assert(condition.compile(("false || "):rep(5000) .. "false"))({}))
    end)

    it("are 65536 bytes", function()
        assert.is_true(assert(condition.compile("true" .. (" "):rep(65532)))({}))
        assert.equal(65537, position_of("true" .. (" "):rep(65533)))
    end)
end)
