-- SPDX-License-Identifier: MIT
-- What stands for a service, a component or another flow in a test: how it is found, and what it answers.
--
-- An answer is a table { status, json | body, headers, delay } or { error, message, delay }, for components and flows
-- { value, delay } or { error, message, delay }; a function that makes one; or a list of answers, given one after the
-- other, the last one for good.

local failure = require "flowhost.testing.failure"
local parts = require "flowhost.testing.parts"

local json = parts.json

local M = {}

--- Answers that are no tables: nothing comes back; the folder's own flows answer.
M.NEVER = setmetatable({}, { __tostring = function() return "test.never" end })
M.SERVED = setmetatable({}, { __tostring = function() return "test.served" end })

local REQUEST_FIELDS = { status = "number", json = true, body = "string", headers = "table", delay = "number",
    error = "string", message = "string" }
local CALL_FIELDS = { value = true, delay = "number", error = "string", message = "string" }

local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true, OPTIONS = true,
    ["*"] = true }

local function check_answer(what, answer, fields, hint)
    if answer == M.NEVER or answer == M.SERVED or type(answer) == "function" then
        return
    elseif type(answer) ~= "table" then
        failure.raise("%s: the answer is a %s; give %s", what, type(answer), hint)
    elseif #answer > 0 then
        for _, one in ipairs(answer) do
            check_answer(what, one, fields, hint)
        end
        return
    end
    for name, value in pairs(answer) do
        local expected = fields[name]
        if not expected then
            failure.raise("%s: an answer has no field '%s'; give %s", what, tostring(name), hint)
        elseif expected ~= true and type(value) ~= expected then
            failure.raise("%s: %s of an answer must be a %s, not a %s", what, name, expected, type(value))
        end
    end
end

local REQUEST_HINT = "{ status = 200, json = ... }, { error = \"NETWORK\" }, a function(request) or a list of these"
local CALL_HINT = "{ value = ... }, { error = \"CODE\", message = ... }, a function(input) or a list of these"

--- "*" is any text, {name} one part of a path.
local function compile(pattern)
    local names = {}
    local text = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0"):gsub("%*", ".*"):gsub("{([%w_]+)}", function(name)
        names[#names + 1] = name
        return "([^/]+)"
    end)
    return "^" .. text .. "$", names
end

local Mock = {}
Mock.__index = Mock

--- Forgets what earlier cases did with it.
function Mock:reset()
    self.requests, self.inputs, self.times = {}, {}, 0
end

local function new(fields)
    local mock = setmetatable(fields, Mock)
    mock:reset()
    return mock
end

function M.new_request(method, url, answer)
    if type(method) ~= "string" or not METHODS[method:upper()] then
        failure.raise("test.mock_request: the method is '%s'; give \"GET\", \"POST\" ... or \"*\"", tostring(method))
    elseif type(url) ~= "string" or not (url:sub(1, 1) == "/" or url:find "://" or url:sub(1, 1) == "*") then
        failure.raise("test.mock_request: the url is '%s'; give a path \"/users/*\" or a whole url", tostring(url))
    elseif url:find("?", 1, true) then
        failure.raise "test.mock_request: the url has no query; look at request.query in a function instead"
    end
    check_answer("test.mock_request", answer, REQUEST_FIELDS, REQUEST_HINT)
    local pattern, names = compile(url)
    return new { kind = "request", method = method:upper(), url = url, pattern = pattern, names = names,
        answer = answer, is_path = url:sub(1, 1) == "/" }
end

---@param kind string  "component" or "flow"
function M.new_call(kind, name, answer)
    local what = "test.mock_" .. kind
    if type(name) ~= "string" or name == "" then
        failure.raise("%s: the name of a %s is expected", what, kind)
    end
    check_answer(what, answer, CALL_FIELDS, CALL_HINT)
    return new { kind = kind, name = name, answer = answer }
end

--- The parts of its url when the request is for this mock, else nil.
function Mock:match(request)
    if self.method ~= "*" and self.method ~= request.method then
        return nil
    end
    local found = { (self.is_path and request.path or request.url:match "^[^?#]*"):match(self.pattern) }
    if found[1] == nil then
        return nil
    end
    local params = {}
    for i, name in ipairs(self.names) do
        params[name] = found[i]
    end
    return params
end

--- The next answer in turn; a function is asked.
function Mock:next_answer(argument)
    self.times = self.times + 1
    local answer = self.answer
    if type(answer) == "table" and #answer > 0 then
        answer = answer[math.min(self.times, #answer)]
    end
    if type(answer) == "function" then
        answer = answer(argument)
        if self.kind == "request" then
            check_answer("the function of test.mock_request", answer, REQUEST_FIELDS, REQUEST_HINT)
        end
    end
    return answer
end

--- status, headers, body | code, detail: what the client of the host would have said.
function M.to_http(answer)
    if answer.error then
        return answer.error, answer.message or "mocked"
    end
    local headers, body = {}, answer.body or ""
    if answer.json ~= nil then
        local text, reason = json.encode(answer.json)
        if not text then
            failure.raise("test.mock_request: json of an answer %s", reason)
        end
        body, headers["content-type"] = text, "application/json"
    elseif answer.body then
        headers["content-type"] = "text/plain"
    end
    for name, value in pairs(answer.headers or {}) do
        headers[name:lower()] = tostring(value)
    end
    return answer.status or 200, headers, body
end

--- The newest of the lists' mocks that fits, and the parts of its url. Earlier lists win.
function M.find(lists, request)
    for _, list in ipairs(lists) do
        for i = #list, 1, -1 do
            local params = list[i].kind == "request" and list[i]:match(request)
            if params then
                return list[i], params
            end
        end
    end
end

return M
