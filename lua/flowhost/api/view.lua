-- SPDX-License-Identifier: MIT
-- Stored rows and entries as the JSON documents of the API (DESIGN §7). Times are RFC 3339 UTC with ms; absent is null.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"

local null = core.json.null

local M = {}

--- 2026-11-21T09:30:00.123Z
function M.time(ms)
    if type(ms) ~= "number" then
        return null
    end
    local seconds = math.floor(ms / 1000)
    return os.date("!%Y-%m-%dT%H:%M:%S", seconds) .. (".%03dZ"):format(ms - seconds * 1000)
end

local function or_null(value)
    if value == nil then
        return null
    end
    return value
end

local function error_view(err)
    if err == nil or err == null then
        return null
    end
    return error_object.to_plain(err)
end

--- A run from its row. Lists leave input and output out.
function M.run(row, is_listed)
    if row.corrupt then
        return { id = row.id, status = "corrupt" }
    end
    local view = {
        id = row.id, flow = row.flow, version = row.version, release = row.release, status = row.status,
        durable = row.durable, error = error_view(row.error), created_at = M.time(row.created),
        started_at = M.time(row.started), ended_at = M.time(row.ended), trace_id = row.trace_id, attempt = row.attempt,
        reason = or_null(row.reason),
    }
    if not is_listed then
        view.input, view.output = or_null(row.input), or_null(row.output)
    end
    return view
end

local STATUS = { k = "succeeded", e = "failed", o = "running" }

--- A step from its entry.
function M.step(entry)
    local is_open = entry.state == "o"
    local output = null
    if entry.state == "k" then
        output = or_null(entry.value)
    end
    return {
        path = entry.path, kind = entry.kind, name = entry.name, status = STATUS[entry.state], input = null,
        output = output, error = entry.state == "e" and entry.value or null, attempts = entry.attempts,
        started_at = M.time(entry.started), ended_at = is_open and null or M.time(entry.ended),
        ms = is_open and null or entry.ended - entry.started, line = entry.line ~= "" and entry.line or null,
    }
end

return M
