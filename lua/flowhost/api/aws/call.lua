-- SPDX-License-Identifier: MIT
-- One request of the Step Functions API and its answer: AWS JSON 1.0.
--
--   call: request, operation (name), params (checked, null left out), actor, arns (dialect/asl/arn.lua)

local core = require "flowhost.core"
local uuid = require "flowhost.engine.uuid"

local json = core.json

local M = {}

local CONTENT_TYPE = "application/x-amz-json-1.0"
local PREFIX = "com.amazonaws.states#"
local DEEP = { max_depth = 192 }

--- What every AWS service has beside its own errors.
local COMMON = { SerializationException = true, UnknownOperationException = true, AccessDeniedException = true,
    MissingAuthenticationTokenException = true, UnrecognizedClientException = true,
    IncompleteSignatureException = true, InvalidSignatureException = true, ThrottlingException = true,
    InternalFailure = true, ServiceUnavailable = true, ValidationException = true }

local STATUSES = { InternalFailure = 500, ServiceUnavailable = 503 }

local class = { __index = {} }
local Call = class.__index

function M.new(request, operation, o)
    return setmetatable({ request = request, operation = operation, arns = o.arns, actor = o.actor,
        id = uuid() }, class)
end

local function send(call, status, text)
    if not call.is_answered then
        call.is_answered = true
        call.request:respond(status, { "Content-Type", CONTENT_TYPE, "x-amzn-RequestId", call.id }, text)
    end
end

--- Answers with an object; nil: with an empty one.
function Call:reply(value)
    if value == nil or next(value) == nil then
        return send(self, 200, "{}")
    end
    local text, reason = json.encode(value, DEEP)
    if not text then
        return self:fail("InternalFailure", "the answer cannot be written: " .. tostring(reason))
    end
    send(self, 200, text)
end

--- Answers with an error of Step Functions ("InvalidArn") or of any AWS service.
function Call:fail(code, message)
    local kind = (COMMON[code] and code ~= "ValidationException" and "com.amazon.coral.service#"
        or PREFIX) .. code
    send(self, STATUSES[code] or 400, json.encode { __type = kind, message = message })
end

--- Answers with a problem { code, message }.
function Call:refuse(problem)
    return self:fail(problem.code, problem.message)
end

--- A time as the API shows it: seconds since 1970 with a fraction.
---@param ms number
function M.time(ms)
    return ms / 1000
end

return M
