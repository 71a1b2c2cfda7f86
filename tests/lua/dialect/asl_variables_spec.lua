-- SPDX-License-Identifier: MIT
-- Which variables the states of a definition refer to.
local json = require "support.json"
local variables = require "flowhost.dialect.asl.variables"

local function read_json(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return assert(json.decode(text))
end

local function references_of(states, language)
    local definition = assert(json.decode(('{"QueryLanguage":"%s","StartAt":"A","States":{%s}}'):format(
        language or "JSONPath", states)))
    return json.encode(variables.references(definition, json))
end

describe("references to variables", function()
    for _, case in ipairs(read_json("tests/lua/dialect/asl/references.json").cases) do
        it("are answered as by AWS: " .. case.id, function()
            assert.equal(json.encode(case.references), json.encode(variables.references(case.definition, json)))
        end)
    end

    it("are found in all that a state says in paths", function()
        assert.equal('{"A":["a","b","c","d","e"]}', references_of [["A":{"Type":"Choice","Choices":[{"Variable":"$a.x",
            "StringEqualsPath":"$b","Assign":{"x.$":"$c","y":"$z"},"Next":"B"},{"Not":{"Variable":"$d","IsNull":true},
            "Next":"B"}],"OutputPath":"$e","Default":"B"}]])
        assert.equal('{"A":["a","b"]}', references_of [["A":{"Type":"Task","Resource":"arn:aws:lambda:::function:f",
            "Parameters":{"FilePath":"$z","x.$":"States.Array($a, States.Format('$z {}', $b[0]), $.c, $$.State.Name)"},
            "End":true}]])
        assert.equal("{}", references_of [["A":{"Type":"Pass","Result":{"x.$":"$z"},"Comment":"$z","End":true}]])
    end)

    it("are found in JSONata, without what an expression binds itself", function()
        assert.equal('{"A":["a","b","c"],"C":["d"]}', references_of([["A":{"Type":"Task","Arguments":{
            "x":"{% $sum($a.y) + ($k := 1; $k + $b) %}","Result":"{% $map($c, function($v) { $v }) %}"},
            "Output":"{% $states.result %}"},"B":{"Type":"Pass","Output":"$z"},
            "C":{"Type":"Pass","Output":"{% 'a $z' & $d /* $z */ %}"}]], "JSONata"))
    end)
end)
