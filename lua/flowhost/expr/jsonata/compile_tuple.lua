-- SPDX-License-Identifier: MIT
-- Paths whose steps bind variables: a@$x (the item), a#$i (its index), % (the item a step was taken from). The items
-- travel as tuples { ["@"] = item, name = value, label = parent }; each has an env of its own.

local M = {}

local getmetatable, setmetatable = getmetatable, setmetatable

local function copy(tuple)
    local own = {}
    for key, value in next, tuple do
        own[key] = value
    end
    return own
end

--- The env in which a tuple's bindings are variables.
local function frame_of(env, tuple)
    local frame = copy(tuple)
    frame.__index = env
    return setmetatable(frame, frame)
end

local function add_steps(c)
    local rt = c.rt
    local is_array, tick, TUPLES = rt.is_array, rt.tick, rt.TUPLES
    local slot = c.slot

    local function index_stage(name)
        return function(tuples)
            for i = 1, #tuples do
                tuples[i][name] = i - 1
            end
            return tuples
        end
    end

    local function build_stages(step)
        local list = {}
        for i, stage in ipairs(step.stages or {}) do
            list[i] = stage.type == "index" and index_stage(slot(stage.name)) or c.build_filter(stage)
        end
        return function(tuples, env)
            for i = 1, #list do
                tuples = list[i](tuples, env) or setmetatable({}, TUPLES)
            end
            return tuples
        end
    end

    --- The tuple of one result of a step.
    local function extend(tuple, step, value, index, own_bindings)
        local made = copy(tuple)
        if own_bindings then
            for key, inner in next, value do
                made[key] = inner
            end
            return made
        end
        if step.focus then
            made[slot(step.focus)] = value
        else
            made["@"] = value
        end
        if step.index then
            made[slot(step.index)] = index
        end
        if step.ancestor then
            made[step.ancestor.label] = tuple["@"]
        end
        return made
    end

    local function as_tuples(items)
        local tuples = setmetatable({}, TUPLES)
        if not is_array(items) then
            items = { items }
        end
        for i = 1, #items do
            tuples[i] = { ["@"] = items[i] }
        end
        return tuples
    end

    local function build_sort_step(step)
        local sort, stages = c.build_sort(step), build_stages(step)
        return function(items, env)
            local sorted = sort(items, env)
            if getmetatable(sorted) ~= TUPLES then
                sorted = as_tuples(sorted)
                for i = 1, #sorted do
                    sorted[i][step.index and slot(step.index) or "@i"] = i - 1
                end
            end
            return stages(sorted, env)
        end
    end

    --- fun(items or tuples, env) -> tuples
    function c.build_tuple_step(step)
        if step.type == "sort" then
            return build_sort_step(step)
        end
        local run, stages = c.compile(step), build_stages(step)
        return function(items, env)
            local tuples = getmetatable(items) == TUPLES and items or as_tuples(items)
            local out, size = setmetatable({}, TUPLES), 0
            tick(#tuples)
            for i = 1, #tuples do
                local value = run(tuples[i]["@"], frame_of(env, tuples[i]))
                if value ~= nil then
                    local list = is_array(value) and value or { value }
                    local own_bindings = getmetatable(value) == TUPLES
                    for k = 1, #list do
                        size = size + 1
                        out[size] = extend(tuples[i], step, list[k], k - 1, own_bindings)
                    end
                end
            end
            return stages(out, env)
        end
    end
end

local function items_of(tuples, rt)
    local out, size = {}, 0
    for i = 1, #tuples do
        if tuples[i]["@"] ~= nil then
            size = size + 1
            out[size] = tuples[i]["@"]
        end
    end
    return setmetatable(out, rt.SEQ)
end

local function add_path(c)
    local rt = c.rt

    local function build_steps(node)
        local steps, is_tuple = {}, false
        for i, step in ipairs(node.steps) do
            is_tuple = is_tuple or step.is_tuple
            steps[i] = is_tuple and c.build_tuple_step(step) or c.build_step(step, i == #node.steps)
        end
        return steps
    end

    function c.build_tuple_path(node)
        local steps = build_steps(node)
        local group = node.group and c.build_group(node.group)
        local is_variable = node.steps[1].type == "variable"
        local whole = node.steps[1].is_cons and c.compile(node.steps[1])
        return function(input, env)
            local items = input
            if is_variable or not rt.is_array(input) then
                items = rt.sequence_of(input)
            end
            for i = 1, #steps do
                local step = i == 1 and whole or steps[i]
                items = step(items, env)
                if items == nil then
                    return group and group(nil, env)
                end
            end
            local is_open = node.is_tuple or getmetatable(items) ~= rt.TUPLES
            local result = is_open and items or items_of(items, rt)
            if node.keep_singleton and not is_open then
                result = c.keep(result, rt)
            end
            if group then
                return group(items, env)
            end
            return rt.collapse(result)
        end
    end
end

function M.add(c)
    c.frame_of = frame_of
    add_steps(c)
    add_path(c)
end

return M
