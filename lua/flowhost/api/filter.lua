-- SPDX-License-Identifier: MIT
-- Filters of runs as callers write them: flow, status, tag ("name:value"), since, until (RFC 3339).

local rows = require "flowhost.engine.rows"
local time = require "flowhost.schema.time"

local M = {}

local MAX_FLOW_NAME = 200

local NAMES = { flow = true, status = true, tag = true, since = true, ["until"] = true }

local function parse_tag(text)
    local name, value = text:match "^([%w_.-]+):(.+)$"
    return name and { name = name, value = value } or nil
end

local function status_names()
    local names = {}
    for name in pairs(rows.STATUSES) do
        names[#names + 1] = name
    end
    table.sort(names)
    return table.concat(names, ", ")
end

--- A filter in a body: it may hold nothing else, for what is overlooked would make it find more. As M.parse.
---@param given any
function M.parse_object(given)
    local is_any = false
    for name, value in pairs(type(given) == "table" and given or {}) do
        if not NAMES[name] then
            return nil, ("filter has the unknown field '%s': use flow, status, tag, since, until"):format(
                tostring(name))
        elseif type(value) ~= "string" then
            return nil, ("filter.%s must be a text"):format(name)
        end
        is_any = true
    end
    if not is_any then
        return nil, "filter must be an object with at least one of flow, status, tag, since, until"
    end
    return M.parse(given)
end

--- The filter for engine/listing; nil, sentence when it cannot be.
---@param given table  texts by name; others are ignored
function M.parse(given)
    local filter = { flow = given.flow, status = given.status }
    if given.flow and #given.flow > MAX_FLOW_NAME then
        return nil, ("flow must be a name of at most %d bytes"):format(MAX_FLOW_NAME)
    elseif given.status and not rows.STATUSES[given.status] then
        return nil, ("no run status '%s': use %s"):format(given.status, status_names())
    end
    if given.tag then
        filter.tag = parse_tag(given.tag)
        if not filter.tag then
            return nil, "tag must be written as name:value"
        end
    end
    for name, into in pairs { since = "since", ["until"] = "till" } do
        if given[name] then
            filter[into] = time.parse(given[name])
            if not filter[into] then
                return nil, name .. " must be a time such as 2026-11-21T09:30:00Z"
            end
        end
    end
    return filter
end

return M
