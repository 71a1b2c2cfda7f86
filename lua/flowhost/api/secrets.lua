-- SPDX-License-Identifier: MIT
-- /v1/secrets: secrets that were set by API. No answer holds a value.

local core = require "flowhost.core"
local access = require "flowhost.api.access"
local problem = require "flowhost.api.problem"
local secrets = require "flowhost.engine.secrets"
local view = require "flowhost.api.view"

local json = core.json
local null = json.null

local M = {}

local FIELDS = { value = "string", description = "string" }
local STATUSES = { INVALID = 422, DISK_FULL = 507, NO_SECRET = 404, NO_KEY = 503 }

local function show(row)
    return { name = row.name, description = row.description or null, key = row.key,
        created_at = view.time(row.created_at * 1000), updated_at = view.time(row.updated_at * 1000) }
end

local function send(request, status, value)
    request:respond(status, { "Content-Type", "application/json" }, json.encode(value) .. "\n")
end

local function refuse(request, err)
    problem.send(request, STATUSES[err.code] or 503, err.code == "INVALID" and "FIELD_INVALID" or err.code, err.message)
end

function M.list(request)
    local items = {}
    for i, row in ipairs(secrets.list()) do
        items[i] = show(row)
    end
    send(request, 200, { items = json.array(items), next = null })
end

--- The body of PUT; nil after a problem was sent.
local function read_body(request, body)
    local o, reason = json.decode(body)
    if o == nil then
        return problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
    elseif type(o) ~= "table" or json.is_array(o) then
        return problem.send(request, 400, "BODY_NOT_OBJECT", "the body must be a JSON object")
    end
    for name, value in pairs(o) do
        local expected = FIELDS[name]
        if not expected or type(value) ~= expected then
            local message = expected and "must be a " .. expected or "unknown field"
            return problem.send(request, 422, "FIELD_INVALID", ("/%s: %s"):format(name, message),
                { errors = json.array { { pointer = "/" .. name, message = message } } })
        end
    end
    return o
end

function M.put(request, captures, _, _, body)
    local o = read_body(request, body)
    if not o then
        return
    end
    secrets.put({ name = captures.name, value = o.value, description = o.description,
        actor = access.actor(request) }, function(row, err)
        if not row then
            return refuse(request, err)
        end
        send(request, 200, show(row))
    end)
end

function M.remove(request, captures)
    secrets.remove({ name = captures.name, actor = access.actor(request) }, function(row, err)
        if not row then
            return refuse(request, err)
        end
        request:respond(204, {}, "")
    end)
end

return M
