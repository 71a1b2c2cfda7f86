-- SPDX-License-Identifier: MIT
-- Starting runs over HTTP: flows' own routes and POST /v1/flows/{name}/runs.
--
--   own route: input is { query, body, header, path, method, params }; the answer is the run's output (or ctx.response)
--   API:       input is the body; Idempotency-Key joins; Prefer: respond-async gives 202, wait=N gives it after N s

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local fields = require "flowhost.schema.fields"
local problem = require "flowhost.api.problem"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"
local token = require "flowhost.engine.token"
local view = require "flowhost.api.view"

local json, system, timer = core.json, core.system, core.timer

local M = { is_draining = false }

local JSON_HEADERS = { "Content-Type", "application/json", "Flowhost-Run", "" }

local function json_headers(run_id)
    JSON_HEADERS[4] = run_id
    return JSON_HEADERS
end

local function answer_response(request, run, answer)
    local headers = { "Flowhost-Run", run.id }
    local has_type = false
    if type(answer.headers) == "table" then
        for name, value in pairs(answer.headers) do
            headers[#headers + 1] = tostring(name)
            headers[#headers + 1] = tostring(value)
            has_type = has_type or tostring(name):lower() == "content-type"
        end
    end
    local body = answer.body
    if not has_type then
        headers[#headers + 1] = "Content-Type"
        headers[#headers + 1] = "application/json"
    elseif type(body) == "string" then
        return request:respond(answer.status, headers, body)
    end
    return request:respond(answer.status, headers, json.encode(body == nil and json.null or body))
end

--- What a caller who waited is told. `answer` is what ctx.response gave, if it did.
local function answer_caller(request, run, answer)
    if answer then
        return answer_response(request, run, answer)
    elseif run.status == "succeeded" then
        return request:respond(200, json_headers(run.id), run.output_json)
    end
    return problem.send_run(request, run, "/v1/flows/" .. run.flow)
end

--- Trace id of the caller (W3C traceparent, else trace-id), or nil.
local function trace_id_of(headers)
    local traceparent = headers.traceparent
    local id = traceparent and traceparent:lower():match "^%x%x%-(%x+)%-%x+%-%x%x"
    if id and #id == 32 then
        return id
    end
    local given = headers["trace-id"]
    return given and #given <= 64 and given:find "^[%w._-]+$" and given or nil
end

local function refuse_when_draining(request)
    if M.is_draining then
        problem.send(request, 503, "DRAINING", "the host is closing down and takes no new runs",
            { headers = { "Retry-After", "5" } })
        return true
    end
end

--- true and the body's value (nil for none and for null); false when it is not JSON and 400 was sent.
local function decode_body(request, body)
    if body == "" then
        return true, nil
    end
    local value, reason = json.decode(body)
    if value == nil then
        problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
        return false
    elseif value == json.null then
        return true, nil
    end
    return true, value
end

local function check_input(request, flow, input)
    local errors = flow.request and fields.check(flow.request, input)
    if errors then
        problem.send(request, 400, "INPUT_INVALID", errors[1].pointer .. ": " .. errors[1].message, { errors = errors })
        return false
    end
    return true
end

--- A flow's own route.
local function handle_route(flow, request, captures, method, path, body)
    if refuse_when_draining(request) then
        return
    end
    local is_json, value = decode_body(request, body)
    if not is_json then
        return
    end
    local headers = request:headers()
    local input = { query = request:query(), body = value, header = headers, path = path, method = method,
        params = captures }
    if not check_input(request, flow, input) then
        return
    end
    run_module.start {
        flow = flow, input = input, trace_id = trace_id_of(headers),
        waiter = function(run, answer)
            answer_caller(request, run, answer)
        end,
    }
end

--- The routes of a release's flows.
function M.routes_of(release, router)
    local routes = router.new_table()
    for _, flow in pairs(release.flows) do
        if flow.http then
            router.add_to(routes, flow.http.method, flow.http.path, function(...)
                return handle_route(flow, ...)
            end)
        end
    end
    return routes
end

local function answer_accepted(request, id)
    local row = rows.read(system.id_bytes(id))
    local body = row and view.run(row) or { id = id }
    request:respond(202, { "Content-Type", "application/json", "Location", "/v1/runs/" .. id, "Flowhost-Run", id },
        json.encode(body))
end

--- Answers once: with the outcome, or with 202 when the caller does not want to wait (longer).
local function new_waiter(request, prefer)
    local is_answered = false
    local handle
    local wait_s = prefer:match "wait=(%d+)"
    local waiter = function(run, answer)
        if not is_answered then
            is_answered = true
            if handle then
                handle:stop()
            end
            answer_caller(request, run, answer)
        end
    end
    local function give_up(id)
        if not is_answered then
            is_answered = true
            answer_accepted(request, id)
        end
    end
    local function watch(id)
        if wait_s and not is_answered then
            handle = timer.start(tonumber(wait_s) * 1000, token.new(function()
                give_up(id)
            end))
        end
    end
    return waiter, give_up, watch
end

--- The outcome of another run, wherever it is or was worked on: tell(run, answer).
local function ask_outcome(bytes, flow, tell)
    local id = system.id_text(bytes)
    remote.call(remote.owner(bytes), "outcome", { id = id }, function(outcome)
        outcome.flow, outcome.id = flow.name, id
        tell(outcome, outcome.answer)
    end)
end

local function conflict_error()
    return { code = "IDEMPOTENCY_CONFLICT",
        message = "this Idempotency-Key was used for this flow with another input" }
end

--- Another run has the key: this request is answered with that run's outcome.
local function join(request, flow, bytes, hash, input_hash, is_async)
    if hash ~= input_hash then
        local err = conflict_error()
        return problem.send(request, 409, err.code, err.message, { run = system.id_text(bytes) })
    elseif is_async then
        return answer_accepted(request, system.id_text(bytes))
    end
    ask_outcome(bytes, flow, function(outcome, answer)
        answer_caller(request, outcome, answer)
    end)
end

--- Another shard asks for the end of a run that is, or was, worked on here.
remote.on("outcome", function(arguments, reply)
    local function tell(run, answer)
        reply { status = run.status, output_json = run.output_json, error = run.error, answer = answer,
            was_refused = run.was_refused }
    end
    local live = run_module.live[arguments.id]
    if live then
        live.waiters[#live.waiters + 1] = tell
        return
    end
    local row = rows.read(system.id_bytes(arguments.id))
    if row then
        row.output_json = json.encode_stored(row.output)
        return tell(row)
    end
    tell { status = "unknown" }
end)

--- The first batch met the key taken by a run of another shard: everybody who waited for ours gets that one's outcome.
local function give_way(run, flow, key, input_hash, give_up, is_async)
    local bytes, hash = rows.read_idempotency(key)
    if hash ~= input_hash then
        return run_module.answer_all(run, nil, { id = system.id_text(bytes), flow = flow.name, status = "failed",
            error = conflict_error() })
    end
    if is_async then
        give_up(system.id_text(bytes))
    end
    ask_outcome(bytes, flow, function(outcome, answer)
        run_module.answer_all(run, answer, outcome)
    end)
end

local function start_by_key(request, flow, input, body, headers, key, is_async)
    local stored_key = flow.name .. "\0" .. key
    local input_hash = system.hash64(body)
    local live = run_module.by_key[stored_key]
    if live then
        return join(request, flow, live.bytes, live.idempotency.hash, input_hash, is_async)
    end
    local bytes, hash = rows.read_idempotency(stored_key)
    if bytes then
        return join(request, flow, bytes, hash, input_hash, is_async)
    end
    local waiter, give_up, watch = new_waiter(request, headers.prefer or "")
    local run = run_module.start {
        flow = flow, input = input, trace_id = trace_id_of(headers), waiter = waiter,
        idempotency = { key = stored_key, hash = input_hash },
        on_key_taken = function(run)
            give_way(run, flow, stored_key, input_hash, give_up, is_async)
        end,
    }
    return run, give_up, watch
end

local function check_key(request, flow, key)
    if flow.durable == "never" then
        problem.send(request, 422, "NOT_DURABLE",
            "an Idempotency-Key needs a durable flow; '" .. flow.name .. "' is durable = \"never\"")
        return false
    elseif #key > 255 then
        problem.send(request, 422, "KEY_TOO_LONG", "an Idempotency-Key has at most 255 bytes")
        return false
    end
    return true
end

--- POST /v1/flows/{name}/runs
function M.handle_api(request, captures, _, _, body)
    local flow = catalog.flow(captures.name)
    if not flow then
        return problem.send(request, 404, "NO_FLOW", ("no flow '%s'"):format(captures.name))
    elseif refuse_when_draining(request) then
        return
    end
    local is_json, input = decode_body(request, body)
    if not is_json or not check_input(request, flow, input) then
        return
    end
    local headers = request:headers()
    local prefer = headers.prefer or ""
    local is_async = prefer:find("respond-async", 1, true) ~= nil and flow.durable ~= "never"
    local key = headers["idempotency-key"]
    local run, give_up, watch
    if key then
        if not check_key(request, flow, key) then
            return
        end
        run, give_up, watch = start_by_key(request, flow, input, body, headers, key, is_async)
    else
        local waiter
        waiter, give_up, watch = new_waiter(request, prefer)
        run = run_module.start { flow = flow, input = input, trace_id = trace_id_of(headers), waiter = waiter }
    end
    if not run then
        return
    end
    if is_async then
        run_module.when_taken(run, function()
            give_up(run.id)
        end)
    else
        watch(run.id)
    end
end

return M
