-- SPDX-License-Identifier: MIT
-- State machines: CreateStateMachine, UpdateStateMachine, DeleteStateMachine, DescribeStateMachine, ListStateMachines,
-- ValidateStateMachineDefinition, DescribeStateMachineForExecution.

local call_module = require "flowhost.api.aws.call"
local changes = require "flowhost.engine.machine_changes"
local check = require "flowhost.api.aws.check"
local definition = require "flowhost.api.aws.definition"
local encryption = require "flowhost.api.aws.encryption"
local executions_end = require "flowhost.api.aws.executions_end"
local machine_files = require "flowhost.engine.machine_files"
local machines = require "flowhost.engine.machines"
local operations = require "flowhost.api.aws.operations"
local paging = require "flowhost.api.aws.paging"
local resource = require "flowhost.api.aws.resource"
local tags_module = require "flowhost.api.aws.tags"

local time = call_module.time

local TYPE = { "string", enum = { "STANDARD", "EXPRESS" } }
local DEFINITION = { "string", min = 1, max = 1048576 }
local ROLE = { "string", min = 1, max = 256 }
local DESCRIPTION = { "string", max = 256 }
local LOGGING = { "structure", fields = {
    level = { "string", enum = { "ALL", "ERROR", "FATAL", "OFF" } }, includeExecutionData = { "boolean" },
    destinations = { "list", of = { "structure", fields = { cloudWatchLogsLogGroup = { "structure", fields = {
        logGroupArn = { "string", min = 1, max = 256 } } } } } } } }
local TRACING = { "structure", fields = { enabled = { "boolean" } } }
local INCLUDED = { "string", enum = { "ALL_DATA", "METADATA_ONLY" } }

local function required(shape)
    local copy = { required = true }
    for name, value in pairs(shape) do
        copy[name] = value
    end
    return copy
end

-- what is given ----------------------------------------------------------------------------------------

--- What is wrong with the destinations of logs.
local function find_destination_problem(destinations, level)
    local group = destinations[1] and destinations[1].cloudWatchLogsLogGroup or {}
    if #destinations > 1 or (not group.logGroupArn and (destinations[1] or level ~= "OFF")) then
        return "Must specify exactly one Log Destination."
    elseif group.logGroupArn and not group.logGroupArn:find ":%*$" then
        return "Log Group ARN must be provided with '*' qualifier."
    end
end

--- A logging configuration with what it leaves out; nil, problem.
local function read_logging(given)
    if not given then
        return { level = "OFF", includeExecutionData = false }
    end
    local level = given.level or "OFF"
    local wrong = find_destination_problem(given.destinations or {}, level)
    if wrong then
        return nil, { code = "InvalidLoggingConfiguration", message = "Invalid Logging Configuration: " .. wrong }
    end
    return { level = level, includeExecutionData = given.includeExecutionData or false,
        destinations = given.destinations }
end

local function read_tracing(given)
    return { enabled = given and given.enabled or false }
end

local function find_definition_problem(text, type)
    local message = text and definition.find_problem(text, type)
    return message and { code = "InvalidDefinition", message = message } or nil
end

local function find_description_problem(p)
    if p.versionDescription and not p.publish then
        return { code = "ValidationException", message = "Version description can only be set when publish is true" }
    end
end

-- operations -------------------------------------------------------------------------------------------

local function create(call)
    local p = call.params
    local type = p.type or "STANDARD"
    local role = p.roleArn or ("arn:aws:iam::%s:role/flowhost"):format(call.arns.account)
    local logging, problem = read_logging(p.loggingConfiguration)
    local tags, excess = tags_module.read(p.tags)
    local key, unkeyed = encryption.read(p.encryptionConfiguration)
    problem = find_description_problem(p) or check.find_name_problem(p.name) or check.find_role_problem(p.roleArn)
        or problem or excess or unkeyed or find_definition_problem(p.definition, type)
    if problem then
        return call:refuse(problem)
    end
    changes.change("create", { name = p.name, definition = p.definition, type = type, role = role,
        logging = logging, tracing = read_tracing(p.tracingConfiguration),
        encryption = key, tags = tags, publish = p.publish,
        description = p.versionDescription, actor = call.actor }, function(made, refusal)
            if not made then
                return call:refuse(refusal)
            end
            call:reply { stateMachineArn = call.arns.machine(p.name), creationDate = time(made.created),
                stateMachineVersionArn = made.version and call.arns.version(p.name, made.version) or nil }
        end)
end

operations.add("CreateStateMachine", { run = create, takes = { name = check.NAME, definition = required(DEFINITION),
    roleArn = ROLE, type = TYPE, loggingConfiguration = LOGGING, tags = check.TAGS,
    tracingConfiguration = TRACING, publish = { "boolean" }, versionDescription = DESCRIPTION,
    encryptionConfiguration = encryption.SHAPE } })

local function update(call)
    local p = call.params
    local row, arn = resource.whole_machine(call, p.stateMachineArn)
    if not row then
        return
    elseif not (p.definition or p.roleArn or p.loggingConfiguration or p.tracingConfiguration
        or p.encryptionConfiguration) then
        return call:fail("MissingRequiredParameter", "Either the definition, the role ARN, the LoggingConfiguration, "
            .. "or the TracingConfiguration must be specified")
    end
    local logging, problem
    if p.loggingConfiguration then
        logging, problem = read_logging(p.loggingConfiguration)
    end
    local key, unkeyed
    if p.encryptionConfiguration then
        key, unkeyed = encryption.read(p.encryptionConfiguration)
    end
    problem = find_description_problem(p) or check.find_role_problem(p.roleArn) or problem or unkeyed
        or find_definition_problem(p.definition, row.type)
    if problem then
        return call:refuse(problem)
    end
    changes.change("update", { name = arn.name, definition = p.definition, role = p.roleArn, logging = logging,
        tracing = p.tracingConfiguration and read_tracing(p.tracingConfiguration), encryption = key,
        publish = p.publish,
        description = p.versionDescription, actor = call.actor }, function(made, refusal)
            if not made then
                return call:refuse(refusal)
            end
            call:reply { updateDate = time(made.updated), revisionId = made.revision,
                stateMachineVersionArn = made.version and call.arns.version(arn.name, made.version) or nil }
        end)
end

operations.add("UpdateStateMachine", { run = update, takes = { stateMachineArn = check.ARN, definition = DEFINITION,
    roleArn = ROLE, loggingConfiguration = LOGGING, tracingConfiguration = TRACING, publish = { "boolean" },
    versionDescription = DESCRIPTION, encryptionConfiguration = encryption.SHAPE } })

--- Deletes a machine; its executions that have not ended are stopped.
local function delete(call)
    local arn = resource.arn(call, call.params.stateMachineArn, { stateMachine = true })
    if not arn then
        return
    elseif not resource.is_own(call, arn) then
        return call:reply()
    elseif arn.qualifier or arn.label then
        return resource.whole_machine(call, call.params.stateMachineArn)
    end
    local row = machines.get(arn.name)
    changes.change("delete", { name = arn.name, actor = call.actor }, function(done, refusal)
        if not done then
            return call:refuse(refusal)
        elseif row then
            executions_end.stop_all(row, call.actor)
        end
        call:reply()
    end)
end

operations.add("DeleteStateMachine", { run = delete, takes = { stateMachineArn = check.ARN } })

-- what is shown ----------------------------------------------------------------------------------------

--- The fields of a revision: of a machine, or of a version of it.
local function show_revision(row, revision, has_data)
    local text = machines.definition(revision.definition) or row.text or "{}"
    return {
        name = row.name, type = row.type, roleArn = revision.role, revisionId = revision.revision,
        definition = has_data and text or "{}", variableReferences = has_data and definition.variables(text) or nil,
        loggingConfiguration = revision.logging or read_logging(nil),
        tracingConfiguration = read_tracing(revision.tracing),
        encryptionConfiguration = row.encryption or encryption.read(nil),
    }
end

local function has_data(call)
    return call.params.includedData ~= "METADATA_ONLY"
end

--- The machine as it is, or a version of it; nil after an answer.
local function revision_of(call, row, arn)
    if not arn.qualifier then
        return row
    end
    local number = resource.version_number(arn)
    local alias = not number and machines.alias(row, arn.qualifier)
    local version = machines.version(row, number or alias and alias.routing[1].version or 0)
    if not version then
        return resource.no_machine(call, call.params.stateMachineArn)
    end
    return version
end

local function describe(call)
    local row, arn = resource.machine(call, call.params.stateMachineArn)
    local revision = row and revision_of(call, row, arn)
    if not revision then
        return
    end
    local shown = show_revision(row, revision, has_data(call))
    shown.stateMachineArn, shown.status = call.params.stateMachineArn, "ACTIVE"
    shown.creationDate, shown.label = time(revision.created), arn.label
    shown.description = revision.description
    call:reply(shown)
end

operations.add("DescribeStateMachine", { run = describe, takes = { stateMachineArn = check.ARN,
    includedData = INCLUDED } })

--- The revision that an execution was started with: of that only its definition, role and id are kept.
local function of_execution(call)
    local run, row, arn = resource.execution(call, call.params.executionArn)
    if not run then
        return
    end
    local tags = run.tags or {}
    local shown = show_revision(row, { definition = run.version, role = tags["aws.role"] or row.role,
        logging = row.logging, tracing = row.tracing, revision = tags["aws.revision"] }, has_data(call))
    shown.type, shown.label = nil, arn.label
    shown.stateMachineArn = call.arns.machine(row.name)
    shown.updateDate = time(tonumber(tags["aws.updated"]) or row.updated)
    call:reply(shown)
end

operations.add("DescribeStateMachineForExecution", { run = of_execution, takes = { executionArn = check.ARN,
    includedData = INCLUDED } })

local function list(call)
    paging.send(call, "stateMachines", machine_files.list(), {
        place_of = function(row)
            return row.name
        end,
        show = function(row)
            return { stateMachineArn = call.arns.machine(row.name), name = row.name, type = row.type,
                creationDate = time(row.created) }
        end,
    })
end

operations.add("ListStateMachines", { run = list, takes = { maxResults = check.MAX_RESULTS,
    nextToken = check.NEXT_TOKEN } })

-- validation -------------------------------------------------------------------------------------------

local function validate(call)
    local p = call.params
    call:reply(definition.diagnose(p.definition, { type = p.type or "STANDARD", severity = p.severity,
        most = p.maxResults }))
end

operations.add("ValidateStateMachineDefinition", { run = validate, takes = { definition = required(DEFINITION),
    type = TYPE, severity = { "string", enum = { "ERROR", "WARNING" } },
    maxResults = { "integer", min = 0, max = 100 } } })
