-- SPDX-License-Identifier: MIT
-- Parameters of the Step Functions API against their shapes; its calls in a host in memory.

local world = require "support.world"

local json = world.json

local ROLE = "arn:aws:iam::123456789012:role/r"
local ARN = "arn:aws:states:us-east-1:123456789012:"
local PASS = '{"StartAt":"P","States":{"P":{"Type":"Pass","Result":7,"End":true}}}'

--- Status and body of a call.
local function call(w, operation, params)
    local request = w:request("POST", "/", { headers = { ["x-amz-target"] = operation
        and "AWSStepFunctions." .. operation or nil }, body = params })
    w:settle()
    return request.status, json.decode(request.body)
end

describe("parameters", function()
    local w = world.new { files = {} }
    local check

    setup(function()
        w:enter()
        check = w:module "flowhost.api.aws.check"
    end)

    local function problem(takes, params)
        local found = check.find_problem(takes, json.decode(json.encode(params)))
        return found and found.message, found and found.code
    end

    it("are named with every constraint that they break", function()
        local takes = { name = { "string", required = true, max = 3 }, n = { "integer", min = 0, max = 5 } }
        assert.is_nil(problem(takes, { name = "abc", n = 5 }))
        assert.equal("1 validation error detected: Value null at 'name' failed to satisfy constraint: "
            .. "Member must not be null", problem(takes, { n = 1 }))
        assert.equal("2 validation errors detected: Value '6' at 'n' failed to satisfy constraint: Member must have "
            .. "value less than or equal to 5; Value 'abcd' at 'name' failed to satisfy constraint: Member must have "
            .. "length less than or equal to 3", problem(takes, { name = "abcd", n = 6 }))
    end)

    it("are absent when they are null, and what is not known is passed over", function()
        assert.is_nil(problem({ n = { "integer" } }, { n = json.null, other = true }))
    end)

    it("have characters as UTF-16 counts them", function()
        local takes = { name = { "string", max = 2 } }
        assert.is_nil(problem(takes, { name = "äö" }))
        assert.is_nil(problem(takes, { name = "\240\159\153\130" }))
        assert.is_string(problem(takes, { name = "a\240\159\153\130" }))
    end)

    it("of another type are told", function()
        local _, code = problem({ n = { "integer" } }, { n = "1" })
        assert.equal("SerializationException", code)
        _, code = problem({ list = { "list", of = { "string" } } }, { list = json.array { 1 } })
        assert.equal("SerializationException", code)
    end)

    it("are quoted as Java prints them", function()
        local takes = { tags = { "list", max = 1, of = check.TAGS.of } }
        assert.equal("1 validation error detected: Value '[Tag(key=a, value=b), Tag(key=c, value=null)]' at 'tags' "
            .. "failed to satisfy constraint: Member must have length less than or equal to 1",
            problem(takes, { tags = json.array { { key = "a", value = "b" }, { key = "c" } } }))
    end)

    it("are names without white space, brackets and signs that stand for something", function()
        for _, name in ipairs { "a", "a-b_c.d", "A+b=c@d!(1)'x" } do
            assert.is_true(check.is_name(name), name)
        end
        for char in ("\0\t <>{}[]?*\"#%\\^|~`$&,;:/\127\31"):gmatch "." do
            assert.is_false(check.is_name("a" .. char .. "b"), char)
        end
    end)
end)

describe("the Step Functions API", function()
    it("makes a machine and runs it", function()
        local w = world.new { files = {} }
        local status, made = call(w, "CreateStateMachine", { name = "m", definition = PASS, roleArn = ROLE })
        assert.equal(200, status, made.message)
        assert.equal(ARN .. "stateMachine:m", made.stateMachineArn)
        local _, started = call(w, "StartExecution", { stateMachineArn = made.stateMachineArn, name = "e" })
        assert.equal(ARN .. "execution:m:e", started.executionArn)
        local _, shown = call(w, "DescribeExecution", { executionArn = started.executionArn })
        assert.equal("SUCCEEDED", shown.status)
        assert.equal("7", shown.output)
    end)

    it("says what is no call", function()
        local w = world.new { files = {} }
        local status, body = call(w, nil, {})
        assert.equal(400, status)
        assert.equal("com.amazon.coral.service#UnknownOperationException", body.__type)
        status, body = call(w, "DescribeStateMachine", { stateMachineArn = "x" })
        assert.equal(400, status)
        assert.same({ __type = "com.amazonaws.states#InvalidArn", message = "Invalid Arn: 'Invalid ARN prefix: x'" },
            body)
    end)
end)
