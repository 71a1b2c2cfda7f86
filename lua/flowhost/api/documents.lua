-- SPDX-License-Identifier: MIT
-- /v1/documents/{kind}: rules and scripts that were published, with their versions. /v1/runs/{id}/log: a run's log.

local core = require "flowhost.core"
local access = require "flowhost.api.access"
local documents = require "flowhost.engine.documents"
local problem = require "flowhost.api.problem"
local psgo_runs = require "flowhost.api.psgo.runs"
local view = require "flowhost.api.view"

local json = core.json
local null = json.null

local M = {}

local KINDS = { rule = true, script = true }
local STATUSES = { ["100002"] = 422, ["100004"] = 503, ["100006"] = 404, ["100001"] = 409 }
local MAX_LIMIT = 200

local function show(row, has_text)
    return { id = row.id, kind = row.kind, name = row.name, method = row.method or null, version = row.version,
        active = row.status, operator = row.operator or null, created_at = view.time(row.created_at * 1000),
        updated_at = view.time(row.updated_at * 1000), text = has_text and row.text or nil }
end

local function send(request, status, value)
    request:respond(status, { "Content-Type", "application/json" }, json.encode(value, { max_depth = 192 }) .. "\n")
end

local function refuse(request, err)
    local status = STATUSES[err.code] or 422
    if err.code == "100004" and err.line then
        status = 422 -- it is not JSON
    end
    local errors = not err.errors and err.line and { { pointer = "", message = err.message } } or {}
    for i, fault in ipairs(err.errors or {}) do
        errors[i] = { pointer = fault.pointer, message = fault.message, position = fault.position }
    end
    problem.send(request, status, status == 404 and "NO_DOCUMENT" or status == 409 and "ACTIVE"
        or status == 503 and "IO" or "DOCUMENT_INVALID", err.message, { errors = errors[1] and json.array(errors) })
end

--- The kind of the path; nil after a problem was sent.
local function kind_of(request, captures)
    if KINDS[captures.kind] then
        return captures.kind
    end
    problem.send(request, 404, "NO_DOCUMENT", ("there are no documents of the kind '%s': rule, script"):format(
        captures.kind))
end

local function whole(text, most)
    local number = text:find "^%d+$" and tonumber(text)
    return number and number >= 1 and number <= most and number or nil
end

--- Limit and number of the page; nil after a problem was sent.
local function read_page(request, query)
    local limit, page = whole(query.limit or "50", MAX_LIMIT), whole(query.cursor or "1", 2 ^ 40)
    if not limit then
        return problem.send(request, 422, "QUERY_INVALID",
            ("limit must be a whole number from 1 to %d"):format(MAX_LIMIT))
    elseif not page then
        return problem.send(request, 422, "QUERY_INVALID", "cursor is not one that this list gave")
    end
    return limit, page
end

function M.list(request, captures)
    local kind = kind_of(request, captures)
    local query = kind and request:query()
    local limit, page
    if kind then
        limit, page = read_page(request, query)
    end
    if not limit then
        return
    end
    local found, total = documents.list(kind, { name = query.name, method = query.method and query.method:upper(),
        count = limit, page = page })
    for i, row in ipairs(found) do
        found[i] = show(row)
    end
    send(request, 200, { items = json.array(found), next = page * limit < total and tostring(page + 1) or null })
end

function M.get(request, captures)
    local kind = kind_of(request, captures)
    local row = kind and documents.get(kind, tonumber(captures.id))
    if row then
        return send(request, 200, show(row, true))
    elseif kind then
        problem.send(request, 404, "NO_DOCUMENT", ("there is no %s with the id %s"):format(kind, captures.id))
    end
end

local function answer(request, status)
    return function(row, err)
        if not row then
            return refuse(request, err)
        end
        send(request, status, show(row))
    end
end

--- The document's text: given as text, or a rule as the object that it is.
local function text_of(o)
    return type(o.text) == "table" and json.encode(o.text) or o.text
end

function M.publish(request, captures, _, _, body)
    local kind = kind_of(request, captures)
    local o, reason = json.decode(body)
    if not kind then
        return
    elseif o == nil then
        return problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
    elseif type(o) ~= "table" or json.is_array(o) then
        return problem.send(request, 400, "BODY_NOT_OBJECT", "the body must be a JSON object")
    end
    documents.publish(kind, { name = o.name, method = o.method, text = text_of(o), actor = access.actor(request),
        operator = access.actor(request) }, answer(request, 201))
end

function M.activate(request, captures)
    local kind = kind_of(request, captures)
    if kind then
        documents.activate(kind, tonumber(captures.id), { actor = access.actor(request) }, answer(request, 200))
    end
end

function M.remove(request, captures)
    local kind = kind_of(request, captures)
    if kind then
        documents.remove(kind, tonumber(captures.id), { actor = access.actor(request) }, function(row, err)
            if not row then
                return refuse(request, err)
            end
            request:respond(204, {}, "")
        end)
    end
end

function M.log(request, captures)
    local tree = psgo_runs.tree(captures.id)
    if not tree then
        return problem.send(request, 404, "NO_RUN", "no run " .. captures.id)
    end
    request:respond(200, { "Content-Type", "application/json" }, json.encode_stored(tree) .. "\n")
end

return M
