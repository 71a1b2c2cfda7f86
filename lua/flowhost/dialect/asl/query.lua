-- SPDX-License-Identifier: MIT
-- The fields of a state that hold JSONata: "{% expression %}" anywhere in them is replaced by its value. Pure.
--
--   compile(value, field, c) -> fun(f, bindings) -> value; raises { error, cause, location }
--   bindings: what expressions see: the variables, and states = { input, result, errorOutput, context }

local jsonata_texts = require "flowhost.dialect.asl.jsonata_texts"

local M = {}

local QUERY_ERROR = "States.QueryEvaluationError"

local function refuse(cause, field)
    error({ error = QUERY_ERROR, cause = cause, location = field }, 0)
end

M.refuse = refuse

--- Raises what is wrong with a value that an expression gave, though it is of the right type.
function M.refuse_value(cause, field)
    error({ error = QUERY_ERROR, cause = cause, location = field, is_of_value = true }, 0)
end

--- The expression that a text is; nil for any other text.
function M.expression_of(text)
    return type(text) == "string" and text:match "^{%%(.*)%%}$" or nil
end

local function trim(text)
    return text:match "^%s*(.-)%s*$"
end

local NAMES = { string = "string", number = "number", boolean = "boolean", cdata = "number" }

--- What a value is called in the errors of Step Functions.
function M.type_name(value, o)
    if value == o.null then
        return "null"
    elseif type(value) == "table" then
        return o.is_array(value) and "array" or "object"
    end
    return NAMES[type(value)] or "function"
end

--- Whether JSON can hold a value: no functions, no numbers without end.
local function is_data(value, o, depth)
    local kind = type(value)
    if kind == "number" then
        return value - value == 0
    elseif kind ~= "table" then
        return kind ~= "function" and kind ~= "userdata" or value == o.null
    elseif depth > 200 or (getmetatable(value) ~= nil and not o.is_array(value)) then
        return false
    end
    for _, inner in next, value do
        if not is_data(inner, o, depth + 1) then
            return false
        end
    end
    return true
end

local function raise_evaluation(raised, text, field, o)
    if type(raised) ~= "table" or type(raised.code) ~= "string" or raised.position == nil and raised.message == nil then
        error(raised, 0)
    elseif raised.code == "U1001" and not raised.is_data then
        error({ error = "States.Runtime", cause = ("The JSONata expression '%s' specified for the field '%s' was "
            .. "stopped: %s"):format(text, field, raised.message), location = field, is_evaluation = true }, 0)
    end
    refuse(("The JSONata expression '%s' specified for the field '%s' threw an error during evaluation. %s: %s"):format(
        text, field, raised.code, not raised.wanted and jsonata_texts.find(raised, o) or raised.message), field)
end

local function compile_expression(source, field, c)
    local text = trim(source)
    local expression, problem = c.jsonata.compile(source)
    if not expression then
        error({ problem = ("%s: '%s': %s"):format(field, text, problem.message) }, 0)
    end
    local evaluate, o = expression.evaluate, c.json
    return function(f, bindings)
        local ok, value = pcall(evaluate, nil, bindings, f.host.jsonata_env)
        if not ok then
            if f.host.is_fatal(value) then
                error(value, 0)
            end
            raise_evaluation(value, text, field, o)
        elseif value == nil then
            refuse(("The JSONata expression '%s' specified for the field '%s' returned nothing (undefined)."):format(
                text, field), field)
        elseif not is_data(value, o, 1) then
            refuse(("The JSONata expression '%s' specified for the field '%s' returned an unexpected result type. "
                .. "Expected 'JSON', but was '%s'"):format(text, field, M.type_name(value, o)), field)
        end
        return value
    end, text
end

local function compile_table(value, field, c)
    local made, constants = {}, {}
    local is_array = c.json.is_array(value)
    for key, inner in pairs(value) do
        local place = is_array and ("%s[%d]"):format(field, key - 1) or field .. "/" .. key
        local fn = M.compile_dynamic(inner, place, c)
        if fn then
            made[#made + 1] = { key = key, fn = fn }
        else
            constants[key] = inner
        end
    end
    if #made == 0 then
        return nil
    end
    table.sort(made, function(a, b)
        return a.key < b.key
    end)
    return function(f, bindings)
        local own = is_array and c.json.array {} or {}
        for key, inner in pairs(constants) do
            own[key] = inner
        end
        for i = 1, #made do
            local one = made[i]
            own[one.key] = one.fn(f, bindings)
        end
        return own
    end
end

--- As `compile`; nil for a value without an expression.
function M.compile_dynamic(value, field, c)
    local source = M.expression_of(value)
    if source then
        return (compile_expression(source, field, c))
    elseif type(value) == "table" and value ~= c.json.null then
        return compile_table(value, field, c)
    end
end

function M.compile(value, field, c)
    return M.compile_dynamic(value, field, c) or function()
        return value
    end
end

--- A field that must give a value of one type: fun(f, bindings) -> value.
---@param is_fit fun(value: any): boolean
function M.typed(value, field, c, expected, is_fit)
    local source = M.expression_of(value)
    local fn = M.compile(value, field, c)
    local text = source and trim(source)
    return function(f, bindings)
        local result = fn(f, bindings)
        if not is_fit(result) then
            if not text then
                refuse(("The field '%s' must be %s"):format(field, expected), field)
            end
            refuse(("The JSONata expression '%s' specified for the field '%s' returned an unexpected result type. "
                .. "Expected '%s', but was '%s' for value: %s"):format(text, field, expected,
                M.type_name(result, c.json), c.json.encode(result)), field)
        end
        return result
    end
end

return M
