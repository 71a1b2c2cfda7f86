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

local function progress_view(progress)
    return progress and { done = progress.done, total = or_null(progress.total), text = or_null(progress.text) } or null
end

local function waiting_view(list)
    if not list or not list[1] then
        return null
    end
    local items = {}
    for i, one in ipairs(list) do
        items[i] = {
            kind = one.kind, step = or_null(one.step), name = or_null(one.name), ["until"] = M.time(one["until"]),
            attempt = or_null(one.attempt), child = or_null(one.child), error = or_null(one.error),
        }
    end
    local first = items[1]
    first.others = items[2] and #items - 1 or null
    return first
end

--- Where the time of a run went, in ms: its own Lua, commits, requests and components, waiting (these two summed over
--- its branches), and all from beginning to end.
local function account_view(row)
    local till = row.ended
    return { lua_ms = (row.lua_us or 0) / 1000, commit_ms = (row.commit_us or 0) / 1000,
        network_ms = row.network_ms or 0, waiting_ms = row.wait_ms or 0,
        total_ms = till and row.started and till - row.started or null }
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
        reason = or_null(row.reason), tags = row.tags or {}, progress = progress_view(row.progress),
        waiting_for = waiting_view(row.waiting),
        parent = row.parent and { run = row.parent.run, step = row.parent.step } or null,
        forked_from = row.forked_from and { run = row.forked_from.run, step = or_null(row.forked_from.step) } or null,
        ending = row.ending and row.ended == nil and row.ending.status or null, time = account_view(row),
    }
    if not is_listed then
        view.input, view.output = or_null(row.input), or_null(row.output)
    end
    return view
end

local STATUS = { k = "succeeded", e = "failed", o = "running", s = "running", t = "waiting" }
local WAITS = { sleep = true, sleep_until = true, wait = true, task = true, call = true, suspend = true }

local function child_of(entry)
    local opened = entry.state == "o" and type(entry.value) == "table" and entry.value.child
    if entry.kind == "start" and entry.state == "k" then
        return entry.value
    end
    return opened or entry.extra and entry.extra.child or null
end

--- A step from its entry. `error` of one that is tried again is that of the last attempt.
function M.step(entry)
    local is_open = entry.state ~= "k" and entry.state ~= "e"
    local extra = entry.extra or {}
    local output, err = null, null
    if entry.state == "k" then
        output = or_null(entry.value)
    elseif entry.state == "e" then
        err = entry.value
    elseif entry.state == "t" then
        err = entry.value.error
    end
    return {
        path = entry.path, kind = entry.kind, name = entry.name,
        status = is_open and WAITS[entry.kind] and "waiting" or STATUS[entry.state],
        input = or_null(extra.input), output = output, error = err, attempts = entry.attempts,
        started_at = M.time(entry.started), ended_at = is_open and null or M.time(entry.ended),
        ms = is_open and null or entry.ended - entry.started, line = entry.line ~= "" and entry.line or null,
        child = child_of(entry), edited = extra.edited or false,
    }
end

local STATES = { k = "ok", e = "error", o = "open", s = "started", t = "tried", r = "redo" }

--- An entry of the audit.
function M.audit(entry)
    return {
        at = M.time(entry.at), actor = entry.actor, action = entry.action, run = or_null(entry.run),
        flow = or_null(entry.flow), reason = or_null(entry.reason ~= "" and entry.reason or nil),
        before = or_null(entry.before), after = or_null(entry.after),
    }
end

--- The state of an entry in a word.
function M.state(letter)
    return STATES[letter] or letter
end

--- An entry of the journal as it stands there.
function M.entry(seq, entry)
    return {
        seq = seq, path = entry.path, kind = entry.kind, name = entry.name,
        line = entry.line ~= "" and entry.line or null,
        state = M.state(entry.state), attempts = entry.attempts, started_at = M.time(entry.started),
        ended_at = M.time(entry.ended), arguments = entry.hash ~= "" and entry.hash or null,
        value = or_null(entry.value),
        extra = or_null(entry.extra),
    }
end

return M
