-- SPDX-License-Identifier: MIT
-- Published versions: PublishStateMachineVersion, DeleteStateMachineVersion, ListStateMachineVersions.

local call_module = require "flowhost.api.aws.call"
local changes = require "flowhost.engine.machine_changes"
local check = require "flowhost.api.aws.check"
local operations = require "flowhost.api.aws.operations"
local paging = require "flowhost.api.aws.paging"
local resource = require "flowhost.api.aws.resource"

local time = call_module.time

local function publish(call)
    local p = call.params
    local row, arn = resource.whole_machine(call, p.stateMachineArn)
    if not row then
        return
    end
    changes.change("publish", { name = arn.name, description = p.description, revision = p.revisionId,
        actor = call.actor }, function(made, refusal)
            if not made then
                return call:refuse(refusal)
            end
            call:reply { creationDate = time(made.created),
                stateMachineVersionArn = call.arns.version(arn.name, made.version) }
        end)
end

operations.add("PublishStateMachineVersion", { run = publish, takes = { stateMachineArn = check.ARN,
    revisionId = { "string" }, description = { "string", max = 256 } } })

local function delete(call)
    local arn = resource.version(call, call.params.stateMachineVersionArn)
    if not arn then
        return
    elseif not resource.is_own(call, arn) then
        return call:reply()
    end
    changes.change("delete_version", { name = arn.name, number = resource.version_number(arn), actor = call.actor },
        function(done, refusal)
            if not done then
                return call:refuse(refusal)
            end
            call:reply()
        end)
end

operations.add("DeleteStateMachineVersion", { run = delete, takes = {
    stateMachineVersionArn = { "string", required = true, min = 1, max = 2000 } } })

--- Newest first.
local function list(call)
    local row = resource.whole_machine(call, call.params.stateMachineArn)
    if not row then
        return
    end
    local newest_first = {}
    for i = #row.versions, 1, -1 do
        newest_first[#newest_first + 1] = row.versions[i]
    end
    paging.send(call, "stateMachineVersions", newest_first, {
        is_descending = true,
        place_of = function(version)
            return ("%010d"):format(version.number)
        end,
        show = function(version)
            return { stateMachineVersionArn = call.arns.version(row.name, version.number),
                creationDate = time(version.created) }
        end,
    })
end

operations.add("ListStateMachineVersions", { run = list, takes = { stateMachineArn = check.ARN,
    maxResults = check.MAX_RESULTS, nextToken = check.NEXT_TOKEN } })
