-- SPDX-License-Identifier: MIT
-- Filters of runs as callers write them: flow, status, tag ("name:value"), since, until (RFC 3339).

local rows = require "flowhost.engine.rows"
local time = require "flowhost.schema.time"

local M = {}

local MAX_FLOW_NAME = 200

local function parse_tag(text)
    local name, value = tostring(text):match "^([%w_.-]+):(.+)$"
    return name and { name = name, value = value } or nil
end

--- The filter for engine/listing; nil, sentence when it cannot be.
---@param given table  strings by name; others are ignored
function M.parse(given)
    local filter = { flow = given.flow, status = given.status }
    if given.flow and #given.flow > MAX_FLOW_NAME then
        return nil, ("flow must be a name of at most %d bytes"):format(MAX_FLOW_NAME)
    elseif given.status and not rows.STATUSES[given.status] then
        return nil, ("no run status '%s'"):format(given.status)
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
