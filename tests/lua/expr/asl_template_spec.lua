-- SPDX-License-Identifier: MIT
local json = require "support.json"
local asl_template = require "flowhost.expr.asl_template"

local O = { null = json.null, array = json.array, is_array = json.is_array, encode = json.encode, decode = json.decode }
local templates = asl_template.new(O)

local function scope_of(input)
    return { input = json.decode(input), context = json.decode '{"State":{"Name":"S"}}', variables = { x = 7 },
        uuid = function()
            return "u"
        end }
end

local function apply(template, input)
    return json.encode(assert(templates.compile(json.decode(template)))(scope_of(input or "{}")))
end

local function failure(template, input)
    local ok, err = pcall(assert(templates.compile(json.decode(template))), scope_of(input))
    assert.is_false(ok)
    return err
end

describe("a payload template", function()
    it("replaces what ends in .$ and leaves the rest", function()
        for _, row in ipairs { { '{"a.$":"$.x","b":"$.x","c":{"d.$":"$$.State.Name"},"e":[{"f.$":"$x"},"g",[]]}',
                '{"a":1,"b":"$.x","c":{"d":"S"},"e":[{"f":7},"g",[]]}' }, { '"$.x"', '"$.x"' }, { "[]", "[]" },
            { "{}", "{}" }, { '{"a.$":"States.UUID()"}', '{"a":"u"}' }, { '{"a.$":"$"}', '{"a":{"l":[1,null],"x":1}}' },
            { '{"a.$":"$.l[1]","b.$":"$.l[7]","c.$":"$.l[-9]"}', '{"a":null,"b":null,"c":null}' },
            { '{"a.$":"$.none[*]"}', '{"a":[]}' }, { '{".$":"$.x"}', '{"":1}' }, { '{"a.$.$":"$.x"}', '{"a.$":1}' } } do
            assert.equal(row[2], apply(row[1], '{"x":1,"l":[1,null]}'))
        end
    end)

    it("shares nothing that it makes", function()
        local template = json.decode '{"a":{"b.$":"$.x"},"c":[{"d.$":"$.x"}]}'
        local make = assert(templates.compile(template))
        local first, second = make(scope_of '{"x":1}'), make(scope_of '{"x":1}')
        assert.are_not.equal(first.a, second.a)
        assert.are_not.equal(first.c, second.c)
        assert.is_true(json.is_array(first.c))
        assert.equal('{"a":{"b.$":"$.x"},"c":[{"d.$":"$.x"}]}', json.encode(template))
    end)

    it("fails for a path that leads nowhere", function()
        assert.same({ error = "States.Runtime", is_path = true, path = "$.y.z", field = "a.$",
            cause = "The JSONPath '$.y.z' specified for the field 'a.$' could not be found in the input '{\"x\":1}'" },
            failure('{"q":[{"a.$":"$.y.z"}]}', '{"x":1}'))
        assert.equal("The JSONPath '$.No' specified for the field 'a.$' could not be found in the input "
            .. '\'{"State":{"Name":"S"}}\'', failure('{"a.$":"$$.No"}', "{}").cause)
        assert.equal("The JSONPath '$.l[7].x' specified for the field 'a.$' could not be found in the input "
            .. '\'{"l":[]}\'', failure('{"a.$":"$.l[7].x"}', '{"l":[]}').cause)
        assert.equal("The JSONPath '$nope' specified for the field 'a.$' could not be found in the input 'null'",
            failure('{"a.$":"$nope"}', "{}").cause)
    end)

    it("is refused for a text that is neither a path nor a call, with its place", function()
        for _, text in ipairs { '"x"', '"$."', '"States.Nope()"', '"{% $x %}"', '"States.Format(\'a\\\\nb\')"',
            [["States.StringToJson('{\"text\":\"An \\\"escaped double quote\\\" here\"}')"]] } do
            local make, err = templates.compile(json.decode('{"p":[{"a.$":' .. text .. "}]}"))
            assert.is_nil(make)
            assert.same({ message = "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic "
                .. "function call", location = "/p[0]/a.$" }, err)
        end
        for text, kind in pairs { ["1"] = "NUMBER", ["null"] = "NULL", ["[]"] = "ARRAY", ['{"b":1}'] = "OBJECT",
            ["true"] = "BOOLEAN" } do
            local _, err = templates.compile(json.decode('{"a.$":' .. text .. "}"))
            assert.same({ message = "The value for the field 'a.$' must be a STRING that contains a JSONPath but was "
                .. "an " .. kind, location = "/a.$" }, err)
        end
    end)

    it("reads single texts: derived from recordings in the localstack repository, Apache-2.0", function()
        local make = assert(templates.text("States.Format('This is a custom error message for {}, caused by {}.', "
            .. "$.Error, $.Cause)", "CausePath"))
        assert.equal("This is a custom error message for error string, caused by cause string.",
            make(scope_of '{"Error":"error string","Cause":"cause string"}'))
        local _, err = pcall(assert(templates.text("$.ErrorX", "ErrorPath")), scope_of '{"Error":"error-value"}')
        assert.equal("The JSONPath '$.ErrorX' specified for the field 'ErrorPath' could not be found in the input "
            .. '\'{"Error":"error-value"}\'', err.cause)
        assert.is_nil((templates.text("x", "ErrorPath")))
    end)
end)
