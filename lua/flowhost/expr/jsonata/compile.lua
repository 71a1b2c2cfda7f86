-- SPDX-License-Identifier: MIT
-- Compiles a tree to closures fun(input, env) -> value or nil. `env` holds variables: a table whose __index is the env
-- around it, at last the bindings and the functions of JSONata. Here: literals, variables, blocks, conditions,
-- arrays; the other nodes are in compile_*.lua, each of which adds its builders.

local M = {}

local getmetatable, setmetatable, type = getmetatable, setmetatable, type

M.UNDEFINED = {} -- bound, but to no value
local UNDEFINED = M.UNDEFINED

--- Where a variable's value is kept: its name, apart from what Lua reserves.
function M.slot(name)
    return name == "__index" and "\0index" or name
end

local builders = {}
M.builders = builders

local function literal(node)
    local value = node.value
    return function()
        return value
    end
end
builders.string, builders.number, builders.value = literal, literal, literal

function builders.variable(node, c)
    local rt, name = c.rt, M.slot(node.value)
    local state, OUTER = rt.state, rt.OUTER
    if node.value == "" then
        return function(input)
            if type(input) == "table" and getmetatable(input) == OUTER then
                return input[1]
            end
            return input
        end
    elseif node.value == "$" and not c.bound["$"] then
        return function()
            return state.root
        end
    elseif not c.bound[node.value] then
        return function()
            return state.env[name]
        end
    end
    return function(_, env)
        local value = env[name]
        if value == UNDEFINED then
            return nil
        end
        return value
    end
end

function builders.parent(node)
    local label = node.slot
    return function(_, env)
        return env[label.label]
    end
end

function builders.bind(node, c)
    local value_of, name = c.compile(node.rhs), M.slot(node.name)
    return function(input, env)
        local value = value_of(input, env)
        if value == nil then
            env[name] = UNDEFINED
        else
            env[name] = value
        end
        return value
    end
end

function builders.regex(node, c)
    local matcher = c.rt.new_regex(node)
    return function()
        return matcher
    end
end

--- Whether an expression of a block binds a variable in the block itself.
local function binds_here(node)
    local kind = node.type
    if kind == "bind" then
        return true
    elseif kind == "block" or kind == "lambda" then
        return false
    end
    for key, inner in next, node do
        if type(inner) == "table" and key ~= "slot" and key ~= "ancestor" and key ~= "seeking" and key ~= "signature"
            and binds_here(inner) then
            return true
        end
    end
    return false
end

function builders.block(node, c)
    local list, count = {}, #node.expressions
    local needs_frame = false
    for i, inner in ipairs(node.expressions) do
        list[i] = c.compile(inner)
        needs_frame = needs_frame or binds_here(inner)
    end
    if count == 0 then
        return function() end
    elseif not needs_frame and count == 1 then
        return list[1]
    end
    local last = list[count]
    return function(input, env)
        if needs_frame then
            local frame = { __index = env }
            env = setmetatable(frame, frame)
        end
        for i = 1, count - 1 do
            list[i](input, env)
        end
        return last(input, env)
    end
end

function builders.condition(node, c)
    local test, yes, no = c.compile(node.condition), c.compile(node.yes), node.no and c.compile(node.no)
    local to_boolean = c.rt.to_boolean
    return function(input, env)
        local value = test(input, env)
        if value == true or value and to_boolean(value) then
            return yes(input, env)
        elseif no then
            return no(input, env)
        end
    end
end

function builders.default(node, c)
    local left, right = c.compile(node.lhs), c.compile(node.rhs)
    local to_boolean, needs_truth = c.rt.to_boolean, node.value == "?:"
    return function(input, env)
        local value = left(input, env)
        if value == nil or needs_truth and not to_boolean(value) then
            return right(input, env)
        end
        return value
    end
end

-- constructors of arrays ----------------------------------------------------------------------------

--- Array items into one list: an array constructor inside stays an array, any other array gives its items.
local function build_array(node, c)
    local items, keeps, count = {}, {}, #node.expressions
    for i, inner in ipairs(node.expressions) do
        items[i], keeps[i] = c.compile(inner), inner.type == "unary" and inner.value == "["
    end
    local rt = c.rt
    local is_array, note, tick, new_array = rt.is_array, rt.note, rt.tick, rt.new_array
    local CONS, is_cons = rt.CONS, node.is_cons
    return function(input, env)
        local list, size = {}, 0
        for i = 1, count do
            local value = items[i](input, env)
            if value ~= nil then
                if keeps[i] or not is_array(value) then
                    size = size + 1
                    list[size] = value
                    note(value)
                else
                    local length = #value
                    for k = 1, length do
                        list[size + k] = value[k]
                        note(value[k])
                    end
                    size = size + length
                    tick(length)
                end
            end
        end
        return is_cons and setmetatable(list, CONS) or new_array(list)
    end
end

function builders.unary(node, c)
    if node.value == "[" then
        return build_array(node, c)
    elseif node.value == "{" then
        return c.build_object(node, c)
    end
    return c.build_negation(node)
end

--- A node with the predicates and the grouping behind it.
local function compile(node, c)
    local run = builders[node.type](node, c)
    local collapse, KEEP, SEQ = c.rt.collapse, c.rt.KEEP, c.rt.SEQ
    for _, predicate in ipairs(node.predicate or {}) do
        run = c.build_filtered(run, predicate, node.keep_array)
    end
    if node.group and node.type ~= "path" then
        run = c.build_grouped(run, node.group, c)
    end
    local inner = run
    if node.keep_array and node.type ~= "path" then
        return function(input, env)
            local value = inner(input, env)
            if type(value) == "table" and getmetatable(value) == SEQ then
                setmetatable(value, KEEP)
            end
            return collapse(value)
        end
    elseif node.predicate then
        return function(input, env)
            return collapse(inner(input, env))
        end
    end
    return run
end

--- Makes the compiler of one runtime; `parts` are modules that add builders to it.
---@param rt table runtime
---@param parts table[] each with add(c, builders)
---@return fun(tree: table, bound: table): function
function M.new(rt, parts)
    return function(tree, bound)
        local c = { rt = rt, bound = bound, slot = M.slot, UNDEFINED = UNDEFINED }
        function c.compile(node)
            return compile(node, c)
        end
        for _, part in ipairs(parts) do
            part.add(c, builders)
        end
        return c.compile(tree)
    end
end

return M
