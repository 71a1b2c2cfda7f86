-- SPDX-License-Identifier: MIT
-- JSONata 2 (docs.jsonata.org): a query and transformation language for JSON, compiled to Lua closures. Pure: no other
-- part of flowhost is needed, any JSON library will do.
--
--   local jsonata = require("flowhost.expr.jsonata").new { null = ..., array = ..., is_array = ... }
--   local expression, err = jsonata.compile "Account.Order[0].Product.(Price * Quantity)"
--   local value = expression.evaluate(input, { name = value }, { now = ..., random = ... })
--
-- Values: objects are plain tables, arrays what o.array marks and o.is_array tells, null is o.null (no table), what is
-- not there is nil, integers of 64 bits (cdata) are numbers. Input is never changed; a result may share parts of it.
-- A function as (part of) a result is a table with a metatable for which `is_function` says true.
--
-- Differences to the reference in JavaScript: an object has no order of keys, so where order shows ($keys, *, **,
-- $each, $spread, $string) it is that of the sorted keys, unless o.keys(object) gives another and o.added(object, key)
-- is told of each key that an expression adds to an object it makes. Characters are code points, not UTF-16 units.

local compile = require "flowhost.expr.jsonata.compile"
local compile_call = require "flowhost.expr.jsonata.compile_call"
local functions = require "flowhost.expr.jsonata.functions"
local parser = require "flowhost.expr.jsonata.parser"
local runtime = require "flowhost.expr.jsonata.runtime"
local tree = require "flowhost.expr.jsonata.tree"

local M = {}

local PARTS = { require "flowhost.expr.jsonata.compile_operator", require "flowhost.expr.jsonata.compile_filter",
    require "flowhost.expr.jsonata.compile_path", require "flowhost.expr.jsonata.compile_tuple",
    require "flowhost.expr.jsonata.compile_object", compile_call }

local getmetatable, pcall, setmetatable, type = getmetatable, pcall, setmetatable, type

--- What is raised in an evaluation as an error of JSONata.
local function as_error(rt, raised)
    if type(raised) == "string" and raised:find("stack overflow", 1, true) then
        raised = { code = "U1001", message = runtime.TOO_DEEP, position = rt.state.outer and rt.state.outer.position,
            token = rt.state.inner and rt.state.inner.token }
    elseif type(raised) ~= "table" then
        return raised
    elseif not raised.position then -- a function of the host raised it
        raised.position = rt.state.outer and rt.state.outer.position
        raised.token = raised.token or rt.state.inner and rt.state.inner.token
    end
    return rt.explain(raised)
end

--- The bindings as the outermost variables, around them the functions.
local function new_env(rt, bindings, builtins)
    local env = {}
    for name, value in next, bindings or {} do
        if type(value) == "function" then
            value = rt.new_function(name, value, 3)
        end
        env[compile.slot(name)] = value
    end
    return setmetatable(env, builtins)
end

--- Sets the state of an evaluation up; the state of the one around it, if any, to be restored.
local function enter(rt, input, env, given)
    local state, saved = rt.state, nil
    if state.is_running then
        saved = {}
        for key, value in next, state do
            saved[key] = value
        end
    end
    state.is_running = true
    state.env, state.root, state.given = env, input, given
    state.outer, state.inner, state.time = nil, nil, nil
    state.is_dirty = rt.mark == nil
    rt.start_budget(given)
    return saved
end

local function leave(rt, saved)
    local state = rt.state
    if not saved then
        state.is_running = false
        state.env, state.root, state.given, state.outer, state.inner = nil, nil, nil, nil, nil
        return
    end
    for key in next, state do
        state[key] = nil
    end
    for key, value in next, saved do
        state[key] = value
    end
end

---@class flowhost.JsonataOptions
---@field null any what stands for null; no table
---@field array fun(list: table): table marks a fresh table as an array
---@field is_array fun(value: any): boolean
---@field keys? fun(object: table): string[] the keys in order; sorted without it
---@field added? fun(object: table, key: string) told of each key put into an object that an expression makes

---@class flowhost.JsonataEnv
---@field now? fun(): number milliseconds since 1970, asked once an evaluation; os.time without it
---@field random? fun(): number in [0, 1); math.random without it
---@field max_depth? integer calls inside calls; without it as many as the Lua stack holds
---@field max_ms? number time an evaluation may take
---@field clock? fun(): number milliseconds for max_ms; processor time without it
---@field max_ticks? integer steps an evaluation may take

---@param o flowhost.JsonataOptions
function M.new(o)
    local rt = runtime.new(o)
    compile_call.add_functions(rt)
    local compile_tree = compile.new(rt, PARTS)

    --- The closure of a text, or raises.
    local function build(text)
        local expression, bound = tree.process(parser.parse(text, rt.null))
        return compile_tree(expression, bound)
    end

    local builtins = functions.new(rt, build)
    local builtins_mt = { __index = builtins }

    local function evaluate(run, input, bindings, given)
        local env = new_env(rt, bindings, builtins_mt)
        local saved = enter(rt, input, env, given or {})
        local context = input
        if rt.is_array(input) then
            context = setmetatable({ input }, rt.OUTER)
        end
        local ok, value = pcall(run, context, env)
        if ok then
            ok, value = pcall(rt.finish, value)
        end
        if not ok then
            value = as_error(rt, value)
        end
        leave(rt, saved)
        if not ok then
            error(value, 0)
        end
        return value
    end

    local self = {}

    --- An expression, or nil and { code, position, message, token?, value? }; positions count characters.
    ---@param text string
    function self.compile(text)
        local ok, run = pcall(build, text)
        if not ok then
            if type(run) == "string" and run:find("stack overflow", 1, true) then
                run = { code = "S0500", position = 0, value = "some" }
            elseif type(run) ~= "table" then
                error(run, 0)
            end
            return nil, rt.explain(run)
        end
        return {
            text = text,
            --- The value, nil for undefined; raises { code, position?, message, token?, value? }.
            evaluate = function(input, bindings, env)
                return evaluate(run, input, bindings, env)
            end,
        }
    end

    --- Whether a value in a result is a function.
    function self.is_function(value)
        return type(value) == "table" and getmetatable(value) == rt.FUNCTION
    end

    --- A function for the bindings with a signature such as "<n-n:n>"; nil among its arguments is undefined.
    function self.new_function(name, fn, arity, signature)
        return rt.new_function(name, fn, arity, signature)
    end

    --- Raises an error as if a function of JSONata had.
    self.fail = rt.fail

    return self
end

return M
