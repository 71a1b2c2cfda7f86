-- SPDX-License-Identifier: MIT
-- GET /v1/runs/{id}/events: a run as it goes on, as server-sent events.
--
--   id: <chunk>-<index>     event: step     one entry of the journal, as a step
--   id: <chunk>-<index>     event: redo     what was told of that path so far is void
--                           event: run      the run, first behind the steps so far, then when its state has changed
--   id: end                 event: end      the run once it has ended; then the stream is closed
--                           event: error    code and detail; the stream is closed
--
-- An event is sent when what it tells is durable: it is read from the store after each commit of the run
-- (engine/watch), by the shard that has the connection, as fast as the caller reads. Last-Event-ID, or else ?after=,
-- resumes.

local core = require "flowhost.core"
local journal_tail = require "flowhost.engine.journal_tail"
local problem = require "flowhost.api.problem"
local rows = require "flowhost.engine.rows"
local start = require "flowhost.api.start"
local token = require "flowhost.engine.token"
local view = require "flowhost.api.view"
local watch = require "flowhost.engine.watch"

local json, system, timer = core.json, core.system, core.timer

local M = {}

local HEADERS = { "Content-Type", "text/event-stream", "Cache-Control", "no-store", "X-Accel-Buffering", "no" }
local DEEP = { max_depth = 192 }
local MAX_STREAMS = 1000
local MAX_CHUNK = 2 ^ 32 - 1
local PIECE_BYTES = 256 * 1024
local KEEP_ALIVE_MS = 15000

-- The streams of this shard, by themselves:
--   id, bytes     of the run           stream, gone (token)
--   place         what was sent last   shown   the state that was sent last
--   text, at      what is being sent, and from where   is_waiting: for the caller to read
--   is_last       nothing follows text
local open = {}
local count = 0

local has_timer = false

local function event(name, id, value)
    local text = json.encode(value, DEEP)
    return ("%sevent: %s\ndata: %s\n\n"):format(id and "id: " .. id .. "\n" or "", name, text)
end

local function drop(one)
    if open[one] then
        open[one] = nil
        count = count - 1
        token.drop(one.gone)
        watch.stop(one.id, one.on_change)
    end
end

local function close(one)
    drop(one)
    one.stream:close()
end

-- what there is to say -------------------------------------------------------------------------------------

local function step_event(entry, chunk, index)
    local is_redo = entry.state == "r"
    local shown = view.step(entry)
    shown.status = shown.status or (is_redo and "redo") or entry.state
    return event(is_redo and "redo" or "step", ("%d-%d"):format(chunk, index), shown)
end

local function failure(one, code, detail)
    one.is_last = true
    return event("error", nil, { run = one.id, code = code, detail = detail })
end

--- What a person who watches would call a change.
local function state_of(shown)
    return json.encode({ shown.status, shown.attempt, shown.waiting_for or json.null, shown.progress or json.null,
        shown.tags or json.null, shown.error or json.null }, DEEP)
end

local function run_event(one, row)
    local shown = view.run(row, true)
    if rows.TERMINAL[row.status] then
        one.is_last = true
        return event("end", "end", shown)
    end
    local state = state_of(shown)
    if state ~= one.shown then
        one.shown = state
        return event("run", nil, shown)
    end
end

--- The next part of the stream, nil when there is nothing new. The row is read before the journal: if it says that the
--- run has ended, no entries come any more behind those that are read then.
local function next_text(one)
    local row, code, detail = rows.read(one.bytes)
    if not row then
        return failure(one, code or "NO_RUN", detail or ("no run %s any more"):format(one.id))
    end
    local parts = {}
    local place, has_more = journal_tail.read(one.bytes, one.place, function(entry, chunk, index)
        parts[#parts + 1] = step_event(entry, chunk, index)
    end)
    if not place then
        return failure(one, "CORRUPT", has_more)
    end
    one.place = place
    if parts[1] then
        return table.concat(parts)
    elseif has_more then
        return "" -- a page of what the caller has already
    end
    return run_event(one, row)
end

-- sending --------------------------------------------------------------------------------------------------

local pump

--- false when the caller does not take more now, or has gone.
local function send_piece(one)
    local piece = one.text:sub(one.at, one.at + PIECE_BYTES - 1)
    local ok, code = one.stream:write(piece)
    if ok then
        one.at = one.at + #piece
        return true
    elseif code == "TOO_LARGE" then
        one.is_waiting = true
        one.stream:await_room(token.new(function()
            one.is_waiting = false
            pump(one)
        end))
    else
        close(one)
    end
    return false
end

local function send_all(one)
    while open[one] and not one.is_waiting do
        if not one.text and one.is_last then
            return close(one)
        end
        one.text, one.at = one.text or next_text(one), one.at or 1
        if not one.text then
            return
        end
        while one.at <= #one.text do
            if not send_piece(one) then
                return
            end
        end
        one.text, one.at = nil, nil
    end
end

--- Sends what there is to send. An error here ends this stream and nothing else.
function pump(one)
    local ok, raised = xpcall(send_all, debug.traceback, one)
    if not ok then
        system.log("error", "an event stream failed: " .. tostring(raised), { "run", one.id })
        close(one)
    end
end

--- Proxies and callers give up on a connection that is silent for long.
local function keep_alive()
    has_timer = false
    for one in pairs(open) do
        if not one.text and not one.stream:write ": keep-alive\n\n" then
            close(one)
        end
    end
    M.arm()
end

function M.arm()
    if not has_timer and count > 0 then
        has_timer = true
        timer.start(KEEP_ALIVE_MS, token.new(keep_alive))
    end
end

-- requests -------------------------------------------------------------------------------------------------

--- Where the caller left off: a place, or "end". nil when it is no id of ours.
local function place_of(text)
    if text == nil or text == "" then
        return journal_tail.BEGINNING
    elseif text == "end" then
        return text
    end
    local chunk, index = text:match "^(%d+)%-(%d+)$"
    chunk, index = tonumber(chunk), tonumber(index)
    return chunk and chunk <= MAX_CHUNK and index <= MAX_CHUNK and { chunk = chunk, index = index } or nil
end

local function find_row(request, id)
    local bytes = system.id_bytes(id)
    local row, code, detail
    if bytes then
        row, code, detail = rows.read(bytes)
    end
    if row then
        return row
    elseif code then
        problem.send(request, 500, code, detail, { run = id })
    else
        problem.send(request, 404, "NO_RUN", ("no run %s"):format(id))
    end
end

local function refuse(request)
    if start.is_draining then
        problem.send(request, 503, "DRAINING", "the host is closing down", { headers = { "Retry-After", "5" } })
        return true
    elseif count >= MAX_STREAMS then
        problem.send(request, 503, "TOO_MANY_STREAMS", ("%d event streams are open here already"):format(count),
            { headers = { "Retry-After", "5" } })
        return true
    end
    return false
end

local function begin(request, row, place)
    local one = { id = row.id, bytes = row.bytes, place = place }
    local function on_change()
        pump(one)
    end
    one.on_change = on_change
    one.gone = token.new(function()
        drop(one)
    end)
    one.stream = request:stream(200, HEADERS, one.gone)
    open[one] = true
    count = count + 1
    M.arm()
    watch.start(row.id, on_change, on_change)
end

function M.get(request, captures, method)
    local row = find_row(request, captures.id)
    if not row then
        return
    end
    local after = request:headers()["last-event-id"] or request:query().after
    local place = place_of(after)
    if not place then
        return problem.send(request, 422, "QUERY_INVALID", ("'%s' is not the id of an event"):format(after))
    elseif place == "end" then
        -- by this a browser's EventSource knows that it need not come again
        return request:respond(204, {}, "")
    elseif method == "HEAD" then
        return request:respond(200, HEADERS, "")
    elseif not refuse(request) then
        begin(request, row, place)
    end
end

--- Callers come again, to a host that runs; then they miss nothing.
function M.close_all()
    for one in pairs(open) do
        close(one)
    end
end

--- Streams that are open on this shard.
function M.count()
    return count
end

return M
