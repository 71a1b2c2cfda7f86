-- SPDX-License-Identifier: MIT
-- Rows marked "recorded" are derived from recordings in the localstack repository, Apache-2.0.
local json = require "support.json"
local jsonpath = require "flowhost.expr.jsonpath"

local O = { null = json.null, array = json.array, is_array = json.is_array, encode = json.encode, decode = json.decode }
local paths = jsonpath.new(O)

local function compile(text)
    return assert(paths.compile(text))
end

--- The JSON of what a path gives; "nothing" when it finds nothing.
local function get(text, input)
    local value, is_found = compile(text).get(assert(json.decode(input)))
    return is_found and json.encode(value) or "nothing"
end

local STORE = [[{"store":{"book":[{"c":"ref","price":8.95,"t":"A"},{"c":"fic","price":12.99,"t":"B","isbn":"x"},
    {"c":"fic","price":8.99,"t":"C","isbn":"y","tags":["a","b"]}],"bike":{"price":19.95}},"max":10,"s":"x","n":null}]]

local function check_rows(rows, input)
    for _, row in ipairs(rows) do
        assert.equal(row[2], get(row[1], row[3] or input), row[1])
    end
end

describe("a definite path", function()
    it("gives one value or nothing", function()
        check_rows({ { "$", '{"a":1}', '{"a":1}' }, { "$.max", "10" }, { "$['max']", "10" }, { '$["max"]', "10" },
            { "$.store.bike.price", "19.95" }, { "$.store['bike'].price", "19.95" }, { "$.['max']", "10" },
            { "$.store.book[0].t", '"A"' }, { "$.store.book[-1].t", '"C"' }, { "$.n", "null" }, { "$.n.x", "nothing" },
            { "$.s.x", "nothing" }, { "$.s[0]", "nothing" }, { "$.store.book[9]", "nothing" }, { "$.none", "nothing" },
            { "$.store.book.t", "nothing" }, { "$[0]", "nothing" }, { "$[0][1]", "2", "[[1,2]]" },
            { "$.store.book[(@.length-1)].t", '"C"' }, { "$.a-b", "1", '{"a-b":1}' }, { "$.@t", "1", '{"@t":1}' },
            { "$['a.b']['']", "1", '{"a.b":{"":1}}' }, { "$.1", "1", '{"1":1}' }, { "$[ 'a' ][ 0 ]", "1", '{"a":[1]}' },
        }, STORE)
    end)

    it("joins several names at its end, as Jayway does", function()
        check_rows { { "$['a','c']", '{"a":1,"c":3}', '{"a":1,"b":2,"c":3}' }, { "$['a','x']", '{"a":1}', '{"a":1}' } }
        assert.is_true(compile("$['a','c']").is_definite)
        assert.is_false(compile("$['a','c'].x").is_definite)
    end)

    it("takes escapes: recorded between quotes, the specification's own in dotted names", function()
        check_rows { { [=[$['Test\""Name"']]=], [["Value\"\\"]], [[{"Test\\\"\"Name\"":"Value\"\\"}]] },
            { [[$.store\.book]], "1", '{"store.book":1}' }, { [[$.\stor\e.boo\k]], "1", '{"store":{"book":1}}' },
            { [[$.foo\@bar.baz\[\[.\?pretty]], "1", '{"foo@bar":{"baz[[":{"?pretty":1}}}' },
            { "$.&Ж中.\\uD800\\uDF46", "1", '{"&Ж中":{"\240\144\141\134":1}}' },
            { [=[$['it\'s']]=], "1", [[{"it's":1}]] }, { [=[$['a\\b']]=], "1", [[{"a\\b":1}]] } }
    end)

    it("computes with the functions that AWS knows", function()
        check_rows { { "$.a.length()", "3", '{"a":[1,2,6]}' }, { "$.a.min()", "1", '{"a":[1,2,6]}' },
            { "$.a.max()", "6", '{"a":[1,2,6]}' }, { "$.a.avg()", "3", '{"a":[1,2,6]}' },
            { "$.a.stddev()", "2", '{"a":[1,5]}' }, { "$.a.length()", "nothing", '{"a":"xyz"}' },
            { "$.a.avg()", "nothing", '{"a":["x"]}' }, { "$.a.sum()", "nothing", '{"a":[1,2]}' } }
    end)
end)

describe("an indefinite path", function()
    it("gives an array", function()
        check_rows({ { "$.store.book[*].t", '["A","B","C"]' }, { "$.store.book[:2].t", '["A","B"]' },
            { "$.store.book[1:].t", '["B","C"]' }, { "$.store.book[-2:].t", '["B","C"]' },
            { "$.store.book[0:3:2].t", '["A","C"]' }, { "$.store.book[:-1].t", '["A","B"]' },
            { "$.store.book[0,2].t", '["A","C"]' }, { "$.store.book[0,9].t", '["A"]' }, { "$.store.book[5:1]", "[]" },
            { "$..isbn", '["x","y"]' }, { "$..price", '[19.95,8.95,12.99,8.99]' }, { "$.store.*.price", "[19.95]" },
            { "$..book[2].t", '["C"]' }, { "$.store.bike[*]", "[19.95]" }, { "$.s[*]", "[]" }, { "$.max..x", "[]" },
            { "$..['t','c']", '[{},{"c":"ref","t":"A"},{"c":"fic","t":"B"},{"c":"fic","t":"C"},{}]',
                '{"b":[{"t":"A","c":"ref"},{"t":"B","c":"fic"},{"t":"C","c":"fic"}],"e":{}}' },
        }, STORE)
    end)

    it("gives an empty array where nothing is: recorded", function()
        check_rows({ { "$[*]", "[]" }, { "$.item.items[:1]", "[]" }, { "$.item.items[1:5]", "[]" },
            { "$.items[:1].itemValue", "[]" } }, "{}")
    end)

    it("gives an array that is marked and new", function()
        local input = json.decode "[1]"
        local value = compile("$[*]").get(input)
        assert.is_true(json.is_array(value))
        value[1] = 2
        assert.equal("[1]", json.encode(input))
    end)
end)

describe("a filter", function()
    local function titles(condition)
        return get("$.store.book[?(" .. condition .. ")].t", STORE)
    end

    it("compares", function()
        for condition, expected in pairs { ["@.price < 10"] = '["A","C"]', ["@.price<10&&@.c=='fic'"] = '["C"]',
            ["@.price > $.max"] = '["B"]', ["@.isbn"] = '["B","C"]', ["!@.isbn"] = '["A"]', ["@.c != 'fic'"] = '["A"]',
            ["@.price >= 8.99"] = '["B","C"]', ["@.price <= 8.95 || @.t == 'B'"] = '["A","B"]', ["@.t > 1"] = "[]",
            ["(@.t == 'A' || @.t == 'B') && !(@.price > 10)"] = '["A"]', ["@['t'] == \"C\""] = '["C"]',
            ["@.isbn == null"] = "[]", ["@.isbn != 'x'"] = '["A","C"]', ["@.price == 8.95"] = '["A"]',
            ["'A' === @.t"] = '["A"]', ["@.tags == ['a','b']"] = '["C"]', ["@.tags[0] == 'a'"] = '["C"]' } do
            assert.equal(expected, titles(condition), condition)
        end
    end)

    it("asks for membership, size and form", function()
        for condition, expected in pairs { ["@.t in ['A','C']"] = '["A","C"]', ["@.t nin ['A','C']"] = '["B"]',
            ["@.tags contains 'a'"] = '["C"]', ["@.t contains 'B'"] = '["B"]', ["@.tags size 2"] = '["C"]',
            ["@.tags empty false"] = '["C"]', ["@.tags subsetof ['a','b','c']"] = '["C"]',
            ["@.tags anyof ['b']"] = '["C"]', ["@.tags noneof ['z']"] = '["C"]', ["@.tags all ['a']"] = '["C"]',
            ["@.c =~ /FI./i"] = '["B","C"]', ["@.c =~ /fi/"] = "[]", ["@.t IN ['A']"] = '["A"]' } do
            assert.equal(expected, titles(condition), condition)
        end
    end)

    it("keeps values that are there whatever they are, objects as a whole, numbers of 64 bits", function()
        check_rows { { "$.l[?(@.k)]", '[{"k":true},{"k":false}]', '{"l":[{"k":true},{"k":false},{"o":1}]}' },
            { "$.o[?(@.a == 1)]", '[{"a":1}]', '{"o":{"a":1}}' }, { "$[?(@ > 1)]", "[2,3]", "[1,2,3]" },
            { "$[?(@ == 9007199254740993)]", "[]", '["9007199254740993"]' }, { "$[?(@.a.length() > 1)].b", "[1]",
                '[{"a":[1,2],"b":1},{"a":[1],"b":2}]' }, { "$[?(@ == 'x')]", "[]", "[9007199254740993]" } }
    end)
end)

describe("what a path is", function()
    it("is told", function()
        for text, expected in pairs { ["$"] = "$ definite reference", ["$.a[0]['b']"] = "$ definite reference",
            ["$$.Execution.Id"] = "$$ definite reference", ["$name.a"] = "name definite reference",
            ["$.a[-1]"] = "$ definite", ["$.a.length()"] = "$ definite", ["$.a[*]"] = "$", ["$.a[0,1]"] = "$",
            ["$.a[0:1]"] = "$", ["$..a"] = "$", ["$.a[?(@.b)]"] = "$" } do
            local path = compile(text)
            assert.equal(expected, path.root .. (path.is_definite and " definite" or "")
                .. (path.is_reference and " reference" or ""), text)
            assert.equal(path.is_reference, path.set ~= nil)
            assert.is_true(paths.check(text))
        end
    end)

    it("is refused", function()
        for _, text in ipairs { "", "a", ".a", "$.", "$.a.", "$a b", "$.a b", "$[", "$[]", "$['a]", "$[a]",
            "$.a[?(@.b]",
            "$.a[?()]", "$[?(@.a ==)]", "$...a", "$..", "$$$", "$.a[1:2:0x]", "$['a'", "$.a[1,]", "$[?(@.a =~ /(/)]",
            "$" .. ("[?(@.a"):rep(200) .. (")]"):rep(200), "$." .. ("a"):rep(70000) } do
            assert.is_nil(paths.compile(text))
            local ok, message = paths.check(text)
            assert.is_nil(ok)
            assert.is_string(message)
        end
    end)

    it("is compiled once", function()
        assert.equal(compile "$.once", compile "$.once")
    end)
end)

describe("why nothing is found", function()
    it("is said as AWS says it", function()
        for text, expected in pairs {
            ["$.NoSuchTimeoutSecondsPath"] = "No results for path: $['NoSuchTimeoutSecondsPath']", -- recorded
            ["$.no.such.result.path"] = "Missing property in path $['no']", -- recorded
            ["$.a.x.y"] = "Missing property in path $['a']['x']", ["$.l[5]"] = "No results for path: $['l'][5]",
            ["$.a[0]"] = 'Filter: [0] can only be applied to arrays. Current context is: {"b":1}',
            ["$.a.b.c"] = "Expected to find an object with property ['c'] in path $['a']['b'] but found "
                .. "'com.fasterxml.jackson.databind.node.IntNode'. This is not a json object according to the "
                .. "JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'.",
        } do
            local value = json.decode '{"a":{"b":1},"l":[1]}'
            assert.equal(expected, compile(text).why(value))
            assert.same({ error = "States.Runtime", is_path = true, path = text,
                cause = ("Invalid path '%s' : %s"):format(text, expected) }, jsonpath.invalid(compile(text), value))
        end
    end)
end)

describe("setting", function()
    local function set(text, input, new)
        local value = json.decode(input)
        local ok, result = pcall(compile(text).set, value, json.decode(new))
        assert.equal(json.encode(json.decode(input)), json.encode(value))
        return ok and json.encode(result) or result
    end

    it("copies on the way and makes objects", function()
        for _, row in ipairs { { "$", '{"a":1}', "2", "2" }, { "$.a", "{}", "2", '{"a":2}' },
            { "$.a.b", '{"a":{"c":1}}', "2", '{"a":{"b":2,"c":1}}' }, { "$.a.b.c", "{}", "2", '{"a":{"b":{"c":2}}}' },
            { "$.a[0]", '{"a":[1,5]}', "2", '{"a":[2,5]}' }, { "$.a[1]", '{"a":[1]}', "2", '{"a":[1,2]}' },
            { "$.a.b", '{"a":null}', "2", '{"a":{"b":2}}' }, { "$.a", '{"a":[1]}', "{}", '{"a":{}}' } } do
            assert.equal(row[4], set(row[1], row[2], row[3]), row[1])
        end
    end)

    it("shares what it does not change", function()
        local value = json.decode '{"a":{},"b":{"c":1}}'
        local result = compile("$.b.d").set(value, 1)
        assert.equal(value.a, result.a)
        assert.is_nil(value.b.d)
    end)

    it("refuses what cannot hold the place", function()
        for _, row in ipairs { { "$.a", "[1]", "a" }, { "$.a.b", '{"a":"x"}', "b" }, { "$.a[3]", '{"a":[1]}', "3" },
            { "$.a[0]", '{"a":{}}', "0" }, { "$.a", '"x"', "a" } } do
            assert.same({ error = "States.ReferencePathConflict", is_path = true, path = row[1],
                cause = ('Unable to apply step "%s" to input %s'):format(row[3], row[2]) }, set(row[1], row[2], "2"))
        end
        assert.equal('Unable to apply step "b" to input {"a":{}}', compile "$.a.b.c".conflict({ a = {} }).cause)
    end)
end)
