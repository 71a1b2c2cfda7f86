-- SPDX-License-Identifier: MIT
-- The `table` functions of flows, shared by all runs: Lua's, but calls that would loop in C for
-- minutes are refused or done in Lua, where the count hook fires, and so is all that calls back into
-- Lua, since recursion through C ends the process when the C stack does. Such calls may also yield.

local M = {}

local error, rawget, rawset, select, tonumber, type = error, rawget, rawset, select, tonumber, type
local insert, min, move, sort = table.insert, math.min, table.move, table.sort
local jit_off = require("jit").off

M.MAX_NATIVE_SORT = 4096

M.table = { concat = table.concat, maxn = table.maxn, remove = table.remove }

--- `table.insert`; C would shift for minutes from a position that is no 31-bit number.
function M.table.insert(list, position, ...)
    if select("#", ...) == 0 then return insert(list, position) end
    local at = tonumber(position)
    if type(at) == "number" and not (at >= 0 and at < 0x7fffffff) then
        error("bad argument #2 to 'insert' (position out of bounds)", 2)
    end
    return insert(list, position, ...)
end

--- `table.move`, which the built-in does in a loop that compiles to one without hooks.
function M.table.move(from, first, last, at, to)
    if type(first) ~= "number" or type(last) ~= "number" or type(at) ~= "number" then
        return move(from, first, last, at, to)
    end
    to = to == nil and from or to
    if at > last or at <= first or from ~= to then
        for i = 0, last - first do to[at + i] = from[first + i] end
    else
        for i = last - first, 0, -1 do to[at + i] = from[first + i] end
    end
    return to
end

local function is_less(x, y)
    return x < y
end

--- Whether a native sort is quick and calls no Lua: few numbers, or few strings.
local function is_plain(list, count)
    local element_type = type(rawget(list, 1))
    if count > M.MAX_NATIVE_SORT or element_type ~= "number" and element_type ~= "string" then
        return false
    end
    for i = 2, count do
        if type(rawget(list, i)) ~= element_type then return false end
    end
    return true
end

--- Merges from[low .. middle - 1] and from[middle .. high - 1] into the same places of `to`.
local function merge(from, to, low, middle, high, less)
    local left, right = low, middle
    for i = low, high - 1 do
        if left < middle and (right >= high or not less(from[right], from[left])) then
            to[i] = from[left]
            left = left + 1
        else
            to[i] = from[right]
            right = right + 1
        end
    end
end

local function merge_sort(list, count, less)
    local from, to, width = {}, {}, 1
    for i = 1, count do from[i] = rawget(list, i) end
    while width < count do
        for low = 1, count, 2 * width do
            merge(from, to, low, min(low + width, count + 1), min(low + 2 * width, count + 1), less)
        end
        from, to, width = to, from, 2 * width
    end
    for i = 1, count do rawset(list, i, from[i]) end
end

--- `table.sort`. With a comparator it is stable, and the list changes when all is compared.
function M.table.sort(list, less)
    if type(list) ~= "table" or less ~= nil and type(less) ~= "function" then
        return sort(list, less)
    end
    local count = #list
    if count < 2 or less == nil and is_plain(list, count) then return sort(list) end
    merge_sort(list, count, less or is_less)
end

jit_off(M.table.move)
jit_off(is_less)
jit_off(merge)
jit_off(merge_sort)

return M
