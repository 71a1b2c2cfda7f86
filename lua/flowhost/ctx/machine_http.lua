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

--- A parameter that is an object; nil without it.
local function object_of(parameters, name)
    local value = parameters[name]
    if value == nil or value == json.null then
        return nil
    elseif type(value) ~= "table" or json.is_array(value) then
        fail("States.Runtime", ("http:invoke: %s must be an object"):format(name))
    end
    return value
end

--- The text of a value in a header or a form.
local function text_of(value)
    return type(value) == "table" and json.encode(value) or value == json.null and "" or tostring(value)
end

local function texts_of(list)
    local texts = {}
    for i = 1, #list do
        texts[i] = text_of(list[i])
    end
    return texts
end

local function headers_of(parameters)
    local headers = {}
    for name, value in pairs(object_of(parameters, "Headers") or {}) do
        headers[name] = json.is_array(value) and table.concat(texts_of(value), ",") or text_of(value)
    end
    local authentication = object_of(parameters, "Authentication")
    local connection = authentication and authentication.ConnectionArn
    if type(connection) == "string" then
        headers.Authorization = secret.secret(connection:match ":connection/([^/]+)" or connection)
    end
    return headers
end

--- How an array is written, by Transform.RequestEncodingOptions.ArrayFormat: adds to `form`.
local ARRAYS = {
    BRACKETS = function(form, name, list)
        form[name .. "[]"] = texts_of(list)
    end,
    COMMAS = function(form, name, list)
        form[name] = table.concat(texts_of(list), ",")
    end,
    REPEAT = function(form, name, list)
        form[name] = texts_of(list)
    end,
}

local function add_value(form, name, value, format)
    if type(value) ~= "table" then
        form[name] = text_of(value)
    elseif json.is_array(value) and ARRAYS[format] then
        ARRAYS[format](form, name, value)
    else -- INDICES; objects look the same
        for key, inner in pairs(value) do
            add_value(form, ("%s[%s]"):format(name, json.is_array(value) and key - 1 or key), inner, format)
        end
    end
end

local function form_of(body, transform)
    local options = object_of(transform, "RequestEncodingOptions") or {}
    local form = {}
    for name, value in pairs(body) do
        add_value(form, name, value, options.ArrayFormat)
    end
    return form
end

local function options_of(call, parameters)
    local o = { url = parameters.ApiEndpoint, method = parameters.Method, headers = headers_of(parameters),
        query = object_of(parameters, "QueryParameters"), timeout = call.timeout_s or 60, raise = false,
        onlyData = false }
    local transform = object_of(parameters, "Transform") or {}
    if parameters.RequestBody ~= nil and transform.RequestBodyEncoding == "URL_ENCODED" then
        o.form = form_of(object_of(parameters, "RequestBody") or {}, transform)
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
