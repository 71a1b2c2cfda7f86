-- SPDX-License-Identifier: MIT
-- What comes back to a virtual host: answers to its requests, results of its components, as the mocks say.
--
-- `host` here: mocks (lists, the one that wins first), requests, problems (what fails the test), replies, world.

local failure = require "flowhost.testing.failure"
local mock_module = require "flowhost.testing.mock"
local parts = require "flowhost.testing.parts"
local request_module = require "flowhost.testing.request"

local json = parts.json

local M = {}

local function add_unmocked(host, request)
    local line = (request.line or "") ~= "" and " at " .. request.line or ""
    local step = request.step and (" (step %s of %s)"):format(request.step, request.flow) or ""
    host.problems[#host.problems + 1] = failure.new(("%s %s, asked for%s%s, is not mocked; add\n"
        .. '    test.mock_request("%s", "%s", { json = { ... } })'):format(request.method, request.url, line, step,
        request.method, request.path))
end

--- An answer that takes its time, or none: the client gives up when its own time is over.
local function answer_later(world, call, delay_ms, ...)
    local status, headers, body = ...
    local limit = call.timeout_ms or math.huge
    if delay_ms >= limit then
        delay_ms = limit
        status, headers, body = "TIMEOUT", ("no answer within %g s"):format(limit / 1000), nil
    end
    if delay_ms < math.huge then
        world:after(delay_ms, function()
            if call.is_open then
                world:answer(call, status, headers, body)
            end
        end)
    end
end

--- Lets a flow of the folder answer, through its own route.
local function serve(world, call, request)
    local headers = {}
    for name, value in pairs(request.headers) do
        headers[name] = value
    end
    headers.host = nil
    call.inner = world:request(call.method, request.path, { headers = headers, query = request.query,
        body = call.body or "" })
    return false
end

local function served_answer(call)
    local answered = call.inner.answered
    if answered then
        return answered.status, answered.headers, answered.body
    end
end

--- What the world answers its calls with: called for each open call until there is something to say.
function M.of_request(host, call, world)
    if call.inner then
        return served_answer(call)
    elseif call.is_taken then
        return nil
    end
    call.is_taken = true
    local request = request_module.new(call)
    host.requests[#host.requests + 1] = request
    local mock, params = mock_module.find(host.mocks, request)
    if not mock then
        add_unmocked(host, request)
        return nil
    end
    request.params = params
    mock.requests[#mock.requests + 1] = request
    local answer = host.replies:of(call, function()
        return mock:next_answer(request)
    end, world)
    if answer == mock_module.SERVED then
        return serve(world, call, request)
    elseif answer == mock_module.NEVER then
        return answer_later(world, call, math.huge)
    elseif answer.delay then
        return answer_later(world, call, answer.delay * 1000, mock_module.to_http(answer))
    end
    local status, headers, body = mock_module.to_http(answer)
    if call.max_bytes and body and #body > call.max_bytes then
        return "TOO_LARGE", ("the answer has more than %d bytes"):format(call.max_bytes)
    end
    return status, headers, body
end

-- components ---------------------------------------------------------------------------------------

--- The outcome of a mock's function: what it returns; a table with a code that it raises is the component's error,
--- anything else is a mistake in the test.
local function call_function(host, fn, input)
    local ok, value = pcall(fn, input)
    if ok then
        return { value = value }
    elseif type(value) == "table" and not failure.is(value) and type(rawget(value, "code")) == "string" then
        return { error = value.code, message = tostring(value.message or value.code) }
    end
    host.problems[#host.problems + 1] = failure.from(value)
    return mock_module.NEVER
end

local function component_outcome(host, mock, input)
    local answer = mock.answer
    if type(answer) == "function" then
        mock.times = mock.times + 1
        return call_function(host, answer, input)
    end
    answer = mock:next_answer(input)
    return type(answer) == "function" and call_function(host, answer, input) or answer
end

--- code, text as the host expects it of a component of the program.
local function native_result(answer)
    if answer.error then
        return answer.error, answer.message or answer.error
    end
    local text, reason = json.encode(answer.value == nil and json.null or answer.value)
    if not text then
        return "NOT_JSON", "the mock returned what JSON cannot hold: " .. reason
    end
    return nil, text
end

--- A component as the program would have it: fn(input, done, call) -> code, text, or nothing and done is called later.
function M.of_component(host, mock)
    return function(input_json, done, call)
        local input = json.decode(input_json)
        if input == json.null then
            input = nil
        end
        mock.inputs[#mock.inputs + 1] = input == nil and json.null or input
        local answer = host.replies:of(call, function()
            return component_outcome(host, mock, input)
        end, host.world)
        if answer == mock_module.NEVER then
            return
        elseif answer.delay then
            return host.world:after(answer.delay * 1000, function()
                done(native_result(answer))
            end)
        end
        return native_result(answer)
    end
end

return M
