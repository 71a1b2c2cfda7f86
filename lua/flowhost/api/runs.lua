-- SPDX-License-Identifier: MIT
-- /v1/runs: list, one, its steps, its journal. What is done to runs lies in run_actions.lua.

local core = require "flowhost.core"
local filter = require "flowhost.api.filter"
local journal = require "flowhost.engine.journal"
local listing = require "flowhost.engine.listing"
local problem = require "flowhost.api.problem"
local rows = require "flowhost.engine.rows"
local view = require "flowhost.api.view"

local json, store, system = core.json, core.store, core.system
local tables = store.tables

local M = {}

local JSON_HEADERS = { "Content-Type", "application/json" }
-- room for what stands around stored values
local DEEP = { max_depth = 192 }
local DEFAULT_LIMIT, MAX_LIMIT = 50, 1000

local function send(request, status, value)
    request:respond(status, JSON_HEADERS, json.encode(value, DEEP) .. "\n")
end

M.send = send

--- The stored row, or nil after a 404 (or 500 for a damaged one) was sent.
function M.find_row(request, id)
    local bytes = system.id_bytes(id)
    if not bytes then
        problem.send(request, 404, "NO_RUN", ("'%s' is not a run id (26 characters)"):format(id))
        return nil
    end
    local row, code, detail = rows.read(bytes)
    if row then
        return row
    elseif code then
        problem.send(request, 500, code, detail, { run = id })
    else
        problem.send(request, 404, "NO_RUN", ("no run %s"):format(id))
    end
end

function M.get(request, captures)
    local row = M.find_row(request, captures.id)
    if row then
        send(request, 200, view.run(row))
    end
end

local OK = { succeeded = "yes", failed = "no" }

local function text_table(steps)
    local lines = { ("%-10s %-10s %-40s %8s  %s"):format("path", "kind", "name", "ms", "ok") }
    for _, one in ipairs(steps) do
        local ok = OK[one.status] or one.status
        if one.error ~= json.null then
            ok = ("%s  %s: %s"):format(ok, tostring(one.error.code), tostring(one.error.message))
        end
        if one.attempts > 1 then
            ok = ("%s  (%d attempts)"):format(ok, one.attempts)
        end
        lines[#lines + 1] = ("%-10s %-10s %-40s %8s  %s"):format(one.path, one.kind, one.name:sub(1, 40),
            one.ms == json.null and "-" or one.ms, ok)
    end
    return table.concat(lines, "\n") .. "\n"
end

--- Order of paths: by number at each level, a container before what is inside it.
local function path_key(path)
    return (path:gsub("%d+", function(number)
        return ("%08d"):format(number)
    end))
end

--- Entries of a run that are no steps.
local NO_STEP = { signal = true, ["data.edit"] = true }

local function collect_steps(entries)
    local steps = {}
    for path, entry in pairs(journal.index(entries)) do
        if not NO_STEP[entry.kind] then
            steps[#steps + 1] = { key = path_key(path), entry = entry }
        end
    end
    table.sort(steps, function(a, b)
        return a.key < b.key
    end)
    for i, one in ipairs(steps) do
        steps[i] = view.step(one.entry)
    end
    return steps
end

local function is_below(prefixes, path)
    for _, prefix in ipairs(prefixes) do
        if path:sub(1, #prefix) == prefix then
            return true
        end
    end
    return false
end

--- What has become of open steps. A group that waits for all has no closing entry: it is done when the run is. What a
--- branch waited for when another had won, or when the run ended, has ended with it.
local function settle_open(steps, row)
    local is_over = rows.TERMINAL[row.status]
    local decided = {}
    for _, one in ipairs(steps) do
        local is_group = journal.GROUPS[one.kind]
        if one.ended_at ~= json.null then
            decided[#decided + 1] = is_group and one.path .. "." or nil
        elseif is_below(decided, one.path) or (is_over and not is_group) then
            one.status = "cancelled"
        elseif is_over or row.status == "suspended" then
            one.status = row.status
        end
    end
end

function M.steps(request, captures)
    local row = M.find_row(request, captures.id)
    if not row then
        return
    end
    local entries, reason = journal.load(row.bytes)
    if not entries then
        return problem.send(request, 500, "CORRUPT", reason, { run = row.id })
    end
    local steps = collect_steps(entries)
    settle_open(steps, row)
    local accept = request:headers().accept or ""
    if accept:find("text/plain", 1, true) or request:query().format == "text" then
        return request:respond(200, { "Content-Type", "text/plain; charset=utf-8" }, text_table(steps))
    end
    send(request, 200, { items = json.array(steps), next = json.null })
end

--- Limit and cursor of a list; nil after a problem was sent.
function M.read_page(request, query, default, most)
    local limit = query.limit == nil and default or tonumber(query.limit)
    if not limit or limit < 1 or limit > most or limit ~= math.floor(limit) then
        problem.send(request, 422, "QUERY_INVALID", ("limit must be a whole number from 1 to %d"):format(most))
        return nil
    end
    return limit
end

local LIST_QUERY = { flow = true, status = true, tag = true, since = true, ["until"] = true, limit = true,
    cursor = true }

--- What is overlooked would make a list longer than it was meant.
local function find_unknown(query)
    for name in pairs(query) do
        if not LIST_QUERY[name] then
            return name
        end
    end
end

function M.list(request)
    local query = request:query()
    local unknown = find_unknown(query)
    if unknown then
        return problem.send(request, 422, "QUERY_INVALID",
            ("'%s' is not known here: use flow, status, tag, since, until, limit, cursor"):format(unknown))
    end
    local limit = M.read_page(request, query, DEFAULT_LIMIT, MAX_LIMIT)
    if not limit then
        return
    end
    local wanted, reason = filter.parse(query)
    local after = query.cursor and system.id_bytes(query.cursor)
    if wanted and query.cursor and not after then
        wanted, reason = nil, "cursor is not one that this list gave"
    end
    if not wanted then
        return problem.send(request, 422, "QUERY_INVALID", reason)
    end
    local found, last, detail = listing.page(wanted, limit, after)
    if not found then
        return problem.send(request, 500, last, detail)
    end
    local items = {}
    for i, bytes in ipairs(found) do
        items[i] = view.run(rows.decode(bytes, store.get(tables.runs, bytes)), true)
    end
    send(request, 200, { items = json.array(items), next = last and system.id_text(last) or json.null })
end

--- Every entry as it was recorded, also those that a later one has replaced.
function M.journal(request, captures)
    local row = M.find_row(request, captures.id)
    local query = request:query()
    local limit = row and M.read_page(request, query, 1000, 10000)
    if not limit then
        return
    end
    local first = query.cursor == nil and 0 or query.cursor:find "^%d+$" and tonumber(query.cursor)
    if not first then
        return problem.send(request, 422, "QUERY_INVALID", "cursor is not one that this list gave")
    end
    local entries, reason = journal.load(row.bytes)
    if not entries then
        return problem.send(request, 500, "CORRUPT", reason, { run = row.id })
    end
    local items = {}
    for i = first + 1, math.min(first + limit, #entries) do
        items[#items + 1] = view.entry(i, entries[i])
    end
    local last = first + #items
    send(request, 200, { items = json.array(items), next = last < #entries and tostring(last) or json.null })
end

return M
