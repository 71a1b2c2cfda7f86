-- SPDX-License-Identifier: MIT
-- The functions of JSONata by name.

local M = {}

local PARTS = { require "flowhost.expr.jsonata.functions_string", require "flowhost.expr.jsonata.functions_match",
    require "flowhost.expr.jsonata.functions_number", require "flowhost.expr.jsonata.functions_array",
    require "flowhost.expr.jsonata.functions_time", require "flowhost.expr.jsonata.functions_picture",
    require "flowhost.expr.jsonata.regex_function" }

local pcall, setmetatable = pcall, setmetatable

--- $eval: an expression as text, in the context of the call or of its second argument.
local function add_eval(rt, define, build)
    local state = rt.state

    --- Runs code in which no call of the outer expression counts.
    local function guarded(code, fn, ...)
        local outer, inner, level = state.outer, state.inner, state.level
        state.outer, state.inner = nil, nil
        local ok, value = pcall(fn, ...)
        state.outer, state.inner, state.level = outer, inner, level
        if ok then
            return value
        elseif type(value) ~= "table" or value.code == "U1001" then
            error(value, 0)
        end
        rt.fail(code, { value = rt.explain(value).message, error = value })
    end

    local fn = define("eval", "<sx?:x>", 2, function(_) end)
    local check = fn.invoke
    fn.raw = function(text, focus)
        if text == nil then
            return nil
        end
        local input = focus
        if rt.is_array(focus) and getmetatable(focus) ~= rt.SEQ then
            input = setmetatable({ focus }, rt.OUTER)
        end
        return guarded("D3121", guarded("D3120", build, text), input, state.env)
    end
    function fn.invoke(count, context, text, focus, ...)
        check(count, context, text, focus, ...)
        if count < 2 or focus == nil then
            focus = context
        end
        return fn.raw(text, focus)
    end
end

--- The table of functions of one runtime.
---@param rt table
---@param build fun(text: string): function for $eval
function M.new(rt, build)
    local builtins = {}

    local function define(name, signature, arity, raw)
        builtins[name] = rt.new_function(name, raw, arity, signature)
        return builtins[name]
    end

    function rt.random()
        local given = rt.state.given
        return (given.random or math.random)()
    end

    for _, part in ipairs(PARTS) do
        part.add(rt, define)
    end
    add_eval(rt, define, build)
    return builtins
end

return M
