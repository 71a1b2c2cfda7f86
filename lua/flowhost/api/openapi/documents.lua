-- SPDX-License-Identifier: MIT
-- OpenAPI: /v1/documents, rules and scripts that were published.

local shape = require "flowhost.api.openapi.shape"

local partial, ref, text = shape.partial, shape.ref, shape.text

local function answer(status, description)
    return { { status = status, description = description, schema = status ~= 204 and ref "Document" or nil } }
end

return { tag = "documents", paths = {
    ["/v1/documents/{kind}"] = {
        get = {
            id = "listDocuments", summary = "Versions, newest first",
            query = { { "name", text }, { "method", text },
                { "limit", { type = "integer", minimum = 1, maximum = 200, default = 50 } }, { "cursor", text } },
            answers = { { status = 200, description = "A page, without texts", schema = shape.page(ref "Document") } },
        },
        post = {
            id = "publishDocument", summary = "A new version; the first of its name is active at once",
            body = { is_required = true, schema = partial({ name = text, method = text, text = {
                anyOf = { text, shape.anything }, description = "the text; a rule may be the object itself" },
            }, { "name", "text" }, true) },
            answers = answer(201, "The version"),
        },
    },
    ["/v1/documents/{kind}/{id}"] = {
        get = { id = "getDocument", summary = "A version with its text", answers = answer(200, "The version") },
        delete = { id = "removeDocument", summary = "Remove a version that is not active", answers = answer(204,
            "It is removed") },
    },
    ["/v1/documents/{kind}/{id}/activate"] = { post = {
        id = "activateDocument", summary = "Make it the version that new runs take", answers = answer(200,
            "The version") } },
} }
