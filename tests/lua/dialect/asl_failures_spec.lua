-- SPDX-License-Identifier: MIT
-- What states say of values that are of the wrong kind, out of range or not there: error and cause.
local executions = require "support.executions"

local json = executions.json

local ABOUT = "An error occurred while executing the state 'A' (entered at the event id #2). "

--- Error and cause of a machine of one state, and its history.
local function failure_of(state, input, language)
    state.End = state.Type ~= "Fail" and true or nil
    local w = executions.new { m = { StartAt = "A", QueryLanguage = language, States = { A = state } } }
    local request = w:play("m", input)
    local id = request.answered.headers["flowhost-run"]
    local data = w:run(id).error.data
    return data.error, data.cause, executions.history(w, id)
end

local function check(state, input, expected, language)
    local name, cause = failure_of(state, input, language)
    assert.are.equal(language and "States.QueryEvaluationError" or "States.Runtime", name)
    assert.are.equal(ABOUT .. expected, cause)
end

local function of_type(field, expected, actual, text)
    return ("The JSONata expression '$states.input.at' specified for the field '%s' returned an unexpected result "
        .. "type. Expected '%s', but was '%s' for value: %s"):format(field, expected, actual, text)
end

describe("a Wait fails with", function()
    it("what its paths lead to", function()
        local seconds = "The SecondsPath parameter cannot be parsed as a long value: $.at == "
        local time = "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
            .. "string: $.at == "
        for text, value in pairs { ["null"] = json.null, ["[]"] = json.array {}, ["{}"] = {}, ["true"] = true,
            ["-1"] = -1 } do
            check({ Type = "Wait", SecondsPath = "$.at" }, { at = value }, seconds .. text)
            check({ Type = "Wait", TimestampPath = "$.at" }, { at = value }, time .. text)
        end
    end)

    it("the path that leads nowhere", function()
        for _, field in ipairs { "SecondsPath", "TimestampPath" } do
            check({ Type = "Wait", [field] = "$.at" }, {}, ("The %s parameter does not reference an input value: $.at")
                :format(field))
        end
    end)

    it("what its expressions give", function()
        local state = { Type = "Wait", Timestamp = "{% $states.input.at %}" }
        check(state, { at = 1 }, of_type("Timestamp", "string", "number", "1"), "JSONata")
        check(state, { at = json.null }, of_type("Timestamp", "string", "null", "null"), "JSONata")
        check({ Type = "Wait", Seconds = "{% $states.input.at %}" }, { at = "x" },
            of_type("Seconds", "number", "string", '"x"'), "JSONata")
    end)
end)

describe("a Fail", function()
    it("fails otherwise when what its paths lead to is no text", function()
        check({ Type = "Fail", ErrorPath = "$.at" }, { at = 1 },
            "The value for the field 'ErrorPath' must be a STRING but was: 1")
        check({ Type = "Fail", Error = "E", CausePath = "$.at" }, { at = { b = json.null } },
            "The value for the field 'CausePath' must be a STRING but was: {\"b\":null}")
    end)
end)

describe("an expression fails", function()
    it("in the words of AWS", function()
        local cases = {
            { "1 + 'a'", 'T2002: The right side of the "+" operator must evaluate to a number' },
            { "-'a'", 'D1002: Cannot negate a non-numeric value: "a"' },
            { "1 < 'a'", 'T2009: The values 1 and "a" either side of operator "<" must be of the same data type' },
            { "$eval('1')", "T1006: Attempted to invoke a non-function" },
            { "$abs('a')", 'T0410: Argument 1 of function "abs" does not match function signature' },
            { "$sum(['a'])", 'T0412: Argument 1 of function "sum" must be an array of "numbers"' },
            { "$number('a')", 'D3030: Unable to cast value to a number: "a"' },
            { "$error('no')", "D3137: no" },
        }
        for _, case in ipairs(cases) do
            check({ Type = "Pass", Output = { r = "{% " .. case[1] .. " %}" } }, {}, ("The JSONata expression '%s' "
                .. "specified for the field 'Output/r' threw an error during evaluation. %s"):format(case[1], case[2]),
                "JSONata")
        end
    end)

    it("at its catcher and in its words", function()
        local state = { Type = "Map", Items = "{% 1 %}", ItemProcessor = { StartAt = "B", States = {
            B = { Type = "Succeed" } } }, Catch = json.array {
            { ErrorEquals = json.array { "E" }, Next = "A" },
            { ErrorEquals = json.array { "States.ALL" }, Next = "A",
                Output = { x = "{% $states.errorOutput.No %}" } } } }
        check(state, {}, "The JSONata expression '$states.errorOutput.No' specified for the field 'Catch[1]/Output/x' "
            .. "returned nothing (undefined).", "JSONata")
    end)

    it("at the part of a Map that it is in", function()
        local undefined = "{% $states.input.no %}"
        local GET, PUT = "arn:aws:states:::s3:getObject", "arn:aws:states:::s3:putObject"
        local parts = {
            ["ItemReader/Arguments/Key"] = { ItemReader = { Resource = GET, Arguments = { Key = undefined } } },
            ["ItemReader/ReaderConfig/MaxItems"] = { ItemReader = { Resource = GET, ReaderConfig = {
                InputType = "JSON", MaxItems = undefined } } },
            ["ItemBatcher/MaxItemsPerBatch"] = { ItemBatcher = { MaxItemsPerBatch = undefined } },
            ["ItemBatcher/BatchInput/x"] = { ItemBatcher = { MaxItemsPerBatch = 1, BatchInput = { x = undefined } } },
            ["ResultWriter/Arguments/Bucket"] = { ResultWriter = { Resource = PUT, Arguments = {
                Bucket = undefined } } },
        }
        for place, part in pairs(parts) do
            local state = { Type = "Map", Items = not part.ItemReader and json.array { 1 } or nil, ItemProcessor = {
                StartAt = "I", ProcessorConfig = { Mode = "DISTRIBUTED", ExecutionType = "STANDARD" },
                States = { I = { Type = "Succeed" } } } }
            for name, value in pairs(part) do
                state[name] = value
            end
            check(state, {}, ("The JSONata expression '$states.input.no' specified for the field '%s' returned nothing "
                .. "(undefined)."):format(place), "JSONata")
        end
    end)

    it("where it needs a result of a state that has none", function()
        check({ Type = "Pass", Output = "{% $lookup($states, 'result') %}" }, {}, "The JSONata expression "
            .. "'$lookup($states, 'result')' specified for the field 'Output' returned nothing (undefined).", "JSONata")
    end)
end)

describe("a number out of an expression that is out of its range", function()
    local TASK = { Type = "Task", Resource = "arn:aws:lambda:us-east-1:1:function:f" }
    local MAP = { Type = "Map", Items = json.array { 1 }, ItemProcessor = { StartAt = "I",
        ProcessorConfig = { Mode = "DISTRIBUTED", ExecutionType = "STANDARD" },
        States = { I = { Type = "Succeed" } } } }

    local function with(state, field)
        local own = { [field] = "{% $states.input.at %}" }
        for name, value in pairs(state) do
            own[name] = value
        end
        return own
    end

    it("is a failure of the query", function()
        local cases = {
            { TASK, "TimeoutSeconds", 0, "The TimeoutSeconds field must be a positive integer, but was: 0" },
            { TASK, "HeartbeatSeconds", 1.5, "The HeartbeatSeconds field must be a positive integer, but was: 1.5" },
            { { Type = "Wait" }, "Seconds", -1, "The Seconds field must be a non-negative integer, but was: -1" },
            { MAP, "MaxConcurrency", -1, "MaxConcurrency must be a positive integer or zero." },
            { MAP, "ToleratedFailureCount", 1.5, 'The ToleratedFailureCount field refers to value "1.5" which is not a '
                .. "valid integer: ToleratedFailureCount" },
            { MAP, "ToleratedFailurePercentage", 101, "ToleratedFailurePercentage must be between 0 and 100." },
        }
        for _, case in ipairs(cases) do
            check(with(case[1], case[2]), { at = case[3] }, case[4], "JSONata")
        end
    end)

    it("is told at its field, after the state was entered", function()
        local _, _, events = failure_of(with({ Type = "Wait" }, "Seconds"), { at = -1 }, "JSONata")
        assert.are.same({ "EvaluationFailed", 2, "Seconds" }, { events[3].type, events[3].previousEventId,
            events[3].evaluationFailedEventDetails.location })
    end)
end)
