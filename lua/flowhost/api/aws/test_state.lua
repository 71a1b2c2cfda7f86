-- SPDX-License-Identifier: MIT
-- TestState: one state on its own (ctx/asl_test_state.lua).

local check = require "flowhost.api.aws.check"
local operations = require "flowhost.api.aws.operations"
local start = require "flowhost.api.aws.start"
local tests = require "flowhost.ctx.asl_test_state"

operations.add("TestState", {
    role = "operator", -- what is not mocked is really done
    takes = {
        definition = { "string", required = true, min = 1, max = 1048576 }, roleArn = { "string", min = 1, max = 256 },
        input = { "string" }, inspectionLevel = { "string", enum = { "INFO", "DEBUG", "TRACE" } },
        revealSecrets = { "boolean" }, variables = { "string" }, stateName = { "string", min = 1, max = 80 },
        mock = { "structure", fields = {
            result = { "string" }, fieldValidationMode = { "string", enum = { "STRICT", "PRESENT", "NONE" } },
            errorOutput = { "structure", fields = { error = { "string", max = 256 },
                cause = { "string", max = 32768 } } } } },
        context = { "string" }, stateConfiguration = { "structure", fields = {
            retrierRetryCount = { "integer", min = 0 }, errorCausedByState = { "string", min = 1, max = 80 },
            mapIterationFailureCount = { "integer", min = 0 }, mapItemReaderData = { "string" } } },
    },
    run = function(call)
        local problem = check.find_role_problem(call.params.roleArn)
        if problem then
            return call:refuse(problem)
        elseif start.is_refused(call, true) then
            return
        end
        tests.run(call.params, function(answer, refusal)
            if refusal then
                return call:refuse(refusal)
            end
            call:reply(answer)
        end)
    end,
})
