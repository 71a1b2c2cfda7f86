-- SPDX-License-Identifier: MIT
local fields = require "flowhost.schema.fields"
local json = require "support.json"

--- Checks a body; returns it as it is then, and "pointer message" of each error.
local function check(rules, body)
    local input = { body = body }
    local texts = {}
    for i, err in ipairs(fields.check({ body = rules }, input, json) or {}) do
        texts[i] = err.pointer .. " " .. err.message
    end
    return input.body, texts
end

local function one(rule, value)
    local body, errors = check({ x = rule }, { x = value })
    return body.x, errors[1]
end

describe("a field of the type", function()
    local list, object = json.array { 1 }, { a = 1 }
    local CASES = {
        int = { good = { { 5, 5 }, { "5", 5 }, { -3.0, -3 }, { "0", 0 }, { 1.9, 1 }, { -1.9, -1 }, { true, 1 },
            { false, 0 } }, bad = { "1.5", "x", "", list, object, "nan", "inf", "1e999", "0x10" },
            message = "must be a whole number" },
        float = { good = { { 1.5, 1.5 }, { "1.5", 1.5 }, { 2, 2 }, { true, 1 } },
            bad = { "x", "", list, object, "nan", "-inf", "infinity" }, message = "must be a number" },
        string = { good = { { "", "" }, { "5", "5" }, { 5, "5" }, { 0.1, "0.1" }, { true, "true" }, { list, "[1]" },
            { object, '{"a":1}' } }, bad = {}, message = "must be a string" },
        bool = { good = { { true, true }, { false, false }, { "true", true }, { "false", false }, { "1", true },
            { "T", true }, { "F", false }, { 1, true }, { 2, false }, { 0, false } },
            bad = { "yes", "", list, object }, message = "must be true or false" },
        slice = { good = { { list, list } }, bad = { object, "a", 1, true, '{"a":1}' }, message = "must be an array" },
        object = { good = { { object, object } }, bad = { list, json.array {}, "a", 1, true, "[1]", "{" },
            message = "must be an object" },
    }

    for name, case in pairs(CASES) do
        it(name .. " takes what is one, and text that spells one", function()
            for _, pair in ipairs(case.good) do
                local value, err = one({ type = name }, pair[1])
                assert.is_nil(err)
                assert.equal(pair[2], value)
            end
        end)

        it(name .. " takes nothing else", function()
            for _, value in ipairs(case.bad) do
                local _, err = one({ type = name }, value)
                assert.equal("/body/x " .. case.message, err)
            end
        end)
    end

    it("slice and object take JSON text", function()
        assert.same({ 1, 2 }, (one({ type = "slice" }, "[1,2]")))
        assert.same({ a = 1 }, (one({ type = "object" }, '{"a":1}')))
    end)

    it("int keeps numbers of 64 bits exactly, within their bounds", function()
        local big = json.decode "9007199254740993"
        assert.equal("cdata", type(big))
        assert.equal("9007199254740993", json.encode((one({ type = "int" }, big))))
        assert.equal("/body/x must be at most 10", select(2, one({ type = "int", max = 10 }, big)))
        assert.is_nil(select(2, one({ minLen = 3, min = 5 }, big)))
    end)

    it("none takes anything", function()
        for _, value in ipairs { 1, "a", true, list, object } do
            assert.equal(value, (one({}, value)))
        end
    end)
end)

describe("a rule", function()
    it("required misses what is absent or null", function()
        assert.equal("/body/x is required", select(2, one({ required = true }, nil)))
        assert.equal("/body/x is required", select(2, one({ required = true }, json.null)))
        assert.is_nil(select(2, one({ required = true }, false)))
    end)

    it("default fills in what is absent or null", function()
        assert.equal(5, (one({ default = 5, required = true }, nil)))
        assert.is_false((one({ default = false }, json.null)))
        assert.equal(1, (one({ default = 5 }, 1)))
    end)

    it("default is made the type of the field, and not checked further", function()
        assert.equal("5", (one({ type = "string", default = 5, maxLen = 0 }, nil)))
        assert.is_nil(select(2, one({ type = "int", default = 1, min = 5 }, nil)))
    end)

    it("enum of a list holds for each entry; an absent nested field stays absent", function()
        assert.is_nil(select(2, one({ type = "slice", enum = { 1, 2 } }, json.array { 1, 2, 1 })))
        assert.equal("/body/x must hold only values that are listed, not 3",
            select(2, one({ type = "slice", enum = { 1, 2 } }, json.array { 1, 3 })))
        assert.same({}, (one({ type = "object", attribute = { y = { type = "int" } } }, {})))
    end)

    it("names the path of a nested field", function()
        local rules = { user = { type = "object", attribute = { ["a/b"] = { required = true } } } }
        assert.same({ { pointer = "/body/user/a~1b", path = "request.body.user.a/b", message = "is required" } },
            fields.check({ body = rules }, { body = { user = {} } }))
    end)

    it("default gives each input a copy of its own", function()
        local rule = { default = { list = { 1 } } }
        local first = one(rule, nil)
        first.list[1] = 2
        assert.same({ list = { 1 } }, (one(rule, nil)))
    end)

    it("min and max are inclusive", function()
        local rule = { type = "int", min = 1, max = 3 }
        assert.equal("/body/x must be at least 1", select(2, one(rule, 0)))
        assert.is_nil(select(2, one(rule, "1")))
        assert.is_nil(select(2, one(rule, 3)))
        assert.equal("/body/x must be at most 3", select(2, one(rule, "4")))
    end)

    it("minLen and maxLen count characters and entries", function()
        local rule = { minLen = 2, maxLen = 3 }
        assert.equal("/body/x must have a length of at least 2", select(2, one(rule, "ä")))
        assert.is_nil(select(2, one(rule, "äöü")))
        assert.equal("/body/x must have a length of at most 3", select(2, one(rule, "abcd")))
        assert.equal("/body/x must have a length of at least 2", select(2, one(rule, json.array { 1 })))
    end)

    it("enum allows what is listed", function()
        local rule = { type = "int", enum = { 1, 2 } }
        assert.is_nil(select(2, one(rule, "2")))
        assert.equal("/body/x must be one of the values listed", select(2, one(rule, 3)))
    end)

    it("attribute goes into the nested object, whose place errors name", function()
        local rules = { user = { type = "object", attribute = {
            name = { required = true }, address = { attribute = { zip = { type = "int", default = 7 } } },
        } } }
        local body, errors = check(rules, { user = { address = {} } })
        assert.same({ "/body/user/name is required" }, errors)
        assert.equal(7, body.user.address.zip)
        errors = select(2, check(rules, { user = { name = 1, address = { zip = "x" } } }))
        assert.same({ "/body/user/address/zip must be a whole number" }, errors)
    end)

    it("on a name with a slash or tilde is told by an escaped pointer", function()
        assert.same({ "/body/a~1b~0c is required" }, select(2, check({ ["a/b~c"] = { required = true } }, {})))
    end)
end)

describe("the request block", function()
    it("tells all errors, sorted", function()
        local errors = fields.check({ query = { b = { required = true }, a = { type = "int" } },
            header = { token = { required = true } }, body = { z = { required = true } } },
            { query = { a = "x" }, header = {}, body = {} })
        local pointers = {}
        for i, err in ipairs(errors) do
            pointers[i] = err.pointer
        end
        assert.same({ "/query/a", "/query/b", "/header/token", "/body/z" }, pointers)
    end)

    it("needs objects where it has rules, and nowhere else", function()
        for _, body in ipairs { json.null, json.array {}, 5, "x" } do
            assert.same({ { pointer = "/body", path = "request.body", message = "must be a JSON object" } },
                fields.check({ body = { x = {} } }, { body = body }))
            assert.is_nil(fields.check({ body = {} }, { body = body }))
        end
        for _, input in ipairs { 5, "x" } do
            assert.same({ { pointer = "", path = "request", message = "must be a JSON object" } },
                fields.check({ body = { x = {} } }, input))
        end
    end)

    it("says what is wrong with it", function()
        local function problem(request)
            return (fields.find_problem(request))
        end
        assert.is_nil(problem {})
        assert.is_nil(problem { body = { x = { type = "int", attribute = { y = { enum = { 1 } } } } } })
        assert.equal("request has the unknown part 'cookie': use query, header, body", problem { cookie = {} })
        assert.equal("request.body must be a table of fields", problem { body = "x" })
        assert.equal("request.body.x must be a table of rules such as { type = \"string\" }",
            problem { body = { x = "int" } })
        assert.equal("request.body.x has the unknown rule 'typ'", problem { body = { x = { typ = "int" } } })
        assert.equal("request.body.x has the unknown type 'integer'", problem { body = { x = { type = "integer" } } })
        assert.equal("request.body.x.min must be a number", problem { body = { x = { min = "1" } } })
        assert.equal("request.body.x.attribute.y.required must be a boolean",
            problem { body = { x = { attribute = { y = { required = 1 } } } } })
        assert.equal("request.body must have names of fields as its keys", problem { body = { {} } })
        assert.equal("request.body.x.default must be a value that JSON can hold",
            problem { body = { x = { default = print } } })
        assert.equal("request.body.x.default must be a value that JSON can hold",
            problem { body = { x = { default = { 1, { y = 0 / 0 } } } } })
    end)
end)
