-- SPDX-License-Identifier: MIT
-- What the host's answers are made of, by name (DESIGN §7): components/schemas of the OpenAPI document.

local shape = require "flowhost.api.openapi.shape"

local any, boolean, enum, integer, list = shape.any, shape.boolean, shape.enum, shape.integer, shape.list
local number, object, or_null, partial, ref = shape.number, shape.object, shape.or_null, shape.partial, shape.ref
local run_id, text, time = shape.run_id, shape.text, shape.time

local M = {}

local function merged(...)
    local all = {}
    for _, properties in ipairs { ... } do
        for name, schema in pairs(properties) do
            all[name] = schema
        end
    end
    return all
end

local RUN = {
    id = run_id, flow = text, version = text, release = text, status = ref "RunStatus",
    durable = enum("always", "on_error", "never"), error = or_null(ref "Error"), created_at = time,
    started_at = or_null(time), ended_at = or_null(time), trace_id = text, attempt = integer, reason = or_null(text),
    tags = { type = "object", additionalProperties = text }, progress = or_null(ref "Progress"),
    waiting_for = or_null(ref "Waiting"), ending = or_null(text), time = ref "Account",
    parent = or_null(object { run = run_id, step = text }),
    forked_from = or_null(object { run = run_id, step = or_null(text) }),
}

M.RunStatus = enum("queued", "running", "waiting", "suspended", "succeeded", "failed", "broken", "cancelled",
    "timed_out")
M.Run = object(merged(RUN, { input = any, output = any }))
M.ListedRun = { description = "A run without input and output. Of a damaged one only id, and the status corrupt.",
    anyOf = { object(RUN), object { id = run_id, status = enum "corrupt" } } }
M.Error = partial({ code = text, message = text, retryable = boolean, cause = any, step = text, status = integer,
    data = any, stack = list(text) }, { "code", "message" }, true)
M.Progress = object { done = number, total = or_null(number), text = or_null(text) }
M.Waiting = partial({ kind = text, step = or_null(text), name = or_null(text), ["until"] = or_null(time),
    attempt = or_null(integer), child = or_null(run_id), error = any, others = or_null(integer) }, { "kind" }, true)
M.Account = object { lua_ms = number, commit_ms = number, network_ms = number, waiting_ms = number,
    total_ms = or_null(number) }

M.Step = object {
    path = text, kind = text, name = text,
    status = enum("succeeded", "failed", "running", "waiting", "suspended", "cancelled", "broken", "timed_out"),
    input = any, output = any, error = or_null(ref "Error"), attempts = integer, started_at = time,
    ended_at = or_null(time), ms = or_null(number), line = or_null(text), child = or_null(run_id), edited = boolean,
}
M.Entry = object {
    seq = integer, path = text, kind = text, name = text, line = or_null(text), state = text, attempts = integer,
    started_at = time, ended_at = or_null(time), arguments = or_null(text), value = any, extra = any,
}
M.Replay = object { run = run_id, items = list(shape.anything), ["end"] = text, divergence = any, error = any }
M.Why = object {
    run = run_id, flow = text, status = ref "RunStatus", kind = text, sentence = text, waiting = list(shape.anything),
    ["until"] = or_null(time), deadline = or_null(time), error = or_null(ref "Error"),
}
M.Snapshot = object {
    run = run_id, status = ref "RunStatus", layer = integer, names = or_null(list(text)), data = shape.anything,
    rule = any, is_rule_edited = boolean,
}
M.Divergence = partial({ run = run_id, flow = text, divergence = any, diverges = boolean, ["end"] = any,
    steps = integer, error = any }, { "run", "diverges" }, true)

M.Problem = partial({
    type = text, title = text, status = integer, code = text, detail = text, instance = text, run = run_id, step = text,
    errors = list(object { pointer = text, message = text }),
}, { "type", "title", "status", "code", "detail" }, true)

M.Flow = object {
    name = text, file = text, version = text, release = text, dialect = text, description = or_null(text),
    durable = enum("always", "on_error", "never"), on_error = enum("suspend", "fail"), http = or_null(text),
    enabled = boolean, pinned = boolean, newest_version = or_null(text), canary = or_null(shape.anything),
}
M.FlowProblem = partial({ file = text, line = integer, message = text }, { "file", "message" }, true)
M.FlowVersion = partial({ version = text, release = text, activated_at = or_null(time), weight = integer,
    active = boolean }, { "version", "release", "weight", "active" }, true)

M.Document = partial({
    id = integer, kind = enum("rule", "script"), name = text, method = or_null(text), version = text, active = boolean,
    operator = or_null(text), created_at = time, updated_at = time, text = text,
}, { "id", "kind", "name", "version", "active", "created_at", "updated_at" }, true)

M.Audit = object { at = time, actor = text, action = text, run = or_null(run_id), flow = or_null(text),
    reason = or_null(text), before = any, after = any }
M.Secret = object { name = text, description = or_null(text), key = or_null(text), created_at = time,
    updated_at = time }
M.Caller = object { name = text, role = text, kind = enum("session", "token", "app", "owner", "local"),
    app = or_null(text) }
M.Role = enum("viewer", "operator", "admin")
M.User = partial({ name = text, role = ref "Role", disabled = boolean, created_at = or_null(time) },
    { "name", "role" }, true)
M.Token = partial({ id = text, name = or_null(text), role = or_null(text), app = or_null(text),
    scopes = or_null(list(text)), created_at = or_null(time), expires_at = or_null(time), last_used_at = or_null(time),
    token = text }, { "id", "name", "app" }, true)
M.App = object { name = text, owner = or_null(text), eps = number, state = enum("pending", "accepted", "rejected"),
    members = list(text), description = or_null(text), created_at = or_null(time) }

return M
