-- SPDX-License-Identifier: MIT
-- OpenAPI: the host itself: health, this document, links of ctx.signal_url.

local shape = require "flowhost.api.openapi.shape"

local object, or_null, text = shape.object, shape.or_null, shape.text

local function plain(description)
    return { { status = 200, description = description, schema = text, type = "text/plain" } }
end

return { tag = "host", paths = {
    ["/healthz"] = { get = { id = "isAlive", summary = "Whether the host answers", answers = plain "It does" } },
    ["/readyz"] = { get = { id = "isReady", summary = "Whether it takes work", answers = plain "It does" } },
    ["/v1/openapi.json"] = { get = {
        id = "getOpenapi", summary = "This document",
        answers = { { status = 200, description = "OpenAPI 3.1", schema = shape.anything } },
    } },
    ["/v1/signals/{token}"] = {
        get = { id = "showLink", summary = "What a link of ctx.signal_url does",
            answers = { { status = 200, description = "Nothing was sent", schema = { type = "object", properties = {
                run = shape.run_id, signal = text, title = or_null(text), data = {}, method = text },
                required = { "run", "signal", "method" } } } } },
        post = { id = "useLink", summary = "Send the signal of a link", body = { schema = {},
            description = "The data, when the link has none of its own" }, answers = { { status = 202,
            description = "It was sent", schema = object { run = shape.run_id, signal = text } } } },
    },
} }
