-- SPDX-License-Identifier: MIT
local json = require "support.json"
local template = require "flowhost.expr.template"

local O = { encode = json.encode, is_array = json.is_array, array = json.array, null = json.null }
local ROOT = [[{ "u": { "id": 9, "name": "Bo", "list": [1, "b", { "c": null }], "none": null, "no": false, "f": 1.5,
    "big": 9007199254740993, "7": "seven", "": { "x": "blank" } }, "request": { "body": { "a": { "b": 1 } } } }]]

--- The JSON of what a template of JSON gives.
local function resolve(text, root)
    return (assert(json.encode(template.compile(assert(json.decode(text)), O)(root or assert(json.decode(ROOT))))))
end

describe("a string that is one reference", function()
    it("keeps the type of the value", function()
        for path, expected in pairs { ["u.id"] = "9", ["u.name"] = '"Bo"', ["u.no"] = "false", ["u.f"] = "1.5",
            ["u.big"] = "9007199254740993", ["u.list"] = '[1,"b",{"c":null}]', ["request.body"] = '{"a":{"b":1}}' } do
            assert.equal(expected, resolve('"{' .. path .. '}"'))
        end
    end)

    it("gives null for what is missing, null, or in something that is no object", function()
        for _, path in ipairs { "x", "u.x", "u.none", "u.none.x", "u.id.x", "u.name.x", "u.no.x", "u.x.y.z", ".", ".u",
            "u.id.", "u..id", "u.list.3", "u.list.x", "u.list.00", "u.list.1.0" } do
            assert.equal("null", resolve('"{' .. path .. '}"'))
        end
    end)

    it("takes digits as a name first, else as an index from 0", function()
        assert.equal('"seven"', resolve '"{u.7}"')
        assert.equal("1", resolve '"{u.list.0}"')
        assert.equal('{"c":null}', resolve '"{u.list.2}"')
        assert.equal('"blank"', resolve '"{u..x}"')
        assert.equal("2", resolve('"{1.a}"', json.decode '[1, { "a": 2 }]'))
    end)

    it("gives null on roots that are no objects", function()
        for _, root in ipairs { "text", 5, true, json.null } do
            assert.equal("null", resolve('"{data.id}"', root))
        end
        assert.equal(json.null, template.compile("{data.id}", O)(nil))
    end)
end)

describe("a string with text around references", function()
    it("has the text of the values", function()
        assert.equal('"hi Bo, 9 1.5 false []"', resolve '"hi {u.name}, {u.id} {u.f} {u.no} []"')
        assert.equal('"9Bo"', resolve '"{u.id}{u.name}"')
        assert.equal('" 9"', resolve '" {u.id}"')
        assert.equal('"id 9007199254740993"', resolve '"id {u.big}"')
    end)

    it("has nothing for null and for what is missing", function()
        assert.equal('"<>"', resolve '"<{u.none}{u.x}{x}>"')
    end)

    it("has JSON for arrays and objects", function()
        assert.equal([["[1,\"b\",{\"c\":null}]!"]], resolve '"{u.list}!"')
        assert.equal([["a {\"a\":{\"b\":1}}"]], resolve '"a {request.body}"')
    end)

    it("is not looked at again", function()
        assert.equal('"<{u.id}>"', resolve('"<{a}>"', { a = "{u.id}" }))
    end)

    it("fails for what has no text", function()
        local ok, err = pcall(template.compile("<{a}>", O), { a = { print } })
        assert.is_false(ok)
        assert.equal("100001", err.code)
        assert.matches("^{a} cannot be put into text: it ", err.message)
    end)
end)

describe("what is no reference", function()
    it("stays as it is", function()
        for _, text in ipairs { "", "{}", "{ u.id }", "{u-id}", "{u.id", "u.id}", "{ä}", "{{}}", "}{", "{a,b}" } do
            local quoted = assert(json.encode(text))
            assert.equal(quoted, resolve(quoted))
        end
        for _, text in ipairs { "5", "true", "null", "[]", "{}", '[null,1,[{}]]', '{"{u.id}":1}' } do
            assert.equal(text, resolve(text))
        end
        assert.equal('"{9}"', resolve '"{{u.id}}"')
    end)
end)

describe("arrays and objects", function()
    it("are walked", function()
        assert.equal('{"a":[9,{"b":"x Bo"},null],"c":1}', resolve '{"a":["{u.id}",{"b":"x {u.name}"},"{x}"],"c":1}')
    end)

    it("are fresh each time", function()
        local value = json.decode '{"a":{"b":[1]},"c":"{u}"}'
        local root = json.decode '{"u":{"list":[{}]}}'
        local make = template.compile(value, O)
        local first = make(root)
        first.a.b[1], first.c.list[1].x, first.c.y = 2, 3, 4
        assert.equal('{"a":{"b":[1]},"c":{"list":[{}]}}', json.encode(make(root)))
        assert.equal('{"a":{"b":[1]},"c":"{u}"}', json.encode(value))
        assert.equal('{"u":{"list":[{}]}}', json.encode(root))
    end)

    it("may be deep, but not endless", function()
        local text = ("["):rep(120) .. '"{u.id}"' .. ("]"):rep(120)
        assert.equal(text:gsub('"{u.id}"', "9"), resolve(text))
        local endless = {}
        endless.x = endless
        assert.error_matches(function()
            template.compile(endless, O)
        end, "deeper than 512 levels")
    end)
end)

describe("what references bring into other text", function()
    local function resolve_escaped(text)
        local o = { encode = json.encode, is_array = json.is_array, array = json.array, null = json.null,
            escape = function(piece) return "<" .. piece .. ">" end, raw_roots = { env = true } }
        return template.compile(text, o) { env = { host = "h" }, u = { id = 5, s = "a" } }
    end

    it("may be escaped, but for some roots", function()
        assert.equal("h/<5>/<a>?<>", resolve_escaped "{env.host}/{u.id}/{u.s}?{u.x}")
    end)

    it("is not where a reference is all of the text", function()
        assert.equal("a", resolve_escaped "{u.s}")
    end)
end)

describe("the names of a template", function()
    it("are those its references begin with", function()
        local value = { a = "{u.id} {v.x}{u.y}", b = { "{w}", 5, "{}" } }
        assert.same({ u = true, v = true, w = true }, template.references(value))
        assert.same({ "u.id", "u.y", "v.x", "w" }, template.paths(value))
        assert.same({}, template.references "plain")
    end)

    it("are looked up one by one as well", function()
        assert.equal(9, template.lookup({ u = { id = 9 } }, "u.id"))
        assert.is_nil(template.lookup({ u = { id = 9 } }, "u.id.x"))
    end)
end)
