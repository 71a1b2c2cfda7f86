-- SPDX-License-Identifier: MIT
-- Rules over HTTP: METHOD /ps/NAME, and the route that a rule names itself. The answer is HTTP 200 with what the rule's
-- response block says, also when the run did not succeed; the header Trx is the run's id (SEEDS 1.4, 1.9, 1.16).
--
-- Documents that were published come before files of the folder.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local fields = require "flowhost.schema.fields"
local run_module = require "flowhost.engine.run"
local start = require "flowhost.api.start"
local token = require "flowhost.engine.token"
local xml = require "flowhost.codec.xml"

local json, timer = core.json, core.timer

local M = {}

local LIMIT_MS = 60000 -- a caller does not wait longer
local SETTLE_MS = 1000 -- nor, once a component has failed, for the others of its layer
local PREFIX = "/ps/"
local PUBLISHED = "^ps/"
local BODY_ERROR = '{"code":500,"msg":"the answer cannot be written"}'
local DEEP = { max_depth = 192 }

local rules = {} -- method -> name -> name of the flow

--- Serves the rules among these flows from now on.
---@param flows table<string, table>
function M.set_flows(flows)
    rules = {}
    for flow_name, flow in pairs(flows) do
        if flow.rule then
            local of_method = rules[flow.rule.method] or {}
            rules[flow.rule.method] = of_method
            local name = flow.rule.name or flow_name
            if not of_method[name] or flow_name:find(PUBLISHED) then
                of_method[name] = flow_name
            end
        end
    end
end

-- what comes in ------------------------------------------------------------------------------------

local function to_object(value)
    return type(value) == "table" and not json.is_array(value) and value or {}
end

local BODY_READERS = {
    json = function(body)
        return to_object(json.decode(body))
    end,
    xml = function(body)
        return to_object(xml.decode(body))
    end,
}

--- Only the headers that the rule declares.
local function declared_headers(request_block, headers)
    local own = {}
    for name in pairs(request_block and request_block.header or {}) do
        local value = headers[name:lower()]
        own[name] = value ~= "" and value or nil
    end
    return own
end

local function input_of(flow, request, headers, body)
    local read = BODY_READERS[flow.rule.type]
    return { query = request:query(), body = read and body ~= "" and read(body) or {},
        header = declared_headers(flow.request, headers) }
end

-- what goes out ------------------------------------------------------------------------------------

local function send_error(request, code, message)
    request:respond(200, { "Content-Type", "application/json" },
        json.encode { code = code, msg = message, data = json.null })
end

--- What a rule's own headers cannot change.
local OWN_HEADERS = { trx = true, ["flowhost-run"] = true, date = true, ["content-length"] = true,
    ["transfer-encoding"] = true, connection = true }

local WRITERS = {
    json = function(_, body)
        return "application/json", json.encode(body == nil and json.null or body, DEEP) or BODY_ERROR
    end,
    xml = function(response, body)
        return "application/xml", xml.encode(response.xml_name or "xml", body == nil and json.null or body) or ""
    end,
    text = function(_, body)
        if body == nil or body == json.null then
            return "text/plain; charset=utf-8", ""
        elseif type(body) == "table" then
            return "text/plain; charset=utf-8", json.encode(body, DEEP) or ""
        end
        return "text/plain; charset=utf-8", tostring(body)
    end,
}

--- A run that ended without an answer of the rule's: a limit, a full disk.
local function answer_without(run)
    local err = run.error or {}
    return { body = { code = run.was_refused and 100004 or "110000", msg = err.message or tostring(run.status) } }
end

--- How a flow's rule answers.
function M.response_of(flow)
    return flow and flow.rule and flow.rule.response or { type = "json" }
end

--- Sends what a run answered: `answer`, or what it left at its end.
---@param response table  of the rule
function M.send(request, response, run, answer)
    answer = answer or run.answer or answer_without(run)
    local content_type, text = (WRITERS[response.type] or WRITERS.json)(response, answer.body)
    local headers = { "Trx", run.id, "Flowhost-Run", run.id }
    for name, value in pairs(answer.headers or {}) do
        if name:lower() == "content-type" then
            content_type = value
        elseif not OWN_HEADERS[name:lower()] then
            headers[#headers + 1] = name
            headers[#headers + 1] = value
        end
    end
    headers[#headers + 1] = "Content-Type"
    headers[#headers + 1] = content_type
    request:respond(200, headers, text)
end

--- Tells a caller once: what the run says, or that it takes too long. The run goes on.
local function new_caller(request, flow)
    local caller = { is_answered = false }
    local waiting, handle
    local function stop_waiting()
        if handle then
            token.drop(waiting)
            handle:stop()
        end
    end
    function caller.tell(run, answer)
        if caller.is_answered then
            return
        end
        caller.is_answered = true
        stop_waiting()
        M.send(request, flow.rule.response, run, answer)
    end
    --- Soon: whoever looks at the run behind its answer then finds it where it stands, as a rule.
    function caller.tell_failure(run, answer)
        if caller.is_answered then
            return
        end
        stop_waiting()
        waiting = token.new(function()
            caller.tell(run, answer)
        end)
        handle = timer.start(SETTLE_MS, waiting)
        caller.is_failing = true
    end
    function caller.begin_waiting(run)
        if caller.is_answered or caller.is_failing then
            return
        end
        waiting = token.new(function()
            caller.is_answered = true
            request:respond(500, { "Content-Type", "application/json", "Trx", run.id, "Flowhost-Run", run.id },
                '{"code":500,"msg":"Internal Server Timeout"}')
        end)
        handle = timer.start(LIMIT_MS, waiting)
    end
    return caller
end

local function run_rule(flow, request, body)
    local headers = request:headers()
    local input = input_of(flow, request, headers, body)
    local errors = flow.request and fields.check(flow.request, input, json)
    if errors then
        return send_error(request, 400, ("%s %s"):format(errors[1].path, errors[1].message))
    elseif start.admit(request, false) == nil then
        return
    end
    local caller = new_caller(request, flow)
    local run = run_module.start { flow = flow, input = input, trace_id = start.trace_id_of(headers),
        waiter = caller.tell, on_failure = caller.tell_failure }
    caller.begin_waiting(run)
end

--- Serves the rule of a flow's name.
function M.serve(flow_name, request, body)
    local flow, _, detail = catalog.take(flow_name)
    if not flow then
        return send_error(request, 100001, detail)
    elseif start.refuse_when_draining(request) then
        return
    end
    run_rule(flow, request, body)
end

--- ANY /ps/{name+}
function M.handle(request, _, method, path, body)
    local name = path:sub(#PREFIX + 1)
    local of_method = rules[method] or (method == "HEAD" and rules.GET) or {}
    local flow_name = of_method[name]
    if not flow_name then
        return send_error(request, 100001, ("不存在流程：%s->%s"):format(method, name))
    end
    M.serve(flow_name, request, body)
end

return M
