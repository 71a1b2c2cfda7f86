-- SPDX-License-Identifier: MIT
-- Changes of state machines (machines.lua), on shard 0: each is one batch, with its entry in the audit.
--
--   change(action, arguments, done)   done(result) | done(nil, { code, message })   codes are those of AWS

local core = require "flowhost.core"
local audit = require "flowhost.engine.audit"
local catalog = require "flowhost.engine.catalog"
local chore = require "flowhost.engine.chore"
local machines = require "flowhost.engine.machines"
local naming = require "flowhost.flow.naming"
local release_module = require "flowhost.engine.release"
local reload = require "flowhost.engine.reload"
local remote = require "flowhost.engine.remote"
local uuid = require "flowhost.engine.uuid"

local json, store, system, timer = core.json, core.store, core.system, core.timer
local DOCUMENTS = store.tables.documents

local M = {}

local MAX_VERSIONS, MAX_ALIASES, MAX_TAGS = 1000, 100, 50

local actions = {}

local function refuse(code, message, ...)
    return nil, { code = code, message = select("#", ...) > 0 and message:format(...) or message }
end

local function copy(value)
    return json.decode_stored(json.encode_stored(value))
end

--- A machine that may be changed; nil, problem.
local function machine_of(name)
    local row = machines.get(name)
    if row then
        return copy(row)
    end
    local is_file = catalog.active.flows[machines.flow_name(name)]
    if is_file and is_file.dialect == "asl" then
        return refuse("ValidationException", "State machine '%s' is the file %s of the flows folder: change the file",
            name, is_file.file)
    end
    return refuse("StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", machines.arns.machine(name))
end

-- one change -------------------------------------------------------------------------------------------

local function put(batch, row)
    batch:put(DOCUMENTS, machines.machine_key(row.name), assert(json.encode_stored(row)))
end

local function submit(batch)
    batch:set_intake()
    local code, reason = chore.store("machines", batch)
    if code then
        return refuse("ServiceUnavailable", "%s", reason)
    end
    return true
end

local function note(batch, action, row, actor)
    audit.put(batch, { actor = actor or "admin", action = action, flow = machines.flow_name(row.name),
        after = { machine = row.name, type = row.type, definition = row.definition } })
end

--- Stores a machine as it is now.
local function save(action, row, actor)
    local batch = store.batch()
    put(batch, row)
    note(batch, action, row, actor)
    return submit(batch)
end

local function serve(plan)
    if not reload.serve(plan) then
        return refuse("ServiceUnavailable",
            "the change is stored, but could not be served; it will be when the host starts again")
    end
    return true
end

--- What it takes to serve a definition; nil, problem.
local function prepare(row, text)
    local plan, problem = reload.prepare(machines.path_of(row.name), machines.file_text(text, row.type), row.definition)
    if not plan then
        return refuse("InvalidDefinition", "Invalid State Machine Definition: '%s'", problem.message)
    end
    return plan
end

local function add_definition(batch, row, text)
    row.definition = release_module.hash_of(text)
    row.definitions[#row.definitions + 1] = row.definition
    batch:put(DOCUMENTS, machines.definition_key(row.definition), text)
end

--- Publishes the machine as it is as its next version; the latest one when that is of the same revision.
---@param release string  hash of the release that has it
local function add_version(row, release, description)
    local latest = row.versions[#row.versions]
    if latest and latest.revision == row.revision and latest.definition == row.definition then
        return latest
    elseif #row.versions >= MAX_VERSIONS then
        return refuse("ServiceQuotaExceededException", "A state machine has at most %d versions", MAX_VERSIONS)
    end
    row.last_version = row.last_version + 1
    local version = { number = row.last_version, created = timer.now_ms(), description = description,
        definition = row.definition, role = row.role, logging = row.logging, tracing = row.tracing,
        revision = row.revision, release = release }
    row.versions[#row.versions + 1] = version
    return version
end

-- machines ---------------------------------------------------------------------------------------------

local function same(a, b)
    return json.encode(a or json.null) == json.encode(b or json.null)
end

--- The answer to a request that made the machine before; a problem when it wants another one.
local function existing(row, o)
    local is_same = row.definition == release_module.hash_of(o.definition) and row.type == o.type
        and same(row.logging, o.logging) and same(row.tracing, o.tracing) and same(row.encryption, o.encryption)
        and same(row.published, o.publish and { description = o.description })
    if not is_same then
        return refuse("StateMachineAlreadyExists", "State Machine Already Exists: '%s'",
            machines.arns.machine(row.name))
    end
    return { created = row.created, version = o.publish and 1 or nil }
end

local function new_row(o)
    local now = timer.now_ms()
    return { name = o.name, type = o.type, generation = system.hex(system.random(6)), created = now, updated = now,
        role = o.role, logging = o.logging, tracing = o.tracing, encryption = o.encryption, tags = o.tags or {},
        published = o.publish and { description = o.description } or nil,
        last_version = 0, versions = json.array {}, aliases = json.array {}, definitions = json.array {} }
end

function actions.create(o)
    local row = machines.get(o.name)
    if row then
        return existing(row, o)
    elseif #machines.flow_name(o.name) > naming.MAX_NAME then
        return refuse("InvalidName", "Invalid Name: '%s'", o.name)
    elseif catalog.active.flows[machines.flow_name(o.name)] then
        return refuse("StateMachineAlreadyExists", "State Machine Already Exists: '%s'", machines.arns.machine(o.name))
    end
    row = new_row(o)
    local batch = store.batch()
    add_definition(batch, row, o.definition)
    local plan, problem = prepare(row, o.definition)
    if not plan then
        return nil, problem
    end
    local version
    if o.publish then
        version = add_version(row, plan.release.hash, o.description)
        release_module.put(batch, plan.release)
    end
    put(batch, row)
    note(batch, "create", row, o.actor)
    local ok
    ok, problem = submit(batch)
    if ok then
        ok, problem = serve(plan)
    end
    return ok and { created = row.created, version = version and version.number or nil }, problem
end

--- Sets what the update gives; whether that makes another revision.
local function apply(row, o)
    local is_new = false
    for _, field in ipairs { "role", "logging", "tracing", "encryption" } do
        if o[field] ~= nil and not same(row[field], o[field]) then
            row[field], is_new = o[field], true
        end
    end
    return is_new
end

function actions.update(o)
    local row, problem = machine_of(o.name)
    if not row then
        return nil, problem
    end
    local batch, plan = store.batch(), nil
    local is_new = apply(row, o)
    if o.definition and release_module.hash_of(o.definition) ~= row.definition then
        add_definition(batch, row, o.definition)
        plan, problem = prepare(row, o.definition)
        if not plan then
            return nil, problem
        end
        is_new = true
    end
    if is_new then
        row.revision, row.updated = uuid(), timer.now_ms()
    end
    local version
    if o.publish then
        version, problem = add_version(row, plan and plan.release.hash or catalog.active.hash, o.description)
        if not version then
            return nil, problem
        elseif plan then
            release_module.put(batch, plan.release)
        end
    end
    put(batch, row)
    note(batch, "update", row, o.actor)
    local ok
    ok, problem = submit(batch)
    if ok and plan then
        ok, problem = serve(plan)
    end
    return ok and { updated = timer.now_ms(), revision = row.revision, version = version and version.number or nil },
        problem
end

--- The definitions that no other machine has had.
local function own_definitions(row)
    local own = {}
    for _, hash in ipairs(row.definitions) do
        own[hash] = true
    end
    machines.each(function(other)
        for _, hash in ipairs(other.name ~= row.name and other.definitions or {}) do
            own[hash] = nil
        end
    end)
    return own
end

--- Deletes a machine; of one that is not there as well.
function actions.delete(o)
    local row = machines.get(o.name)
    if not row then
        local _, problem = machine_of(o.name)
        if problem.code == "StateMachineDoesNotExist" then
            return {}
        end
        return nil, problem
    end
    local plan, refusal = reload.prepare(machines.path_of(row.name), nil)
    if not plan then
        return refuse("ConflictException", refusal.message)
    end
    local batch = store.batch()
    batch:del(DOCUMENTS, machines.machine_key(row.name))
    for hash in pairs(own_definitions(row)) do
        batch:del(DOCUMENTS, machines.definition_key(hash))
    end
    note(batch, "delete", row, o.actor)
    local ok, problem = submit(batch)
    if ok then
        ok, problem = serve(plan)
    end
    return ok and { generation = row.generation }, problem
end

-- versions ---------------------------------------------------------------------------------------------

function actions.publish(o)
    local row, problem = machine_of(o.name)
    if not row then
        return nil, problem
    elseif o.revision and o.revision ~= (row.revision or "INITIAL") then
        return refuse("ConflictException", "Failed to publish the State Machine version for revision %s. "
            .. "The current State Machine revision is %s.", o.revision, row.revision or "INITIAL")
    end
    local version
    version, problem = add_version(row, catalog.active.hash, o.description)
    if not version then
        return nil, problem
    end
    local ok
    ok, problem = save("publish", row, o.actor)
    return ok and { created = version.created, version = version.number }, problem
end

local function remove(list, matches)
    for i, one in ipairs(list) do
        if matches(one) then
            return table.remove(list, i)
        end
    end
end

function actions.delete_version(o)
    local row, problem = machine_of(o.name)
    if not row then
        return problem.code == "StateMachineDoesNotExist" and {} or nil, problem
    end
    local names = machines.aliases_of(row, o.number)
    if names[1] then
        return refuse("ConflictException", "Version to be deleted must not be referenced by an alias. "
            .. "Current list of aliases referencing this version: [%s]", table.concat(names, ", "))
    elseif not remove(row.versions, function(one) return one.number == o.number end) then
        return {}
    end
    local ok
    ok, problem = save("delete version", row, o.actor)
    return ok and {}, problem
end

-- aliases ----------------------------------------------------------------------------------------------

local function missing()
    return refuse("ResourceNotFound", "Request references a resource that does not exist.")
end

local function has_versions(row, routing)
    for _, route in ipairs(routing) do
        if not machines.version(row, route.version) then
            return false
        end
    end
    return true
end

function actions.create_alias(o)
    local row, problem = machine_of(o.machine)
    if not row and problem.code == "StateMachineDoesNotExist" or row and not has_versions(row, o.routing) then
        return missing()
    elseif not row then
        return nil, problem
    end
    local alias = machines.alias(row, o.name)
    if alias and same(alias.routing, o.routing) and alias.description == o.description then
        return { created = alias.created }
    elseif alias then
        return refuse("ConflictException",
            "Failed to create alias because an alias with the same name and a different routing configuration already "
            .. "exists.")
    elseif #row.aliases >= MAX_ALIASES then
        return refuse("ServiceQuotaExceededException", "A state machine has at most %d aliases", MAX_ALIASES)
    end
    local now = timer.now_ms()
    row.aliases[#row.aliases + 1] = { name = o.name, description = o.description, routing = o.routing, created = now,
        updated = now }
    local ok
    ok, problem = save("create alias", row, o.actor)
    return ok and { created = now }, problem
end

function actions.update_alias(o)
    local row = machine_of(o.machine)
    local alias = row and machines.alias(row, o.name)
    if not alias or o.routing and not has_versions(row, o.routing) then
        return missing()
    end
    alias.routing = o.routing or alias.routing
    alias.description = o.description or alias.description
    alias.updated = timer.now_ms()
    local ok, problem = save("update alias", row, o.actor)
    return ok and { updated = alias.updated }, problem
end

--- Of one that is not there as well.
function actions.delete_alias(o)
    local row = machine_of(o.machine)
    if not row or not remove(row.aliases, function(one) return one.name == o.name end) then
        return {}
    end
    local ok, problem = save("delete alias", row, o.actor)
    return ok and {}, problem
end

-- tags -------------------------------------------------------------------------------------------------

---@param o { name: string, set: table<string, string>?, unset: string[]? }
function actions.tag(o)
    local row, problem = machine_of(o.name)
    if not row then
        return nil, problem
    end
    for key, value in pairs(o.set or {}) do
        row.tags[key] = value
    end
    for _, key in ipairs(o.unset or {}) do
        row.tags[key] = nil
    end
    local count = 0
    for _ in pairs(row.tags) do
        count = count + 1
    end
    if count > MAX_TAGS then
        return refuse("TooManyTags", "A resource has at most %d tags", MAX_TAGS)
    end
    local ok
    ok, problem = save("tag", row, o.actor)
    return ok and {}, problem
end

-- from any shard ---------------------------------------------------------------------------------------

remote.on("machines", function(arguments, reply)
    chore.run("releases", ("%s of a state machine"):format(arguments.action), function()
        local ok, result, problem = xpcall(actions[arguments.action], debug.traceback, arguments)
        if not ok then
            reply { problem = { code = "InternalFailure", message = "the change failed; see the log" } }
            error(result, 0)
        end
        reply { result = result or nil, problem = not result and problem or nil }
    end)
end)

---@param action string  "create", "update", "delete", "publish", "delete_version", "create_alias", "update_alias",
--- "delete_alias" or "tag"
---@param done fun(result: table?, problem: { code: string, message: string }?)
function M.change(action, arguments, done)
    arguments.action = action
    remote.call(0, "machines", arguments, function(answer)
        if answer.result then
            return done(answer.result)
        end
        done(nil, answer.problem or { code = "InternalFailure", message = answer.detail })
    end)
end

return M
