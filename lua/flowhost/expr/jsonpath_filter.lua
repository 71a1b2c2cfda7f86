-- SPDX-License-Identifier: MIT
-- Conditions of filters, `[?(@.a > 1 && @.b in ['x'])]`, compiled to fun(value, root) -> boolean. Pure.
--
-- A path that leads nowhere is no value: it equals nothing, so `==` is false and `!=` true. Order is between two
-- numbers or two strings. Equality looks into arrays and objects.

local parse = require "flowhost.expr.jsonpath_parse"
local equal = require "flowhost.expr.jsonpath_equal"

local M = {}

local type = type

local function is_number(value)
    return type(value) == "number" or type(value) == "cdata"
end

local function is_ordered(left, right)
    return (is_number(left) and is_number(right)) or (type(left) == "string" and type(right) == "string")
end

local function holds(list, value)
    for i = 1, type(list) == "table" and #list or 0 do
        if equal(list[i], value) then
            return true
        end
    end
    return false
end

--- How many of `list` are in `other`.
local function shared(list, other)
    local count = 0
    for i = 1, type(list) == "table" and #list or 0 do
        count = count + (holds(other, list[i]) and 1 or 0)
    end
    return count
end

local function length_of(value)
    if type(value) == "string" then
        return select(2, value:gsub("[^\128-\191]", ""))
    end
    return type(value) == "table" and #value or nil
end

local OPERATORS = {
    ["=="] = equal,
    ["!="] = function(left, right)
        return not equal(left, right)
    end,
    ["<"] = function(left, right)
        return is_ordered(left, right) and left < right
    end,
    ["<="] = function(left, right)
        return is_ordered(left, right) and left <= right
    end,
    [">"] = function(left, right)
        return is_ordered(left, right) and left > right
    end,
    [">="] = function(left, right)
        return is_ordered(left, right) and left >= right
    end,
    ["=~"] = function(left, right)
        return type(left) == "string" and type(right) == "function" and right(left)
    end,
    ["in"] = function(left, right)
        return left ~= nil and holds(right, left)
    end,
    nin = function(left, right)
        return left ~= nil and not holds(right, left)
    end,
    contains = function(left, right)
        if type(left) == "string" then
            return type(right) == "string" and left:find(right, 1, true) ~= nil
        end
        return right ~= nil and holds(left, right)
    end,
    all = function(left, right)
        return type(left) == "table" and type(right) == "table" and shared(right, left) == #right
    end,
    subsetof = function(left, right)
        return type(left) == "table" and shared(left, right) == #left
    end,
    anyof = function(left, right)
        return shared(left, right) > 0
    end,
    noneof = function(left, right)
        return type(left) == "table" and shared(left, right) == 0
    end,
    size = function(left, right)
        return length_of(left) ~= nil and length_of(left) == right
    end,
    empty = function(left, right)
        local is_empty = type(left) == "table" and next(left) == nil or left == ""
        return (type(left) == "table" or type(left) == "string") and is_empty == right
    end,
}

local DEFINITE = { name = true, call = true, index = true }

--- fun(value, root) -> the value of a path, a list for one that gives many; nil when there is none.
local function compile_path(node, o, compile_steps)
    local walk, is_single = compile_steps(node.steps, o), true
    for i = 1, #node.steps do
        is_single = is_single and DEFINITE[node.steps[i].kind]
    end
    return function(value, root)
        local found = {}
        walk(node.is_root and root or value, found, root)
        if is_single then
            return found[1]
        end
        return o.array(found)
    end
end

local OPERANDS = {
    path = compile_path,
    value = function(node, o)
        local value = node.value
        if value == parse.NULL then
            value = o.null
        end
        return function()
            return value
        end
    end,
    regex = function(node)
        return function()
            return node.match
        end
    end,
}

function OPERANDS.list(node, o, compile_steps)
    local makers = {}
    for i, inner in ipairs(node.list) do
        makers[i] = OPERANDS[inner.kind](inner, o, compile_steps)
    end
    return function(value, root)
        local list = {}
        for i = 1, #makers do
            list[#list + 1] = makers[i](value, root)
        end
        return o.array(list)
    end
end

local CONDITIONS = {}

local function compile(node, o, compile_steps)
    return CONDITIONS[node.kind](node, o, compile_steps)
end

function CONDITIONS.compare(node, o, compile_steps)
    local left = OPERANDS[node.left.kind](node.left, o, compile_steps)
    local right = OPERANDS[node.right.kind](node.right, o, compile_steps)
    local operator = OPERATORS[node.op]
    return function(value, root)
        return operator(left(value, root), right(value, root))
    end
end

function CONDITIONS.exists(node, o, compile_steps)
    local walk = compile_steps(node.path.steps, o)
    local is_root = node.path.is_root
    return function(value, root)
        local found = {}
        walk(is_root and root or value, found, root)
        return found[1] ~= nil
    end
end

CONDITIONS["not"] = function(node, o, compile_steps)
    local operand = compile(node.operand, o, compile_steps)
    return function(value, root)
        return not operand(value, root)
    end
end

--- Conditions joined by && (stops at the first that is false) or || (at the first that is true).
local function compile_list(stops_at)
    return function(node, o, compile_steps)
        local list = {}
        for i, inner in ipairs(node.list) do
            list[i] = compile(inner, o, compile_steps)
        end
        return function(value, root)
            for i = 1, #list do
                if list[i](value, root) == stops_at then
                    return stops_at
                end
            end
            return not stops_at
        end
    end
end

CONDITIONS.any, CONDITIONS.all = compile_list(true), compile_list(false)

--- fun(value, root) -> boolean of a condition that jsonpath_parse read; `compile_steps` compiles the paths in it.
M.compile = compile

return M
