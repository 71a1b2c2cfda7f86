-- SPDX-License-Identifier: MIT
-- Rows under "recorded" are derived from recordings in the localstack repository, Apache-2.0.
local json = require "support.json"
local intrinsic = require "flowhost.expr.intrinsic"

local O = { null = json.null, array = json.array, is_array = json.is_array, encode = json.encode, decode = json.decode,
    hash = function(algorithm, text)
        return algorithm .. "(" .. text .. ")"
    end }
local calls = intrinsic.new(O)

local function scope_of(input)
    return { input = json.decode(input or "{}"), context = json.decode '{"Execution":{"Input":{"n":4}}}',
        variables = { v = json.decode '{"a":[1]}' }, random = function()
            return 0.5
        end, uuid = function()
            return "4b1f8c44-0000-4000-8000-000000000000"
        end }
end

--- The JSON of what a call gives.
local function evaluate(text, input)
    return (assert(json.encode(assert(calls.compile(text)).evaluate(scope_of(input)))))
end

--- What a call fails with, without the words that every failure begins with.
local function failure(text, input)
    local ok, err = pcall(assert(calls.compile(text)).evaluate, scope_of(input))
    assert.is_false(ok)
    assert.equal("States.Runtime", err.error)
    assert.equal(text, err.function_text)
    local before = ("The function '%s' had the following error: "):format(text)
    assert.equal(before, err.cause:sub(1, #before))
    return err.cause:sub(#before + 1)
end

--- Calls with the arguments of the recordings: $.a, $.b, $.c of an object, or $ for a single one.
local function check(name, rows)
    for _, row in ipairs(rows) do
        local arguments = row[1]:sub(1, 5) == '{"a":' and (row[1]:find '"c":' and "$.a, $.b, $.c" or "$.a, $.b") or "$"
        assert.equal(row[2], evaluate(("States.%s(%s)"):format(name, arguments), row[1]), row[1])
    end
end

describe("recorded", function()
    it("Array, ArrayContains, ArrayGetItem, ArrayLength, ArrayRange", function()
        check("Array", { { '{"a":"","b":""}', '["",""]' }, { '{"a":null,"b":null}', "[null,null]" },
            { '{"a":1,"b":1}', "[1,1]" } })
        check("ArrayContains", { { '{"a":[],"b":[]}', "false" }, { '{"a":[[1,2,3],2],"b":null}', "false" },
            { '{"a":[[1,2,3],2],"b":[1,2,3]}', "true" }, { '{"a":[{"1":2,"2":[]}],"b":[]}', "false" },
            { '{"a":[true,false],"b":true}', "true" } })
        check("ArrayGetItem", { { '{"a":[1,2,3,4,5,6,7,8,9],"b":5}', "6" } })
        check("ArrayLength", { { '[null,null,1,1.1,[],[],[null],{"a":1}]', "8" } })
        check("ArrayRange", { { '{"a":0,"b":10,"c":3}', "[0,3,6,9]" } })
    end)

    it("ArrayPartition", function()
        check("ArrayPartition", { { '{"a":[],"b":3}', "[]" }, { '{"a":[0],"b":3}', "[[0]]" },
            { '{"a":[0,1],"b":4}', "[[0,1]]" }, { '{"a":[0,1,2],"b":2}', "[[0,1],[2]]" },
            { '{"a":[0,1,2,3],"b":2}', "[[0,1],[2,3]]" } })
    end)

    it("Format", function()
        for argument, expected in pairs { ['" "'] = " ", ["null"] = "null", ["1"] = "1", ["1.1"] = "1.1",
            ['"{\\"Arg1\\": 1, \\"Arg2\\": []}"'] = '{\\"Arg1\\": 1, \\"Arg2\\": []}' } do
            assert.equal('"a ' .. expected .. '."', evaluate("States.Format('a {}.', $)", argument))
        end
        check("Format", { { '{"a":"x{}","b":2}', '"x2"' } })
    end)

    it("JsonToString, StringToJson, Base64", function()
        check("JsonToString", { { "null", '"null"' }, { '{"Arg1":1,"Arg2":[]}', [["{\"Arg1\":1,\"Arg2\":[]}"]] } })
        check("StringToJson", { { '""', "null" }, { '" "', "null" }, { '"1"', "1" }, { '"true"', "true" },
            { [["[1, 2, \"HelloWorld\"]"]], '[1,2,"HelloWorld"]' } })
        check("Base64Encode", { { '""', '""' }, { '"Data to encode"', '"RGF0YSB0byBlbmNvZGU="' } })
        check("Base64Decode", { { '"RGF0YSB0byBlbmNvZGU="', '"Data to encode"' } })
    end)

    it("MathAdd rounds each argument half up", function()
        check("MathAdd", { { '{"a":-9,"b":3}', "-6" }, { '{"a":1.49,"b":1.5}', "3" }, { '{"a":-1.5,"b":0}', "-1" },
            { '{"a":-1.51,"b":0}', "-2" }, { '{"a":0.5,"b":0}', "1" }, { '{"a":-0.5,"b":0.5}', "1" },
            { '{"a":-2.5,"b":0}', "-2" }, { '{"a":1.5,"b":1.51}', "4" }, { '{"a":1.51,"b":0}', "2" } })
    end)

    it("StringSplit leaves out what is empty", function()
        check("StringSplit", { { '{"a":" ","b":","}', '[" "]' }, { '{"a":" , ","b":","}', '[" "," "]' },
            { '{"a":",,,,","b":","}', "[]" },
            { [[{"a":"V2,V3\nV4,V6\n,,,\ntrue,1,'H'\nNull,None,\n   \n","b":","}]],
                [=[["V2","V3\nV4","V6\n","\ntrue","1","'H'\nNull","None","\n   \n"]]=] } })
    end)

    it("nested calls", function()
        assert.equal('"c"', evaluate("States.ArrayGetItem(States.StringSplit($, '-'), "
            .. "States.MathAdd(States.ArrayLength(States.StringSplit($, '-')), -1))", '"a-b-c"'))
    end)
end)

describe("a function", function()
    it("does what the guide says", function()
        for text, expected in pairs {
            ["States.ArrayUnique($)"] = '[1,"1",[1],{"a":1},true,null]', ["States.Array()"] = "[]",
            ["States.ArrayUnique(States.Array())"] = "[]", ["States.Array('a', 1, true, null, $$.Execution.Input.n)"] =
                '["a",1,true,null,4]', ["States.Array($v.a[0], $v)"] = '[1,{"a":[1]}]',
            ["States.JsonMerge(States.StringToJson('{\"a\":{},\"b\":1}'), States.StringToJson('{\"a\":2}'), false)"] =
                '{"a":2,"b":1}',
            ["States.Hash('x', 'SHA-256')"] = '"sha256(x)"', ["States.Hash(1, 'MD5')"] = '"md5(1)"',
            ["States.UUID()"] = '"4b1f8c44-0000-4000-8000-000000000000"', ["States.MathRandom(1, 11)"] = "6",
            ["States.StringSplit('1+2,3.4', '.+,')"] = '["1","2","3","4"]',
            ["States.StringSplit('abc', '')"] = '["abc"]',
            ["States.StringSplit('aßbßc', 'ß')"] = '["a","b","c"]',
            ["States.ArrayRange(5, 1, -2)"] = "[5,3,1]", ["States.ArrayRange(5, 1, 1)"] = "[]",
            ["States.ArrayRange(1.6, 1.4, 1)"] = "[1]",
            ["States.ArrayRange(100000000000000000, 100000000000000002, 1)"] = "[1e+17]",
            ["States.ArrayGetItem(States.Array(1, 2), 1.9)"] = "2", ["States.ArrayGetItem(States.Array(), 9)"] = "null",
            ["States.ArrayGetItem(States.Array(false), 0)"] = "false",
            ["States.ArrayPartition(States.Array(1, 2, 3), 2.6)"] = "[[1,2],[3]]",
            ["States.Format('\\'{}\\' \\{\\} \\\\ {}', 'a', States.Array(1))"] = [["'a' {} \\ [1]"]],
            ["States.Format( 'x' )"] = '"x"', ["States.Base64Decode(' YWJjZA== ')"] = '"abcd"',
            ["States.Base64Decode('YWJjZA')"] = '"abcd"', ["States.Base64Decode('-_8')"] = '"\239\191\189\239\191\189"',
            ["States.MathAdd(2147483646, 1)"] = "2147483647",
        } do
            assert.equal(expected, evaluate(text, '[1,"1",1,[1],[1],{"a":1},{"a":1},true,null,null]'), text)
        end
    end)

    it("draws the same number for the same seed", function()
        local first = evaluate "States.MathRandom(1, 1000, 42)"
        assert.equal(first, evaluate "States.MathRandom(1, 1000, 42)")
        for seed = -5, 200 do
            local number = tonumber(evaluate(("States.MathRandom(-3, 4, %d)"):format(seed)))
            assert.is_true(number >= -3 and number < 4 and number % 1 == 0)
        end
    end)

    it("refuses its arguments in one sentence", function()
        for _, text in ipairs { "States.ArrayLength('x')", "States.ArrayRange('a', 5, 1)",
            "States.ArrayRange(1, 10, 0.49)",
            "States.ArrayRange(1, 1001, 1)", "States.ArrayPartition(States.Array(1), 0.9)", "States.MathRandom(1, 1)",
            "States.MathRandom(1.4, 1.6)", "States.MathAdd(2147483647, 1)", "States.MathAdd('1', 1)",
            "States.MathAdd(3000000000, 1)", "States.MathAdd(1)", "States.Hash('x', 'sha-256')", "States.Hash('x')",
            "States.StringToJson('{bad}')", "States.StringToJson(1)", "States.StringToJson()", "States.UUID(1)",
            "States.ArrayGetItem(States.Array(1), 1)", "States.ArrayGetItem(States.Array(1), -1)",
            "States.JsonMerge($, $, true)", "States.JsonMerge(null, $, false)", "States.StringSplit(1, ',')",
            "States.Base64Encode(1)", "States.Format(1)", "States.Format('a { {}', 1)", "States.Format('}')",
            "States.ArrayContains($, 1)" } do
            assert.equal("Invalid arguments in " .. text:match "^[%w.]+", failure(text), text)
        end
        assert.equal("Invalid arguments in States.Base64Encode",
            failure("States.Base64Encode($)", '"' .. ("a"):rep(10001) .. '"'))
        assert.equal("Invalid arguments in States.Format: number of arguments do not match the occurrences of {}.",
            failure "States.Format('{}', 1, 2)")
    end)

    it("names the path that leads nowhere and the whole call", function()
        assert.equal([[The JsonPath argument for the field '$.b' could not be found in the input '{"a":1}']],
            failure("States.Format('{}', States.Array($.b))", '{"a":1}'))
        assert.equal([[The JsonPath argument for the field '$.No' could not be found in the input '{"a":1}']],
            failure("States.Array($$.No)", '{"a":1}'))
        assert.equal([[The JsonPath argument for the field '$.a[5]' could not be found in the input '{"a":[1]}']],
            failure("States.Array($.a[5])", '{"a":[1]}'))
        assert.equal("Filter: [0] can only be applied to arrays. Current context is: 1",
            failure("States.Array($.a[0])", '{"a":1}'))
        assert.equal("The JsonPath argument for the field '$none' could not be found in the input '{}'",
            failure "States.Array($none)")
        assert.equal("0", evaluate("States.ArrayLength($.a[*].b)", '{"a":[1]}'))
    end)
end)

describe("a text", function()
    it("is refused where it is no call", function()
        local deep = ("States.Array("):rep(11) .. (")"):rep(11)
        for _, text in ipairs { "", "States", "States.Array", "States.Array(", "States.Array(1,)", "States.Nope()",
            "States.Array(a)", 'States.Array("a")', "States.Array('a)", "States.Array('a\\n')", "x States.UUID()",
            "States.UUID() x", "States.Array(States.Nope())", "States.Array($.)", "States.Array(1e999)", deep,
            [[States.StringToJson('{"text":"An \"escaped double quote\" here"}')]], "States.Array(01a)",
            ("States.Array("):rep(3000) } do
            local call, message = calls.compile(text)
            assert.is_nil(call, text)
            assert.is_string(message)
            assert.is_nil((calls.check(text)))
        end
    end)

    it("is taken at a depth of ten", function()
        local text = ("States.Array("):rep(10) .. (")"):rep(10)
        assert.equal(("["):rep(10) .. ("]"):rep(10), evaluate(text))
        assert.is_true(calls.check(text))
        assert.is_true(intrinsic.is_call(text))
        assert.is_false(intrinsic.is_call "$.a")
    end)
end)
