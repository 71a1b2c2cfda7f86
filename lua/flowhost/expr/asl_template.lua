-- SPDX-License-Identifier: MIT
-- Payload templates of Amazon States Language (Parameters, ResultSelector, ItemSelector, Assign ...). Pure.
--
--   { "a": 1, "b.$": "$.x", "c.$": "States.UUID()", "d": [ { "e.$": "$$.State.Name" } ] }
--
-- A field whose name ends in `.$` is named without it and gets what its path or intrinsic function gives; all else
-- stays. What comes out is a new value around parts that may be shared with the template and the scope: it must not be
-- changed in place.

local jsonpath = require "flowhost.expr.jsonpath"
local intrinsic = require "flowhost.expr.intrinsic"

local M = {}

local sort = table.sort

local KINDS = { number = "NUMBER", cdata = "NUMBER", boolean = "BOOLEAN" }

--- What AWS calls the type of a value.
local function kind_of(value, o)
    if type(value) == "table" then
        return o.is_array(value) and "ARRAY" or "OBJECT"
    end
    return KINDS[type(value)] or "NULL"
end

--- What AWS says of a field whose value is neither a path nor a call.
function M.invalid_value(field, value, o)
    if type(value) == "string" then
        return intrinsic.invalid_text(field)
    end
    return ("The value for the field '%s' must be a STRING that contains a JSONPath but was an %s"):format(field,
        kind_of(value, o))
end

local function refuse(field, value, at, o)
    error({ template = true, message = M.invalid_value(field, value, o), location = at .. "/" .. field }, 0)
end

-- dynamic fields -------------------------------------------------------------------------------------

local function compile_path(text, field, c)
    local path = c.paths.compile(text)
    if not path then
        return nil
    end
    local get, root_value = path.get, jsonpath.root_value
    return function(scope)
        local root = root_value(path, scope)
        if root ~= nil then
            local value, is_found = get(root)
            if is_found then
                return value
            elseif path.is_past_end(root) then
                return c.o.null
            end
        end
        M.not_found(path, field, root, c.o)
    end
end

--- Raises what AWS says of a path that a field's value comes from: { error, cause, is_path, path, field }.
---@param path flowhost.JsonPath
---@param field string such as "x.$" or "ErrorPath"
---@param value any what its root stands for
function M.not_found(path, field, value, o)
    error({ error = "States.Runtime", is_path = true, path = path.text, field = field,
        cause = ("The JSONPath '%s' specified for the field '%s' could not be found in the input '%s'"):format(
            path.shown, field, (o.encode(value == nil and o.null or value))) }, 0)
end

--- fun(scope) of the text of a field such as "x.$" or "CausePath"; nil when it is neither path nor call.
local function compile_text(text, field, c)
    if type(text) ~= "string" then
        return nil
    elseif intrinsic.is_call(text) then
        local call = c.calls.compile(text)
        return call and call.evaluate
    end
    return compile_path(text, field, c)
end

-- templates ------------------------------------------------------------------------------------------

local compile_value

local function sorted_keys(value)
    local keys = {}
    for key in next, value do
        keys[#keys + 1] = key
    end
    sort(keys)
    return keys
end

--- The maker of one entry and the name it gets; nil for a constant.
local function compile_field(key, inner, c, at)
    if key:sub(-2) == ".$" then
        return compile_text(inner, key, c) or refuse(key, inner, at, c.o), key:sub(1, -3)
    end
    return compile_value(inner, c, at .. "/" .. key), key
end

local function compile_object(value, c, at)
    local names, makers, fixed = {}, {}, {}
    for _, key in ipairs(sorted_keys(value)) do
        local make, name = compile_field(key, value[key], c, at)
        if make then
            names[#names + 1], makers[#makers + 1] = name, make
        else
            fixed[name] = value[key]
        end
    end
    local count = #names
    if count == 0 then
        return nil
    end
    return function(scope)
        local own = {}
        for key, inner in next, fixed do
            own[key] = inner
        end
        for i = 1, count do
            own[names[i]] = makers[i](scope)
        end
        return own
    end
end

local function compile_array(value, c, at)
    local makers, is_fixed = {}, true
    for i = 1, #value do
        makers[i] = compile_value(value[i], c, ("%s[%d]"):format(at, i - 1)) or false
        is_fixed = is_fixed and not makers[i]
    end
    if is_fixed then
        return nil
    end
    return function(scope)
        local own = {}
        for i = 1, #makers do
            own[i] = makers[i] and makers[i](scope) or value[i]
        end
        return c.o.array(own)
    end
end

function compile_value(value, c, at)
    if type(value) ~= "table" then
        return nil
    end
    return (c.o.is_array(value) and compile_array or compile_object)(value, c, at)
end

---@class flowhost.AslTemplates
---@field compile fun(template: any): (fun(scope: flowhost.AslScope): any)?, table? or nil, { message, location }
---@field text fun(text: string, field: string): (fun(scope: flowhost.AslScope): any)?, table? for fields whose text is
--- a path or a call by itself: ErrorPath, CausePath
---@field paths table a compiler of jsonpath.new
---@field calls table a compiler of intrinsic.new

---@param o flowhost.IntrinsicOptions
---@return flowhost.AslTemplates
function M.new(o)
    local paths = jsonpath.new(o)
    local c = { o = o, paths = paths, calls = intrinsic.new(o, paths) }
    local own = { paths = paths, calls = c.calls }

    function own.compile(template)
        local ok, make = pcall(compile_value, template, c, "")
        if ok then
            return make or function()
                return template
            end
        elseif type(make) == "table" and make.template then
            return nil, { message = make.message, location = make.location }
        end
        error(make, 0)
    end

    function own.text(text, field)
        local make = compile_text(text, field, c)
        return make, not make and { message = intrinsic.invalid_text(field), location = "/" .. field } or nil
    end

    return own
end

return M
