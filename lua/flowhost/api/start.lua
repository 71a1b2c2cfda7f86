-- SPDX-License-Identifier: MIT
-- Starting runs over HTTP: flows' own routes and POST /v1/flows/{name}/runs.
--
--   own route: input is { query, body, header, path, method, params }, with `raw` also raw: the body as it came; the
--              answer is the run's output (or ctx.response)
--   API:       input is the body; Idempotency-Key joins; Prefer: respond-async gives 202, wait=N gives it after N s

local access = require "flowhost.api.access"
local core = require "flowhost.core"
local admission = require "flowhost.engine.admission"
local caller_module = require "flowhost.api.caller"
local catalog = require "flowhost.engine.catalog"
local fields = require "flowhost.schema.fields"
local key = require "flowhost.api.key"
local problem = require "flowhost.api.problem"
local run_module = require "flowhost.engine.run"

local json = core.json

local M = { is_draining = false }

--- Trace id of the caller (W3C traceparent, else trace-id), or nil.
function M.trace_id_of(headers)
    local traceparent = headers.traceparent
    local id = traceparent and traceparent:lower():match "^%x%x%-(%x+)%-%x+%-%x%x"
    if id and #id == 32 then
        return id
    end
    local given = headers["trace-id"]
    return given and #given <= 64 and given:find "^[%w._-]+$" and given or nil
end

function M.refuse_when_draining(request)
    if M.is_draining then
        problem.send(request, 503, "DRAINING", "the host is closing down and takes no new runs",
            { headers = { "Retry-After", "5" } })
        return true
    end
end

--- Whether the run of a caller has to stand in line: nil after 503 was sent to one who would wait.
function M.admit(request, is_async)
    if not is_async and admission.is_full() then
        problem.send(request, 503, "BUSY", "the host works on as many runs as it may (max_running); come again, or "
            .. "send Prefer: respond-async to be queued", { headers = { "Retry-After", "1" } })
        return nil
    end
    return is_async and admission.must_queue()
end

--- true and the body's value (nil for none, for null and, if `may_be_other`, for what is no JSON); false when it is not
--- JSON and 400 was sent.
local function decode_body(request, body, may_be_other)
    if body == "" then
        return true, nil
    end
    local value, reason = json.decode(body)
    if value == nil and not may_be_other then
        problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
        return false
    elseif value == json.null then
        return true, nil
    end
    return true, value
end

local function check_input(request, flow, input)
    local errors = flow.request and fields.check(flow.request, input, json)
    if errors then
        for _, err in ipairs(errors) do
            err.path = nil -- the pointer says it
        end
        local pointer, message = errors[1].pointer, errors[1].message
        problem.send(request, 400, "INPUT_INVALID", (pointer == "" and "the input " or pointer .. ": ") .. message,
            { errors = errors })
        return false
    end
    return true
end

--- Headers that prove who the caller is do not belong into a journal: a flow gets one only if its request block names
--- it.
local CREDENTIALS = { "authorization", "proxy-authorization", "cookie" }

local function remove_credentials(headers, flow)
    local declared = {}
    for name in pairs(flow.request and flow.request.header or {}) do
        declared[name:lower()] = true
    end
    for _, name in ipairs(CREDENTIALS) do
        if not declared[name] then
            headers[name] = nil
        end
    end
end

--- The flow that a new run of this name takes; nil when there is none and the caller was told.
local function find_flow(request, name)
    local flow, code, detail = catalog.take(name)
    if not flow then
        problem.send(request, code == "NO_FLOW" and 404 or 409, code, detail)
    end
    return flow
end

--- A flow's own route.
local function handle_route(name, request, captures, method, path, body)
    local flow = find_flow(request, name)
    if not flow or M.refuse_when_draining(request) then
        return
    end
    local is_json, value = decode_body(request, body, flow.raw)
    if not is_json then
        return
    end
    local headers = request:headers()
    local input = { query = request:query(), body = value, header = headers, path = path, method = method,
        params = captures, raw = flow.raw and body or nil }
    local trace_id = M.trace_id_of(headers)
    remove_credentials(headers, flow)
    if not check_input(request, flow, input) then
        return
    end
    if M.admit(request, false) == nil then
        return
    end
    run_module.start {
        flow = flow, input = input, trace_id = trace_id,
        waiter = function(run, answer)
            caller_module.send(request, run, answer)
        end,
    }
end

--- The routes of a release's flows.
---@param serve_rule fun(flow_name: string, request: table, body: string)   rules answer in their own way
function M.routes_of(release, router, serve_rule)
    local routes = router.new_table()
    local names = {}
    for name in pairs(release.flows) do
        names[#names + 1] = name
    end
    table.sort(names) -- where patterns overlap, the first one matches: on every shard the same
    for _, name in ipairs(names) do
        local flow = release.flows[name]
        if flow.http then
            local is_rule = flow.rule ~= nil
            router.add_to(routes, flow.http.method, flow.http.path, function(request, captures, method, path, body)
                if is_rule then
                    return serve_rule(name, request, body)
                end
                return handle_route(name, request, captures, method, path, body)
            end)
        end
    end
    return routes
end

local function check_key(request, flow, name)
    if flow.durable == "never" then
        problem.send(request, 422, "NOT_DURABLE",
            "an Idempotency-Key needs a durable flow; '" .. flow.name .. "' is durable = \"never\"")
        return false
    elseif #name > 255 then
        problem.send(request, 422, "KEY_TOO_LONG", "an Idempotency-Key has at most 255 bytes")
        return false
    end
    return true
end

local function start(flow, input, trace_id, caller, is_queued)
    local run = run_module.start {
        flow = flow, input = input, trace_id = trace_id, is_queued = is_queued, tags = caller.tags,
        is_written = caller.is_async or caller.wait_s ~= nil,
        waiter = function(run, answer)
            caller_module.answer(caller, run, answer)
        end,
    }
    if caller.is_async or caller.wait_s then
        run_module.when_taken(run, function()
            caller_module.follow(caller, run.id)
            if caller.is_async then
                run.waiters = {} -- it has been told all it asked for; the run may be parked for years
            end
        end)
    end
end

--- POST /v1/flows/{name}/runs
function M.handle_api(request, captures, _, _, body)
    local flow = find_flow(request, captures.name)
    if not flow or M.refuse_when_draining(request) then
        return
    end
    local is_json, input = decode_body(request, body)
    if not is_json or not check_input(request, flow, input) then
        return
    end
    local headers = request:headers()
    local caller = caller_module.new(request, flow, headers)
    caller.tags = access.tags(request)
    local trace_id = M.trace_id_of(headers)
    local name = headers["idempotency-key"]
    local is_queued = M.admit(request, caller.is_async)
    if is_queued == nil then
        return
    elseif not name then
        return start(flow, input, trace_id, caller, is_queued)
    elseif check_key(request, flow, name) then
        key.start { caller = caller, flow = flow, input = input, trace_id = trace_id, key = name, body = body,
            is_queued = is_queued }
    end
end

return M
