-- SPDX-License-Identifier: MIT
-- The order of a replay. Live, the branches of a run go on in the order in which their answers came. A replay repeats
-- it: a branch that asks for a recorded effect waits until the effects that were recorded before it have been handed
-- out. What waits is kept as a heap by the entry's place in the journal.

local M = {}

local function swap(heap, i, j)
    heap[i], heap[j] = heap[j], heap[i]
end

local function push(heap, item)
    local i = #heap + 1
    heap[i] = item
    while i > 1 do
        local parent = math.floor(i / 2)
        if heap[parent].order <= heap[i].order then
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
            if heap[child].order < heap[least].order then
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
    push(run.replaying, { order = entry.order, fiber = fiber })
end

--- Hands everything out that waits, and what comes to wait meanwhile. Call when no fiber of the run can go on by
--- itself.
---@param resume fun(fiber: table)
function M.play(run, resume)
    while not run.is_over and run.replaying do
        local item = pop(run.replaying)
        if not item then
            run.replaying = nil
            return
        end
        resume(item.fiber)
    end
end

return M
