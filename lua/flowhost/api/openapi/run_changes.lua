-- SPDX-License-Identifier: MIT
-- OpenAPI: what is done to runs, and the audit of it.

local shape = require "flowhost.api.openapi.shape"

local any, anything, enum, integer, list = shape.any, shape.anything, shape.enum, shape.integer, shape.list
local object, partial, ref, run_id, text = shape.object, shape.partial, shape.ref, shape.run_id, shape.text

local RUN_HEADERS = { "Location", "Flowhost-Run" }
local STEPS = { type = "object", additionalProperties = object { output = any } }
local FILTER = partial({ flow = text, status = ref "RunStatus", tag = text, since = shape.time,
    ["until"] = shape.time }, {})

local function taken(description)
    return { status = 202, description = description, schema = ref "Run" }
end

local function bulk(id, summary, fields)
    fields.filter, fields.reason = FILTER, text
    return { post = { id = id, summary = summary, body = { is_required = true, schema = partial(fields, { "filter" }) },
        answers = { { status = 202, description = "The run that does it", schema = ref "Run", headers = RUN_HEADERS } },
    } }
end

return { tag = "changing runs", paths = {
    ["/v1/runs/{id}/recover"] = { post = {
        id = "recoverRun", summary = "Let a suspended run go on, perhaps after edits",
        body = { schema = partial({
            value = any, steps = STEPS, input = any, data = anything, from = text, reason = text,
            release = enum("pinned", "active"), dry_run = shape.boolean, layer = integer, names = list(text),
            rule = any,
        }, {}) },
        answers = { { status = 200, description = "What it would do (dry_run)", schema = ref "Divergence" },
            taken "It goes on" },
    } },
    ["/v1/runs/{id}/cancel"] = { post = {
        id = "cancelRun", summary = "End a run", body = { schema = partial({ reason = text }, {}) },
        answers = { taken "It was ended, or its compensations run" },
    } },
    ["/v1/runs/{id}/redrive"] = { post = {
        id = "redriveRun", summary = "Let a run of a state machine go on that has ended badly",
        body = { schema = partial({ reason = text }, {}) }, answers = { taken "It goes on" },
    } },
    ["/v1/runs/{id}/fork"] = { post = {
        id = "forkRun", summary = "A new run from a prefix of another",
        body = { schema = partial({ from = text, input = any, steps = STEPS, data = anything,
            allow_effects = shape.boolean, reason = text }, {}) },
        answers = { { status = 201, description = "The new run", schema = ref "Run", headers = RUN_HEADERS } },
    } },
    ["/v1/runs/{id}/signal/{name}"] = { post = {
        id = "signalRun", summary = "Send data to a run",
        headers = { { "Idempotency-Key", { type = "string", maxLength = 255 }, "count it once" } },
        body = { schema = {}, description = "The data, any JSON; none is null" },
        answers = { { status = 202, description = "It is on disk", schema = object { run = run_id, signal = text,
            repeated = shape.boolean } } },
    } },
    ["/v1/runs/{id}/snapshot"] = {
        get = { id = "getSnapshot", summary = "Where a run of a rule stands",
            answers = { { status = 200, description = "Layer, names and data", schema = ref "Snapshot" } } },
        put = { id = "editSnapshot", summary = "Change where a suspended run of a rule stands",
            body = { is_required = true, schema = partial({ data = anything, layer = integer, names = list(text),
                rule = any, reason = text }, {}) },
            answers = { { status = 200, description = "As it is now", schema = ref "Snapshot" } } },
    },
    ["/v1/runs/recover"] = bulk("recoverRuns", "Recover all runs that a filter finds",
        { release = enum("pinned", "active"), from = text, value = any, data = anything }),
    ["/v1/runs/cancel"] = bulk("cancelRuns", "Cancel all runs that a filter finds", {}),
    ["/v1/runs/import"] = { post = {
        id = "importRun", summary = "Take in a run that was exported", body = { is_required = true, schema = anything },
        answers = { { status = 201, description = "It is here", schema = ref "Run", headers = { "Location" } } },
    } },
    ["/v1/audit"] = { get = {
        id = "listAudit", summary = "What was changed by hand, newest first",
        query = { { "run", run_id }, { "limit", { type = "integer", minimum = 1, maximum = 1000, default = 50 } },
            { "cursor", text } },
        answers = { { status = 200, description = "A page", schema = shape.page(ref "Audit") } },
    } },
} }
