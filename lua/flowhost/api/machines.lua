-- SPDX-License-Identifier: MIT
-- /v1/machines: state machines made by API, and those that are files; by the definition alone, in ASL's spelling or
-- SFC's. What AWS's API has beside it (roles, versions, aliases) is on POST / (api/aws).

local access = require "flowhost.api.access"
local changes = require "flowhost.engine.machine_changes"
local check = require "flowhost.api.aws.check"
local core = require "flowhost.core"
local executions_end = require "flowhost.api.aws.executions_end"
local machine_files = require "flowhost.engine.machine_files"
local machines = require "flowhost.engine.machines"
local problem = require "flowhost.api.problem"
local view = require "flowhost.api.view"

local json = core.json

local M = {}

local STATUSES = { InvalidDefinition = { 422, "MACHINE_INVALID" }, InvalidName = { 422, "MACHINE_INVALID" },
    StateMachineDoesNotExist = { 404, "NO_MACHINE" }, ServiceUnavailable = { 503, "IO" } }
local OTHERWISE = { 409, "MACHINE_CONFLICT" }
local TYPES = { STANDARD = true, EXPRESS = true }

local function refuse(request, err)
    local status = STATUSES[err.code] or OTHERWISE
    problem.send(request, status[1], status[2], err.message)
end

local function send(request, status, value)
    request:respond(status, { "Content-Type", "application/json" }, json.encode(value, { max_depth = 192 }) .. "\n")
end

local function show(row, has_definition)
    return { name = row.name, type = row.type, arn = machines.arns.machine(row.name), is_file = row.is_file or false,
        version = row.definition, created_at = view.time(row.created), updated_at = view.time(row.updated),
        definition = has_definition and json.decode(row.text or machines.definition(row.definition) or "null") or nil }
end

function M.list(request)
    local items = {}
    for i, row in ipairs(machine_files.list()) do
        items[i] = show(row)
    end
    send(request, 200, { items = json.array(items), next = json.null })
end

local function no_machine(request, name)
    return problem.send(request, 404, "NO_MACHINE", ("no state machine '%s'"):format(name))
end

function M.get(request, captures)
    local row = machine_files.find(captures.name)
    if not row then
        return no_machine(request, captures.name)
    end
    send(request, 200, show(row, true))
end

local function read(request, name, body)
    local type = request:query().type or "STANDARD"
    local wrong = check.find_name_problem(name)
    local definition, reason = json.decode(body)
    if wrong then
        return refuse(request, wrong)
    elseif not TYPES[type] then
        return problem.send(request, 422, "QUERY_INVALID", "type must be STANDARD or EXPRESS")
    elseif definition == nil then
        return problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
    end
    return type
end

--- Makes a machine, or changes its definition. Executions that have begun keep theirs.
function M.put(request, captures, _, _, body)
    local name = captures.name
    local type = read(request, name, body)
    if not type then
        return
    end
    local row = machines.get(name)
    if row and row.type ~= type then
        return problem.send(request, 409, "MACHINE_CONFLICT", ("the machine is of type %s; that cannot be changed")
            :format(row.type))
    end
    local role = ("arn:aws:iam::%s:role/flowhost"):format(machines.arns.account)
    local made = { name = name, definition = body, actor = access.actor(request), type = not row and type or nil,
        role = not row and role or nil, logging = not row and { level = "OFF", includeExecutionData = false } or nil,
        tracing = not row and { enabled = false } or nil }
    changes.change(row and "update" or "create", made, function(done, err)
        if not done then
            return refuse(request, err)
        end
        send(request, row and 200 or 201, show(machine_files.find(name)))
    end)
end

--- Its executions that have not ended are stopped.
function M.delete(request, captures)
    local row = machines.get(captures.name)
    if not row and machine_files.find(captures.name) then
        return problem.send(request, 409, "MACHINE_CONFLICT",
            "the machine is a file of the flows folder: remove the file")
    elseif not row then
        return no_machine(request, captures.name)
    end
    local actor = access.actor(request)
    changes.change("delete", { name = captures.name, actor = actor }, function(done, err)
        if not done then
            return refuse(request, err)
        end
        executions_end.stop_all(row, actor)
        request:respond(204, {}, "")
    end)
end

return M
