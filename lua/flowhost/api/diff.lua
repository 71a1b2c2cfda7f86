-- SPDX-License-Identifier: MIT
-- GET /v1/runs/{a}/diff/{b}: where two runs went different ways.
--
--   { is_same, a, b: { id, flow, version, release, status, ms, steps },
--     changes: of input, output, error and what stands around the steps, [ { pointer, a, b } ]
--     first: the first of items, or null
--     items: steps that differ, by path, 1000 at most:
--            { path, differs: [ what ], a, b: step or null, changes, ms: b - a }
--     count: how many differ }
--
-- A step differs in "step" (one run has none there), "kind", "name", "arguments", "status" or "value"; in what it
-- differs stands in this order. Lines and times do not count, nor do the values of ctx.now, uuid and random.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local journal = require "flowhost.engine.journal"
local problem = require "flowhost.api.problem"
local runs = require "flowhost.api.runs"

local json = core.json
local null = json.null

local M = {}

local DEEP = { max_depth = 256 }
local MAX_ITEMS, MAX_CHANGES = 1000, 20
local BY_CHANCE = { now = true, uuid = true, random = true }
local STATUS = { k = "succeeded", e = "failed" }

local function or_null(value)
    if value == nil then
        return null
    end
    return value
end

-- values --------------------------------------------------------------------------------------------

local function escape(key)
    return (tostring(key):gsub("~", "~0"):gsub("/", "~1"))
end

local function add(changes, pointer, a, b)
    if #changes < MAX_CHANGES then
        changes[#changes + 1] = { pointer = pointer, a = or_null(a), b = or_null(b) }
    end
    changes.is_any = true
end

local function sorted_keys(a, b)
    local seen, keys = {}, {}
    for _, value in ipairs { a, b } do
        for key in pairs(value) do
            if not seen[key] then
                seen[key] = true
                keys[#keys + 1] = key
            end
        end
    end
    table.sort(keys, function(x, y)
        if type(x) == type(y) then
            return x < y
        end
        return type(x) == "number"
    end)
    return keys
end

--- Adds to `changes` where two JSON values differ.
local function compare(changes, pointer, a, b)
    if a == b then
        return
    elseif type(a) ~= "table" or type(b) ~= "table" or json.is_array(a) ~= json.is_array(b) then
        return add(changes, pointer, a, b)
    end
    local offset = json.is_array(a) and 1 or 0
    for _, key in ipairs(sorted_keys(a, b)) do
        local name = offset == 1 and key - 1 or key
        compare(changes, pointer .. "/" .. escape(name), a[key], b[key])
    end
end

-- steps ---------------------------------------------------------------------------------------------

--- By number at each level, a container before what is inside it.
local function path_key(path)
    return (path:gsub("%d+", function(number)
        return ("%08d"):format(number)
    end))
end

local function is_step(path)
    return path:sub(1, 1) ~= "~" -- signals that came in
end

--- Paths of both, in order, and how many steps each has.
local function paths_of(a, b)
    local keys, count_a, count_b = {}, 0, 0
    for path in pairs(a) do
        if is_step(path) then
            count_a = count_a + 1
            keys[#keys + 1] = { key = path_key(path), path = path }
        end
    end
    for path in pairs(b) do
        if is_step(path) then
            count_b = count_b + 1
            keys[#keys + 1] = not a[path] and { key = path_key(path), path = path } or nil
        end
    end
    table.sort(keys, function(x, y)
        return x.key < y.key
    end)
    return keys, count_a, count_b
end

local function status_of(entry)
    return STATUS[entry.state] or "running"
end

local function step_view(entry)
    if not entry then
        return null
    end
    local side = {
        kind = entry.kind, name = entry.name, line = entry.line ~= "" and entry.line or null,
        status = status_of(entry), attempts = entry.attempts, value = null, error = null, ms = null,
    }
    if STATUS[entry.state] then
        side[entry.state == "k" and "value" or "error"] = or_null(entry.value)
        side.ms = entry.ended - entry.started
    end
    return side
end

local function value_changes(a, b)
    local changes = {}
    if STATUS[a.state] and a.state == b.state and not BY_CHANCE[a.kind] then
        compare(changes, "", or_null(a.value), or_null(b.value))
    end
    return changes
end

local FIELDS = { { "kind", "kind" }, { "name", "name" }, { "arguments", "hash" } }

--- The item of a path, or nil when there is no difference.
local function compare_step(path, a, b)
    local differs, changes = {}, {}
    if not a or not b then
        differs[1] = "step"
    else
        for _, field in ipairs(FIELDS) do
            if a[field[2]] ~= b[field[2]] then
                differs[#differs + 1] = field[1]
            end
        end
        if status_of(a) ~= status_of(b) then
            differs[#differs + 1] = "status"
        end
        changes = value_changes(a, b)
        if changes.is_any then
            differs[#differs + 1] = "value"
        end
    end
    if #differs == 0 then
        return nil
    end
    changes.is_any = nil
    local view_a, view_b = step_view(a), step_view(b)
    local has_both = view_a ~= null and view_b ~= null and view_a.ms ~= null and view_b.ms ~= null
    return { path = path, differs = json.array(differs), changes = json.array(changes), a = view_a, b = view_b,
        ms = has_both and view_b.ms - view_a.ms or null }
end

-- runs ----------------------------------------------------------------------------------------------

local function run_view(row, steps)
    return { id = row.id, flow = row.flow, version = row.version, release = row.release, status = row.status,
        ms = row.ended and row.ended - row.created or null, steps = steps }
end

local function plain_error(row)
    return row.error and error_object.to_plain(row.error) or nil
end

local function changes_around(a, b)
    local changes = {}
    for _, field in ipairs { "flow", "version", "status", "input", "output" } do
        compare(changes, "/" .. field, or_null(a[field]), or_null(b[field]))
    end
    compare(changes, "/error", or_null(plain_error(a)), or_null(plain_error(b)))
    compare(changes, "/tags", or_null(a.tags), or_null(b.tags))
    changes.is_any = nil
    return changes
end

local function diff(a, b, entries_a, entries_b)
    local keys, count_a, count_b = paths_of(entries_a, entries_b)
    local items, count = {}, 0
    for _, one in ipairs(keys) do
        local item = compare_step(one.path, entries_a[one.path], entries_b[one.path])
        if item then
            count = count + 1
            items[#items + 1] = count <= MAX_ITEMS and item or nil
        end
    end
    local changes = changes_around(a, b)
    return {
        is_same = count == 0 and #changes == 0, a = run_view(a, count_a), b = run_view(b, count_b),
        changes = json.array(changes), first = or_null(items[1]), items = json.array(items), count = count,
    }
end

--- Entries in force by path, or nil after a problem was sent.
local function find_entries(request, row)
    local entries, reason = journal.load(row.bytes)
    if not entries then
        problem.send(request, 500, "CORRUPT", reason, { run = row.id })
        return nil
    end
    return journal.index(entries)
end

function M.get(request, captures)
    local a = runs.find_row(request, captures.a)
    local b = a and runs.find_row(request, captures.b)
    local entries_a = b and find_entries(request, a)
    local entries_b = entries_a and find_entries(request, b)
    if entries_b then
        local answer = diff(a, b, entries_a, entries_b)
        request:respond(200, { "Content-Type", "application/json" }, json.encode(answer, DEEP) .. "\n")
    end
end

return M
