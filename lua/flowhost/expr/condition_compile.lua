-- SPDX-License-Identifier: MIT
-- Closures of the nodes of condition_parse.lua: fun(root) -> value. Values are bound, never put into the text. Pure.

local javascript = require "flowhost.expr.javascript"
local path = require "flowhost.expr.path"

local M = {}

local is_true, is_equal, is_same, order = javascript.is_true, javascript.is_equal, javascript.is_same, javascript.order
local to_double = javascript.to_double

local compile

local KINDS = {}

function KINDS.literal(node)
    local value = node.value
    return function()
        return value
    end
end

function KINDS.reference(node)
    local get = path.getter(node.path)
    return function(root)
        local value = get(root)
        if type(value) == "userdata" then
            return nil -- json.null
        end
        return value
    end
end

local UNARY = {
    ["!"] = function(get)
        return function(root)
            return not is_true(get(root))
        end
    end,
    ["-"] = function(get)
        return function(root)
            return -to_double(get(root))
        end
    end,
    ["+"] = function(get)
        return function(root)
            return to_double(get(root))
        end
    end,
}

function KINDS.unary(node)
    return UNARY[node.op](compile(node.operand))
end

local BINARY = {
    ["=="] = function(a, b) return is_equal(a, b) end,
    ["!="] = function(a, b) return not is_equal(a, b) end,
    ["==="] = function(a, b) return is_same(a, b) end,
    ["!=="] = function(a, b) return not is_same(a, b) end,
    ["<"] = function(a, b) return order(a, b) == -1 end,
    ["<="] = function(a, b)
        local found = order(a, b)
        return found == -1 or found == 0
    end,
    [">"] = function(a, b) return order(a, b) == 1 end,
    [">="] = function(a, b)
        local found = order(a, b)
        return found == 1 or found == 0
    end,
    ["+"] = javascript.add,
    ["-"] = function(a, b) return to_double(a) - to_double(b) end,
    ["*"] = function(a, b) return to_double(a) * to_double(b) end,
    ["/"] = function(a, b) return to_double(a) / to_double(b) end,
    ["%"] = javascript.remainder,
}

function KINDS.binary(node)
    local run, left, right = BINARY[node.op], compile(node.left), compile(node.right)
    return function(root)
        return run(left(root), right(root))
    end
end

local function compile_list(list)
    local makers = {}
    for i, node in ipairs(list) do
        makers[i] = compile(node)
    end
    return makers, #makers
end

--- The first operand that is false, else the last one.
function KINDS.all(node)
    local makers, count = compile_list(node.list)
    return function(root)
        for i = 1, count - 1 do
            local value = makers[i](root)
            if not is_true(value) then
                return value
            end
        end
        return makers[count](root)
    end
end

--- The first operand that is true, else the last one.
function KINDS.any(node)
    local makers, count = compile_list(node.list)
    return function(root)
        for i = 1, count - 1 do
            local value = makers[i](root)
            if is_true(value) then
                return value
            end
        end
        return makers[count](root)
    end
end

function KINDS.choice(node)
    local condition, yes, no = compile(node.condition), compile(node.yes), compile(node.no)
    return function(root)
        if is_true(condition(root)) then
            return yes(root)
        end
        return no(root)
    end
end

function compile(node)
    return KINDS[node.kind](node)
end

M.compile = compile

return M
