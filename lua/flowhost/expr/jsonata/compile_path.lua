-- SPDX-License-Identifier: MIT
-- Paths: steps over sequences, wildcards. A step takes and gives "the present items": an array of them, or
-- one item that is no array, or nil for none. Steps that carry bindings are in compile_tuple.lua,
-- predicates in compile_filter.lua.

local M = {}

local getmetatable, setmetatable, type = getmetatable, setmetatable, type

local function new_lookup(rt)
    local is_object, is_array, SEQ = rt.is_object, rt.is_array, rt.SEQ
    local lookup

    local function lookup_array(list, key, out, size)
        for i = 1, #list do
            local item = list[i]
            local value
            if is_object(item) then
                value = item[key]
            elseif is_array(item) then
                value = lookup(item, key)
            end
            if value ~= nil then
                if is_array(value) then
                    local length = #value
                    for k = 1, length do
                        out[size + k] = value[k]
                    end
                    size = size + length
                else
                    size = size + 1
                    out[size] = value
                end
            end
        end
        return size
    end

    --- The field of an object, or the sequence of the fields of an array's objects.
    function lookup(value, key)
        if is_object(value) then
            return value[key]
        elseif is_array(value) then
            local out = setmetatable({}, SEQ)
            lookup_array(value, key, out, 0)
            return out
        end
    end
    return lookup, lookup_array
end

local function add_name(c, builders)
    local rt = c.rt
    local is_object, is_array, collapse, tick = rt.is_object, rt.is_array, rt.collapse, rt.tick
    local SEQ, CONS, KEEP = rt.SEQ, rt.CONS, rt.KEEP
    local lookup, lookup_array = new_lookup(rt)
    rt.lookup = lookup

    --- What evaluating a name gives.
    local function field(value, key)
        if is_object(value) then
            return collapse(value[key])
        end
        return collapse(lookup(value, key))
    end

    function builders.name(node)
        local key = node.value
        return function(input)
            return field(input, key)
        end
    end

    --- A name as a step over an array of items.
    local function step_array(list, key, is_last)
        local out, size, results, single = {}, 0, 0, nil
        local count = #list
        tick(count)
        for i = 1, count do
            local item = list[i]
            local value
            if is_object(item) then
                value = item[key]
            elseif is_array(item) then
                value = collapse(lookup(item, key))
            end
            if value ~= nil then
                results, single = results + 1, value
                if type(value) ~= "table" or not is_array(value) or getmetatable(value) == CONS then
                    size = size + 1
                    out[size] = value
                    rt.note(value)
                else
                    local length = #value
                    for k = 1, length do
                        out[size + k] = value[k]
                    end
                    size = size + length
                end
            end
        end
        if is_last and results == 1 and is_array(single) and getmetatable(single) ~= SEQ
            and getmetatable(single) ~= KEEP then
            return single
        elseif size > 0 then
            return setmetatable(out, SEQ)
        end
    end

    --- A name as a step.
    local function step(items, key, is_last)
        if is_object(items) then
            local value = items[key]
            if type(value) == "table" and getmetatable(value) ~= nil then
                value = collapse(value)
                if getmetatable(value) == CONS and not is_last then
                    return setmetatable({ value }, SEQ)
                elseif not is_last and is_array(value) and #value == 0 then
                    return nil
                end
            end
            return value
        elseif is_array(items) then
            return step_array(items, key, is_last)
        end
    end

    --- A path of names only.
    function c.build_names(keys)
        local count = #keys
        local first, second, third = keys[1], keys[2], keys[3]
        if count == 1 then
            return function(input)
                return collapse(step(input, first, true))
            end
        elseif count == 2 then
            return function(input)
                local items = step(input, first, false)
                if items ~= nil then
                    return collapse(step(items, second, true))
                end
            end
        elseif count == 3 then
            return function(input)
                local items = step(input, first, false)
                if items ~= nil then
                    items = step(items, second, false)
                end
                if items ~= nil then
                    return collapse(step(items, third, true))
                end
            end
        end
        return function(input)
            local items = input
            for i = 1, count do
                items = step(items, keys[i], i == count)
                if items == nil then
                    return nil
                end
            end
            return collapse(items)
        end
    end

    function c.name_step(key, is_last)
        return function(items)
            return step(items, key, is_last)
        end
    end
    rt.lookup_array = lookup_array
end

local function add_wildcards(c, builders)
    local rt = c.rt
    local is_object, is_array, keys, collapse = rt.is_object, rt.is_array, rt.keys, rt.collapse
    local SEQ, OUTER, tick = rt.SEQ, rt.OUTER, rt.tick

    local function flatten(value, out)
        if not is_array(value) then
            out[#out + 1] = value
            return
        end
        for i = 1, #value do
            flatten(value[i], out)
        end
    end

    local function values_of(object, out)
        local list = keys(object)
        for i = 1, #list do
            flatten(object[list[i]], out)
        end
    end

    function builders.wildcard()
        return function(input)
            local out = {}
            if type(input) == "table" and getmetatable(input) == OUTER then
                input = input[1]
            end
            if is_object(input) then
                values_of(input, out)
            elseif is_array(input) then
                flatten(input, out)
            end
            return collapse(setmetatable(out, SEQ))
        end
    end

    local function descend(value, out)
        if is_array(value) then
            tick(#value)
            for i = 1, #value do
                descend(value[i], out)
            end
            return
        end
        out[#out + 1] = value
        if is_object(value) then
            local list = keys(value)
            for i = 1, #list do
                descend(value[list[i]], out)
            end
        end
    end

    function builders.descendant()
        return function(input)
            if input ~= nil then
                local out = {}
                descend(input, out)
                return collapse(setmetatable(out, SEQ))
            end
        end
    end
end

-- steps ---------------------------------------------------------------------------------------------

local function add_steps(c)
    local rt = c.rt
    local is_array, tick, note = rt.is_array, rt.tick, rt.note
    local SEQ, CONS, KEEP = rt.SEQ, rt.CONS, rt.KEEP

    local function is_sequence(value)
        local mt = getmetatable(value)
        return mt == SEQ or mt == KEEP
    end

    --- What a node gives for one item, through the predicates of its step.
    local function build_single(step)
        local run, filters = c.compile(step), {}
        for i, stage in ipairs(step.stages or {}) do
            filters[i] = c.build_filter(stage)
        end
        local count, filter = #filters, filters[1]
        if count == 0 then
            return run
        elseif count == 1 then
            return function(item, env)
                return filter(run(item, env), env)
            end
        end
        return function(item, env)
            local value = run(item, env)
            for i = 1, count do
                value = filters[i](value, env)
            end
            return value
        end
    end

    --- fun(items, env) -> items for a step that is no plain name.
    local function build_generic(step, is_last)
        local run = build_single(step)

        local function step_array(items, env)
            local out, size, results, single = {}, 0, 0, nil
            local count = #items
            tick(count)
            for i = 1, count do
                local value = run(items[i], env)
                if value ~= nil then
                    results, single = results + 1, value
                    if type(value) ~= "table" or not is_array(value) or getmetatable(value) == CONS then
                        size = size + 1
                        out[size] = value
                        note(value)
                    else
                        local length = #value
                        for k = 1, length do
                            out[size + k] = value[k]
                        end
                        size = size + length
                    end
                end
            end
            if is_last and results == 1 and is_array(single) and not is_sequence(single) then
                return single
            elseif size > 0 then
                return setmetatable(out, SEQ)
            end
        end

        return function(items, env)
            if is_array(items) then
                return step_array(items, env)
            end
            local value = run(items, env)
            if type(value) == "table" and is_array(value) then
                if is_last and not is_sequence(value) then
                    return value
                elseif getmetatable(value) == CONS then
                    note(value)
                    return setmetatable({ value }, SEQ)
                elseif #value == 0 then
                    return nil
                end
            end
            return value
        end
    end

    function c.build_step(step, is_last)
        if step.type == "sort" then
            return c.build_sort(step)
        elseif step.type == "name" and not step.stages then
            return c.name_step(step.value, is_last)
        end
        return build_generic(step, is_last)
    end
end

local function all_names(node)
    local keys = {}
    for i, step in ipairs(node.steps) do
        if step.type ~= "name" or step.stages or step.is_tuple then
            return nil
        end
        keys[i] = step.value
    end
    return keys
end

--- The sequence that [] keeps an array.
local function keep(value, rt)
    if type(value) ~= "table" or not rt.is_array(value) then
        return setmetatable({ value }, rt.KEEP)
    end
    local mt = getmetatable(value)
    if mt == rt.CONS then
        return setmetatable({ value }, rt.KEEP)
    elseif mt == rt.SEQ then
        return setmetatable(value, rt.KEEP)
    end
    return value
end

local function build_plain(node, c)
    local rt, steps, count = c.rt, {}, #node.steps
    for i, step in ipairs(node.steps) do
        steps[i] = c.build_step(step, i == count)
    end
    local first, is_cons = node.steps[1], node.steps[1].is_cons
    local whole = is_cons and c.compile(first)
    local is_variable = first.type == "variable"
    local keeps, group = node.keep_singleton, node.group and c.build_group(node.group)
    local collapse, is_array, OUTER = rt.collapse, rt.is_array, rt.OUTER
    local one_step = is_variable and c.compile(first)

    --- The first step: constructors and variables do not go over the items of the input.
    local function begin(input, env)
        if is_cons then
            return whole(is_array(input) and input or rt.sequence_of(input), env)
        elseif is_variable and is_array(input) and getmetatable(input) ~= OUTER then
            return steps[1](setmetatable({ input }, rt.SEQ), env)
        end
        return steps[1](input, env)
    end
    if one_step and not first.stages then
        local generic = begin
        begin = function(input, env)
            local value = one_step(input, env)
            if type(value) == "table" and getmetatable(value) == rt.CONS then
                return generic(input, env)
            elseif type(value) == "table" and count > 1 and is_array(value) and #value == 0 then
                return nil
            end
            return value
        end
    end

    return function(input, env)
        local items = begin(input, env)
        local is_empty = is_cons and is_array(items) and #items == 0
        for i = 2, count do
            if items == nil or is_empty then
                break
            end
            items = steps[i](items, env)
        end
        if keeps and items ~= nil then
            items = keep(items, rt)
        end
        if group then
            return group(items, env)
        end
        return collapse(items)
    end
end

local function add_paths(c, builders)
    local rt = c.rt
    function rt.sequence_of(value)
        return setmetatable({ value }, rt.SEQ)
    end

    function builders.path(node)
        local keys = all_names(node)
        node.keep_singleton = node.keep_singleton or node.keep_array
        if keys and not node.keep_singleton and not node.group and not node.is_tuple then
            return c.build_names(keys)
        end
        for _, step in ipairs(node.steps) do
            if step.is_tuple then
                return c.build_tuple_path(node)
            end
        end
        return build_plain(node, c)
    end
    c.keep = keep
end

function M.add(c, builders)
    add_name(c, builders)
    add_wildcards(c, builders)
    add_steps(c)
    add_paths(c, builders)
end

return M
