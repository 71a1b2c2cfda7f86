-- SPDX-License-Identifier: MIT
-- Admission: how many runs are worked on at the same time (setting max_running). Beyond that, a run that nobody waits
-- for is stored as "queued" and begins, in order, when there is room; who would wait is told to come again.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local error_object = require "flowhost.engine.error"
local live = require "flowhost.engine.live"
local parking = require "flowhost.engine.parking"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"

local store, system = core.store, core.system

local M = {
    max_running = 0, -- on this shard; 0: no limit
    queued = 0,      -- runs of this shard that wait
}

local PREFIX = "queued\0"

local page, at, after = {}, 1, nil
local is_pumping = false

--- This shard's part of a limit of the host, rounded up.
function M.set_limit(max_running)
    M.max_running = math.ceil(max_running / system.shards)
end

function M.is_full()
    return M.max_running > 0 and live.count >= M.max_running
end

--- Whether a run that nobody waits for has to stand in line.
function M.must_queue()
    return M.max_running > 0 and (M.queued > 0 or M.is_full())
end

--- The next queued runs of this shard, oldest first.
local function read_page()
    page, at = {}, 1
    repeat
        local keys, _, count = store.scan(store.tables.runs_by_status, { prefix = PREFIX, after = after, limit = 500 })
        for i = 1, keys and count or 0 do
            local bytes = keys[i]:sub(#PREFIX + 1)
            if system.partition(bytes) % system.shards == system.shard then
                page[#page + 1] = bytes
            end
        end
        after = keys and keys[count]
    until page[1] or not after or count < 500
end

local function next_queued()
    if not page[at] then
        read_page()
        if not page[at] then
            after = nil
            return nil
        end
    end
    at = at + 1
    return page[at - 1]
end

--- Begins a queued run. false when it cannot yet: it is in memory for something else (a signal).
local function begin(bytes)
    local row = rows.read(bytes)
    if not row or row.status ~= "queued" then
        return true -- begun, or ended in line
    elseif live.runs[row.id] then
        return false
    end
    M.queued = math.max(0, M.queued - 1)
    row.waiters = parking.waiters[row.id]
    parking.waiters[row.id] = nil
    local code, reason = catalog.find_code(row)
    local run = code and run_module.load(row, code)
    if run then
        run_module.begin(run)
    else
        run_module.park_broken(row, error_object.new("RELEASE_MISSING", reason))
    end
    return true
end

--- Begins what there is room for. Ids are nearly in order only (of two in the same millisecond the later one may be the
--- lesser, a clock may be set back): what lies before the place that was reached is found by a pass from the start.
local function pump()
    is_pumping = false
    local is_whole = not after and not page[at]
    local left = 0 -- in line, and not to be begun in this pass
    while M.queued > 0 and not M.is_full() do
        local bytes = next_queued()
        if bytes then
            left = left + (begin(bytes) and 0 or 1)
        elseif is_whole then
            M.queued = left
            return
        else
            is_whole, left = true, 0
        end
    end
end

local function pump_soon()
    if M.queued > 0 and not is_pumping and not M.is_full() then
        is_pumping = true
        parking.in_turn(pump)
    end
end

live.on_room = pump_soon

run_module.on_queued = function()
    M.queued = M.queued + 1
    pump_soon()
end

--- At boot: whether runs stand in line. Their number is found out on the way.
function M.start()
    read_page()
    if page[1] then
        M.queued = math.huge
        pump_soon()
    end
end

return M
