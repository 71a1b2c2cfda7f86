-- SPDX-License-Identifier: MIT
-- What flows through a state: how its input becomes what it works on, and what it brings becomes its output. Pure.
--
--   JSONPath: InputPath -> Parameters -> work -> ResultSelector -> ResultPath -> OutputPath;  Assign sees the result
--   JSONata:  Arguments -> work -> Output;                                                   Assign sees $states
--
-- compile(state, c) gives `data` with
--   data.prepare(f, input)                 -> what the state works on
--   data.finish(f, input, result)          -> output, assigned     (assigned: variables by name, or nil; they are set)
--   data.pass(f, value)                    -> output: OutputPath alone (JSONPath)
--
-- f (frame): host, scope { input, context, variables, random, uuid } of JSONPath, history; see execution.lua. In a test
-- of one state (test_state.lua) f.inspect(name, value) is told what the data is after each part.

local jsonpath = require "flowhost.expr.jsonpath"
local query = require "flowhost.dialect.asl.query"

local M = {}

local root_value = jsonpath.root_value

--- A value as causes of errors name it.
function M.show(value, c)
    return type(value) == "string" and value or c.json.encode(value)
end

-- JSONPath -------------------------------------------------------------------------------------------

--- fun(f, value) -> what is at a path; nil for the whole value.
function M.reader(text, c)
    if text == nil or text == "$" then
        return nil
    elseif text == c.json.null then
        return function()
            return {}
        end
    end
    local path = assert(c.paths.compile(text))
    return function(f, value)
        local scope = f.scope
        scope.input = value
        local root = root_value(path, scope)
        if root ~= nil then
            local result, is_found = path.get(root)
            if is_found then
                return result
            end
        end
        error(jsonpath.invalid(path, root), 0)
    end
end

--- fun(f, value) -> what a template makes of it; nil without one.
function M.template(value, c)
    if value == nil or value == c.json.null then
        return nil
    end
    local make, problem = c.templates.compile(value)
    if not make then
        error({ problem = problem.message .. " at " .. problem.location }, 0)
    end
    return function(f, input)
        local scope = f.scope
        scope.input = input
        return make(scope)
    end
end

--- fun(input, result) -> what ResultPath makes of both.
local function result_setter(text, c)
    if text == nil or text == "$" then
        return nil
    elseif text == c.json.null then
        return function(input)
            return input
        end
    end
    local path = assert(c.paths.compile(text))
    return function(input, result)
        return path.set(input, result)
    end
end

M.result_setter = result_setter

--- Changes a part of the context object. Outputs may hold the one of before. A context object that a test gives stays
--- as it is but for the item of a Map.
function M.note(f, part, value)
    local context = f.scope.context
    if f.has_given_context and part ~= "Map" then
        return
    end
    f.scope.context = { Execution = context.Execution, StateMachine = context.StateMachine, State = context.State,
        Map = context.Map, Task = context.Task }
    f.scope.context[part] = value
end

--- Sets variables, all at once.
local function assign(f, assigned)
    local variables = f.scope.variables
    for name, value in pairs(assigned) do
        variables[name] = value
    end
    return assigned
end

M.assign = assign

--- The parts after the work: fun(f, input, result) -> output, assigned.
local function compile_finish(given, c)
    local select = M.template(given.ResultSelector, c)
    local put = result_setter(given.ResultPath, c)
    local variables = M.template(given.Assign, c)
    local out = M.reader(given.OutputPath, c)
    return function(f, input, result)
        local inspect = f.inspect
        if select then
            result = select(f, result)
        end
        if inspect then
            inspect("afterResultSelector", result)
        end
        local assigned = variables and variables(f, result)
        local output = result
        if put then
            output = put(input, result)
        end
        if inspect then
            inspect("afterResultPath", output)
        end
        if out then
            output = out(f, output)
        end
        return output, assigned and assign(f, assigned)
    end
end

local function compile_prepare(given, c)
    local read, make = M.reader(given.InputPath, c), M.template(given.Parameters, c)
    return function(f, input)
        if read then
            input = read(f, input)
        end
        if f.inspect then
            f.inspect("afterInputPath", input)
        end
        if make then
            input = make(f, input)
        end
        if f.inspect then
            f.inspect("afterParameters", input)
        end
        return input
    end
end

-- JSONata --------------------------------------------------------------------------------------------

local FUNCTIONS = {}

--- What expressions of a state see.
---@param more table?  { result, errorOutput } for $states
function M.bindings(f, input, more)
    local bindings = {}
    for name, fn in pairs(f.host.jsonata_functions or FUNCTIONS) do
        bindings[name] = fn
    end
    for name, value in pairs(f.scope.variables) do
        bindings[name] = value
    end
    local states = { input = input, context = f.scope.context }
    if more then
        states.result, states.errorOutput = more.result, more.errorOutput
    end
    bindings.states = states
    return bindings
end

--- fun(f, input, more, default) -> output, assigned of Output and Assign.
function M.output(given, c, place)
    local output = given.Output ~= nil and query.compile(given.Output, (place or "") .. "Output", c)
    local variables = given.Assign and query.compile(given.Assign, (place or "") .. "Assign", c)
    return function(f, input, more, default)
        if not output and not variables then
            return default
        end
        local bindings = M.bindings(f, input, more)
        local assigned = variables and variables(f, bindings)
        if output then
            default = output(f, bindings)
        end
        return default, assigned and assign(f, assigned)
    end
end

local function compile_query_prepare(given, c)
    local arguments = given.Arguments ~= nil and query.compile(given.Arguments, "Arguments", c)
    return function(f, input)
        if arguments then
            input = arguments(f, M.bindings(f, input))
        end
        if f.inspect then
            f.inspect("afterArguments", input)
        end
        return input
    end
end

local IS_WORK = { Task = true, Parallel = true, Map = true }

local function compile_query_finish(given, c)
    local output = M.output(given, c)
    local needs_result = IS_WORK[given.Type] and (given.Output ~= nil or given.Assign ~= nil)
    return function(f, input, result)
        return output(f, input, needs_result and { result = result } or nil, result)
    end
end

-- both -----------------------------------------------------------------------------------------------

--- The data flow of a state.
---@param given table  the state as it is written
function M.compile(given, c)
    if c.is_jsonata then
        return { prepare = compile_query_prepare(given, c), finish = compile_query_finish(given, c) }
    end
    local out = M.reader(given.OutputPath, c)
    return { prepare = compile_prepare(given, c), finish = compile_finish(given, c), pass = function(f, value)
        if out then
            return out(f, value)
        end
        return value
    end }
end

--- A number that a field gives: literal, by expression, or by the path of FIELDPath. fun(f, input) -> number or nil.
---@param check fun(value: any, path: table?): number  raises what AWS says of any other value
---@param place string?  of the fields within the state, such as "ItemBatcher/"
function M.number(given, field, c, check, place)
    local value, path_text = given[field], given[field .. "Path"]
    if path_text ~= nil then
        local read = M.reader(path_text, c) or function(_, input)
            return input
        end
        return function(f, input)
            return check(read(f, input), path_text)
        end
    elseif query.expression_of(value) then
        local compute = query.typed(value, (place or "") .. field, c, "number", function(result)
            return type(result) == "number"
        end)
        return function(f, input)
            return check(compute(f, M.bindings(f, input)))
        end
    end
    return function()
        return value
    end
end

return M
