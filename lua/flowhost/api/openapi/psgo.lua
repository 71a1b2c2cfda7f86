-- SPDX-License-Identifier: MIT
-- OpenAPI: ps-go's own API. HTTP 200 always: data is in an envelope, and so is a refusal.

local shape = require "flowhost.api.openapi.shape"

local integer, list, object, or_null, partial, ref = shape.integer, shape.list, shape.object, shape.or_null,
    shape.partial, shape.ref
local text = shape.text

local TAG = "ps-go"
local PAGE = { "page", { type = "integer", minimum = 1 }, nil, true }
local COUNT = { "count", { type = "integer", minimum = 1, maximum = 50 }, nil, true }
local START, END = { "start", integer, "created later (unix s)" }, { "end", integer, "created earlier (unix s)" }

--- Data in its envelope, or a refusal.
local function answer(data)
    return { { status = 200, description = "code 200, or another code and the reason", schema = { anyOf = {
        object { code = { const = 200 }, msg = { const = "success" }, data = data }, ref "PsgoRefusal" } } } }
end

local DONE = answer { const = "" }

local function page_of(name)
    return answer(object { page = integer, count = integer, total = integer, list = list(ref(name)) })
end

local function body(properties, required)
    return { is_required = true, schema = partial(properties, required, true) }
end

--- Who does it: told by the caller, kept, and not believed.
local function with_operator(properties)
    properties.operator, properties.operator_id = text, integer
    return properties
end

local function documents(kind, name)
    local is_rule = kind == "rule"
    local needed = { "name", kind, "operator", "operator_id", is_rule and "method" or nil }
    local path = "/api/v1/" .. kind
    return {
        [path] = {
            get = { id = "psgoGet" .. name, summary = "A version: by version, else name, else id",
                query = { { "id", integer }, { "name", text }, is_rule and { "version", text } or nil,
                    is_rule and { "method", text } or nil }, answers = answer(ref("Psgo" .. name)) },
            post = { id = "psgoCreate" .. name, summary = "A new version", answers = DONE, body = body(with_operator {
                name = text, [kind] = text, method = is_rule and text or nil }, needed) },
            delete = { id = "psgoRemove" .. name, summary = "Remove a version that is not active", answers = DONE,
                body = body(with_operator { id = integer }, { "id", "operator", "operator_id" }) },
        },
        [path .. "/page"] = { get = {
            id = "psgoList" .. name .. "s", summary = "Versions, newest first",
            query = { PAGE, COUNT, { "name", text }, { "status", shape.boolean }, { "operator_id", integer }, START,
                END, is_rule and { "method", text } or nil }, answers = page_of("Psgo" .. name) } },
        [path .. "/switch_version"] = { put = {
            id = "psgoSwitch" .. name, summary = "Make a version the active one", answers = DONE,
            body = body(with_operator { id = integer }, { "id" }) } },
    }
end

local SECRET = { name = text, description = text, context = text }

local paths = {
    ["/check_healthy"] = { get = { id = "psgoIsAlive", summary = "Whether the host answers", answers = DONE } },
    ["/api/v1/secret"] = {
        get = { id = "psgoGetSecret", summary = "A secret, without its value",
            query = { { "id", integer }, { "name", text } }, answers = answer(ref "PsgoSecret") },
        post = { id = "psgoCreateSecret", summary = "A new secret", answers = DONE,
            body = body(with_operator(SECRET), { "name", "description", "context", "operator", "operator_id" }) },
        put = { id = "psgoChangeSecret", summary = "Another value of a secret", answers = DONE,
            body = body(with_operator { id = integer, name = text, description = text, context = text },
                { "id", "name", "description", "context", "operator", "operator_id" }) },
        delete = { id = "psgoRemoveSecret", summary = "Remove a secret", answers = DONE,
            body = body(with_operator { id = integer }, { "id", "operator", "operator_id" }) },
    },
    ["/api/v1/secret/page"] = { get = { id = "psgoListSecrets", summary = "Secrets, newest first",
        query = { PAGE, COUNT, { "name", text }, START, END }, answers = page_of "PsgoSecret" } },
    ["/api/v1/suspend"] = {
        get = { id = "psgoGetSuspended", summary = "A suspended run", query = { { "id", text }, { "trx", text } },
            answers = answer(ref "PsgoSuspended") },
        put = { id = "psgoEditSuspended", summary = "Change what it goes on with", answers = DONE, body = body({
            id = text, data = shape.anything, rule = {}, cur_step = integer, err_names = list(text) }, { "id" }) },
    },
    ["/api/v1/suspend/page"] = { get = { id = "psgoListSuspended", summary = "Suspended runs, newest first",
        query = { PAGE, COUNT, { "trx", text }, { "method", text }, { "path", text }, { "version", text },
            { "log_id", text }, START, END }, answers = page_of "PsgoSuspended" } },
    ["/api/v1/suspend/recover"] = { post = {
        id = "psgoRecover", summary = "Let it go on", body = body({ trx = text, data = shape.anything }, { "trx" }),
        answers = { { status = 200, description = "What a caller of the rule gets, without an envelope; or a refusal",
            schema = {} } },
    } },
    ["/api/v1/run_log"] = { get = { id = "psgoGetRunLog", summary = "The log of a rule's run",
        query = { { "trx", text, nil, true } }, answers = answer(ref "PsgoRunLog") } },
    ["/ps/{name}"] = {},
}
for _, kind in ipairs { { "rule", "Rule" }, { "script", "Script" } } do
    for path, item in pairs(documents(kind[1], kind[2])) do
        paths[path] = item
    end
end
for _, method in ipairs { "get", "post", "put", "patch", "delete" } do
    paths["/ps/{name}"][method] = {
        id = "psgoRun" .. method:gsub("^%l", string.upper), summary = "Run the active rule of this method and name",
        body = method ~= "get" and { schema = {} } or nil,
        answers = { { status = 200, description = "What the rule's response block says, or a refusal", schema = {},
            headers = { "Trx" } } },
    }
end

-- schemas ------------------------------------------------------------------------------------------

local function version_of(more)
    local properties = { id = integer, name = text, version = text, status = shape.boolean, operator = text,
        operator_id = integer, created_at = integer, updated_at = integer, deleted_at = { type = "null" } }
    local schema = object(properties)
    for name, value in pairs(more) do
        properties[name] = value
    end
    return schema
end

local SPAN = { start_datetime = or_null(text), end_datetime = or_null(text), run_time = or_null(text),
    error = or_null(text) }

local function logged(properties)
    for name, schema in pairs(SPAN) do
        properties[name] = schema
    end
    return object(properties)
end

local schemas = {
    PsgoRefusal = object { code = integer, msg = text, data = { type = "null" } },
    PsgoRule = version_of { method = text, rule = text },
    PsgoScript = version_of { script = text },
    PsgoSecret = partial({ id = integer, name = text, description = text, context = { const = "" }, operator = text,
        operator_id = integer, created_at = integer, updated_at = integer }, { "id", "name", "description" }, true),
    PsgoSuspended = partial({ id = text, trx = text, log_id = text, method = text, path = text, version = text,
        step = integer, cur_step = integer, err_code = text, err_msg = text, err_component = text,
        created_at = integer, rule = text, data = text }, { "id", "trx", "log_id", "method", "path", "version", "step",
        "cur_step", "err_code", "err_msg", "err_component", "created_at" }),
    PsgoRunLog = object { trx = text, method = text, path = text, version = text, log_id = text, step = integer,
        cur_step = integer, status = or_null(text), msg = { type = "string", contentMediaType = "application/json" } },
    RunLog = logged { version = text, log_id = or_null(text), trx = text, step = integer, cur_step = integer,
        request = {}, response = {}, status = or_null(text), resp_time = or_null(text), resp_datetime = or_null(text),
        step_logs = list(ref "LayerLog") },
    LayerLog = logged { step = integer, action_count = integer, component_logs = list(ref "ComponentLog") },
    ComponentLog = logged { step = integer, action = integer, name = text, version = or_null(text),
        retry_count = integer, input = {}, response = {}, is_skip = shape.boolean, is_cache = shape.boolean,
        ignore_error = shape.boolean, request_logs = list(ref "RequestLog") },
    RequestLog = logged { url = text, method = or_null(text), body = {}, resp_header = {}, resp_code = {},
        resp_body = {}, resp_cookies = {} },
}

return { tag = TAG, paths = paths, schemas = schemas }
