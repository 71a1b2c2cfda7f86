-- SPDX-License-Identifier: MIT
-- The row of a run and the index rows that say the same: written in one batch, always together.
--
-- A run in memory:
--   id, bytes           26 characters, 16 bytes
--   flow, version, release (hex), durable, on_error, status, trace_id
--   input_json, output_json, error   (error object), redo (paths to run again on recover)
--   created, started, ended, attempt
--   pending             entries recorded and not submitted yet, next_chunk
--   recorded, submitted, durable_mark   how many records there are, are on their way, are on disk
--   stored_status       the status the store's indexes show, nil before the first commit
--   lua_us, commit_us   processor time of the flow, time waited for commits
--   network_ms, wait_ms time of its requests and components; of its sleeps, signals, children (sums over branches)
--   what most runs do not have (has_more says that one may): deadline (ms), alarm (due ms of its key in `alarms`),
--   waiting (what a parked run waits for), parent { run, step }, depth, tags, progress, forked_from { run, step },
--   stub, ending { status, error, reason }, key (its Idempotency-Key), origin { id, created }: of the run whose random
--   numbers and times a fork repeats

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local journal = require "flowhost.engine.journal"

local json, store, system = core.json, core.store, core.system
local tables = store.tables

local M = {}


M.STATUSES = {
    queued = true, running = true, waiting = true, suspended = true,
    succeeded = true, failed = true, broken = true, cancelled = true, timed_out = true,
}

M.TERMINAL = { succeeded = true, failed = true, broken = true, cancelled = true, timed_out = true }

--- A row is a JSON array, in this order: format 1.
local FIELDS = { "flow", "version", "release", "status", "durable", "created", "started", "ended", "trace_id",
    "attempt", "redo", "reason", "error", "input", "output", "lua_us", "commit_us", "more",
    "network_ms", "wait_ms" }

--- Kept in one object at the end of the row.
local MORE = { "deadline", "alarm", "waiting", "parent", "depth", "tags", "progress", "forked_from", "stub", "ending",
    "key", "origin" }

local function encode_more(run)
    if not run.has_more then
        return "null"
    end
    local more = {}
    for _, name in ipairs(MORE) do
        more[name] = run[name] or nil
    end
    return next(more) and assert(json.encode_stored(more)) or "null"
end

local redact = nil -- what rows pass while there are secrets

function M.set_redact(fn)
    redact = fn
end

local function encode_row(run)
    local err = run.error and error_object.to_plain(run.error)
    -- input and output are JSON text already: spliced in rather than decoded and encoded again
    local text = json.join(run.flow, run.version, run.release, run.status, run.durable, run.created, run.started,
        run.ended,
        run.trace_id, run.attempt, run.redo, run.reason, err, ("%s,%s,%d,%d,%s,%d,%d"):format(run.input_json,
            run.output_json or "null", run.lua_us, run.commit_us, encode_more(run), run.network_ms, run.wait_ms))
    return redact and redact(text) or text
end

local function flow_key(run)
    return run.flow .. "\0" .. run.bytes
end

local function status_key(status, run)
    return status .. "\0" .. run.bytes
end

function M.tag_key(name, value, bytes)
    return name .. "\0" .. value .. "\0" .. bytes
end

--- Tags set since the last batch; a tag that got another value loses the old one.
local function put_tags(batch, run)
    for name, change in pairs(run.new_tags) do
        if change.old then
            batch:del(tables.runs_by_tag, M.tag_key(name, change.old, run.bytes))
        end
        batch:put(tables.runs_by_tag, M.tag_key(name, change.new, run.bytes), run.flow)
    end
end

local function put_indexes(batch, run)
    batch:put(tables.runs_by_flow, flow_key(run), run.status)
    if run.stored_status then
        batch:del(tables.runs_by_status, status_key(run.stored_status, run))
    end
    batch:put(tables.runs_by_status, status_key(run.status, run), run.flow)
end

--- Takes a run that is removed out of every index.
function M.remove_indexes(batch, row)
    batch:del(tables.runs_by_flow, flow_key(row))
    batch:del(tables.runs_by_status, status_key(row.status, row))
    for name, value in pairs(row.tags or {}) do
        batch:del(tables.runs_by_tag, M.tag_key(name, value, row.bytes))
    end
    if row.key then
        batch:del(tables.idempotency, row.key)
    end
end

local NOTHING = {}

--- What else goes into the run's next batch: alarms, audit entries. M.also(run, "put", table, key, value), "del"
--- likewise.
function M.also(run, operation, table_id, key, value)
    run.also = run.also or {}
    run.also[#run.also + 1] = { operation, table_id, key, value }
end

--- Calls fn once the run's next batch is durable.
function M.after(run, fn)
    run.after = run.after or {}
    run.after[#run.after + 1] = fn
end

--- The batch of everything the run has recorded and not submitted.
function M.batch(run)
    local batch = store.batch()
    if (run.stored_status == nil and not run.parent) or run.stored_status == "suspended" then
        -- it can be refused on a full disk without anything being lost: the run is not there, or waits for a person;
        -- a child is work that was taken in with its parent
        batch:set_intake()
    end
    if run.stored_status == nil then
        local idempotency = run.idempotency
        if idempotency then
            batch:expect_absent(tables.idempotency, idempotency.key)
            batch:put(tables.idempotency, idempotency.key, run.bytes .. idempotency.hash)
        end
    end
    if run.new_tags then
        put_tags(batch, run)
    end
    for _, write in ipairs(run.also or NOTHING) do
        batch[write[1]](batch, write[2], write[3], write[4]) -- see M.also
    end
    if run.is_row_dirty then
        batch:put(tables.runs, run.bytes, encode_row(run))
        if run.stored_status ~= run.status then
            put_indexes(batch, run)
        end
    end
    if #run.pending > 0 then
        batch:put(tables.journal, journal.key(run.bytes, run.next_chunk), "[" .. table.concat(run.pending, ",") .. "]")
    end
    return batch
end

local function from_row(bytes, text)
    local list, reason = json.decode_stored(text)
    if not list then
        return nil, reason
    end
    local row = { bytes = bytes, id = system.id_text(bytes), stored_status = list[4] }
    for i, field in ipairs(FIELDS) do
        if list[i] ~= json.null then
            row[field] = list[i]
        end
    end
    row.lua_us, row.commit_us = row.lua_us or 0, row.commit_us or 0
    row.network_ms, row.wait_ms = row.network_ms or 0, row.wait_ms or 0
    for name, value in pairs(row.more or NOTHING) do
        row[name], row.has_more = value, true
    end
    row.more = nil
    return row
end

--- The row as stored: plain data with id and bytes. nil when unknown; nil, code, detail when damaged.
function M.read(bytes)
    local text, code, detail = store.get(tables.runs, bytes)
    if not text then
        return nil, code, detail
    end
    local row, reason = from_row(bytes, text)
    if not row then
        return nil, "CORRUPT", reason
    end
    return row
end

--- Rows of a scan of `runs`; damaged ones come as { id, bytes, corrupt = true }.
function M.decode(bytes, text)
    local row = text and from_row(bytes, text)
    return row or { id = system.id_text(bytes), bytes = bytes, corrupt = true }
end

--- What an idempotency key stands for: run bytes and input hash. nil when unknown; nil, code, detail when damaged.
function M.read_idempotency(key)
    local value, code, detail = store.get(tables.idempotency, key)
    if value then
        return value:sub(1, 16), value:sub(17)
    end
    return nil, code, detail
end

return M
