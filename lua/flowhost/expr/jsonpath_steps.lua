-- SPDX-License-Identifier: MIT
-- Steps of paths that give many values, or compute one: wildcards, slices, scans, filters, functions. Pure.
--
-- A compiled step is fun(value, found, root): it hands each value it leads to to the step behind, the last one to the
-- list `found`. What does not fit (a name in an array, an index in an object) leads nowhere.

local filter = require "flowhost.expr.jsonpath_filter"

local M = {}

local type, sort = type, table.sort

--- The keys of an object, sorted.
local function sorted_keys(value)
    local keys = {}
    for key in next, value do
        keys[#keys + 1] = key
    end
    sort(keys)
    return keys
end

local function is_object(value, o)
    return type(value) == "table" and not o.is_array(value)
end

local function is_list(value, o)
    return type(value) == "table" and o.is_array(value)
end

local KINDS = {}

--- Several names at the end are one object of those that exist; before the end each leads on.
local function names_step(names, following, is_last, o)
    return function(value, found, root)
        if not is_object(value, o) then
            return
        end
        local merged = is_last and {}
        for i = 1, #names do
            local inner = value[names[i]]
            if merged then
                merged[names[i]] = inner
            elseif inner ~= nil then
                following(inner, found, root)
            end
        end
        if merged then
            following(merged, found, root)
        end
    end
end

function KINDS.name(step, following, o, is_last)
    local names = step.names
    if #names > 1 then
        return names_step(names, following, is_last, o)
    end
    local name = names[1]
    return function(value, found, root)
        local inner = type(value) == "table" and value[name]
        if inner ~= nil and (inner or type(value) == "table") then
            following(inner, found, root)
        end
    end
end

function KINDS.index(step, following, o)
    local indices = step.indices
    return function(value, found, root)
        if not is_list(value, o) then
            return
        end
        for i = 1, #indices do
            local index = indices[i]
            local inner = value[index < 0 and #value + 1 + index or index + 1]
            if inner ~= nil then
                following(inner, found, root)
            end
        end
    end
end

local function clamp(index, count)
    index = index < 0 and count + index or index
    return index < 0 and 0 or index > count and count or index
end

function KINDS.slice(step, following, o)
    local from, to, by = step.from or 0, step.to, step.by or 1
    return function(value, found, root)
        if not is_list(value, o) or by < 1 then
            return
        end
        local count = #value
        for i = clamp(from, count) + 1, to and clamp(to, count) or count, by do
            following(value[i], found, root)
        end
    end
end

--- Calls `visit` with each value inside another, objects by sorted key.
local function each_child(value, o, visit)
    if type(value) ~= "table" then
        return
    elseif o.is_array(value) then
        for i = 1, #value do
            visit(value[i])
        end
        return
    end
    local keys = sorted_keys(value)
    for i = 1, #keys do
        visit(value[keys[i]])
    end
end

function KINDS.wildcard(_, following, o)
    return function(value, found, root)
        each_child(value, o, function(inner)
            following(inner, found, root)
        end)
    end
end

--- A value and everything in it, outside first.
function KINDS.scan(_, following, o)
    local function descend(value, found, root)
        following(value, found, root)
        each_child(value, o, function(inner)
            if type(inner) == "table" then
                descend(inner, found, root)
            end
        end)
    end
    return function(value, found, root)
        if type(value) == "table" then
            descend(value, found, root)
        end
    end
end

--- A filter on an array keeps entries; on an object it keeps the object or not.
function KINDS.filter(step, following, o)
    local holds = filter.compile(step.condition, o, M.compile)
    return function(value, found, root)
        if is_list(value, o) then
            for i = 1, #value do
                if holds(value[i], root) then
                    following(value[i], found, root)
                end
            end
        elseif type(value) == "table" and holds(value, root) then
            following(value, found, root)
        end
    end
end

-- functions ------------------------------------------------------------------------------------------

--- The numbers of an array; nil when it has none.
local function numbers_of(value, o)
    local list = {}
    for i = 1, is_list(value, o) and #value or 0 do
        if type(value[i]) == "number" or type(value[i]) == "cdata" then
            list[#list + 1] = tonumber(value[i])
        end
    end
    return #list > 0 and list or nil
end

local function sum(list)
    local total = 0
    for i = 1, #list do
        total = total + list[i]
    end
    return total
end

local function deviation(list)
    local mean, squares = sum(list) / #list, 0
    for i = 1, #list do
        squares = squares + (list[i] - mean) ^ 2
    end
    return math.sqrt(squares / #list)
end

local AGGREGATES = {
    min = function(list)
        local least = list[1]
        for i = 2, #list do
            least = math.min(least, list[i])
        end
        return least
    end,
    max = function(list)
        local most = list[1]
        for i = 2, #list do
            most = math.max(most, list[i])
        end
        return most
    end,
    avg = function(list)
        return sum(list) / #list
    end,
    stddev = deviation,
}

function KINDS.call(step, following, o)
    local aggregate = AGGREGATES[step.name]
    return function(value, found, root)
        local result
        if step.name == "length" then
            result = is_list(value, o) and #value or nil
        elseif aggregate then
            local list = numbers_of(value, o)
            result = list and aggregate(list)
        end
        if result ~= nil then
            following(result, found, root)
        end
    end
end

local function collect(value, found)
    found[#found + 1] = value
end

--- fun(value, found, root) of a list of steps: appends what they lead to to `found`.
function M.compile(steps, o)
    local following = collect
    for i = #steps, 1, -1 do
        local step = steps[i]
        following = KINDS[step.kind](step, following, o, i == #steps)
    end
    return following
end

return M
