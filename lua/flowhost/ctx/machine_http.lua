-- SPDX-License-Identifier: MIT
-- http:invoke: an HTTP call as a task. Authentication names a secret whose value is the Authorization header: the last
-- name in ConnectionArn ("arn:aws:events:...:connection/NAME/UUID" or NAME).

local request = require "flowhost.ctx.request"
local secret = require "flowhost.ctx.secret"
local error_object = require "flowhost.engine.error"
local json = require("flowhost.core").json

local function fail(name, cause)
    error({ error = name, cause = cause, is_final = true }, 0)
end

local function headers_of(parameters)
    local headers = {}
    for name, value in pairs(parameters.Headers or {}) do
        headers[name] = type(value) == "table" and table.concat(value, ",") or tostring(value)
    end
    local connection = type(parameters.Authentication) == "table" and parameters.Authentication.ConnectionArn
    if connection then
        headers.Authorization = secret.secret(connection:match ":connection/([^/]+)" or connection)
    end
    return headers
end

local function form_of(body)
    local parts = {}
    for name, value in pairs(body) do
        parts[#parts + 1] = (name .. "=" .. tostring(value)):gsub("[^%w=._~-]", function(char)
            return ("%%%02X"):format(char:byte())
        end)
    end
    table.sort(parts)
    return table.concat(parts, "&")
end

local function options_of(call, parameters)
    local o = { url = parameters.ApiEndpoint, method = parameters.Method, headers = headers_of(parameters),
        query = parameters.QueryParameters, timeout = call.timeout_s or 60, raise = false, onlyData = false }
    local transform = parameters.Transform or {}
    if parameters.RequestBody ~= nil and transform.RequestBodyEncoding == "URL_ENCODED" then
        o.body = form_of(parameters.RequestBody)
        o.headers["Content-Type"] = "application/x-www-form-urlencoded"
    elseif type(parameters.RequestBody) == "string" then
        o.body = parameters.RequestBody
    elseif parameters.RequestBody ~= nil then
        o.json = parameters.RequestBody
    end
    return o
end

local function answer_of(answer)
    local headers = {}
    for name, value in pairs(answer.headers) do
        headers[name] = json.array { value }
    end
    return { Headers = headers, ResponseBody = answer.data == nil and "" or answer.data, StatusCode = answer.status }
end

local FAILURES = { TIMEOUT = "States.Http.Socket", NETWORK = "States.Http.Socket", TLS = "States.Http.Socket",
    NETWORK_REFUSED = "States.Http.Socket" }

--- The task of a call, see machine_task.lua.
return function(_, call)
    local parameters = type(call.input) == "table" and call.input or {}
    if type(parameters.ApiEndpoint) ~= "string" or type(parameters.Method) ~= "string" then
        fail("States.Runtime", "http:invoke needs ApiEndpoint and Method")
    end
    local options = options_of(call, parameters)
    if call.on.sent then
        call.on.sent(options)
    end
    local ok, answer = pcall(request.request, options)
    if not ok then
        if error_object.is(answer) and FAILURES[answer.code] and not answer.halt then
            fail(FAILURES[answer.code], answer.message)
        end
        error(answer, 0)
    end
    local result = answer_of(answer)
    if call.on.answered then
        call.on.answered(answer)
    end
    if answer.status >= 400 then
        fail("States.Http.StatusCode." .. answer.status, json.encode(result))
    end
    return result
end
