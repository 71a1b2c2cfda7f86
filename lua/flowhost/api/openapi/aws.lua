-- SPDX-License-Identifier: MIT
-- OpenAPI: the API of AWS Step Functions, whose operations lie behind one route. AWS publishes what each takes.

local shape = require "flowhost.api.openapi.shape"

local TYPE = "application/x-amz-json-1.0"

return {
    tag = "AWS Step Functions",
    paths = { ["/"] = { post = {
        id = "awsStepFunctions", summary = "An operation of AWS Step Functions, proved by a signature of version 4",
        headers = { { "X-Amz-Target", { type = "string", pattern = "^AWSStepFunctions\\.\\w+$" }, "the operation",
            true } },
        body = { schema = shape.anything, description = "what the operation takes", type = TYPE, is_required = true },
        answers = {
            { status = 200, description = "What the operation answers", schema = shape.anything, type = TYPE,
                headers = { "x-amzn-RequestId" } },
            { status = 400, description = "A refusal", schema = shape.ref "AwsRefusal", type = TYPE },
        },
    } } },
    schemas = { AwsRefusal = shape.object { __type = shape.text, message = shape.text } },
}
