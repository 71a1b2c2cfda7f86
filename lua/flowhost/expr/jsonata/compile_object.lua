-- SPDX-License-Identifier: MIT
-- Objects: constructors { "key": value }, grouping of a path's items by key, order-by ^(), transforms | | |.

local M = {}

local getmetatable, setmetatable, type = getmetatable, setmetatable, type

local function add_groups(c)
    local rt = c.rt
    local is_array, fail, note, tick, added = rt.is_array, rt.fail, rt.note, rt.tick, rt.added
    local TUPLES, state = rt.TUPLES, rt.state

    local function compile_pairs(list)
        local keys, values, constants = {}, {}, {}
        for i, pair in ipairs(list) do
            keys[i], values[i] = c.compile(pair[1]), c.compile(pair[2])
            constants[i] = pair[1].type == "string" and not pair[1].predicate and pair[1].value or false
        end
        return keys, values, constants
    end

    local function put(object, key, value)
        if value ~= nil then
            object[key] = value
            note(value)
            if added then
                added(object, key)
            end
        end
    end

    local function check_key(key, node)
        if key ~= nil and type(key) ~= "string" then
            fail("T1003", { value = key, position = node.position })
        end
        return key
    end

    local function refuse_twice(key, node)
        fail("D1009", { value = key, position = node.position })
    end

    --- An item that joins a group: arrays give their items.
    local function join(group, item)
        local list = group.list
        if not list then
            list = rt.new_array { group.data }
            if is_array(group.data) then
                list = rt.append(rt.new_array {}, group.data)
            end
            group.list, group.data = list, list
        end
        if is_array(item) and getmetatable(item) ~= TUPLES then
            for i = 1, #item do
                list[#list + 1] = item[i]
            end
        else
            list[#list + 1] = item
        end
    end

    --- The bindings of all tuples of a group, each variable the sequence of its values.
    local function reduce(group)
        if not group.list then
            return group.data
        end
        local result = {}
        for _, tuple in ipairs(group.list) do
            for key, value in next, tuple do
                result[key] = rt.append(result[key], value)
            end
        end
        return result
    end

    local function collect(items, count, is_tuples, keys, node, env)
        local groups, order = {}, {}
        for i = 1, count do
            local item = items[i]
            local context, frame = item, env
            if is_tuples then
                context, frame = item["@"], c.frame_of(env, item)
            end
            for k = 1, #keys do
                local key = check_key(keys[k](context, frame), node)
                local group = key and groups[key]
                if group and group.pair ~= k then
                    refuse_twice(key, node)
                elseif group then
                    join(group, item)
                elseif key then
                    groups[key] = { data = item, pair = k }
                    order[#order + 1] = key
                end
            end
        end
        return groups, order
    end

    --- fun(items, env) -> object
    function c.build_group(node)
        local keys, values = compile_pairs(node.pairs)
        return function(items, env)
            local is_tuples = getmetatable(items) == TUPLES
            local list, count = items, 1
            if not is_tuples and not is_array(items) then
                list = { items }
            else
                count = #list
                if count == 0 and not is_tuples then
                    count = 1
                end
            end
            tick(count)
            local groups, order = collect(list, count, is_tuples, keys, node, env)
            local object = {}
            for _, key in ipairs(order) do
                local group = groups[key]
                local context, frame = group.data, env
                if is_tuples then
                    local tuple = reduce(group)
                    context, frame = tuple["@"], c.frame_of(env, tuple)
                end
                put(object, key, values[group.pair](context, frame))
            end
            return object
        end
    end

    local function has_twice(constants)
        local seen = {}
        for _, key in ipairs(constants) do
            if not key or seen[key] then
                return true
            end
            seen[key] = true
        end
        return false
    end

    --- A constructor: groups the items of an array, else makes one object of its context.
    function c.build_object(node)
        local group = c.build_group(node)
        local _, values, constants = compile_pairs(node.pairs)
        local count = #values
        if has_twice(constants) then
            return group
        end
        return function(input, env)
            if type(input) == "table" and is_array(input) then
                return group(input, env)
            end
            local object = {}
            for i = 1, count do
                local value = values[i](input, env)
                if value ~= nil then
                    object[constants[i]] = value
                    if type(value) == "table" and getmetatable(value) ~= nil then
                        note(value)
                    end
                    if added then
                        added(object, constants[i])
                    end
                end
            end
            return object
        end
    end

    function c.build_grouped(run, node)
        local group = c.build_group(node)
        return function(input, env)
            return group(run(input, env), env)
        end
    end
    c.put, c.state = put, state
end

-- order-by ------------------------------------------------------------------------------------------

--- Stable merge sort; after(a, b): whether b must stand before a. Returns a fresh list.
local function merge_sort(list, first, last, after)
    if first > last then
        return {}
    elseif first == last then
        return { list[first] }
    end
    local middle = first + math.floor((last - first + 1) / 2)
    local left, right = merge_sort(list, first, middle - 1, after), merge_sort(list, middle, last, after)
    local out, l, r = {}, 1, 1
    local left_count, right_count = #left, #right
    for i = 1, left_count + right_count do
        if r > right_count or l <= left_count and not after(left[l], right[r]) then
            out[i], l = left[l], l + 1
        else
            out[i], r = right[r], r + 1
        end
    end
    return out
end
M.merge_sort = merge_sort

local function add_sort(c)
    local rt = c.rt
    local is_array, fail, tick, SEQ, TUPLES = rt.is_array, rt.fail, rt.tick, rt.SEQ, rt.TUPLES

    local function check_types(a, b, node)
        local first, second = type(a), type(b)
        if first ~= "string" and first ~= "number" then
            fail("T2008", { value = a, position = node.position })
        elseif second ~= "string" and second ~= "number" then
            fail("T2008", { value = b, position = node.position })
        elseif first ~= second then
            fail("T2007", { value = a, value2 = b, position = node.position })
        end
    end

    --- < 0, 0 or > 0 for two keys; what is undefined comes last.
    local function compare(a, b, is_descending, node)
        if a == nil or b == nil then
            return a == b and 0 or a == nil and 1 or -1
        end
        check_types(a, b, node)
        if a == b then
            return 0
        end
        return (a < b) ~= is_descending and -1 or 1
    end

    --- fun(entry, index) -> the sort key; each is made once.
    local function key_getter(terms, is_tuples, env)
        return function(entry, index)
            local value = entry[index]
            if value == nil and not entry.known[index] then
                local item = entry.item
                if is_tuples then
                    value = terms[index](item["@"], c.frame_of(env, item))
                else
                    value = terms[index](item, env)
                end
                entry[index], entry.known[index] = value, true
            end
            return value
        end
    end

    function c.build_sort(node)
        local terms, descending = {}, {}
        for i, term in ipairs(node.terms) do
            terms[i], descending[i] = c.compile(term.expression), term.is_descending
        end
        local count = #terms
        local filters = {}
        for i, stage in ipairs(node.stages or {}) do
            if stage.type == "filter" then
                filters[i] = c.build_filter(stage)
            end
        end
        local function sort(items, env)
            if not is_array(items) or getmetatable(items) == TUPLES and #items <= 1 then
                return items
            elseif #items <= 1 then
                return setmetatable({ items[1] }, SEQ)
            end
            local is_tuples = getmetatable(items) == TUPLES
            local get = key_getter(terms, is_tuples, env)
            local entries = {}
            for i = 1, #items do
                entries[i] = { item = items[i], known = {} }
            end
            tick(#items)
            local sorted = merge_sort(entries, 1, #entries, function(a, b)
                for i = 1, count do
                    local order = compare(get(a, i), get(b, i), descending[i], node)
                    if order ~= 0 then
                        return order > 0
                    end
                end
                return false
            end)
            for i = 1, #sorted do
                sorted[i] = sorted[i].item
            end
            return setmetatable(sorted, is_tuples and TUPLES or SEQ)
        end
        if #filters == 0 or node.is_tuple then
            return sort
        end
        return function(items, env)
            items = sort(items, env)
            for i = 1, #filters do
                items = filters[i](items, env)
            end
            return items
        end
    end
end

-- transforms ----------------------------------------------------------------------------------------

local function add_transform(c, builders)
    local rt = c.rt
    local is_array, is_object, fail = rt.is_array, rt.is_object, rt.fail

    local function list_of(value)
        return is_array(value) and value or { value }
    end

    local function update(target, changes, node)
        if changes == nil then
            return
        elseif not is_object(changes) then
            fail("T2011", { value = changes, position = node.update.position })
        end
        if is_object(target) then
            local keys, copies = rt.keys(changes), {}
            for i, key in ipairs(keys) do -- a change may be what it is put into
                local value = changes[key]
                copies[i] = rt.is_function(value) and value or rt.clone(value)
            end
            for i, key in ipairs(keys) do
                c.put(target, key, copies[i])
            end
        end
    end

    local function delete(target, names, node)
        if names == nil then
            return
        end
        local list = list_of(names)
        for i = 1, #list do
            if type(list[i]) ~= "string" then
                fail("T2012", { value = names, position = node.delete.position })
            end
        end
        for i = 1, is_object(target) and #list or 0 do
            target[list[i]] = nil
        end
    end

    function builders.transform(node, _)
        local pattern, change = c.compile(node.pattern), c.compile(node.update)
        local remove = node.delete and c.compile(node.delete)
        return function(_, env)
            return rt.new_function("transform", function(value)
                if value == nil then
                    return nil
                end
                local clone = env.clone
                if type(clone) ~= "table" or getmetatable(clone) ~= rt.FUNCTION then
                    fail("T2013", { position = node.position })
                end
                local result = clone.invoke(1, nil, value)
                local matches = pattern(result, env)
                if matches == nil then
                    return result
                end
                matches = list_of(matches)
                for i = 1, #matches do
                    update(matches[i], change(matches[i], env), node)
                    if remove then
                        delete(matches[i], remove(matches[i], env), node)
                    end
                end
                return result
            end, 1, "<(oa):o>")
        end
    end
end

function M.add(c, builders)
    add_groups(c)
    add_sort(c)
    add_transform(c, builders)
end

return M
