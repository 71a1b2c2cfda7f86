-- SPDX-License-Identifier: MIT
-- Definitions in Amazon States Language against what AWS answered to them.
local json = require "support.json"
local validate = require "flowhost.dialect.asl.validate"

local DIRECTORY = "tests/lua/dialect/asl/"

local function read_json(name)
    local file = assert(io.open(DIRECTORY .. name))
    local text = file:read "*a"
    file:close()
    return assert(json.decode(text))
end

local function options()
    return {
        null = json.null, is_array = json.is_array, array = json.array, encode = json.encode,
        jsonata = { compile = function()
            return {}
        end },
    }
end

local validator = validate.new(options())

--- The problems of a case's definition or text.
local function problems_of(case)
    local problem = case.definition_text and validate.check_text(case.definition_text)
    if problem then
        return { problem }
    end
    return validator.check(case.definition, { type = case.type, is_test_state = case.is_test_state })
end

describe("what AWS answered to a definition", function()
    for _, case in ipairs(read_json("create.json").cases) do
        it("is answered: " .. case.id, function()
            local problems = problems_of(case)
            if case.operation == "ValidateStateMachineDefinition" then
                assert.same(json.encode(case.expect.response.diagnostics), json.encode(json.array(problems)))
            else
                assert.equal(case.expect.error.message, validate.first_text(problems))
            end
        end)
    end

    it("is acceptance of what ran there", function()
        for _, case in ipairs(read_json("accepted.json").cases) do
            assert.is_nil(validate.first_text(problems_of(case)), case.id)
        end
    end)
end)
