-- SPDX-License-Identifier: MIT
-- http:invoke, what it sends; tasks whose parameters are of the wrong kind.
local executions = require "support.executions"

local json = executions.json

local function begin(service, parameters)
    local w = executions.new { m = { StartAt = "A", States = { A = { Type = "Task", End = true,
        Resource = "arn:aws:states:::" .. service, Parameters = parameters } } } }
    local request = w:play("m", {})
    return w, w:run(request.answered.headers["flowhost-run"])
end

local function sent(more)
    local parameters = { ApiEndpoint = "http://u/x", Method = "POST" }
    for name, value in pairs(more) do
        parameters[name] = value
    end
    local w, run = begin("http:invoke", parameters)
    return w.calls[1] or error(run.error.message)
end

describe("http:invoke", function()
    it("sends a body as it says", function()
        assert.equal('{"a":[1]}', sent { RequestBody = { a = json.array { 1 } } }.body)
        assert.equal("x", sent { RequestBody = "x" }.body)
    end)

    it("sends a form, each array in the format that it says", function()
        local body = { a = "x=y&z", list = json.array { 1, "b c" }, o = { k = true, n = json.null } }
        local bodies = { INDICES = "list%5B0%5D=1&list%5B1%5D=b%20c", BRACKETS = "list%5B%5D=1&list%5B%5D=b%20c",
            COMMAS = "list=1%2Cb%20c", REPEAT = "list=1&list=b%20c" }
        for format, list in pairs(bodies) do
            local call = sent { RequestBody = body, Transform = { RequestBodyEncoding = "URL_ENCODED",
                RequestEncodingOptions = { ArrayFormat = format } } }
            assert.equal("a=x%3Dy%26z&" .. list .. "&o%5Bk%5D=true&o%5Bn%5D=", call.body)
            assert.equal("application/x-www-form-urlencoded", call:header "Content-Type")
        end
        assert.equal("list%5B0%5D=1", sent { RequestBody = { list = json.array { 1 } },
            Transform = { RequestBodyEncoding = "URL_ENCODED" } }.body)
    end)

    it("sends headers of one text and of several", function()
        local call = sent { Headers = { A = json.array { "1", 2 }, B = true }, QueryParameters = { q = "1" } }
        assert.same({ "1,2", "true", "http://u/x?q=1" }, { call:header "A", call:header "B", call.url })
    end)
end)

describe("a task says what of its parameters is of the wrong kind:", function()
    local function cause(service, parameters)
        local _, run = begin(service, parameters)
        return run.error.data.error .. ": " .. run.error.data.cause
    end

    it("http:invoke", function()
        for _, name in ipairs { "Headers", "QueryParameters", "Transform", "Authentication" } do
            for _, value in ipairs { 1, "x", true, json.array { 1 } } do
                assert.equal(("States.Runtime: http:invoke: %s must be an object"):format(name),
                    cause("http:invoke", { ApiEndpoint = "http://u", Method = "GET", [name] = value }))
            end
            assert.equal("http://u/x", sent({ [name] = json.null }).url)
        end
    end)

    it("lambda:invoke", function()
        for _, name in ipairs { "", ":1", 5 } do
            assert.equal("States.Runtime: lambda:invoke needs FunctionName", cause("lambda:invoke",
                { FunctionName = name }))
        end
    end)

    it("states:startExecution", function()
        assert.equal('StepFunctions.InvalidNameException: Invalid Name: \'{"a":1}\'', cause("states:startExecution",
            { StateMachineArn = "arn:aws:states:us-east-1:1:stateMachine:m", Name = { a = 1 } }):match "^(.-) %(")
    end)
end)
