-- SPDX-License-Identifier: MIT
-- OpenAPI: /v1/flows and /v1/releases.

local shape = require "flowhost.api.openapi.shape"

local list, object, partial, ref, text = shape.list, shape.object, shape.partial, shape.ref, shape.text
local or_null, integer = shape.or_null, shape.integer

local FLOW = { status = 200, description = "The flow as it is in force", schema = ref "Flow" }

local MACHINE = partial({ name = text, type = text, arn = text, is_file = shape.boolean, version = text,
    created_at = text, updated_at = text, definition = { type = "object" } },
    { "name", "type", "arn", "is_file", "version", "created_at", "updated_at" })

return { tag = "flows", paths = {
    ["/v1/flows"] = { get = {
        id = "listFlows", summary = "What is served, and files that could not be used",
        answers = { { status = 200, description = "All flows by name", schema = object { release = text,
            items = list(ref "Flow"), problems = list(ref "FlowProblem"), next = { type = "null" } } } },
    } },
    ["/v1/flows/{name}"] = { get = { id = "getFlow", summary = "A flow", answers = { FLOW } } },
    ["/v1/flows/{name}/runs"] = { post = {
        id = "startRun", summary = "Start a run",
        headers = {
            { "Prefer", text, "respond-async: 202 at once; wait=N: 202 after N seconds" },
            { "Idempotency-Key", { type = "string", maxLength = 255 }, "start it once" },
            { "traceparent", text, "the trace that the run belongs to" },
        },
        body = { schema = {}, description = "The input, any JSON; none is null" },
        answers = {
            { status = 200, description = "The output of the run, or what it passed to ctx.response", schema = {},
                headers = { "Flowhost-Run" } },
            { status = 202, description = "It has begun", schema = ref "Run",
                headers = { "Location", "Flowhost-Run" } },
        },
    } },
    ["/v1/machines"] = { get = {
        id = "listMachines", summary = "State machines, made by API or files",
        answers = { { status = 200, description = "All of them by name", schema = object { items = list(MACHINE),
            next = { type = "null" } } } },
    } },
    ["/v1/machines/{name}"] = {
        get = { id = "getMachine", summary = "A state machine with its definition",
            answers = { { status = 200, description = "The machine", schema = MACHINE } } },
        put = { id = "putMachine", summary = "Make a state machine, or change its definition",
            query = { { "type", { type = "string", enum = { "STANDARD", "EXPRESS" }, default = "STANDARD" } } },
            body = { is_required = true, schema = { type = "object" }, description = "The definition" },
            answers = { { status = 200, description = "It was changed", schema = MACHINE },
                { status = 201, description = "It was made", schema = MACHINE } } },
        delete = { id = "deleteMachine", summary = "Delete one that was made by API",
            answers = { { status = 204, description = "It is gone" } } },
    },
    ["/v1/flows/{name}/stats"] = { get = {
        id = "getFlowStats", summary = "What became of its newest runs",
        answers = { { status = 200, description = "Counts, and durations of the ended ones", schema = object {
            flow = text, runs = integer, is_all = shape.boolean, by_status = { type = "object",
                additionalProperties = integer }, durations = object { count = integer, p50_ms = or_null(integer),
                p95_ms = or_null(integer), max_ms = or_null(integer) } } } },
    } },
    ["/v1/flows/{name}/versions"] = { get = {
        id = "listFlowVersions", summary = "Versions of a flow, newest first",
        query = { { "limit", { type = "integer", minimum = 1, maximum = 200, default = 20 } }, { "cursor", text } },
        answers = { { status = 200, description = "A page", schema = shape.page(ref "FlowVersion") } },
    } },
    ["/v1/flows/{name}/activate"] = { post = {
        id = "activateFlow", summary = "Choose the version that new runs take, or that some of them take",
        body = { is_required = true, schema = partial({ release = text, version = text,
            weight = { type = "integer", minimum = 1, maximum = 99 } }, {}) },
        answers = { FLOW },
    } },
    ["/v1/flows/{name}/enable"] = { post = { id = "enableFlow", summary = "Let it start runs", answers = { FLOW } } },
    ["/v1/flows/{name}/disable"] = { post = {
        id = "disableFlow", summary = "Refuse new runs of it", answers = { FLOW } } },
    ["/v1/releases/check"] = { post = {
        id = "checkRelease", summary = "Which runs would go another way on these files",
        body = { is_required = true, schema = partial({ files = { type = "object", additionalProperties = text } },
            { "files" }) },
        answers = { { status = 200, description = "The report", schema = object { runs = shape.integer,
            diverging = list(shape.anything), problems = list(ref "FlowProblem") } } },
    } },
} }
