-- SPDX-License-Identifier: MIT
-- Changing a run before it goes on, and forking it: what a person may edit, checked whole before anything is changed,
-- then written in one batch with an audit entry. What was recorded before stays in the journal.
--
--   value      result of the step at which the run stands      steps    path -> { output }
--   input      the run's input                                 from     path of the step to restart from
--   data       shared data, merged at the top level            release  "pinned" | "active"

local core = require "flowhost.core"
local alarms = require "flowhost.engine.alarms"
local audit = require "flowhost.engine.audit"
local fields = require "flowhost.schema.fields"
local journal = require "flowhost.engine.journal"

local json, system, timer = core.json, core.system, core.timer

local M = {}

local KNOWN = { value = "any", input = "any", data = "object", steps = "object", from = "string", release = "string",
    dry_run = "boolean", actor = "string", reason = "string", allow_effects = "boolean" }

local function problem(pointer, message)
    return { status = 422, code = "EDIT_INVALID", detail = ("%s %s"):format(pointer, message),
        errors = json.array { { pointer = pointer, message = message } } }
end

local function is_object(value)
    return type(value) == "table" and not json.is_array(value)
end

local TYPE_CHECKS = {
    any = function() return true end,
    object = is_object,
    string = function(value) return type(value) == "string" end,
    boolean = function(value) return type(value) == "boolean" end,
}

local function check_types(edits)
    for name, value in pairs(edits) do
        local expected = KNOWN[name]
        if not expected then
            return problem("/" .. name, "is not known here")
        elseif not TYPE_CHECKS[expected](value) then
            return problem("/" .. name, "must be " .. (expected == "object" and "an object" or "a " .. expected))
        end
    end
    if edits.release and edits.release ~= "pinned" and edits.release ~= "active" then
        return problem("/release", "must be \"pinned\" or \"active\"")
    end
end

local function pointer_of(path)
    return "/steps/" .. path:gsub("~", "~0"):gsub("/", "~1")
end

local UNEDITABLE = { log = "a log line", signal = "a signal", ["data.edit"] = "an edit" }

local function check_steps(steps, by_path)
    for path, edit in pairs(steps or {}) do
        local entry = by_path[path]
        if not entry or UNEDITABLE[entry.kind] then
            return problem(pointer_of(path), "names no step that the run has recorded")
        elseif journal.GROUPS[entry.kind] then
            return problem(pointer_of(path), "is a group: edit the steps in it")
        elseif not is_object(edit) or edit.output == nil then
            return problem(pointer_of(path), "must be an object { \"output\": ... }")
        end
        for name in pairs(edit) do
            if name ~= "output" then
                return problem(pointer_of(path) .. "/" .. name, "is not known here")
            end
        end
    end
end

--- The step at which a suspended run stands: its path, and what is known of it.
local function standing_at(row, by_path)
    local err = row.error or {}
    local path = err.step
    if not path then
        return nil
    end
    local entry = by_path[path]
    if not entry and err.code == "EFFECT_NOT_ALLOWED" and is_object(err.data) then
        entry = { path = path, kind = err.data.kind, name = err.data.name, hash = err.data.arguments, line = "",
            started = timer.now_ms(), attempts = 1 }
    end
    return path, entry
end

--- What is wrong with the edits; nil when they can be applied.
---@param row table      of the run
---@param flow table?    its flow, for the check of the input
function M.check(row, by_path, edits, flow)
    local wrong = check_types(edits) or check_steps(edits.steps, by_path)
    if wrong then
        return wrong
    end
    if edits.from and not (by_path[edits.from] and not UNEDITABLE[by_path[edits.from].kind]) then
        return problem("/from", "names no step that the run has recorded")
    end
    if edits.value ~= nil then
        local path, entry = standing_at(row, by_path)
        if not path or not entry or journal.GROUPS[entry.kind] then
            return problem("/value", "has no step to go to: the run does not stand at one")
        end
    end
    if edits.input ~= nil and flow and flow.request then
        local errors = fields.check(flow.request, edits.input, json)
        if errors then
            errors[1].pointer = "/input" .. errors[1].pointer
            return problem(errors[1].pointer, errors[1].message)
        end
    end
end

-- applying ---------------------------------------------------------------------------------------

--- Adds an entry to the run's journal, on its way to disk and in memory.
local function add(run, entry)
    run.entry_count = run.entry_count + 1
    entry.order = run.entry_count
    local text = json.encode_stored(entry.value == nil and json.null or entry.value)
    if entry.extra then
        text = text .. "," .. json.encode_stored(entry.extra)
    end
    run.pending[#run.pending + 1] = journal.encode(entry.path, entry.kind, entry.name, entry.hash, entry.line,
        entry.started, entry.ended, entry.attempts, entry.state, text)
end

local function void(run, path, extra)
    local now = timer.now_ms()
    add(run, { path = path, kind = "redo", name = "", hash = "", line = "", started = now, ended = now, attempts = 1,
        state = "r", extra = extra })
    if extra then
        journal.void_from(run.journal, path)
    else
        run.journal[path] = nil
    end
end

--- Containers around a step that have ended must run again, or what changed below them is never looked at. A group that
--- a branch has decided plays that branch again as it is.
local function void_around(run, path)
    local above = path:match "^(.*)%.[^.]*$"
    while above do
        local entry = run.journal[above]
        local is_decided = entry and journal.GROUPS[entry.kind] and entry.state == "k"
        if entry and entry.state ~= "o" and not is_decided then
            void(run, above)
        end
        above = above:match "^(.*)%.[^.]*$"
    end
end

local function set_result(run, entry, value)
    void_around(run, entry.path)
    local edited = { path = entry.path, kind = entry.kind, name = entry.name, hash = entry.hash, line = entry.line,
        started = entry.started, ended = timer.now_ms(), attempts = entry.attempts, state = "k", value = value,
        extra = { edited = true } }
    add(run, edited)
    run.journal[entry.path] = edited
end

local FAILED = { e = true, s = true }

--- What failed inside of a container with several attempts is forgotten with it.
local function void_failed_below(run, path)
    local prefix = path .. "."
    local found = {}
    for other, entry in pairs(run.journal) do
        if FAILED[entry.state] and other:sub(1, #prefix) == prefix then
            found[#found + 1] = other
        end
    end
    table.sort(found)
    for _, other in ipairs(found) do
        void(run, other)
    end
end

--- Takes one step back: it begins anew.
M.void = function(run, path)
    void(run, path)
end

--- Takes a failed step back, with what failed in it and all containers around it that are decided.
function M.void_up(run, path)
    void_failed_below(run, path)
    while path do
        local entry = run.journal[path]
        if entry and entry.state ~= "o" then
            void(run, path)
        end
        path = path:match "^(.*)%.[^.]*$"
    end
end

--- The failed steps and the containers around them are forgotten: they run again.
local function void_failed(run)
    for _, failed in ipairs(run.redo or {}) do
        local path = failed
        while path do
            local entry = run.journal[path]
            if entry and FAILED[entry.state] then
                void(run, path)
                if entry.attempts > 1 then
                    void_failed_below(run, path)
                end
            end
            path = path:match "^(.*)%.[^.]*$"
        end
    end
end

local function edit_data(run, data)
    local now = timer.now_ms()
    local entry = { path = ("~d%d"):format(run.entry_count + 1), kind = "data.edit", name = "", hash = "", line = "",
        started = now, ended = now, attempts = 1, state = "k", value = data, extra = { edited = true } }
    add(run, entry)
    run.journal[entry.path] = entry
end

local function before_of(run, edits)
    local before = {}
    for path in pairs(edits.steps or {}) do
        before[path] = run.journal[path].value
    end
    return { input = edits.input ~= nil and run.input or nil, steps = next(before) and before or nil,
        error = run.error, release = edits.release == "active" and run.release or nil }
end

local function after_of(edits)
    return { value = edits.value, input = edits.input, data = edits.data, steps = edits.steps, from = edits.from,
        release = edits.release }
end

--- The steps to be edited as they are before anything is changed.
local function edited_entries(by_path, edits)
    local found = {}
    for path in pairs(edits.steps or {}) do
        found[path] = by_path[path]
    end
    return found
end

--- Children that steps wait for which are taken back are not waited for any more.
local function cancel_children(run, before)
    for path, entry in pairs(before) do
        if entry.kind == "call" and entry.state == "o" and not run.journal[path] then
            alarms.set(run, system.id_bytes(entry.value.child), timer.now_ms(), "c", "cancel",
                ("its parent %s was restarted before it"):format(run.id))
        end
    end
end

local function restart(run, path)
    local before = {}
    for other, entry in pairs(run.journal) do
        before[other] = entry
    end
    void(run, path, { from = true })
    cancel_children(run, before)
end

local function apply_edits(run, edits, originals)
    if edits.from then
        restart(run, edits.from)
    end
    local paths = {}
    for path in pairs(edits.steps or {}) do
        paths[#paths + 1] = path
    end
    table.sort(paths)
    for _, path in ipairs(paths) do
        set_result(run, originals[path], edits.steps[path].output)
    end
    if edits.data then
        edit_data(run, edits.data)
    end
    if edits.input ~= nil then
        run.input = edits.input
        run.input_json = json.encode_stored(edits.input)
    end
end

--- Ids of child runs that calls wait for, by the path of the call.
local function awaited_children(by_path)
    local children = {}
    for path, entry in pairs(by_path) do
        children[path] = entry.kind == "call" and entry.state == "o" and entry.value.child or nil
    end
    return children
end

--- What checked edits make of a run's input and journal: `run` has journal, entry_count, pending, input, error, redo.
--- Returns the ids of child runs that it does not wait for any more.
function M.change(run, edits)
    local path, standing = standing_at(run, run.journal)
    local before = awaited_children(run.journal)
    apply_edits(run, edits, edited_entries(run.journal, edits))
    if edits.value ~= nil then
        set_result(run, standing, edits.value)
    elseif standing and standing.kind == "suspend" and run.journal[path] == standing then
        set_result(run, standing, json.null)
    end
    if not edits.from then
        void_failed(run)
    end
    local after, left = awaited_children(run.journal), {}
    for call, child in pairs(before) do
        left[#left + 1] = after[call] ~= child and child or nil
    end
    return left
end

--- Applies checked edits to a suspended run that was just loaded; run.go_on writes them. Returns as M.change.
function M.apply(run, edits)
    audit.add(run, { actor = edits.actor or "admin", action = "recover", before = before_of(run, edits),
        after = after_of(edits), reason = edits.reason })
    return M.change(run, edits)
end

-- forks ------------------------------------------------------------------------------------------

local function in_order(by_path)
    local list = {}
    for _, entry in pairs(by_path) do
        list[#list + 1] = entry
    end
    table.sort(list, function(a, b)
        return a.order < b.order
    end)
    return list
end

--- A step that waits for a child of the other run, or a worker, begins anew; so does one whose outcome is unknown.
local function is_kept(entry)
    local is_outside = entry.kind == "call" or entry.kind == "start" or entry.kind == "task"
    return not (is_outside and entry.state == "o") and entry.state ~= "s" and entry.kind ~= "redo"
end

--- What steps have set that a replay does not set again.
local function keep_marks(run, entry)
    if entry.state ~= "k" then
        return
    elseif entry.kind == "tag" then
        run.tags, run.new_tags = run.tags or {}, run.new_tags or {}
        run.tags[entry.name], run.new_tags[entry.name] = entry.value, { new = entry.value }
    elseif entry.kind == "progress" then
        run.progress = entry.value
    end
end

--- The run that a fork begins as: a copy of the journal in force, cut at `from`, with the edits. Not started, not
--- written.
---@param own { id: string, bytes: string }
function M.fork(row, by_path, edits, own)
    local now = timer.now_ms()
    local run = {
        id = own.id, bytes = own.bytes, flow = row.flow, version = row.version, release = row.release,
        durable = "always", created = now, started = now, input = row.input, attempt = 1, status = "running",
        input_json = json.encode_stored(row.input == nil and json.null or row.input), journal = {}, entry_count = 0,
        pending = {}, next_chunk = 0, recorded = 1, is_row_dirty = true, has_more = true, depth = row.depth,
        stub = not edits.allow_effects or nil, origin = row.origin or { id = row.id, created = row.created },
    }
    local originals = edited_entries(by_path, edits)
    if edits.from then
        journal.void_from(by_path, edits.from)
    end
    for _, entry in ipairs(in_order(by_path)) do
        if is_kept(entry) then
            local copy = {}
            for name, value in pairs(entry) do
                copy[name] = value
            end
            add(run, copy)
            run.journal[copy.path] = copy
            keep_marks(run, copy)
        end
    end
    run.forked_from = { run = row.id, step = edits.from, entries = run.entry_count }
    apply_edits(run, { steps = edits.steps, input = edits.input, data = edits.data }, originals)
    return run
end

return M
