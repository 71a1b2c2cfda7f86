-- SPDX-License-Identifier: MIT
-- Predicates: an index, indices or a condition for each of the present items (compile_path.lua).

local M = {}

local floor, huge = math.floor, math.huge
local getmetatable, setmetatable, type = getmetatable, setmetatable, type

function M.add(c)
    local rt = c.rt
    local is_array, to_boolean, tick = rt.is_array, rt.to_boolean, rt.tick
    local SEQ, TUPLES = rt.SEQ, rt.TUPLES

    local function check_finite(value)
        if value == huge or value == -huge then
            rt.fail("D1001", { value = value })
        end
        return value
    end

    --- The item at a fixed index, 0 the first, -1 the last.
    local function pick(items, index)
        if not is_array(items) then
            if index == 0 or index == -1 then
                return items
            end
            return nil
        end
        local item = items[index < 0 and #items + index + 1 or index + 1]
        if getmetatable(items) == TUPLES then
            return setmetatable({ item }, TUPLES)
        elseif item == nil then
            return setmetatable({}, SEQ)
        end
        return item
    end

    local function is_all_numbers(list)
        for i = 1, #list do
            if type(list[i]) ~= "number" then
                return false
            end
        end
        return true
    end

    --- How often an index among the results of a predicate is that of the item.
    local function count_hits(list, index, total)
        local hits = 0
        for i = 1, #list do
            local wanted = floor(check_finite(list[i]))
            hits = hits + ((wanted < 0 and total + wanted or wanted) == index and 1 or 0)
        end
        return hits
    end

    --- How often the item at `index` (from 0) of `total` stays, given what the predicate says of it.
    local function verdict(value, index, total)
        if value == true then
            return 1
        elseif value == nil or value == false then
            return 0
        elseif type(value) == "number" and value == value then
            value = floor(check_finite(value))
            return (value < 0 and total + value or value) == index and 1 or 0
        elseif type(value) == "table" and is_array(value) and is_all_numbers(value) then
            return count_hits(value, index, total)
        end
        return to_boolean(value) and 1 or 0
    end

    local function filter_array(items, test, env)
        local out, size, total = {}, 0, #items
        tick(total)
        for i = 1, total do
            local item = items[i]
            local value = test(item, env)
            if value == true then
                size = size + 1
                out[size] = item
            elseif value then
                for _ = 1, verdict(value, i - 1, total) do
                    size = size + 1
                    out[size] = item
                end
            end
        end
        return setmetatable(out, SEQ)
    end

    local function filter_tuples(items, test, env)
        local out, size, total = {}, 0, #items
        for i = 1, total do
            local value = test(items[i]["@"], c.frame_of(env, items[i]))
            for _ = 1, verdict(value, i - 1, total) do
                size = size + 1
                out[size] = items[i]
            end
        end
        return setmetatable(out, TUPLES)
    end

    local function repeated(item, hits)
        if hits == 1 then
            return item
        end
        local out = {}
        for i = 1, hits do
            out[i] = item
        end
        return setmetatable(out, SEQ)
    end

    --- fun(items, env) -> the items that a predicate lets through.
    function c.build_filter(predicate)
        local expr = predicate.expr
        if expr.type == "number" and not expr.predicate then
            local index = floor(expr.value)
            return function(items)
                if items ~= nil then
                    return pick(items, index)
                end
            end
        end
        local test = c.compile(expr)
        return function(items, env)
            if items == nil then
                local value = test(nil, env)
                verdict(value, 0, 1)
                return nil
            elseif not is_array(items) then
                return repeated(items, verdict(test(items, env), 0, 1))
            elseif getmetatable(items) == TUPLES then
                return filter_tuples(items, test, env)
            end
            return filter_array(items, test, env)
        end
    end

    --- The same outside of a path. Where [] stands behind it (`keeps`) it gives a sequence of one item, too.
    function c.build_filtered(run, predicate, keeps)
        local filter = c.build_filter(predicate)
        return function(input, env)
            local value = filter(run(input, env), env)
            if keeps and value ~= nil and not is_array(value) then
                return setmetatable({ value }, SEQ)
            end
            return value
        end
    end
end

return M
