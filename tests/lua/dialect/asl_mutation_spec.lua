-- SPDX-License-Identifier: MIT
-- Definitions with a value replaced, left out or put where it does not belong: each is answered, with places.
local canonical = require "flowhost.dialect.asl.canonical"
local json = require "support.json"
local validate = require "flowhost.dialect.asl.validate"
local value = require "flowhost.expr.value"
local variables = require "flowhost.dialect.asl.variables"

local ROUNDS = 12
local ODD = { json.null, true, 0, -1.5, "", "$", "$.a[*]", "$$.b", "$v", "{% a %}", "{% 1 + %}", "States.UUID()", "%s",
    json.array {}, json.array { 7 }, json.array { json.array {} }, { Type = "Map" }, { ErrorEquals = 7 } }
local NAMES = { "Next", "Type", "End", "Choices", "Retry", "Catch", "Branches", "States", "ItemProcessor", "Assign",
    "And", "Not", "Variable", "JoinOn", "Parameters", "QueryLanguage", "x.$" }

local validator = validate.new(json)

--- A linear congruential generator: the same mutations on every machine.
local seed = 1
local function pick(list)
    seed = (seed * 1103515245 + 12345) % 2 ^ 31
    return list[math.floor(seed / 2 ^ 8) % #list + 1]
end

--- All tables of a value, in order of their keys.
local function tables_of(root, found)
    found[#found + 1] = root
    local keys = {}
    for key in pairs(root) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        return tostring(a) < tostring(b)
    end)
    for _, key in ipairs(keys) do
        if type(root[key]) == "table" then
            tables_of(root[key], found)
        end
    end
    return found, keys
end

local function mutate(definition)
    local target = pick((tables_of(definition, {})))
    local _, keys = tables_of(target, {})
    if json.is_array(target) then
        target[#target + 1] = value.copy(pick(ODD))
    elseif keys[1] and pick { true, false } then
        target[pick(keys)] = pick { false, true } and value.copy(pick(ODD)) or nil
    else
        target[pick(NAMES)] = value.copy(pick(ODD))
    end
end

local function look(problems)
    for _, problem in ipairs(problems) do
        assert.matches("^[%u_]+$", problem.code)
        assert.is_string(problem.message)
        assert.is_true(problem.location == nil or problem.location:sub(1, 1) == "/")
    end
    return #problems == 0
end

describe("a definition that was mutated", function()
    it("is answered", function()
        local file = assert(io.open "tests/lua/dialect/asl/accepted.json")
        local cases = assert(json.decode(file:read "*a")).cases
        file:close()
        for _, case in ipairs(cases) do
            for round = 1, ROUNDS do
                local definition = value.copy(case.definition)
                for _ = 1, round % 4 + 1 do
                    mutate(definition)
                end
                if look(validator.check(definition, { is_test_state = case.is_test_state })) and definition.States then
                    assert.is_table(variables.references(definition, json))
                end
                look(validator.check((canonical.convert(definition, json)), { type = "EXPRESS" }))
            end
        end
    end)
end)
