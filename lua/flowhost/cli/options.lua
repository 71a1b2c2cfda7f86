-- SPDX-License-Identifier: MIT
-- Options that several commands have, and how their text is checked. A check gives the value, or nil and a sentence,
-- which the command line prints as wrong usage.

local core = require "flowhost.core"

local json, timer = core.json, core.timer

local M = {}

local UNITS = { s = 1, m = 60, h = 3600, d = 86400, w = 604800 }
local MAX_LIMIT = 100000

--- A JSON value, kept as text.
function M.json(text)
    local value, reason = json.decode(text)
    if value == nil then
        return nil, ("'%s' is not JSON: %s; text needs quotes of its own: '\"text\"'"):format(text, reason)
    end
    return text
end

--- "PATH=JSON" -> { path, text }.
function M.step(text)
    local path, value = text:match "^([%d.]+)=(.*)$"
    if not path then
        return nil, ("'%s' is not PATH=JSON, such as 2.1='{\"id\":7}'"):format(text)
    end
    local checked, reason = M.json(value)
    if not checked then
        return nil, reason
    end
    return { path, checked }
end

--- "name=value" -> "name:value" as the API has it.
function M.tag(text)
    local name, value = text:match "^([^=:]+)=(.*)$"
    if not name then
        return nil, ("'%s' is not NAME=VALUE"):format(text)
    end
    return name .. ":" .. value
end

function M.limit(text)
    local number = text:find "^%d+$" and tonumber(text)
    if not number or number < 1 or number > MAX_LIMIT then
        return nil, ("'%s' is not a whole number from 1 to %d"):format(text, MAX_LIMIT)
    end
    return number
end

--- A time of the API, a date, or how long ago: 90s, 10m, 2h, 7d, 1w.
function M.time(text)
    local number, unit = text:match "^(%d+%.?%d*)([smhdw])$"
    if number then
        return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(timer.now_ms() / 1000 - tonumber(number) * UNITS[unit]))
    elseif text:find "^%d%d%d%d%-%d%d%-%d%d$" then
        return text .. "T00:00:00Z"
    elseif text:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d" then
        return text
    end
    return nil, ("'%s' is not a time: 2026-11-21, 2026-11-21T09:30:00Z, or how long ago: 90s, 10m, 2h, 7d"):format(text)
end

--- For commands that ask a host.
function M.client(command)
    command:option("--host", "The host (FLOWHOST_HOST; http://127.0.0.1:8080)."):argname "URL"
    command:option("--token", "Token of the API (better: FLOWHOST_TOKEN)."):argname "TOKEN"
    command:flag("--json", "Print the answer as it is.")
end

--- Which runs.
function M.filter(command)
    command:option("--flow", "Of this flow."):argname "NAME"
    command:option("--status", "With this status, e.g. suspended."):argname "STATUS"
    command:option("--tag", "With this tag."):argname "NAME=VALUE":convert(M.tag)
    command:option("--since", "Created then or later: a time, or how long ago (2h, 7d)."):argname "TIME":convert(M.time)
    command:option("--until", "Created before."):argname "TIME":convert(M.time)
end

--- The fields of a filter that were given.
function M.filter_of(o)
    return { flow = o.flow, status = o.status, tag = o.tag, since = o.since, ["until"] = o["until"] }
end

--- One run, or --all and a filter.
function M.run_or_all(command, what)
    command:argument("id", "The run."):args "?"
    command:flag("--all", what)
    M.filter(command)
end

function M.check_run_or_all(o)
    local has_filter = next(M.filter_of(o)) ~= nil
    if not o.id and not o.all then
        return nil, "name a run, or --all and which ones (--flow, --status, --tag, --since, --until)"
    elseif o.id and (o.all or has_filter) then
        return nil, "name a run or use --all with --flow, --status, --tag, --since, --until; not both"
    elseif o.all and not has_filter then
        return nil, "--all needs at least one of --flow, --status, --tag, --since, --until"
    end
    return true
end

--- Edits of a run that recover and fork share.
function M.edits(command)
    command:option("--input", "Another input."):argname "JSON":convert(M.json)
    command:option("--step", "Another result of a step; may be repeated."):argname "PATH=JSON":convert(M.step):count "*"
    command:option("--data", "Other shared data."):argname "JSON":convert(M.json)
    command:option("--from", "Step to start again from."):argname "PATH"
    command:option("--reason", "Why; kept in the audit."):argname "TEXT"
end

--- The value of JSON text that options checked.
function M.value(text)
    return text and json.decode(text)
end

--- Body of recover and fork.
function M.edits_of(o)
    local steps
    for _, one in ipairs(o.step or {}) do
        steps = steps or {}
        steps[one[1]] = { output = json.decode(one[2]) }
    end
    return { input = M.value(o.input), data = M.value(o.data), steps = steps, from = o.from, reason = o.reason }
end

return M
