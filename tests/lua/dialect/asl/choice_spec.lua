-- SPDX-License-Identifier: MIT
-- Rows under "recorded" are derived from recordings in the localstack repository, Apache-2.0.
local json = require "support.json"
local choice = require "flowhost.dialect.asl.choice"

local O = { null = json.null, array = json.array, is_array = json.is_array, encode = json.encode, decode = json.decode }
local choices = choice.new(O)

local function holds(rule, input)
    local scope = { input = json.decode(input), context = json.decode '{"n":1}', variables = { v = 5 } }
    return assert(choices.compile(json.decode(rule)))(scope)
end

--- Each row: the operator's value, input of $.a (and $.b), whether it holds.
local function check(operator, rows)
    for _, row in ipairs(rows) do
        local rule = ('{"Variable":"$.a","%s":%s}'):format(operator, row[1])
        local input = row[2]:sub(1, 1) == "@" and row[2]:sub(2) or '{"a":' .. row[2] .. "}"
        assert.equal(row[3], holds(rule, input), rule .. input)
    end
end

describe("recorded", function()
    it("BooleanEquals and types", function()
        check("BooleanEquals", { { "true", "null", false }, { "true", '""', false }, { "false", "0", false },
            { "false", "[]", false }, { "true", '{"A":0}', false }, { "true", "true", true }, { "false",
            "1.1", false } })
        check("BooleanEqualsPath", { { '"$.b"', '@{"a":true,"b":true}', true },
            { '"$.b"', '@{"a":false,"b":true}', false },
            { '"$.b"', '@{"a":false,"b":false}', true }, { '"$.b"', '@{"a":1.1,"b":false}', false } })
        check("IsBoolean", { { "true", "null", false }, { "false", "null", true }, { "true", "false", true },
            { "false", "false", false }, { "false", "0", true } })
        check("IsNull", { { "true", "null", true }, { "true", '""', false }, { "false", "[]", true },
            { "false", "false", true } })
        check("IsNumeric", { { "true", "0", true }, { "false", "1.1", false }, { "true", '" "', false },
            { "false", "[]", true }, { "true", "true", false } })
        check("IsPresent", { { "true", '""', true }, { "false", '""', false }, { "true", "null", true } })
    end)

    it("numbers, strings and timestamps", function()
        check("NumericEqualsPath", { { '"$.b"', '@{"a":[],"b":0.0}', false }, { '"$.b"', '@{"a":0,"b":0.0}', true },
            { '"$.b"', '@{"a":2.22,"b":2.22}', true }, { '"$.b"', '@{"a":true,"b":1}', false } })
        check("NumericGreaterThanEquals", { { "0", "0", true } })
        check("NumericLessThan", { { "1", "1", false } })
        check("StringEquals", { { '"     "', '" "', false }, { '"HelloWorld"', "1", false } })
        check("StringGreaterThan", { { '"A "', '"A"', false }, { '"ABC"', '"AB"', false } })
        check("StringGreaterThanEquals", { { '"A"', '"AB"', true }, { '""', '""', true } })
        check("StringLessThanEqualsPath", { { '"$.b"', '@{"a":"AB","b":"A"}', false } })
        check("TimestampEquals", { { '"2012-10-09T19:00:55Z"', '"2023-02-24 12:15:56.832957"', false },
            { '"2012-10-09T19:00:55Z"', "0", false }, { '"2012-10-09T19:00:55Z"', '"2012-10-09T19:00:56Z"', false } })
        check("TimestampGreaterThan", { { '"2012-10-09T19:00:55Z"', '"2012-10-09T19:00:56Z"', true } })
        check("TimestampLessThanEqualsPath", { { '"$.b"',
            '@{"a":"2012-10-09T19:00:56Z","b":"2012-10-09T19:00:55Z"}', false } })
    end)

    it("a list of one", function()
        assert.is_true(holds('{"And":[{"Variable":"$.type","StringEquals":"Public"}]}', '{"type":"Public","value":22}'))
    end)
end)

describe("an operator", function()
    it("compares timestamps as moments", function()
        check("TimestampEquals", { { '"2012-10-09T19:00:55Z"', '"2012-10-09T20:00:55+01:00"', true },
            { '"2012-10-09T19:00:55Z"', '"2012-10-09T19:00:55.000Z"', true } })
        check("TimestampLessThan", { { '"2012-10-09T19:00:55Z"', '"2012-10-09T19:30:55+01:00"', true } })
        check("IsTimestamp", { { "true", '"2012-10-09T19:00:55Z"', true }, { "true", '"2012-10-09"', false },
            { "true", "1", false }, { "false", "1", true } })
        check("IsString", { { "true", '""', true }, { "false", "1", true } })
    end)

    it("matches patterns", function()
        check("StringMatches", { { '"log-*.txt"', '"log-2.txt"', true }, { '"log-*.txt"', '"log-2.txt.x"', false },
            { '"*"', '""', true }, { '"a*a"', '"a"', false }, { '"a*a"', '"aa"', true },
            { [["foo\\*.log"]], '"foo*.log"', true },
            { [["foo\\*.log"]], '"foox.log"', false }, { [["a\\\\*"]], [["a\\b"]], true }, { '"*b*d"', '"abcd"', true },
            { '"*b*d"', '"abcb"', false }, { '"a.c"', '"abc"', false }, { '""', '""', true },
            { '"**x**"', '"axb"', true },
            { '"x*"', "1", false } })
        assert.is_false(holds('{"Variable":"$.a","StringMatches":"' .. ("*a"):rep(50) .. '*b"}',
            '{"a":"' .. ("a"):rep(20000) .. '"}'))
    end)

    it("reads the context object and variables", function()
        assert.is_true(holds('{"Variable":"$$.n","NumericEquals":1}', "{}"))
        assert.is_true(holds('{"Variable":"$v","NumericEqualsPath":"$.a"}', '{"a":5}'))
        assert.is_false(holds('{"Variable":"$none","IsPresent":true}', "{}"))
        assert.is_true(holds('{"Variable":"$.a.b","IsPresent":false}', '{"a":1}'))
    end)

    it("compares numbers of 64 bits", function()
        check("NumericGreaterThan", { { "1", "9007199254740993", true } })
        check("StringEquals", { { '"x"', "9007199254740993", false } })
    end)
end)

describe("rules", function()
    it("are joined and stop early", function()
        local yes, no, broken = '{"Variable":"$.a","NumericEquals":1}', '{"Variable":"$.a","NumericEquals":2}',
            '{"Variable":"$.none","NumericEquals":2}'
        for rule, expected in pairs { ['{"And":[%y,%n,%b]}'] = false, ['{"Or":[%n,%y,%b]}'] = true,
            ['{"Not":%n}'] = true,
            ['{"Not":{"And":[%y,%y]}}'] = false, ['{"Or":[%n,{"Not":%y}]}'] = false } do
            local text = rule:gsub("%%(%a)", { y = yes, n = no, b = broken })
            assert.equal(expected, holds(text, '{"a":1}'), text)
        end
    end)

    it("fail for a path that leads nowhere", function()
        for rule, path in pairs { ['{"Variable":"$.x","StringEquals":"a"}'] = "$.x",
            ['{"Variable":"$.x","IsNull":true}'] = "$.x",
            ['{"Variable":"$.a","NumericEqualsPath":"$.y"}'] = "$.y",
            ['{"Not":{"Variable":"$.x","IsString":true}}'] = "$.x" } do
            local ok, err = pcall(holds, rule, '{"a":1}')
            assert.is_false(ok)
            assert.same({ error = "States.Runtime", is_path = true, path = path,
                cause = ("Invalid path '%s': The choice "
                .. "state's condition path references an invalid value."):format(path) }, err)
        end
    end)

    it("are refused", function()
        for _, rule in ipairs { "{}", '{"Variable":"$.","IsNull":true}', '{"Variable":"$.a"}', '{"And":[{}]}',
            '{"Variable":"$.a","StringEqualsPath":"b"}', '{"Variable":"$.a","BooleanLessThan":true}', '{"IsNull":true}',
            '{"Variable":"$.a","StringMatches":1}', '{"And":{}}', '{"Not":1}', '{"Variable":1,"IsNull":true}' } do
            local compiled, message = choices.compile(json.decode(rule))
            assert.is_nil(compiled, rule)
            assert.is_string(message)
        end
        assert.is_true(choice.OPERATORS.NumericLessThanEqualsPath and not choice.OPERATORS.BooleanLessThan)
    end)
end)
