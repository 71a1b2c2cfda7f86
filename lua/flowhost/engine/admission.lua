-- SPDX-License-Identifier: MIT
-- Admission: how many runs are worked on at the same time (setting max_running). Beyond that, a run that nobody waits
-- for is stored as "queued" and begins, in order, when there is room; who would wait is told to come again.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
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

local function begin(bytes)
    local row = rows.read(bytes)
    if not row or row.status ~= "queued" or live.runs[row.id] then
        return
    end
    M.queued = math.max(0, M.queued - 1)
    row.waiters = parking.waiters[row.id]
    parking.waiters[row.id] = nil
    local code, reason = catalog.find_code(row)
    local run = code and run_module.load(row, code)
    if run then
        return run_module.begin(run)
    end
    run_module.park_broken(row, require("flowhost.engine.error").new("RELEASE_MISSING", reason))
end

local function pump()
    is_pumping = false
    while M.queued > 0 and not M.is_full() do
        local bytes = next_queued()
        if not bytes then
            M.queued = 0
            return
        end
        begin(bytes)
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
