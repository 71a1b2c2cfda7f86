-- SPDX-License-Identifier: MIT
-- Calls, lambdas, partial application, chains. A call in tail position is a tail call of Lua: recursion of any depth
-- that way needs no stack. Others count against max_depth and name the outermost call in errors.

local signatures = require "flowhost.expr.jsonata.signature"

local M = {}

local getmetatable, setmetatable, type, select = getmetatable, setmetatable, type, select

local function name_of(node)
    if node.type == "path" then
        return node.steps[1].value
    end
    return node.value
end

--- What every runtime needs before anything is compiled.
function M.add_functions(rt)
    local FUNCTION = rt.FUNCTION

    --- A function value. raw(a, b, ...) does the work; `signature` is text like "<s-n:s>" or parsed, or nil.
    function rt.new_function(name, raw, arity, signature)
        local check
        if signature then
            if type(signature) == "string" then
                signature = signatures.parse(signature)
            end
            check = signatures.compile(signature, rt)
        end
        local invoke
        if check then
            function invoke(count, context, ...)
                return raw(check(count, context, ...))
            end
        else
            function invoke(_, _, ...)
                return raw(...)
            end
        end
        return setmetatable({ name = name, raw = raw, invoke = invoke, arity = arity, signature = signature }, FUNCTION)
    end

    function rt.is_function(value)
        return type(value) == "table" and getmetatable(value) == FUNCTION
    end
end

--- Entering a call that is no tail call; the state to restore is the caller's to keep.
local function add_calls(c, builders)
    local rt, state = c.rt, c.rt.state
    local FUNCTION, collapse, fail = rt.FUNCTION, rt.collapse, rt.fail

    local function refuse(fn, node, env)
        local procedure = node.procedure
        local name = name_of(procedure)
        local is_partial = node.type == "partial"
        if fn == nil and procedure.type == "path" and type(name) == "string" and env[c.slot(name)] then
            fail(is_partial and "T1007" or "T1005", { position = node.position, token = name })
        end
        fail(is_partial and "T1008" or "T1006", { position = node.position, token = name })
    end
    c.refuse = refuse

    local function call(fn, site, count, input, ...)
        local outer, inner, level = state.outer, state.inner, state.level
        if level >= state.max_depth then
            rt.stop(rt.TOO_DEEP)
        end
        if not outer then
            state.outer = site
        end
        state.inner, state.level = site, level + 1
        local value = fn.invoke(count, input, ...)
        state.outer, state.inner, state.level = outer, inner, level
        return value
    end

    --- What becomes of a call's sequence: [] behind the call keeps it.
    local function finisher(node)
        if not node.keep_array then
            return collapse
        end
        return function(value)
            if type(value) == "table" and getmetatable(value) == rt.SEQ then
                setmetatable(value, rt.KEEP)
            end
            return collapse(value)
        end
    end

    --- fun(input, env, first?): calls with up to three arguments of its own.
    local function build_call(node, has_first)
        local finish = finisher(node)
        local procedure, arguments, count = c.compile(node.procedure), {}, #node.arguments
        for i, argument in ipairs(node.arguments) do
            arguments[i] = c.compile(argument)
        end
        local site = { position = node.position, token = name_of(node.procedure) }
        if type(site.token) ~= "string" then
            site.token = nil
        end
        local one, two, three = arguments[1], arguments[2], arguments[3]

        local function check(fn, env)
            if type(fn) ~= "table" or getmetatable(fn) ~= FUNCTION then
                if fn == nil and node.procedure.type == "path" then
                    refuse(fn, node, env)
                end
            end
        end

        local function run(fn, input, env, ...)
            if getmetatable(fn) ~= FUNCTION then
                refuse(fn, node, env)
            end
            return finish(call(fn, site, select("#", ...), input, ...))
        end

        local function evaluate_rest(input, env, i)
            if i == count then
                return (arguments[i](input, env))
            end
            return arguments[i](input, env), evaluate_rest(input, env, i + 1)
        end

        if has_first then
            return function(input, env, first)
                local fn = procedure(input, env)
                check(fn, env)
                if count == 0 then
                    return run(fn, input, env, first)
                elseif count == 1 then
                    return run(fn, input, env, first, (one(input, env)))
                end
                return run(fn, input, env, first, evaluate_rest(input, env, 1))
            end
        elseif count == 0 then
            return function(input, env)
                return run(procedure(input, env), input, env)
            end
        elseif count == 1 then
            return function(input, env)
                local fn = procedure(input, env)
                if getmetatable(fn) ~= FUNCTION then
                    check(fn, env)
                    one(input, env)
                    refuse(fn, node, env)
                end
                return finish(call(fn, site, 1, input, (one(input, env))))
            end
        elseif count == 2 then
            return function(input, env)
                local fn = procedure(input, env)
                check(fn, env)
                local a, b = one(input, env), two(input, env)
                return run(fn, input, env, a, b)
            end
        elseif count == 3 then
            return function(input, env)
                local fn = procedure(input, env)
                check(fn, env)
                local a, b, d = one(input, env), two(input, env), three(input, env)
                return run(fn, input, env, a, b, d)
            end
        end
        return function(input, env)
            local fn = procedure(input, env)
            check(fn, env)
            return run(fn, input, env, evaluate_rest(input, env, 1))
        end
    end

    --- A call whose value is that of the lambda around it.
    local function build_tail_call(node)
        local procedure, arguments, count = c.compile(node.procedure), {}, #node.arguments
        for i, argument in ipairs(node.arguments) do
            arguments[i] = c.compile(argument)
        end
        local site = { position = node.procedure.position, token = name_of(node.procedure) }
        if type(site.token) ~= "string" then
            site.token = nil
        end
        local one, two, three = arguments[1], arguments[2], arguments[3]

        --- What is evaluated from here on is no longer inside of the outermost call.
        local function leave_outermost()
            if state.level <= 1 then
                state.outer, state.inner = nil, nil
            end
        end

        local function enter(fn, env)
            if type(fn) ~= "table" or getmetatable(fn) ~= FUNCTION then
                refuse(fn, node, env)
            end
            if state.level <= 1 then
                state.outer = site
            end
            state.inner = site
            return fn.invoke
        end

        local function evaluate_rest(input, env, i)
            if i == count then
                return (arguments[i](input, env))
            end
            return arguments[i](input, env), evaluate_rest(input, env, i + 1)
        end

        if count == 0 then
            return function(input, env)
                leave_outermost()
                return enter(procedure(input, env), env)(0, input)
            end
        elseif count == 1 then
            return function(input, env)
                leave_outermost()
                local fn, a = procedure(input, env), one(input, env)
                return enter(fn, env)(1, input, a)
            end
        elseif count == 2 then
            return function(input, env)
                leave_outermost()
                local fn, a, b = procedure(input, env), one(input, env), two(input, env)
                return enter(fn, env)(2, input, a, b)
            end
        elseif count == 3 then
            return function(input, env)
                leave_outermost()
                local fn, a, b, d = procedure(input, env), one(input, env), two(input, env), three(input, env)
                return enter(fn, env)(3, input, a, b, d)
            end
        end
        local function go(fn, input, env, ...)
            return enter(fn, env)(count, input, ...)
        end
        return function(input, env)
            leave_outermost()
            return go(procedure(input, env), input, env, evaluate_rest(input, env, 1))
        end
    end

    builders["function"] = function(node)
        return node.is_tail and build_tail_call(node) or build_call(node, false)
    end

    --- a ~> f(b), a ~> f, f ~> g
    function builders.apply(node)
        local left, finish = c.compile(node.lhs), finisher(node)
        node.rhs.keep_array = node.rhs.keep_array or node.keep_array
        if node.rhs.type == "function" then
            local run = build_call(node.rhs, true)
            return function(input, env)
                return run(input, env, left(input, env))
            end
        end
        local right, site = c.compile(node.rhs), { position = node.position }
        return function(input, env)
            local value, fn = left(input, env), right(input, env)
            if not rt.is_function(fn) then
                fail("T2006", { value = fn, position = node.position })
            elseif rt.is_function(value) then
                return rt.new_function(nil, function(x)
                    return fn.invoke(1, nil, collapse(call(value, site, 1, nil, x)))
                end, 1)
            end
            local outer, inner, level = state.outer, state.inner, state.level
            state.level = level + 1
            local result = fn.invoke(1, nil, value)
            state.outer, state.inner, state.level = outer, inner, level
            return finish(result)
        end
    end
end

local function add_lambdas(c, builders)
    local rt, state = c.rt, c.rt.state
    local FUNCTION, tick = rt.FUNCTION, rt.tick
    local UNDEFINED, slot = c.UNDEFINED, c.slot

    --- fun(input, env) -> the function that binds its arguments by name and runs the body.
    local function build_raw(parameters, body)
        local count = #parameters
        local first, second = parameters[1], parameters[2]
        if count == 0 then
            return function(input, _, mt)
                return function()
                    tick(1)
                    return body(input, setmetatable({}, mt))
                end
            end
        elseif count == 1 then
            return function(input, _, mt)
                return function(a)
                    tick(1)
                    if a == nil then
                        a = UNDEFINED
                    end
                    return body(input, setmetatable({ [first] = a }, mt))
                end
            end
        elseif count == 2 then
            return function(input, _, mt)
                return function(a, b)
                    tick(1)
                    if a == nil then
                        a = UNDEFINED
                    end
                    if b == nil then
                        b = UNDEFINED
                    end
                    return body(input, setmetatable({ [first] = a, [second] = b }, mt))
                end
            end
        end
        return function(input, _, mt)
            return function(...)
                tick(1)
                local frame = {}
                for i = 1, count do
                    local value = select(i, ...)
                    if value == nil then
                        value = UNDEFINED
                    end
                    frame[parameters[i]] = value
                end
                return body(input, setmetatable(frame, mt))
            end
        end
    end

    function builders.lambda(node)
        local parameters = {}
        for i, name in ipairs(node.parameters) do
            parameters[i] = slot(name)
        end
        local new_raw, arity = build_raw(parameters, c.compile(node.body)), #parameters
        local check = node.signature and signatures.compile(node.signature, rt)
        return function(input, env)
            local raw = new_raw(input, env, { __index = env })
            local function invoke(_, _, ...)
                return raw(...)
            end
            if check then
                function invoke(count, context, ...)
                    return raw(check(count, context, ...))
                end
            end
            return setmetatable({ raw = raw, invoke = invoke, arity = arity, is_lambda = true }, FUNCTION)
        end
    end

    --- The arguments with the holes filled from those that came, as a list.
    local function fill(bound, holes, ...)
        local values, at = {}, 0
        for i = 1, bound.count do
            if holes[i] then
                at = at + 1
                values[i] = select(at, ...)
            else
                values[i] = bound[i]
            end
        end
        return values
    end

    function builders.partial(node)
        local procedure, arguments, holes, arity = c.compile(node.procedure), {}, {}, 0
        local count = #node.arguments
        for i, argument in ipairs(node.arguments) do
            if argument.type == "hole" then
                holes[i], arity = true, arity + 1
            else
                arguments[i] = c.compile(argument)
            end
        end
        return function(input, env)
            local bound = { count = count }
            for i = 1, count do
                if not holes[i] then
                    bound[i] = arguments[i](input, env)
                end
            end
            local fn = procedure(input, env)
            if not rt.is_function(fn) then
                c.refuse(fn, node, env)
            end
            local raw, invoke, is_lambda = fn.raw, fn.invoke, fn.is_lambda
            local made = rt.new_function(nil, function(...)
                if is_lambda then
                    return raw(unpack(fill(bound, holes, ...), 1, count))
                end
                return invoke(count, nil, unpack(fill(bound, holes, ...), 1, count))
            end, arity)
            made.is_lambda = true
            return made
        end
    end
    c.state = state
end

function M.add(c, builders)
    add_calls(c, builders)
    add_lambdas(c, builders)
end

return M
