-- SPDX-License-Identifier: MIT
-- Aliases of state machines: CreateStateMachineAlias, UpdateStateMachineAlias, DeleteStateMachineAlias,
-- DescribeStateMachineAlias, ListStateMachineAliases.

local core = require "flowhost.core"
local call_module = require "flowhost.api.aws.call"
local changes = require "flowhost.engine.machine_changes"
local check = require "flowhost.api.aws.check"
local operations = require "flowhost.api.aws.operations"
local paging = require "flowhost.api.aws.paging"
local resource = require "flowhost.api.aws.resource"

local json = core.json
local time = call_module.time

local NAME = { "string", required = true, min = 1, max = 80, shown = "^(?=.*[a-zA-Z_\\-\\.])[a-zA-Z0-9_\\-\\.]+$",
    pattern = function(text)
        return text:find "^[%w_.-]+$" ~= nil and text:find "[%a_.-]" ~= nil
    end }
local ROUTING = { "list", min = 1, max = 2, of = { "structure", name = "RoutingConfigurationListItem",
    order = { "stateMachineVersionArn", "weight" }, fields = {
    stateMachineVersionArn = { "string", required = true, min = 1, max = 256 },
    weight = { "integer", required = true, min = 0, max = 100 } } } }
local ALIAS_ARN = { "string", required = true, min = 1, max = 256 }
local DESCRIPTION = { "string", max = 256 }

local function invalid(call, message, list)
    return call:fail("ValidationException", ("%s Received: [%s]"):format(message, table.concat(list, ", ")))
end

local function missing(call)
    return call:fail("ResourceNotFound", "Request references a resource that does not exist.")
end

--- ARNs and weights of a routing configuration as they were given, and what the ARNs are; nil after an answer.
local function parse(call, routing)
    local texts, weights, arns = {}, {}, {}
    for i, route in ipairs(routing) do
        texts[i], weights[i] = route.stateMachineVersionArn, ("%d"):format(route.weight)
        arns[i] = resource.arn(call, texts[i], { stateMachine = true })
        if not arns[i] then
            return
        end
    end
    return texts, weights, arns
end

--- What is wrong with them: answers, and is true then.
---@param machine string  whose versions they must be
local function refuse_routing(call, texts, weights, arns, machine)
    local sum = 0
    for i, arn in ipairs(arns) do
        if not resource.version_number(arn) then
            return invalid(call, "Routing configuration must contain state machine version ARNs.", texts) or true
        elseif arn.name ~= machine then
            return invalid(call, "Routing configuration must contain versions of the same state machine.", texts)
                or true
        end
        sum = sum + weights[i]
    end
    if texts[2] and texts[1] == texts[2] then
        return invalid(call, "Routing configuration must contain distinct state machine version ARNs.", texts) or true
    elseif sum ~= 100 then
        return invalid(call, "Sum of routing configuration weights must equal 100.", weights) or true
    end
    return false
end

--- The machine's name and the routes { version, weight } of a routing configuration; nil after an answer.
---@param machine string?  whose versions they must be: by default that of the first
local function read_routing(call, routing, machine)
    local texts, weights, arns = parse(call, routing)
    if not texts or refuse_routing(call, texts, weights, arns, machine or arns[1].name) then
        return
    end
    local routes = json.array {}
    for i, arn in ipairs(arns) do
        if not resource.is_own(call, arn) then
            return missing(call)
        end
        routes[i] = { version = resource.version_number(arn), weight = routing[i].weight }
    end
    return arns[1].name, routes
end

local function create(call)
    local p = call.params
    local machine, routing = read_routing(call, p.routingConfiguration)
    if not machine then
        return
    end
    changes.change("create_alias", { machine = machine, name = p.name, description = p.description, routing = routing,
        actor = call.actor }, function(made, refusal)
            if not made then
                return call:refuse(refusal)
            end
            call:reply { stateMachineAliasArn = call.arns.alias(machine, p.name), creationDate = time(made.created) }
        end)
end

local function required(shape)
    return { shape[1], required = true, min = shape.min, max = shape.max, of = shape.of }
end

operations.add("CreateStateMachineAlias", { run = create, takes = { name = NAME, description = DESCRIPTION,
    routingConfiguration = required(ROUTING) } })

local function update(call)
    local p = call.params
    local arn, _, alias = resource.alias(call, p.stateMachineAliasArn)
    if not arn then
        return
    elseif not p.description and not p.routingConfiguration then
        return call:fail("ValidationException",
            "Either the description or the routing configuration must be specified")
    elseif not alias then
        return missing(call)
    end
    local routing
    if p.routingConfiguration then
        _, routing = read_routing(call, p.routingConfiguration, arn.name)
        if not routing then
            return
        end
    end
    changes.change("update_alias", { machine = arn.name, name = arn.qualifier, description = p.description,
        routing = routing, actor = call.actor }, function(made, refusal)
            if not made then
                return call:refuse(refusal)
            end
            call:reply { updateDate = time(made.updated) }
        end)
end

operations.add("UpdateStateMachineAlias", { run = update, takes = { stateMachineAliasArn = ALIAS_ARN,
    description = DESCRIPTION, routingConfiguration = ROUTING } })

local function delete(call)
    local arn, row = resource.alias(call, call.params.stateMachineAliasArn)
    if not arn then
        return
    elseif not row then
        return call:reply()
    end
    changes.change("delete_alias", { machine = arn.name, name = arn.qualifier, actor = call.actor },
        function(done, refusal)
            if not done then
                return call:refuse(refusal)
            end
            call:reply()
        end)
end

operations.add("DeleteStateMachineAlias", { run = delete, takes = { stateMachineAliasArn = ALIAS_ARN } })

local function describe(call)
    local arn, row, alias = resource.alias(call, call.params.stateMachineAliasArn)
    if not arn then
        return
    elseif not alias then
        return missing(call)
    end
    local routing = json.array {}
    for i, route in ipairs(alias.routing) do
        routing[i] = { stateMachineVersionArn = call.arns.version(row.name, route.version), weight = route.weight }
    end
    call:reply { stateMachineAliasArn = call.params.stateMachineAliasArn, name = alias.name,
        description = alias.description, routingConfiguration = routing, creationDate = time(alias.created),
        updateDate = time(alias.updated) }
end

operations.add("DescribeStateMachineAlias", { run = describe, takes = { stateMachineAliasArn = ALIAS_ARN } })

--- The aliases that lead to the version that an ARN names; all of them for that of the machine.
local function matching(row, arn)
    local number = resource.version_number(arn)
    local found = {}
    for _, alias in ipairs(row.aliases) do
        for _, route in ipairs(alias.routing) do
            if not number or route.version == number then
                found[#found + 1] = alias
                break
            end
        end
    end
    table.sort(found, function(a, b)
        return a.name < b.name
    end)
    return found
end

local function list(call)
    local row, arn = resource.qualified_machine(call, call.params.stateMachineArn)
    if not row then
        return
    end
    paging.send(call, "stateMachineAliases", matching(row, arn), {
        place_of = function(alias)
            return alias.name
        end,
        show = function(alias)
            return { stateMachineAliasArn = call.arns.alias(row.name, alias.name), creationDate = time(alias.created) }
        end,
    })
end

operations.add("ListStateMachineAliases", { run = list, takes = { stateMachineArn = check.ARN,
    maxResults = check.MAX_RESULTS, nextToken = check.NEXT_TOKEN } })

