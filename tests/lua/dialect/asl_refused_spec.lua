-- SPDX-License-Identifier: MIT
-- Definitions that are refused (tests/lua/dialect/asl/refused.txt): each check with its text and place.
local json = require "support.json"
local validate = require "flowhost.dialect.asl.validate"

local validator = validate.new(json)

local function problems_of(text, options)
    return validator.check(assert(json.decode(text), text), options)
end

--- "CODE: message at place" of each problem, without the code where it is the usual one.
local function lines_of(problems)
    local lines = {}
    for i, problem in ipairs(problems) do
        local code = problem.code ~= "SCHEMA_VALIDATION_FAILED" and problem.code .. ": " or ""
        lines[i] = code .. problem.message .. " at " .. tostring(problem.location)
    end
    return lines
end

local BUILD = {
    MACHINE = "%s", STATES = '{"StartAt":"A","States":{%s}}', STATE = '{"StartAt":"A","States":{"A":%s}}',
    EXPRESS = '{"StartAt":"A","States":{"A":%s}}',
    JSONATA = '{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":%s}}',
}

local function build(kind, text)
    return (BUILD[kind]:gsub("%%s", function()
        return text
    end))
end

--- The file's groups: { title, cases = { { type, text, expected } } }.
local function read_groups()
    local groups, case = {}, nil
    for line in io.lines "tests/lua/dialect/asl/refused.txt" do
        local title, kind, text = line:match "^## (.+)", line:match "^(%u+) (.+)"
        if title then
            groups[#groups + 1] = { title = title, cases = {} }
        elseif kind then
            case = { type = kind == "EXPRESS" and kind or "STANDARD", text = build(kind, text), expected = {} }
            table.insert(groups[#groups].cases, case)
        elseif line:find "^ " then
            table.insert(case.expected, line:match "^ +(.+)")
        end
    end
    return groups
end

describe("what is refused:", function()
    for _, group in ipairs(read_groups()) do
        if group.cases[1] then
            it(group.title, function()
                for _, case in ipairs(group.cases) do
                    assert.same(case.expected, lines_of(problems_of(case.text, { type = case.type })), case.text)
                end
            end)
        end
    end

    it("names of states that are too long, counted in characters", function()
        local function machine(name)
            return ('{"StartAt":"%s","States":{"%s":{"Type":"Succeed"}}}'):format(name, name)
        end
        local long = ("x"):rep(81)
        assert.same({ ("INVALID_STATE_NAME: State name '%s' is longer than 80 characters at /States/%s"):format(long,
            long) }, lines_of(problems_of(machine(long))))
        assert.same({}, problems_of(machine(("\195\164"):rep(80))))
    end)

    it("a state that is tested alone, but not for where it leads to", function()
        assert.same({}, problems_of('{"Type":"Pass","Next":"elsewhere"}', { is_test_state = true }))
        assert.same({ "These fields are required: [Type] at /States/StateName" },
            lines_of(problems_of("{}", { is_test_state = true })))
    end)
end)

describe("the sentence of a refusal", function()
    it("has all problems, and null where one has no place", function()
        assert.equal("Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: B at "
            .. "/States/A/Next, MISSING_END_STATE: Workflow has no terminal state at null'",
            validate.first_text(problems_of '{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"}}}'))
    end)

    it("has no warnings", function()
        local problems = problems_of(build("STATE", '{"Type":"Pass","Parameters":{"a":"$.b"},"End":true}'))
        assert.same({ "NO_DOLLAR", "WARNING" }, { problems[1].code, problems[1].severity })
        assert.is_nil(validate.first_text(problems))
    end)
end)

describe("the answer to a validation", function()
    local problems = problems_of '{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a":"$.b"},"X":1,"Y":2}}}'

    local function answer_of(o)
        o.array = json.array
        local answer = validate.diagnose(problems, o)
        return { answer.result, #answer.diagnostics, answer.truncated }
    end

    it("has the errors, or the warnings too, up to a number", function()
        assert.same({ "FAIL", 3, false }, answer_of {})
        assert.same({ "FAIL", 4, false }, answer_of { severity = "WARNING" })
        assert.same({ "FAIL", 3, false }, answer_of { most = 3 })
        assert.same({ "FAIL", 2, true }, answer_of { most = 2 })
        assert.same({ "FAIL", 3, false }, answer_of { most = 0 })
    end)
end)

-- as Jackson words it
describe("a text that is no definition", function()
    local function check(text, message, place)
        local problem = validate.check_text(text)
        assert.equal(message, problem.message:match "^[^\n]+")
        if place then
            assert.equal(place, problem.location:match "; (line.+)%]$")
        end
    end

    it("is told with the place", function()
        check("", "Definition must be a valid JSON object")
        check('"a"', "Definition must be a valid JSON object")
        check("{", 'Unexpected end-of-input: expected close marker for Object (start marker at [Source: (String)"{"; '
            .. "line: 1, column: 1])", "line: 1, column: 2")
        check('{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
            "line: 1, column: 7")
        check('{\n"a":1 "b"', "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries",
            "line: 2, column: 8")
        check("{a:1}", "Unexpected character ('a' (code 97)): was expecting double-quote to start field name")
        check('{"a":}', "Unexpected character ('}' (code 125)): expected a value")
        check('{"a":01}', "Invalid numeric value: Leading zeroes not allowed")
        check('{"a":[1}', "Unexpected close marker '}': expected ']' (for Array starting at "
            .. '[Source: (String)"{"a":[1}"; line: 1, column: 6])')
        check('{"a":nul}', "Unrecognized token 'nul': was expecting (JSON String, Number, Array, Object or token "
            .. "'null', 'true' or 'false')", "line: 1, column: 9")
        check('{"a":"b', "Unexpected end-of-input: was expecting closing quote for a string value")
        check('{"a":"\n"}', "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to "
            .. "be included in string value", "line: 2, column: 1")
        check('{"a":"\\x"}', "Unrecognized character escape 'x' (code 120)")
        check('{"\195\164":\226\130\172}', "Unrecognized token '\226\130\172': was expecting (JSON String, Number, "
            .. "Array, Object or token 'null', 'true' or 'false')", "line: 1, column: 7")
        check("{} x", "Unexpected character ('x' (code 120)): expected the end of the definition")
    end)

    it("is quoted to 500 characters", function()
        local problem = validate.check_text(("\195\164"):rep(501) .. "!")
        local quoted = ('(String)"%s"[truncated 2 chars]; line: 1'):format(("\195\164"):rep(500))
        assert.truthy(problem.location:find(quoted, 1, true))
    end)

    it("is nested no deeper than can be decoded", function()
        local deepest = ('{"a":%s%s}'):format(("["):rep(127), ("]"):rep(127))
        assert.is_nil(validate.check_text(deepest))
        assert.is_table(json.decode(deepest))
        local problem = validate.check_text(('{"a":%s'):format(("["):rep(128)))
        assert.equal("TOO_DEEPLY_NESTED", problem.code)
        assert.equal("The definition is nested more than 128 levels deep", problem.message)
    end)

    it("is told when it has two states of one name", function()
        local text = '{"StartAt":"A","States":{"A":{"Type":"Parallel","Branches":[{},{"States":{"B":{},"B":{}}}]}}}'
        local problem = validate.check_text(text)
        assert.equal("DUPLICATE_STATE_NAME: Duplicate State name: B", problem.code .. ": " .. problem.message)
        assert.equal("/States/A/Branches[1]/States/B", problem.location)
        problem = validate.check_text '{"States":{"M":{"ItemProcessor":{"States":{"C":{},"D":{},"C":1}}}}}'
        assert.equal("/States/M/ItemProcessor/States/C", problem.location)
        assert.is_nil(validate.check_text(
            '{"States":{"A":{"Parameters":{"States":{"a":1,"a":2}},"A":[[{"a":1,"a":2}]]}}}'))
    end)

    it("is none of these", function()
        assert.is_nil(validate.check_text ' {"a":[1,-2.5e3,"\\u00e4",null,true,{}],"b":{"c":[]}} ')
    end)
end)
