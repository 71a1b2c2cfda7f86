-- SPDX-License-Identifier: MIT
-- Names of what Step Functions knows, as Amazon resource names of one account and region. Pure.
--
--   arn:aws:states:REGION:ACCOUNT:stateMachine:NAME[:VERSION | :ALIAS]     stateMachine:NAME/LABEL (of a map run)
--   ...:execution:NAME:EXECUTION     ...:express:NAME:EXECUTION:UUID     ...:activity:NAME
--   ...:mapRun:NAME/LABEL:UUID       ...:execution:NAME/LABEL:UUID (of a map run)
--
-- Source of the format: the Step Functions API reference (AWS), "Identifiers".

local M = {}

--- Fields of what follows the kind, in order; the last one takes what remains.
local FIELDS = {
    stateMachine = { "name", "qualifier" },
    execution = { "name", "execution" },
    express = { "name", "execution", "uuid" },
    activity = { "name" },
    mapRun = { "name", "uuid" },
}

--- How many of the fields there must be.
local LEAST = { stateMachine = 1, execution = 2, express = 3, activity = 1, mapRun = 2 }

local HAS_LABEL = { stateMachine = true, execution = true, mapRun = true }

--- At most `most` parts of a text, cut at colons; nil when there are more.
local function split(text, most)
    local parts = {}
    for part in (text .. ":"):gmatch "([^:]*):" do
        parts[#parts + 1] = part
    end
    return #parts <= most and parts or nil
end

---@class flowhost.asl.Arn
---@field kind "stateMachine"|"execution"|"express"|"activity"|"mapRun"|"other"
---@field region string
---@field account string
---@field name string?       of the state machine or the activity
---@field label string?      of the Map state, where a map run is named
---@field qualifier string?  version number or alias
---@field execution string?
---@field uuid string?       of a map run or an express execution
---@field type string        as it stands in the ARN

--- What an ARN names; nil when it is none of Step Functions' form. An ARN of another service or of a type that is not
--- known has the kind "other".
---@return flowhost.asl.Arn?
function M.parse(text)
    if type(text) ~= "string" then
        return nil
    end
    local service, region, account, kind, rest = text:match "^arn:aws[%w-]*:([%w-]+):([%w-]*):(%d*):([^:]+):(.+)$"
    if not service then
        return nil
    end
    local found = { kind = "other", region = region, account = account, type = kind }
    local fields = service == "states" and FIELDS[kind]
    if not fields then
        return found
    end
    local parts = split(rest, #fields)
    if not parts or #parts < LEAST[kind] then
        return nil
    end
    for i, part in ipairs(parts) do
        if part == "" then
            return nil
        end
        found[fields[i]] = part
    end
    found.kind = kind
    if HAS_LABEL[kind] and found.name:find "/" then
        found.name, found.label = found.name:match "^(.*)/([^/]*)$"
    end
    return found
end

--- The ARNs of one account in one region.
---@param o { account: string, region: string }
function M.new(o)
    local prefix = ("arn:aws:states:%s:%s:"):format(o.region, o.account)
    local arn = { prefix = prefix, account = o.account, region = o.region, parse = M.parse }

    function arn.machine(name)
        return prefix .. "stateMachine:" .. name
    end

    function arn.version(name, number)
        return ("%sstateMachine:%s:%d"):format(prefix, name, number)
    end

    function arn.alias(name, alias)
        return ("%sstateMachine:%s:%s"):format(prefix, name, alias)
    end

    function arn.execution(machine, name)
        return ("%sexecution:%s:%s"):format(prefix, machine, name)
    end

    function arn.express_execution(machine, name, uuid)
        return ("%sexpress:%s:%s:%s"):format(prefix, machine, name, uuid)
    end

    function arn.activity(name)
        return prefix .. "activity:" .. name
    end

    function arn.map_run(machine, label, uuid)
        return ("%smapRun:%s/%s:%s"):format(prefix, machine, label, uuid)
    end

    return arn
end

return M
