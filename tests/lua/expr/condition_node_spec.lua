-- SPDX-License-Identifier: MIT
-- Conditions against what Node.js gives (node_cases.lua).
local cases = require "expr.node_cases"
local compile_module = require "flowhost.expr.condition_compile"
local javascript = require "flowhost.expr.javascript"
local json = require "support.json"
local parse_module = require "flowhost.expr.condition_parse"
local value_module = require "flowhost.expr.value"

local ROOT = assert(json.decode(cases.ROOT))

local function evaluate(text)
    local tree, err = parse_module.parse(text)
    return compile_module.compile(tree or error(err.message, 0))(ROOT)
end

--- "type:value" as JavaScript would say it.
local function typed(value)
    if value == nil then
        return "object:null"
    elseif value == javascript.UNDEFINED then
        return "undefined:undefined"
    elseif type(value) == "number" and value == 0 and 1 / value < 0 then
        return "number:-0"
    end
    return type(value) == "table" and "object" or type(value) .. ":" .. javascript.to_text(value)
end

describe("an expression", function()
    it("gives what Node.js gives", function()
        assert.is_true(#cases.EXPRESSIONS > 200)
        for _, case in ipairs(cases.EXPRESSIONS) do
            assert.equal(case[1] .. " is " .. case[2], case[1] .. " is " .. typed(evaluate(case[1])))
        end
    end)

    for op, rows in pairs(cases.COMPARISONS) do
        it("compares anything with anything by " .. op, function()
            for i, left in ipairs(cases.OPERANDS) do
                for j, right in ipairs(cases.OPERANDS) do
                    local text = ("(%s) %s (%s)"):format(left, op, right)
                    assert.equal(text .. rows[i]:sub(j, j), text .. (evaluate(text) and "t" or "f"))
                end
            end
        end)
    end
end)

describe("a number", function()
    it("is printed as Node.js prints it", function()
        for _, text in ipairs(cases.NUMBERS) do
            assert.equal(text, value_module.number_text(tonumber(text)))
        end
        assert.equal("-9223372036854775807", value_module.number_text(-9223372036854775807LL))
        assert.equal("NaN Infinity -Infinity", table.concat({ value_module.number_text(0 / 0),
            value_module.number_text(1 / 0), value_module.number_text(-1 / 0) }, " "))
    end)
end)
