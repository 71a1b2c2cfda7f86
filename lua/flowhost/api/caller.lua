-- SPDX-License-Identifier: MIT
-- Those who wait for a run over HTTP: told once, with its outcome, or with 202 when they do not want to wait (longer).
--
--   Prefer: respond-async   202 as soon as the run is stored
--   Prefer: wait=N          202 when it has not ended N seconds after that

local core = require "flowhost.core"
local problem = require "flowhost.api.problem"
local rows = require "flowhost.engine.rows"
local token = require "flowhost.engine.token"
local view = require "flowhost.api.view"

local json, system, timer = core.json, core.system, core.timer

local M = {}

local JSON_HEADERS = { "Content-Type", "application/json", "Flowhost-Run", "" }
-- room for what stands around stored values
local DEEP = { max_depth = 192 }
local BODILESS = { [204] = true, [304] = true }
local MAX_WAIT_S = 1e6

local function json_headers(run_id)
    JSON_HEADERS[4] = run_id
    return JSON_HEADERS
end

--- Answers with JSON text; nil, reason (what encode says) is an error of the host's.
local function respond_json(request, run_id, status, headers, text, reason)
    if not text then
        return problem.send(request, 500, "INTERNAL", "the answer cannot be written: " .. tostring(reason),
            { run = run_id })
    end
    return request:respond(status, headers, text)
end

local function send_response(request, run, answer)
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
    if BODILESS[answer.status] then
        return request:respond(answer.status, headers, "")
    elseif not has_type then
        headers[#headers + 1] = "Content-Type"
        headers[#headers + 1] = "application/json"
    elseif type(body) == "string" then
        return request:respond(answer.status, headers, body)
    end
    return respond_json(request, run.id, answer.status, headers, json.encode(body == nil and json.null or body, DEEP))
end

--- Sends the outcome of a run. `answer` is what ctx.response gave, if it did.
---@param run table  id, flow, status, output_json, error; of this shard or as told by another
function M.send(request, run, answer)
    if answer then
        return send_response(request, run, answer)
    elseif run.status == "succeeded" then
        return respond_json(request, run.id, 200, json_headers(run.id), run.output_json)
    end
    return problem.send_run(request, run, "/v1/flows/" .. run.flow)
end

--- A caller of the API. A run that is not stored cannot be asked for later, so its caller waits for the end.
function M.new(request, flow, headers)
    local prefer = flow.durable ~= "never" and headers.prefer or ""
    return {
        request = request, is_async = prefer:find("respond-async", 1, true) ~= nil, wait_s = prefer:match "wait=(%d+)",
        is_answered = false,
    }
end

--- Tells that the run is stored.
local function accept(caller, id)
    if not caller.is_answered then
        caller.is_answered = true
        local row = rows.read(system.id_bytes(id))
        respond_json(caller.request, id, 202, { "Content-Type", "application/json", "Location", "/v1/runs/" .. id,
            "Flowhost-Run", id }, json.encode(row and view.run(row) or { id = id }, DEEP))
    end
end

--- Tells the outcome, unless the caller has been told something.
function M.answer(caller, run, answer)
    if caller.is_async and not run.was_refused then
        return accept(caller, run.id)
    elseif not caller.is_answered then
        caller.is_answered = true
        if caller.timer then
            token.drop(caller.token)
            caller.timer:stop()
        end
        M.send(caller.request, run, answer)
    end
end

--- The run is stored: from now on its id may be told.
function M.follow(caller, id)
    if caller.is_async then
        accept(caller, id)
    elseif caller.wait_s and not caller.is_answered then
        caller.token = token.new(function()
            accept(caller, id)
        end)
        caller.timer = timer.start(math.min(tonumber(caller.wait_s), MAX_WAIT_S) * 1000, caller.token)
    end
end

return M
