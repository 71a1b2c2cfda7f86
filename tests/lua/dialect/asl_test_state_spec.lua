-- SPDX-License-Identifier: MIT
-- TestState: what AWS answered to tests of single states, and what no recording shows.
local executions = require "support.executions"

local json = executions.json

local function read_cases()
    local file = assert(io.open "tests/lua/dialect/asl/test_states.json")
    local text = file:read("*a"):gsub("111111111111", executions.ACCOUNT)
    file:close()
    return assert(json.decode(text)).cases
end

local IS_TEXT = { input = true, variables = true, context = true }

--- Parameters as the API takes them.
local function params_of(definition, request)
    local params = { definition = json.encode(definition) }
    for name, value in pairs(request or {}) do
        params[name] = IS_TEXT[name] and type(value) ~= "string" and json.encode(value) or value
    end
    return params
end

describe("TestState", function()
    local w = executions.new {}

    --- The answer, or nil and a problem.
    local function test(definition, request)
        w:enter()
        local answer, problem
        w:module("flowhost.ctx.asl_test_state").run(params_of(definition, request), function(...)
            answer, problem = ...
        end)
        return answer, problem
    end

    for _, case in ipairs(read_cases()) do
        it(case.id, function()
            local answer, problem = test(case.definition, case.request)
            assert.is_nil(executions.compare(case.expect.response, answer, ""))
            assert.is_nil(executions.compare(case.expect.error, problem, ""))
        end)
    end

    local PASS = { StartAt = "H", States = { H = { Type = "Pass", End = true } } }
    local DISTRIBUTED = { StartAt = "H", States = PASS.States, ProcessorConfig = { Mode = "DISTRIBUTED",
        ExecutionType = "STANDARD" } }

    local function data_of(answer)
        local shown = {}
        for name, value in pairs(answer.inspectionData) do
            shown[name] = type(value) == "string" and json.decode(value) or value
        end
        return shown
    end

    local function list(...)
        return json.array { ... }
    end

    it("shows the items of a Map", function()
        local answer = test({ Type = "Map", ItemsPath = "$.v", ItemProcessor = DISTRIBUTED, End = true,
            ItemSelector = { ["i.$"] = "$$.Map.Item.Value" }, ItemBatcher = { MaxItemsPerBatch = 2 },
            ToleratedFailurePercentage = 50 },
            { inspectionLevel = "DEBUG", input = { v = list(1, 2, 3) }, mock = { result = "[7,8]" },
                stateConfiguration = { mapIterationFailureCount = 1 } })
        local data = data_of(answer)
        assert.are.equal("SUCCEEDED", answer.status)
        assert.are.same({ 1, 2, 3 }, data.afterItemsPath)
        assert.are.same({ { i = 1 }, { i = 2 }, { i = 3 } }, data.afterItemSelector)
        assert.are.same({ { Items = { { i = 1 }, { i = 2 } } }, { Items = { { i = 3 } } } }, data.afterItemBatcher)
        assert.are.same({ 0, 50 }, { data.maxConcurrency, data.toleratedFailurePercentage })
        assert.are.same({ 7, 8 }, data.afterResultPath)
    end)

    it("reads the data of an ItemReader as its configuration says", function()
        local definition = { Type = "Map", ItemProcessor = DISTRIBUTED, End = true,
            ItemSelector = { ["i.$"] = "$$.Map.Item.Value" }, ItemReader = { Resource = "arn:aws:states:::s3:getObject",
                Parameters = { Bucket = "b", Key = "k" }, ReaderConfig = { InputType = "JSON",
                    ItemsPointer = "/a~1b/c" } } }
        local request = { inspectionLevel = "TRACE", mock = { result = "[]" },
            stateConfiguration = { mapItemReaderData = '{"a/b":{"c":[4,5]}}' } }
        local data = data_of(test(definition, request))
        assert.are.same({ 4, 5 }, data.afterItemsPointer)
        assert.are.same({ { i = 4 }, { i = 5 } }, data.afterItemSelector)
        definition.ItemReader.ReaderConfig = { InputType = "CSV", CSVHeaderLocation = "FIRST_ROW" }
        request.stateConfiguration.mapItemReaderData = "x,y\n1,2\n"
        assert.are.same({ { i = { x = "1", y = "2" } } }, data_of(test(definition, request)).afterItemSelector)
    end)

    it("counts the failed iterations of a mocked error by the items", function()
        local definition = { Type = "Map", ItemProcessor = PASS, End = true }
        local request = { input = list(1, 2), mock = { errorOutput = { error = "E" } },
            stateConfiguration = { mapIterationFailureCount = 3 } }
        local _, problem = test(definition, request)
        assert.are.equal("ValidationException", problem.code)
        request.stateConfiguration.mapIterationFailureCount = 2
        assert.are.same({ status = "FAILED", error = "E" }, (test(definition, request)))
    end)

    local TASK = { Type = "Task", Resource = "arn:aws:states:::lambda:invoke", Parameters = { FunctionName = "f" },
        Retry = list { ErrorEquals = list "E", IntervalSeconds = 2, BackoffRate = 3, MaxAttempts = 3 },
        Catch = list { ErrorEquals = list "States.TaskFailed", Next = "X", ResultPath = "$.e" }, End = true }

    it("tells when a mocked error would be retried, then caught", function()
        local request = { inspectionLevel = "DEBUG", mock = { errorOutput = { error = "E", cause = "c" } },
            stateConfiguration = { retrierRetryCount = 2 } }
        local answer = test(TASK, request)
        assert.are.same({ "RETRIABLE", "E", "c" }, { answer.status, answer.error, answer.cause })
        assert.are.same({ retryIndex = 0, retryBackoffIntervalSeconds = 18 }, answer.inspectionData.errorDetails)
        assert.is_nil(answer.output)
        request.stateConfiguration.retrierRetryCount = 3
        answer = test(TASK, request)
        assert.are.same({ "CAUGHT_ERROR", "X" }, { answer.status, answer.nextState })
        assert.are.same({ e = { Error = "E", Cause = "c" } }, json.decode(answer.output))
        assert.are.same({ retryIndex = 0, catchIndex = 0 }, answer.inspectionData.errorDetails)
    end)

    it("has variables before and after", function()
        local answer = test({ Type = "Pass", QueryLanguage = "JSONata", Assign = { a = "{% $b + 1 %}" }, End = true },
            { inspectionLevel = "DEBUG", variables = { b = 2 } })
        assert.are.same({ input = {}, variables = { a = 3, b = 2 } }, data_of(answer))
    end)

    it("finds states inside of others", function()
        local machine = { StartAt = "A", States = { A = { Type = "Map", ItemProcessor = PASS, End = true } } }
        assert.are.same({ status = "SUCCEEDED", output = "{}" }, (test(machine, { stateName = "H" })))
        for _, name in ipairs { "Z", false } do
            local _, problem = test(machine, { stateName = name or nil })
            assert.are.equal("ValidationException", problem.code)
        end
    end)

    it("refuses what it cannot do without a mock", function()
        for _, resource in ipairs { "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "arn:aws:states:::states:startExecution.sync", "arn:aws:states:us-east-1:1:activity:a" } do
            local _, problem = test({ Type = "Task", Resource = resource, End = true }, { roleArn = "r" })
            assert.is_truthy(problem.message:find("when a mock is not specified", 1, true))
        end
        local _, problem = test({ Type = "Parallel", Branches = list(PASS), End = true }, {})
        assert.are.equal("State type 'Parallel' is not supported when a mock is not specified", problem.message)
    end)

    it("refuses requests that say nothing that can be used", function()
        local pass = { Type = "Pass", End = true }
        local function code(definition, request)
            return select(2, test(definition, request)).code
        end
        assert.are.equal("InvalidDefinition", code({ Type = "Pass" }))
        assert.are.equal("InvalidExecutionInput", code(pass, { input = "{" }))
        for _, request in ipairs { { variables = "[]" }, { context = "1" }, { stateName = "A" },
            { context = { Map = { Item = { Index = "0" } } } } } do
            assert.are.equal("ValidationException", code(pass, request))
        end
        assert.are.equal("ValidationException", code(TASK, { mock = {} }))
        assert.are.equal("ValidationException", code(TASK, { mock = { result = "text" } }))
    end)

    it("has a context object of its own, or the one that is given", function()
        local definition = { Type = "Task", Resource = "arn:aws:states:::sqs:sendMessage.waitForTaskToken", End = true,
            Parameters = { ["t.$"] = "$$.Task.Token" }, ResultSelector = { ["c.$"] = "$$" } }
        local request = { mock = { result = "1" }, input = { a = 1 }, roleArn = "r", inspectionLevel = "DEBUG",
            stateConfiguration = { retrierRetryCount = 2 } }
        local answer = test(definition, request)
        local context = json.decode(answer.output).c
        assert.are.same({ a = 1 }, context.Execution.Input)
        assert.are.same({ "r", "StateName", 2 }, { context.Execution.RoleArn, context.State.Name,
            context.State.RetryCount })
        assert.are.equal(context.Task.Token, data_of(answer).afterParameters.t)
        assert.is_truthy(context.Execution.Id:find("^arn:aws:states:us%-east%-1:123456789012:express:[^:]+:[^:]+$"))
        request.context = { Task = { Token = "own" } }
        answer = test(definition, request)
        assert.are.same({ c = request.context }, json.decode(answer.output))
    end)

    it("checks mocked results as the service's answers are", function()
        local function problem_of(resource, result, mode)
            local _, problem = test({ Type = "Task", Resource = "arn:aws:states:::" .. resource, End = true },
                { mock = { result = result, fieldValidationMode = mode } })
            return problem and problem.message:match "^Mock result schema validation error: (.*)$"
        end
        local cases = {
            { "s3:getObject", '{"DeleteMarker":1}', "Field 'DeleteMarker' must be a boolean" },
            { "aws-sdk:s3:getObject", '{"Metadata":{"a":1}}', "Field 'a' must be a string" },
            { "aws-sdk:s3:getObject", '{"Metadata":[]}', "Field 'Metadata' must be an object" },
            { "dynamodb:getItem", '{"Item":{"k":{"S":5}}}', "Field 'S' must be a string" },
            { "lambda:invoke", '{"Payload":5,"StatusCode":200,"More":1}' },
            { "lambda:invoke", '{"StatusCode":null}' },
            { "aws-sdk:lambda:getFunction", '{"Configuration":{"MemorySize":128,"Architectures":["x"]}}',
                "Field 'Architectures' is not an expected value" },
            { "aws-sdk:sfn:startExecution", '{"ExecutionArn":"a"}', "Required field 'StartDate' is missing" },
            { "states:startExecution", '{"ExecutionArn":"a"}', nil, "PRESENT" },
            { "states:startExecution", "{}", nil, "NONE" },
            { "states:startExecution.sync", "{}" },
            { "other:thing", "[1]" },
        }
        for _, case in ipairs(cases) do
            assert.are.equal(case[3], problem_of(case[1], case[2], case[4]))
        end
    end)

    it("is as an error of a task when the failing state inside is one", function()
        local task = { Type = "Task", Resource = "arn:aws:states:::lambda:invoke", End = true }
        local definition = { Type = "Map", End = true, ItemProcessor = { StartAt = "T", States = { T = task,
            P = { Type = "Pass", End = true } } }, Catch = list { ErrorEquals = list "States.TaskFailed", Next = "X" } }
        for name, status in pairs { T = "CAUGHT_ERROR", P = "FAILED" } do
            local answer = test(definition, { input = list(1), mock = { errorOutput = { error = "E" } },
                stateConfiguration = { errorCausedByState = name } })
            assert.are.equal(status, answer.status)
        end
        local _, problem = test(definition, { mock = { errorOutput = {} },
            stateConfiguration = { errorCausedByState = "Z" } })
        assert.are.equal("State 'Z' was not found", problem.message)
    end)

    it("does what is not mocked, and leaves nothing behind", function()
        local answer
        local definition = { Type = "Wait", Seconds = 5, Next = "B" }
        w:enter()
        w:module("flowhost.ctx.asl_test_state").run(params_of(definition), function(given)
            answer = given
        end)
        assert.is_nil(answer)
        w:pass(5001)
        assert.are.same({ status = "SUCCEEDED", output = "{}", nextState = "B" }, answer)
        assert.are.same({}, w:ids())
    end)
end)
