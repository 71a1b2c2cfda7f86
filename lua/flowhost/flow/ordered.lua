-- SPDX-License-Identifier: MIT
-- `pairs` and `next` with a fixed order: numbers ascending, strings by bytes, false, true. Other key
-- types have no order that a replay could repeat and are refused. Fields may be changed and cleared
-- during a traversal; whether a field added meanwhile is seen depends on the program only.

local M = {}

-- The compiler makes a native table walk only of an iterator that is called `next` here.
local next = next
local error, rawget, setmetatable, type = error, rawget, setmetatable, type
local sort = table.sort

-- Up to this many keys, `next` looks for the successor in the table itself.
local SMALL = 8

local RANK = { number = 1, string = 2, boolean = 3 }

local function refuse_table(name, t, level)
    error(("bad argument #1 to '%s' (table expected, got %s)"):format(name,
        t == nil and "no value" or type(t)), level + 1)
end

local function refuse_key(name, key_type, level)
    error(("%s: a key of type %s has no fixed order; use an array or string keys"):format(name,
        key_type), level + 1)
end

--- Sorts `list`, which seldom needs it when it comes from a table's array part.
local function sort_numbers(list)
    for i = 2, #list do
        if list[i] < list[i - 1] then return sort(list) end
    end
end

local function sorted_mixed_keys(t, name)
    local numbers, strings, flags = {}, {}, {}
    local number_count, string_count = 0, 0
    for key in next, t do
        local key_type = type(key)
        if key_type == "string" then
            string_count = string_count + 1
            strings[string_count] = key
        elseif key_type == "number" then
            number_count = number_count + 1
            numbers[number_count] = key
        elseif key_type == "boolean" then
            flags[key] = true
        else
            refuse_key(name, key_type, 3)
        end
    end
    sort_numbers(numbers)
    sort(strings)
    for i = 1, string_count do numbers[number_count + i] = strings[i] end
    if flags[false] then numbers[#numbers + 1] = false end
    if flags[true] then numbers[#numbers + 1] = true end
    return numbers
end

--- The keys of `t` in order. Called by the function that the flow called, to which errors point.
local function sorted_keys(t, name)
    local keys, count = {}, 0
    for key in next, t do
        if type(key) ~= "string" then return sorted_mixed_keys(t, name) end
        count = count + 1
        keys[count] = key
    end
    if count > 1 then sort(keys) end
    return keys
end

local function walk_array(t, last)
    local i = 0
    return function()
        while i < last do
            i = i + 1
            local value = rawget(t, i)
            if value ~= nil then return i, value end
        end
        return nil
    end, t, nil
end

local function walk_keys(t, keys)
    local i = 0
    return function()
        while true do
            i = i + 1
            local key = keys[i]
            if key == nil then return nil end
            local value = rawget(t, key)
            if value ~= nil then return key, value end
        end
    end, t, nil
end

--- `pairs`: the keys are those at the time of the call.
---@param t table
---@return fun(): any, any
function M.pairs(t)
    if type(t) ~= "table" then refuse_table("pairs", t, 2) end
    local count = 0
    for key in next, t do
        count = count + 1
        -- 1LL == 1, though it is another key.
        if key ~= count or type(key) ~= "number" then
            return walk_keys(t, (sorted_keys(t, "pairs")))
        end
    end
    return walk_array(t, count)
end

--- Whether key x comes before key y.
local function precedes(x, y)
    local x_type, y_type = type(x), type(y)
    if x_type ~= y_type then return RANK[x_type] < RANK[y_type] end
    if x_type == "boolean" then return y and not x end
    return x < y
end

--- The first key behind `after` (nil: the first of all), and the number of keys.
local function successor(t, after, level)
    local best, count = nil, 0
    for key in next, t do
        count = count + 1
        local key_type = type(key)
        if not RANK[key_type] then refuse_key("next", key_type, level + 1) end
        if (after == nil or precedes(after, key)) and (best == nil or precedes(key, best)) then
            best = key
        end
    end
    return best, count
end

--- Remembers the order of a large table so that a walk with `next` is not quadratic.
local function remember(cache, t, after)
    local keys = sorted_keys(t, "next")
    for position = 1, #keys do
        if keys[position] == after then
            keys.position = position
            cache[t] = keys
            return
        end
    end
end

--- The next key of a remembered walk that is still in the table.
local function continue_walk(cache, t, keys)
    local position = keys.position
    local key, value
    repeat
        position = position + 1
        key = keys[position]
        if key == nil then
            cache[t] = nil
            return nil
        end
        value = rawget(t, key)
    until value ~= nil
    keys.position = position
    return key, value
end

--- `next`: the key behind `after` in the order of `pairs`, and its value. `after` may have been
--- cleared meanwhile. A walk over a large table may miss fields added since it began.
---@param cache table from `new_walks`
---@param t table
---@param after any
function M.next(cache, t, after)
    if type(t) ~= "table" then refuse_table("next", t, 2) end
    if after ~= nil then
        local keys = cache[t]
        if keys and keys[keys.position] == after then return continue_walk(cache, t, keys) end
        if not RANK[type(after)] then refuse_key("next", type(after), 2) end
    end
    local key, count = successor(t, after, 2)
    if key == nil then return nil end
    if count > SMALL and after ~= nil then remember(cache, t, key) end
    return key, rawget(t, key)
end

-- Weak keys, so that a walk is forgotten with its table and never earlier: a cache of a fixed size
-- would make a program's view depend on what its branches did meanwhile.
local WALKS = { __mode = "k" }

--- A cache for `M.next`, one per environment.
function M.new_walks()
    return setmetatable({}, WALKS)
end

return M
