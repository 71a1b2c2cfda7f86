-- SPDX-License-Identifier: MIT
local fields = require "flowhost.schema.fields"
local json = require "support.json"

--- Checks a body; returns it as it is then, and "pointer message" of each error.
local function check(rules, body)
    local input = { body = body }
    local texts = {}
    for i, err in ipairs(fields.check({ body = rules }, input) or {}) do
        texts[i] = err.pointer .. " " .. err.message
    end
    return input.body, texts
end

--- What a field of a rule document becomes, as JSON, or the message of its error.
local function wide(rule, value)
    local input = { body = { x = value } }
    local errors = fields.check({ is_wide = true, body = { x = rule } }, input, json)
    return errors and errors[1].path .. " " .. errors[1].message or json.encode(input.body.x)
end

local function one(rule, value)
    local body, errors = check({ x = rule }, { x = value })
    return body.x, errors[1]
end

describe("a field of the type", function()
    local list, object = json.array { 1 }, { a = 1 }
    local CASES = {
        int = { good = { { 5, 5 }, { "5", 5 }, { -3.0, -3 }, { "0", 0 } },
            bad = { 1.5, "1.5", "x", "", true, list, object, "nan", "inf", "1e999" },
            message = "must be a whole number" },
        float = { good = { { 1.5, 1.5 }, { "1.5", 1.5 }, { 2, 2 } },
            bad = { "x", "", false, list, object, "nan", "-inf", "infinity" }, message = "must be a number" },
        string = { good = { { "", "" }, { "5", "5" } }, bad = { 5, true, list, object }, message = "must be a string" },
        bool = { good = { { true, true }, { false, false }, { "true", true }, { "false", false }, { "1", true } },
            bad = { "yes", 1, "", list, object }, message = "must be true or false" },
        slice = { good = { { list, list } }, bad = { object, "a", 1, true }, message = "must be an array" },
        object = { good = { { object, object } }, bad = { list, json.array {}, "a", 1, true },
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

describe("a field of a rule document", function()
    local list, object = json.array { 1, "a" }, { a = 1 }
    local CASES = {
        int = { message = "must be a whole number",
            good = { { 5, "5" }, { 1.9, "1" }, { -1.9, "-1" }, { -0.5, "0" }, { true, "1" }, { false, "0" },
                { "12", "12" }, { "-7", "-7" }, { "007", "7" }, { "9007199254740993", "9007199254740993" } },
            bad = { "1.5", "1e3", "0x10", " 5", "", "x", "5.0", list, object, json.null, 1 / 0, 0 / 0 } },
        float = { message = "must be a number",
            good = { { 1.5, "1.5" }, { "1.5", "1.5" }, { "1e3", "1000" }, { true, "1" }, { false, "0" } },
            bad = { "x", "", "nan", "inf", "1e999", list, object, json.null } },
        string = { message = "must be a string",
            good = { { "a", '"a"' }, { 5, '"5"' }, { 1.5, '"1.5"' }, { 1e21, '"1e+21"' }, { true, '"true"' },
                { false, '"false"' }, { list, [=["[1,\"a\"]"]=] }, { object, [["{\"a\":1}"]] } },
            bad = { json.null, 0 / 0 } },
        bool = { message = "must be true or false",
            good = { { true, "true" }, { false, "false" }, { 1, "true" }, { 0, "false" }, { 2, "false" },
                { -1, "false" }, { "1", "true" }, { "t", "true" }, { "T", "true" }, { "true", "true" },
                { "TRUE", "true" }, { "True", "true" }, { "0", "false" }, { "f", "false" }, { "F", "false" },
                { "false", "false" },
                { "FALSE", "false" }, { "False", "false" } },
            bad = { "yes", "tRUE", "", list, object, json.null } },
        slice = { message = "must be an array",
            good = { { list, '[1,"a"]' }, { json.array {}, "[]" }, { "[1,2]", "[1,2]" }, { " [] ", "[]" } },
            bad = { object, "{}", "1", "a", "", "[", 1, true, json.null } },
        object = { message = "must be an object",
            good = { { object, '{"a":1}' }, { '{"a":1}', '{"a":1}' }, { "{}", "{}" } },
            bad = { list, json.array {}, "[]", "1", "{", "", 1, true, json.null } },
    }

    for name, case in pairs(CASES) do
        it("that is " .. name .. " takes what ps-go takes", function()
            for _, pair in ipairs(case.good) do
                assert.equal(pair[2], wide({ type = name }, pair[1]))
            end
        end)

        it("that is " .. name .. " takes nothing else", function()
            for _, value in ipairs(case.bad) do
                assert.equal("request.body.x " .. case.message, wide({ type = name, default = 1 }, value))
            end
        end)
    end

    it("is not read from text without a decoder, nor written to it without an encoder", function()
        local block = { is_wide = true, body = { x = { type = "slice" }, y = { type = "string" } } }
        local errors = fields.check(block, { body = { x = "[]", y = {} } })
        assert.equal("must be an array must be a string", errors[1].message .. " " .. errors[2].message)
    end)

    it("gets its default, converted but not limited", function()
        assert.equal('"5"', wide({ type = "string", default = 5, maxLen = 0 }, nil))
        assert.equal("[1]", wide({ type = "slice", default = "[1]" }, nil))
        assert.equal("9", wide({ type = "int", default = 9.5, max = 5, enum = { 1 } }, nil))
        assert.equal("false", wide({ type = "bool", default = false }, nil))
    end)

    it("is told by its full path, in the order query, header, body", function()
        local errors = fields.check({ is_wide = true,
            body = { user = { type = "object", attribute = { phone = { type = "string", required = true },
                address = { type = "object", attribute = { zip = { type = "int" } } } } } },
            header = { token = { type = "string", required = true } }, query = { page = { type = "int" } } },
            { query = { page = "x" }, header = {}, body = { user = { address = { zip = "x" } } } }, json)
        local paths = {}
        for i, err in ipairs(errors) do
            paths[i] = err.path .. " " .. err.pointer
        end
        assert.same({ "request.query.page /query/page", "request.header.token /header/token",
            "request.body.user.address.zip /body/user/address/zip", "request.body.user.phone /body/user/phone" }, paths)
    end)

    it("stays absent without a default, nested or not", function()
        local input = { body = { user = {} } }
        assert.is_nil(fields.check({ is_wide = true, body = { a = { type = "int" }, user = { type = "object",
            attribute = { b = { type = "string" } } } } }, input))
        assert.same({ user = {} }, input.body)
    end)

    it("keeps other fields of query and body, but only declared headers that hold something", function()
        local input = { query = { a = "1", b = "2" }, body = { c = 3, d = 4 },
            header = { ["x-id"] = "7", ["x-none"] = "", other = "1" } }
        local errors = fields.check({ is_wide = true, query = { a = { type = "int" } }, body = { c = { type = "int" } },
            header = { ["X-Id"] = { type = "int" }, ["X-None"] = { type = "string", required = true } } }, input)
        assert.equal("request.header.X-None is required", errors[1].path .. " " .. errors[1].message)
        assert.is_nil(errors[2])
        assert.same({ query = { a = 1, b = "2" }, body = { c = 3, d = 4 }, header = { ["X-Id"] = 7 } }, input)
    end)

    it("misses what a body that is no object has not", function()
        for _, body in ipairs { json.array { 1 }, "x", 5, json.null } do
            local input = { body = body }
            local errors = fields.check({ is_wide = true, body = { x = { type = "int", required = true } } }, input)
            assert.equal("request.body.x is required", errors[1].path .. " " .. errors[1].message)
            assert.same({ body = {}, query = {}, header = {} }, input)
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

    it("enum allows arrays of what is listed", function()
        local rule = { type = "slice", enum = { "a", "b" } }
        assert.is_nil(select(2, one(rule, json.array { "a", "b", "a" })))
        assert.is_nil(select(2, one(rule, json.array {})))
        assert.equal("/body/x must have only values that are listed", select(2, one(rule, json.array { "a", "c" })))
    end)

    it("limits only the types it is for", function()
        assert.is_nil(select(2, one({ minLen = 5, maxLen = 0 }, 1)))
        assert.is_nil(select(2, one({ min = 5, max = 0 }, "text")))
        assert.is_nil(select(2, one({ minLen = 5, min = 5, enum = { 1 } }, { a = 1 })))
        assert.is_nil(select(2, one({ min = 5, enum = { 1 } }, true)))
    end)

    it("with limits of 64 bits is exact", function()
        local rule = { type = "int", max = json.decode "9007199254740993" }
        assert.is_nil(select(2, one(rule, "9007199254740993")))
        assert.equal("/body/x must be at most 9007199254740993", select(2, one(rule, "9007199254740994")))
        assert.is_nil(select(2, one({ type = "int", max = 1e30, min = -1e30 }, json.decode "9007199254740993")))
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
            assert.same({ { pointer = "/body", message = "must be a JSON object" } },
                fields.check({ body = { x = {} } }, { body = body }))
            assert.is_nil(fields.check({ body = {} }, { body = body }))
        end
        assert.same({ { pointer = "", message = "must be a JSON object" } }, fields.check({ body = { x = {} } }, 5))
        assert.same({ { pointer = "", message = "must be a JSON object" } }, fields.check({ body = { x = {} } }, nil))
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
        assert.equal("request.body.x.default must be a whole number",
            problem { body = { x = { type = "int", default = "x" } } })
        assert.equal("request.body.x.default must be a value that JSON can hold",
            problem { body = { x = { default = print } } })
        assert.equal("request.body.x.default must be a value that JSON can hold",
            problem { body = { x = { default = { 1, { y = 0 / 0 } } } } })
    end)
end)
