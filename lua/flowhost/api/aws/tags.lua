-- SPDX-License-Identifier: MIT
-- Tags of state machines and activities: TagResource, UntagResource, ListTagsForResource.

local core = require "flowhost.core"
local changes = require "flowhost.engine.machine_changes"
local check = require "flowhost.api.aws.check"
local machine_files = require "flowhost.engine.machine_files"
local operations = require "flowhost.api.aws.operations"
local resource = require "flowhost.api.aws.resource"

local json = core.json

local M = {}

--- Kinds of resources that have tags: kind of ARN -> { list(arn) -> tags | nil, change(arn, { set, unset }, actor,
--- done) }. Others add themselves.
M.KINDS = {
    stateMachine = {
        list = function(arn)
            local row = machine_files.find(arn.name)
            return row and row.tags
        end,
        change = function(arn, o, actor, done)
            changes.change("tag", { name = arn.name, set = o.set, unset = o.unset, actor = actor }, done)
        end,
    },
}

local TAGGED = { "string", required = true, min = 1, max = 256 }
local MOST = 50

--- Tags of a request as a table; nil, problem when there are more than a resource can have.
---@param list { key: string, value: string? }[]?
function M.read(list)
    local tags, count = {}, 0
    for _, tag in ipairs(list or {}) do
        count = count + (tags[tag.key] and 0 or 1)
        tags[tag.key] = tag.value or ""
    end
    if count > MOST then
        return nil, { code = "TooManyTags", message = ("A resource has at most %d tags"):format(MOST) }
    end
    return tags
end

--- The kind, the ARN and the tags of a resource; nil after an answer. Versions and aliases have none.
local function find(call)
    local text = call.params.resourceArn
    local arn = resource.arn(call, text, { stateMachine = true, activity = true })
    if not arn then
        return
    end
    local kind = M.KINDS[arn.kind]
    local tags = not arn.qualifier and resource.is_own(call, arn) and kind.list(arn)
    if not tags then
        return call:fail("ResourceNotFound", ("Resource not found: '%s'"):format(text))
    end
    return kind, arn, tags
end

local function change(call, o)
    local kind, arn = find(call)
    if kind then
        kind.change(arn, o, call.actor, function(done, refusal)
            if not done then
                return call:refuse(refusal)
            end
            call:reply()
        end)
    end
end

operations.add("TagResource", {
    takes = { resourceArn = TAGGED, tags = { "list", required = true, of = check.TAGS.of } },
    run = function(call)
        local set, problem = M.read(call.params.tags)
        if not set then
            return call:refuse(problem)
        end
        change(call, { set = set })
    end,
})

operations.add("UntagResource", {
    takes = { resourceArn = TAGGED, tagKeys = { "list", required = true, of = { "string", min = 1, max = 128 } } },
    run = function(call)
        change(call, { unset = call.params.tagKeys })
    end,
})

operations.add("ListTagsForResource", {
    takes = { resourceArn = TAGGED },
    run = function(call)
        local kind, _, tags = find(call)
        if not kind then
            return
        end
        local shown = json.array {}
        for key, value in pairs(tags) do
            shown[#shown + 1] = { key = key, value = value }
        end
        table.sort(shown, function(a, b)
            return a.key < b.key
        end)
        call:reply { tags = shown }
    end,
})

return M
