-- SPDX-License-Identifier: MIT
-- Operators. Operands of the usual types are dealt with in the closure itself, all others by slower functions that know
-- the errors. One closure an operator, so that each is traced with its own operation.

local M = {}

local fmod, huge = math.fmod, math.huge
local type = type

local ARITHMETIC = {
    ["+"] = function(a, b) return a + b end,
    ["-"] = function(a, b) return a - b end,
    ["*"] = function(a, b) return a * b end,
    ["/"] = function(a, b) return a / b end,
    ["%"] = function(a, b) return fmod(a, b) end,
}

local function is_number(value, rt, node)
    local kind = type(value)
    if kind == "cdata" then
        return true
    elseif kind ~= "number" or value ~= value then
        return false
    elseif value == huge or value == -huge then
        rt.fail("D1001", { value = value, position = node.position, token = node.value })
    end
    return true
end

--- Operands that are not two plain numbers.
local function slow_arithmetic(a, b, rt, node)
    if a ~= nil and not is_number(a, rt, node) then
        rt.fail("T2001", { value = a, position = node.position, token = node.value })
    elseif b ~= nil and not is_number(b, rt, node) then
        rt.fail("T2002", { value = b, position = node.position, token = node.value })
    elseif a ~= nil and b ~= nil then
        return ARITHMETIC[node.value](tonumber(a), tonumber(b))
    end
end

--- One closure an operator, so that each is traced with its own operation.
local ARITHMETIC_BUILDERS = {
    ["+"] = function(left, right, rt, node)
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) == "number" and type(b) == "number" and a - a == 0 and b - b == 0 then
                return a + b
            end
            return slow_arithmetic(a, b, rt, node)
        end
    end,
    ["-"] = function(left, right, rt, node)
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) == "number" and type(b) == "number" and a - a == 0 and b - b == 0 then
                return a - b
            end
            return slow_arithmetic(a, b, rt, node)
        end
    end,
    ["*"] = function(left, right, rt, node)
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) == "number" and type(b) == "number" and a - a == 0 and b - b == 0 then
                return a * b
            end
            return slow_arithmetic(a, b, rt, node)
        end
    end,
    ["/"] = function(left, right, rt, node)
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) == "number" and type(b) == "number" and a - a == 0 and b - b == 0 then
                return a / b
            end
            return slow_arithmetic(a, b, rt, node)
        end
    end,
    ["%"] = function(left, right, rt, node)
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) == "number" and type(b) == "number" and a - a == 0 and b - b == 0 then
                return fmod(a, b)
            end
            return slow_arithmetic(a, b, rt, node)
        end
    end,
}

--- The operands of a comparison as two strings or two numbers; nil when one is undefined.
local function comparable(a, b, rt, node)
    local first, second = type(a), type(b)
    if first == "cdata" then
        a, first = tonumber(a), "number"
    end
    if second == "cdata" then
        b, second = tonumber(b), "number"
    end
    local is_first = first == "string" or first == "number"
    if not is_first and a ~= nil or second ~= "string" and second ~= "number" and b ~= nil then
        local bad = b
        if not is_first then
            bad = a
        end
        rt.fail("T2010", { value = bad, position = node.position, token = node.value })
    elseif a == nil or b == nil then
        return nil
    elseif first ~= second then
        rt.fail("T2009", { value = a, value2 = b, position = node.position, token = node.value })
    end
    return a, b
end

local COMPARISON_BUILDERS = {
    ["<"] = function(left, right, rt, node)
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) ~= "number" or type(b) ~= "number" then
                a, b = comparable(a, b, rt, node)
                if a == nil then
                    return nil
                end
            end
            return a < b
        end
    end,
    ["<="] = function(left, right, rt, node)
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) ~= "number" or type(b) ~= "number" then
                a, b = comparable(a, b, rt, node)
                if a == nil then
                    return nil
                end
            end
            return a <= b
        end
    end,
    [">"] = function(left, right, rt, node)
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) ~= "number" or type(b) ~= "number" then
                a, b = comparable(a, b, rt, node)
                if a == nil then
                    return nil
                end
            end
            return a > b
        end
    end,
    [">="] = function(left, right, rt, node)
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) ~= "number" or type(b) ~= "number" then
                a, b = comparable(a, b, rt, node)
                if a == nil then
                    return nil
                end
            end
            return a >= b
        end
    end,
}

local function is_in(value, list, rt)
    if value == nil or list == nil then
        return false
    elseif not rt.is_array(list) then
        return value == list
    end
    rt.tick(#list)
    for i = 1, #list do
        if list[i] == value then
            return true
        end
    end
    return false
end

--- fun(value) -> true or false for an operand of `and` and `or`.
local function new_truth(rt, node)
    local to_boolean = rt.to_boolean
    return function(value)
        if value == true then
            return true
        elseif value == huge or value == -huge then
            rt.fail("D1001", { value = value, position = node.position, token = node.value })
        end
        return to_boolean(value) or false
    end
end

local OTHER_BUILDERS = {
    ["="] = function(left, right, rt)
        local equals = rt.equals
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if a == nil or b == nil then
                return false
            end
            return a == b or type(a) == "table" and equals(a, b)
        end
    end,
    ["!="] = function(left, right, rt)
        local equals = rt.equals
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if a == nil or b == nil then
                return false
            end
            return not equals(a, b)
        end
    end,
    ["in"] = function(left, right, rt)
        return function(input, env)
            local value = left(input, env)
            return is_in(value, right(input, env), rt)
        end
    end,
    ["and"] = function(left, right, rt, node)
        local truth = new_truth(rt, node)
        return function(input, env)
            return truth(left(input, env)) and truth(right(input, env))
        end
    end,
    ["or"] = function(left, right, rt, node)
        local truth = new_truth(rt, node)
        return function(input, env)
            return truth(left(input, env)) or truth(right(input, env))
        end
    end,
    ["&"] = function(left, right, rt, node)
        local to_text, state = rt.to_text, rt.state
        return function(input, env)
            local a, b = left(input, env), right(input, env)
            if type(a) ~= "string" or type(b) ~= "string" then
                local inner = state.inner
                state.inner = inner or node.as_site
                a = a == nil and "" or to_text(a)
                b = b == nil and "" or to_text(b)
                state.inner = inner
            end
            if #a + #b > 1000 then
                rt.tick_text(#a + #b)
            end
            return a .. b
        end
    end,
    [".."] = function(left, right, rt, node)
        local range, collapse = rt.range, rt.collapse
        local function integer(value, code)
            if value == nil then
                return nil
            elseif (type(value) ~= "number" or value % 1 ~= 0) and type(value) ~= "cdata" then
                rt.fail(code, { value = value, position = node.position, token = ".." })
            end
            return tonumber(value)
        end
        return function(input, env)
            local from, to = left(input, env), right(input, env)
            from, to = integer(from, "T2003"), integer(to, "T2004")
            rt.state.range_position = node.position
            return collapse(range(from, to))
        end
    end,
}

local function build_binary(node, c)
    local build = ARITHMETIC_BUILDERS[node.value] or COMPARISON_BUILDERS[node.value] or OTHER_BUILDERS[node.value]
    node.as_site = { position = node.position, token = node.value }
    return build(c.compile(node.lhs), c.compile(node.rhs), c.rt, node)
end

local function build_negation(node, c)
    local value_of, rt = c.compile(node.expression), c.rt
    return function(input, env)
        local value = value_of(input, env)
        if value == nil then
            return nil
        elseif not is_number(value, rt, { position = nil }) then
            rt.fail("D1002", { value = value, position = node.position, token = "-" })
        end
        return -value
    end
end

function M.add(c, builders)
    builders.binary = build_binary
    function c.build_negation(node)
        return build_negation(node, c)
    end
end

return M
