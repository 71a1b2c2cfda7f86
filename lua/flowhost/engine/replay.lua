-- SPDX-License-Identifier: MIT
-- The order of a replay. Live, the branches of a run go on in the order in which their answers came. A replay repeats
-- it: a branch that asks for a recorded effect waits until the effects that were recorded before it have been handed
-- out. What waits is kept as a heap by the entry's place in the journal. What is told of a branch that waits (a worker
-- has taken its task) has no entry: its place follows from its time.

local M = {}

local function is_before(a, b)
    return a.order < b.order or (a.order == b.order and a.at < b.at)
end

local function swap(heap, i, j)
    heap[i], heap[j] = heap[j], heap[i]
end

local function push(heap, item)
    local i = #heap + 1
    heap[i] = item
    while i > 1 do
        local parent = math.floor(i / 2)
        if not is_before(heap[i], heap[parent]) then
            return
        end
        swap(heap, parent, i)
        i = parent
    end
end

local function sink(heap, i)
    local count = #heap
    while true do
        local least = i
        for child = 2 * i, math.min(2 * i + 1, count) do
            if is_before(heap[child], heap[least]) then
                least = child
            end
        end
        if least == i then
            return
        end
        swap(heap, i, least)
        i = least
    end
end

local function pop(heap)
    local item = heap[1]
    local last = table.remove(heap)
    if item and #heap > 0 then
        heap[1] = last
        sink(heap, 1)
    end
    return item
end

--- A fiber waits for the turn of its entry.
function M.add(run, fiber, entry)
    run.replaying = run.replaying or {}
    push(run.replaying, { order = entry.order, at = 0, fiber = fiber })
end

--- Places of the entries and when each was recorded, in order.
local function places_of(journal)
    local places = {}
    for _, entry in pairs(journal or {}) do
        places[#places + 1] = { order = entry.order, at = entry.state == "o" and entry.started or entry.ended or 0 }
    end
    table.sort(places, function(a, b)
        return a.order < b.order
    end)
    for i = 2, #places do
        places[i].at = math.max(places[i].at, places[i - 1].at)
    end
    return places
end

--- The place of the last entry that was recorded before `at`.
local function place_at(run, at)
    run.replay_places = run.replay_places or places_of(run.journal)
    local places = run.replay_places
    local low, high = 0, #places
    while low < high do
        local middle = math.ceil((low + high) / 2)
        if places[middle].at < at then
            low = middle
        else
            high = middle - 1
        end
    end
    return low > 0 and places[low].order or 0
end

--- Calls tell() in the turn of what happened at that time (ms), at the latest just before the entry.
---@param entry table?
function M.tell(run, at, entry, tell)
    run.replaying = run.replaying or {}
    local order = place_at(run, at) + 0.5
    push(run.replaying, { order = entry and math.min(order, entry.order - 0.5) or order, at = at, tell = tell })
end

--- Hands everything out that waits, and what comes to wait meanwhile. Call when no fiber of the run can go on by
--- itself.
---@param resume fun(fiber: table)
function M.play(run, resume)
    while not run.is_over and run.replaying do
        local item = pop(run.replaying)
        if not item then
            run.replaying, run.replay_places = nil, nil
            return
        elseif item.tell then
            item.tell()
        else
            resume(item.fiber)
        end
    end
end

return M
