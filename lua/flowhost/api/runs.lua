-- SPDX-License-Identifier: MIT
-- /v1/runs: list, one, its steps, recover, cancel.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local journal = require "flowhost.engine.journal"
local problem = require "flowhost.api.problem"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"
local view = require "flowhost.api.view"

local json, store, system = core.json, core.store, core.system
local tables = store.tables

local M = {}

local JSON_HEADERS = { "Content-Type", "application/json" }
-- room for what stands around stored values
local DEEP = { max_depth = 192 }
local MAX_FLOW_NAME = 200
local DEFAULT_LIMIT, MAX_LIMIT, MAX_SCANNED = 50, 1000, 20000

local function send(request, status, value)
    request:respond(status, JSON_HEADERS, json.encode(value, DEEP) .. "\n")
end

--- The stored row, or nil after a 404 (or 500 for a damaged one) was sent.
local function find_row(request, id)
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
    local row = find_row(request, captures.id)
    if row then
        send(request, 200, view.run(row))
    end
end

local function text_table(steps)
    local lines = { ("%-10s %-10s %-40s %8s  %s"):format("path", "kind", "name", "ms", "ok") }
    for _, one in ipairs(steps) do
        local ok = one.status == "succeeded" and "yes" or one.status
        if one.status == "failed" then
            ok = "no  " .. tostring(one.error.code) .. ": " .. tostring(one.error.message)
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

local function collect_steps(entries)
    local steps = {}
    for path, entry in pairs(journal.index(entries)) do
        steps[#steps + 1] = { key = path_key(path), entry = entry }
    end
    table.sort(steps, function(a, b)
        return a.key < b.key
    end)
    for i, one in ipairs(steps) do
        steps[i] = view.step(one.entry)
    end
    return steps
end

local GROUPS = { all = true, map = true }

--- A group has no closing entry: it is done when the run is.
local function settle_groups(steps, row)
    for _, one in ipairs(steps) do
        if GROUPS[one.kind] and one.status == "running" and row.status ~= "running" then
            one.status = row.status == "succeeded" and "succeeded" or row.status
        end
    end
end

function M.steps(request, captures)
    local row = find_row(request, captures.id)
    if not row then
        return
    end
    local entries, reason = journal.load(row.bytes)
    if not entries then
        return problem.send(request, 500, "CORRUPT", reason, { run = row.id })
    end
    local steps = collect_steps(entries)
    settle_groups(steps, row)
    local accept = request:headers().accept or ""
    if accept:find("text/plain", 1, true) or request:query().format == "text" then
        return request:respond(200, { "Content-Type", "text/plain; charset=utf-8" }, text_table(steps))
    end
    send(request, 200, { items = json.array(steps), next = json.null })
end

--- How to walk the index that fits the filter: table, prefix, and a test on key and value.
local function plan_of(query)
    local flow, status = query.flow, query.status
    if flow then
        return tables.runs_by_flow, flow .. "\0", function(_, value)
            return not status or value == status
        end
    elseif status then
        return tables.runs_by_status, status .. "\0", function()
            return true
        end
    end
    return tables.runs, "", function()
        return true
    end
end

--- Newest first. Returns run ids (bytes) and the last key looked at when there may be more; nil, code, detail when the
--- store cannot be read.
local function walk(query, limit, after)
    local table_id, prefix, is_wanted = plan_of(query)
    local found, scanned = {}, 0
    after = after and prefix .. after
    while scanned < MAX_SCANNED do
        local want = math.min(limit, 500)
        local range = { prefix = prefix, after = after, reverse = true, limit = want }
        local keys, values, count = store.scan(table_id, range)
        if not keys then
            return nil, values, count
        end
        for i = 1, count do
            local bytes = keys[i]:sub(#prefix + 1)
            if is_wanted(keys[i], values[i]) then
                found[#found + 1] = bytes
                if #found == limit then
                    return found, bytes
                end
            end
        end
        if count < want then
            return found
        end
        scanned = scanned + count
        after = keys[count]
    end
    return found, after:sub(#prefix + 1)
end

local function check_query(query)
    local limit = query.limit == nil and DEFAULT_LIMIT or tonumber(query.limit)
    if not limit or limit < 1 or limit > MAX_LIMIT or limit ~= math.floor(limit) then
        return nil, ("limit must be a whole number from 1 to %d"):format(MAX_LIMIT)
    elseif query.flow and #query.flow > MAX_FLOW_NAME then
        return nil, ("flow must be a name of at most %d bytes"):format(MAX_FLOW_NAME)
    elseif query.status and not rows.STATUSES[query.status] then
        return nil, ("no run status '%s'"):format(query.status)
    end
    local after
    if query.cursor then
        after = system.id_bytes(query.cursor)
        if not after then
            return nil, "cursor is not one that this list gave"
        end
    end
    return limit, after
end

function M.list(request)
    local query = request:query()
    local limit, after = check_query(query)
    if not limit then
        return problem.send(request, 422, "QUERY_INVALID", after)
    end
    local found, last, detail = walk(query, limit, after)
    if not found then
        return problem.send(request, 500, last, detail)
    end
    local items = {}
    for i, bytes in ipairs(found) do
        items[i] = view.run(rows.decode(bytes, store.get(tables.runs, bytes)), true)
    end
    send(request, 200, { items = json.array(items), next = last and system.id_text(last) or json.null })
end

--- Body of recover and cancel: absent or an object with these fields only.
local function read_options(request, body, allowed)
    if body == "" then
        return {}
    end
    local value, reason = json.decode(body)
    if value == nil then
        problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
        return nil
    elseif type(value) ~= "table" or json.is_array(value) then
        problem.send(request, 400, "BODY_NOT_OBJECT", "the body must be a JSON object")
        return nil
    end
    for name in pairs(value) do
        if not allowed[name] then
            problem.send(request, 422, "UNKNOWN_FIELD", ("field '%s' is not known here"):format(name),
                { errors = json.array { { pointer = "/" .. name, message = "unknown field" } } })
            return nil
        end
    end
    return value
end

local function relay(request, row, verb, arguments)
    remote.call(remote.owner(row.bytes), verb, arguments, function(result)
        if result.status then
            return problem.send(request, result.status, result.code, result.detail, { run = row.id })
        end
        send(request, 202, view.run(rows.read(row.bytes)))
    end)
end

function M.recover(request, captures, _, _, body)
    local row = find_row(request, captures.id)
    if row and read_options(request, body, {}) then
        relay(request, row, "recover", { id = row.id })
    end
end

function M.cancel(request, captures, _, _, body)
    local row = find_row(request, captures.id)
    local options = row and read_options(request, body, { reason = true })
    if options then
        relay(request, row, "cancel", { id = row.id, reason = tostring(options.reason or "") })
    end
end

local function conflict(reply, row, wanted)
    reply { status = 409, code = "WRONG_STATE", detail = ("run %s is %s, not %s"):format(row.id, row.status, wanted) }
end

local function reply_failed(reply, err)
    reply { status = err.code == "DISK_FULL" and 507 or 503, code = err.code, detail = err.message }
end

--- Others may wait for the same run's end meanwhile.
local function remove_waiter(run, waiter)
    for i, one in ipairs(run.waiters) do
        if one == waiter then
            table.remove(run.waiters, i)
            return
        end
    end
end

remote.on("recover", function(arguments, reply)
    local row = rows.read(system.id_bytes(arguments.id))
    if run_module.live[arguments.id] then
        row.status = row.status == "suspended" and "running" or row.status
    end
    if row.status ~= "suspended" then
        return conflict(reply, row, "suspended")
    end
    local code, reason = catalog.find_code(row)
    if not code then
        return reply { status = 409, code = "RELEASE_MISSING", detail = reason }
    end
    local run, err = run_module.load(row, code)
    if not run then
        return reply { status = 500, code = err.code, detail = err.message }
    end
    -- the store refused it: nothing has changed, the run is suspended as before
    local function on_refused(failed)
        if failed.has_commit_failed then
            reply_failed(reply, failed.error)
        end
    end
    table.insert(run.waiters, on_refused)
    run_module.recover(run, function()
        remove_waiter(run, on_refused)
        reply {}
    end)
end)

remote.on("cancel", function(arguments, reply)
    local run = run_module.live[arguments.id]
    if not run then
        local row = rows.read(system.id_bytes(arguments.id))
        if row.status ~= "suspended" then
            return conflict(reply, row, "running or suspended")
        end
        local code = catalog.find_code(row) or { files = {}, on_error = "suspend" }
        run = run_module.load(row, code) or run_module.load_broken(row)
    elseif run.is_over then
        return conflict(reply, run, "running or suspended")
    end
    run.waiters[#run.waiters + 1] = function(ended)
        if ended.has_commit_failed then
            return reply_failed(reply, ended.error)
        end
        reply {}
    end
    run_module.cancel(run, arguments.reason)
end)

return M
