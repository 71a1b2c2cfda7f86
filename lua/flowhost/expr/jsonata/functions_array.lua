-- SPDX-License-Identifier: MIT
-- Functions of JSONata on arrays, objects and functions.

local merge_sort = require("flowhost.expr.jsonata.compile_object").merge_sort

local M = {}

local floor = math.floor
local getmetatable, setmetatable, type = getmetatable, setmetatable, type

--- Calls with as many of value, index and whole as the function takes.
local function caller(fn)
    local invoke, arity = fn.invoke, fn.arity
    if arity >= 3 then
        return function(value, index, whole)
            return invoke(3, nil, value, index, whole)
        end
    elseif arity == 2 then
        return function(value, index)
            return invoke(2, nil, value, index)
        end
    end
    return function(value)
        return invoke(1, nil, value)
    end
end

local function add_higher_order(rt, define)
    local to_boolean, note, SEQ, state = rt.to_boolean, rt.note, rt.SEQ, rt.state

    --- What a callback calls is a call inside this one.
    local function begin(fn)
        state.level = state.level + 1
        return caller(fn)
    end

    define("map", "<af>", 2, function(list, fn)
        if list == nil then
            return nil
        end
        local call, out, size = begin(fn), {}, 0
        for i = 1, #list do
            local value = call(list[i], i - 1, list)
            if value ~= nil then
                size = size + 1
                out[size] = value
                note(value)
            end
        end
        return setmetatable(out, SEQ)
    end)

    define("filter", "<af>", 2, function(list, fn)
        if list == nil then
            return nil
        end
        local call, out, size = begin(fn), {}, 0
        for i = 1, #list do
            if to_boolean(call(list[i], i - 1, list)) then
                size = size + 1
                out[size] = list[i]
                note(list[i])
            end
        end
        return setmetatable(out, SEQ)
    end)

    define("single", "<af?>", 2, function(list, fn)
        if list == nil then
            return nil
        end
        local inner, call, found, at = state.inner, fn and begin(fn), nil, nil
        for i = 1, #list do
            if not call or to_boolean(call(list[i], i - 1, list)) then
                if at then
                    state.inner = inner
                    rt.fail("D3138", { index = i - 1 })
                end
                found, at = list[i], i
            end
        end
        if not at then
            state.inner = inner
            rt.fail("D3139", {})
        end
        return found
    end)

    define("reduce", "<afj?:j>", 3, function(list, fn, initial)
        if list == nil then
            return nil
        end
        local invoke, arity = fn.invoke, fn.arity
        if arity < 2 then
            rt.fail("D3050", { index = 1 })
        end
        state.level = state.level + 1
        local value, first = initial, 1
        if initial == nil and #list > 0 then
            value, first = list[1], 2
        end
        local count = math.min(arity, 4)
        for i = first, #list do
            if count == 2 then
                value = invoke(2, nil, value, list[i])
            elseif count == 3 then
                value = invoke(3, nil, value, list[i], i - 1)
            else
                value = invoke(4, nil, value, list[i], i - 1, list)
            end
        end
        return value
    end)

    define("each", "<o-f:a>", 2, function(object, fn)
        local out, size = {}, 0
        if object ~= nil then
            local call = begin(fn)
            for _, key in ipairs(rt.keys(object)) do
                local value = call(object[key], key, object)
                if value ~= nil then
                    size = size + 1
                    out[size] = value
                    note(value)
                end
            end
        end
        return setmetatable(out, SEQ)
    end)

    define("sift", "<o-f?:o>", 2, function(object, fn)
        if object == nil or fn == nil then
            return nil
        end
        local call, result = begin(fn), {}
        for _, key in ipairs(rt.keys(object)) do
            if to_boolean(call(object[key], key, object)) then
                result[key] = object[key]
                note(object[key])
                if rt.added then
                    rt.added(result, key)
                end
            end
        end
        return next(result) ~= nil and result or nil
    end)
end

local function add_objects(rt, define)
    local is_array, is_object, SEQ, added = rt.is_array, rt.is_object, rt.SEQ, rt.added

    local function collect_keys(value, seen, out)
        if is_array(value) then
            for i = 1, #value do
                collect_keys(value[i], seen, out)
            end
        elseif is_object(value) then
            for _, key in ipairs(rt.keys(value)) do
                if not seen[key] then
                    seen[key] = true
                    out[#out + 1] = key
                end
            end
        end
        return out
    end

    define("keys", "<x-:a<s>>", 1, function(value)
        local out = collect_keys(value, {}, {})
        if is_array(value) and not rt.keys_given then
            table.sort(out)
        end
        return setmetatable(out, SEQ)
    end)

    define("lookup", "<x-s:x>", 2, function(value, key)
        if key ~= nil then
            return rt.lookup(value, key)
        end
    end)

    define("merge", "<a<o>:o>", 1, function(list)
        if list == nil then
            return nil
        end
        local result = {}
        for i = 1, #list do
            for key, value in next, list[i] do
                result[key] = value
                rt.note(value)
            end
            if added then
                for _, key in ipairs(rt.keys(list[i])) do
                    added(result, key)
                end
            end
        end
        return result
    end)

    local function spread(value, out)
        if is_array(value) then
            for i = 1, #value do
                spread(value[i], out)
            end
        elseif is_object(value) then
            for _, key in ipairs(rt.keys(value)) do
                out[#out + 1] = { [key] = value[key] }
                rt.note(value[key])
                if added then
                    added(out[#out], key)
                end
            end
        else
            out[#out + 1] = value
        end
    end

    define("spread", "<x-:a<o>>", 1, function(value)
        if value == nil or not is_array(value) and not is_object(value) then
            return value
        end
        local out = {}
        spread(value, out)
        if is_array(value) then
            return #value > 0 and rt.new_array(out) or nil
        end
        return setmetatable(out, SEQ)
    end)
end

local function add_lists(rt, define)
    local is_array, new_array, SEQ, KEEP = rt.is_array, rt.new_array, rt.SEQ, rt.KEEP
    local tick, note = rt.tick, rt.note

    define("append", "<xx:a>", 2, rt.append)

    define("exists", "<x:b>", 1, function(value)
        return value ~= nil
    end)

    define("reverse", "<a:a>", 1, function(list)
        if list == nil or #list <= 1 then
            return list
        end
        local out, count = {}, #list
        for i = 1, count do
            out[count - i + 1] = list[i]
            note(list[i])
        end
        return new_array(out)
    end)

    define("shuffle", "<a:a>", 1, function(list)
        if list == nil or #list <= 1 then
            return list
        end
        local out = {}
        for i = 1, #list do
            local k = floor(rt.random() * i) + 1
            if k ~= i then
                out[i] = out[k]
            end
            out[k] = list[i]
            note(list[i])
        end
        return new_array(out)
    end)

    define("zip", "<a+>", 0, function(...)
        local lists, shortest = { ... }, math.huge
        local total = select("#", ...)
        for i = 1, total do
            shortest = math.min(shortest, lists[i] and #lists[i] or 0)
        end
        local out = {}
        for i = 1, total > 0 and shortest or 0 do
            local row = {}
            for k = 1, total do
                row[k] = lists[k][i]
                note(row[k])
            end
            out[i] = new_array(row)
        end
        return new_array(out)
    end)

    define("distinct", "<x:x>", 1, function(list)
        if not is_array(list) or #list <= 1 then
            return list
        end
        local out, seen, tables = {}, {}, {}
        tick(#list)
        for i = 1, #list do
            local value = list[i]
            local is_new = not seen[value]
            if type(value) == "table" and is_new then
                for k = 1, #tables do
                    if rt.equals(value, tables[k]) then
                        is_new = false
                        break
                    end
                end
                tick(#tables)
                if is_new then
                    tables[#tables + 1] = value
                end
            end
            if is_new then
                seen[value] = true
                out[#out + 1] = value
                note(value)
            end
        end
        local mt = getmetatable(list)
        return (mt == SEQ or mt == KEEP) and setmetatable(out, SEQ) or new_array(out)
    end)
end

local function add_sort(rt, define)
    --- Whether b < a for lists of only numbers or only strings.
    local function default_order(list)
        local kind = type(list[1])
        for i = 1, #list do
            if type(list[i]) ~= kind or kind ~= "number" and kind ~= "string" then
                rt.fail("D3070", { index = 1 })
            end
        end
        return function(a, b)
            return b < a
        end
    end

    define("sort", "<af?:a>", 2, function(list, fn)
        if list == nil or #list <= 1 then
            return list
        end
        rt.tick(#list)
        local after
        if fn then
            local invoke = fn.invoke
            rt.state.level = rt.state.level + 1
            function after(a, b)
                return rt.is_truthy(invoke(2, nil, a, b))
            end
        end
        for i = 1, #list do
            rt.note(list[i])
        end
        return rt.new_array(merge_sort(list, 1, #list, after or default_order(list)))
    end)
end

local function add_others(rt, define)
    local KINDS = { s = "string", n = "number", b = "boolean", l = "null", a = "array", o = "object", f = "function" }

    define("type", "<x:s>", 1, function(value)
        if value ~= nil then
            return KINDS[rt.letter_of(value)]
        end
    end)
    define("error", "<s?:x>", 1, function(message)
        rt.fail("D3137", { message = message and message ~= "" and message or "$error() was called" })
    end)
    define("assert", "<bs?:x>", 2, function(condition, message)
        if not condition then
            rt.fail("D3141", { message = message and message ~= "" and message or "$assert() failed" })
        end
    end)

    local function clone(value)
        if rt.is_array(value) then
            local own = {}
            for i = 1, #value do
                own[i] = clone(value[i])
            end
            rt.tick(#value)
            return rt.new_array(own)
        elseif rt.is_object(value) then
            local own = {}
            for _, key in ipairs(rt.keys(value)) do
                own[key] = clone(value[key])
                if rt.added then
                    rt.added(own, key)
                end
            end
            return own
        elseif rt.is_function(value) then
            return ""
        end
        return value
    end
    rt.clone = clone
    define("clone", "<(oa)-:o>", 1, function(value)
        return clone(getmetatable(value) == rt.OUTER and value[1] or value)
    end)
end

function M.add(rt, define)
    add_higher_order(rt, define)
    add_objects(rt, define)
    add_lists(rt, define)
    add_sort(rt, define)
    add_others(rt, define)
end

return M
