-- SPDX-License-Identifier: MIT
-- The API of AWS Step Functions on POST / (docs/reference/aws.md): AWS JSON 1.0, the operation in X-Amz-Target.

local access = require "flowhost.api.access"
local call_module = require "flowhost.api.aws.call"
local check = require "flowhost.api.aws.check"
local core = require "flowhost.core"
local machines = require "flowhost.engine.machines"
local operations = require "flowhost.api.aws.operations"
local signature = require "flowhost.api.aws.signature"

require "flowhost.api.aws.activities"
require "flowhost.api.aws.aliases"
require "flowhost.api.aws.executions"
require "flowhost.api.aws.history"
require "flowhost.api.aws.machines"
require "flowhost.api.aws.map_runs"
require "flowhost.api.aws.start"
require "flowhost.api.aws.tags"
require "flowhost.api.aws.test_state"
require "flowhost.api.aws.versions"

local json = core.json

local M = {}

--- The parameters of a body; nil, problem.
local function read(body)
    if body == "" then
        return {}
    end
    local params, reason = json.decode(body)
    if params == nil then
        return nil, { code = "SerializationException", message = "the body is not JSON: " .. reason }
    elseif type(params) ~= "table" or json.is_array(params) then
        return nil, { code = "SerializationException", message = "the body must be a JSON object" }
    end
    return params
end

local function perform(call, operation, body)
    local params, problem = read(body)
    problem = problem or check.find_problem(operation.takes, params)
    if problem then
        return call:refuse(problem)
    end
    call.params, call.body = params, body
    operation.run(call)
end

--- The operation that a header names; nil after an answer.
local function operation_of(call, target)
    local name = target and target:match "^AWSStepFunctions%.(%w+)$"
    local operation = name and operations.get(name)
    if operation then
        call.operation = name
        return operation
    elseif not target then
        call:fail("UnknownOperationException", "the header X-Amz-Target is missing: AWSStepFunctions.OPERATION")
    else
        call:fail("UnknownOperationException", ("there is no operation '%s'"):format(target:sub(1, 100)))
    end
end

function M.handle(request, _, method, path, body)
    local headers = request:headers()
    local call = call_module.new(request, nil, { arns = machines.arns })
    local operation = operation_of(call, headers["x-amz-target"])
    if not operation then
        return
    end
    signature.gate(call, { role = operation.role, method = method, path = path, headers = headers, body = body },
        function()
            call.actor = access.actor(request)
            perform(call, operation, body)
        end)
end

function M.add_routes(router)
    router.add("POST", "/", M.handle, { role = "none" })
end

return M
