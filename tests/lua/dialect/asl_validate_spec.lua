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

local validator = validate.new(json)

--- The problems of a case's definition or text.
local function problems_of(case)
    return (validator.check_text(case.definition_text or json.encode(case.definition), { type = case.type,
        is_test_state = case.is_test_state }))
end

describe("what AWS answered to a definition", function()
    for _, case in ipairs(read_json("create.json").cases) do
        it("is answered: " .. case.id, function()
            local problems = problems_of(case)
            if case.operation == "ValidateStateMachineDefinition" then
                local answer = validate.diagnose(problems, { array = json.array })
                assert.equal(json.encode(case.expect.response), json.encode(answer))
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
