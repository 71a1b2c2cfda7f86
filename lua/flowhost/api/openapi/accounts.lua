-- SPDX-License-Identifier: MIT
-- OpenAPI: who may call: session, users, tokens, apps; and secrets.

local shape = require "flowhost.api.openapi.shape"

local list, object, partial, ref, text = shape.list, shape.object, shape.partial, shape.ref, shape.text

local PASSWORD = { type = "string", minLength = 8, maxLength = 1024 }
local EXPIRES = { type = "string", description = "such as 30d or 12h" }
local EPS = { type = "number", exclusiveMinimum = 0, maximum = 1e6, description = "starts a second" }
local SCOPE = { type = "string", maxLength = 200, description = "such as GET /v1/runs/*" }
local REMOVED = { { status = 204, description = "It is removed" } }

local function answer(status, schema, headers)
    return { { status = status, description = status == 201 and "It was made" or "As it is now", schema = schema,
        headers = headers } }
end

local function list_of(id, summary, name)
    return { id = id, summary = summary, answers = { { status = 200, description = "All of them",
        schema = shape.page(ref(name)) } } }
end

return { tag = "access", paths = {
    ["/v1/session"] = {
        post = { id = "login", summary = "Log in", body = { is_required = true, schema = object { name = text,
            password = text } }, answers = answer(200, object { name = text, role = ref "Role" }, { "Set-Cookie" }) },
        delete = { id = "logout", summary = "Log out", answers = { { status = 204, description = "It is over" } } },
    },
    ["/v1/me"] = { get = { id = "getCaller", summary = "Who I am", answers = answer(200, ref "Caller") } },
    ["/v1/users"] = {
        get = list_of("listUsers", "Users", "User"),
        post = { id = "createUser", summary = "A new user", answers = answer(201, ref "User"),
            body = { is_required = true, schema = partial({ name = text, password = PASSWORD, role = ref "Role" },
                { "name", "password", "role" }) } },
    },
    ["/v1/users/{name}"] = {
        patch = { id = "changeUser", summary = "Change a user", answers = answer(200, ref "User"),
            body = { is_required = true, schema = partial({ password = PASSWORD, role = ref "Role",
                disabled = shape.boolean }, {}) } },
        delete = { id = "removeUser", summary = "Remove a user", answers = REMOVED },
    },
    ["/v1/tokens"] = {
        get = list_of("listTokens", "Tokens, without their texts", "Token"),
        post = { id = "createToken", summary = "A new token; its text is in this answer only",
            answers = answer(201, ref "Token"), body = { is_required = true, schema = partial({ role = ref "Role",
                name = text, expires = EXPIRES, scopes = list(SCOPE) }, { "role" }) } },
    },
    ["/v1/tokens/{id}"] = { delete = { id = "removeToken", summary = "Remove a token", answers = REMOVED } },
    ["/v1/apps"] = {
        get = list_of("listApps", "Apps", "App"),
        post = { id = "createApp", summary = "A new app, pending", answers = answer(201, ref "App"),
            body = { is_required = true, schema = partial({ name = text, owner = text, eps = EPS, description = text,
                members = list(text) }, { "name" }) } },
    },
    ["/v1/apps/{name}"] = {
        get = { id = "getApp", summary = "An app", answers = answer(200, ref "App") },
        patch = { id = "changeApp", summary = "Change an app", answers = answer(200, ref "App"),
            body = { is_required = true, schema = partial({ owner = text, eps = EPS, description = text,
                members = list(text), state = shape.enum("pending", "accepted", "rejected") }, {}) } },
        delete = { id = "removeApp", summary = "Remove an app", answers = REMOVED },
    },
    ["/v1/apps/{name}/tokens"] = { post = {
        id = "createAppToken", summary = "A new token of an app; its text is in this answer only",
        answers = answer(201, ref "Token"), body = { schema = partial({ name = text, expires = EXPIRES,
            rotate = shape.boolean }, {}) },
    } },
    ["/v1/secrets"] = { get = list_of("listSecrets", "Secrets that were set by API, without their values", "Secret") },
    ["/v1/secrets/{name}"] = {
        put = { id = "putSecret", summary = "Set a secret", answers = answer(200, ref "Secret"),
            body = { is_required = true, schema = partial({ value = { type = "string", minLength = 1,
                maxLength = 262144 }, description = text }, { "value" }) } },
        delete = { id = "removeSecret", summary = "Remove a secret", answers = REMOVED },
    },
} }
