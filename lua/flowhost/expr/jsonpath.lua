-- SPDX-License-Identifier: MIT
-- JSONPath as Amazon States Language uses it (the dialect of the Jayway library), compiled to closures. Pure.
--
--   $.a.b[0]            definite: one value or none
--   $.a[*].b, $..c      indefinite: an array of what was found, empty when nothing was, as recorded of AWS
--   $['a','b']          at the end: an object of those two
--   $$.Execution.Id     the context object; $name.a: a variable
--   $.a.length()        min() max() avg() stddev() length() at the end; other functions find nothing
--
-- Objects are walked by sorted key. A Reference Path ($, .name, ['name'], [n] only) can be set as well. The texts of
-- `why` are those AWS answers with: "No results for path: $['a']", "Missing property in path $['a']".

local parse = require "flowhost.expr.jsonpath_parse"
local steps_module = require "flowhost.expr.jsonpath_steps"

local M = {}

local type, concat, setmetatable = type, table.concat, setmetatable
local rawmeta = debug.getmetatable

-- what a path is -------------------------------------------------------------------------------------

local DEFINITE = { call = true, name = true }

--- Whether a step gives one value at most.
local function is_single(step, is_last)
    if step.kind == "index" then
        return #step.indices == 1
    elseif step.kind == "name" then
        return #step.names == 1 or is_last
    end
    return DEFINITE[step.kind] or false
end

local function is_definite(steps)
    for i = 1, #steps do
        if not is_single(steps[i], i == #steps) then
            return false
        end
    end
    return true
end

--- The keys of plain steps, names as text and indices as Lua counts (negative ones as they are); nil for any other.
local function plain_keys(steps)
    local keys = {}
    for i = 1, #steps do
        local step = steps[i]
        if step.kind == "name" and #step.names == 1 then
            keys[i] = step.names[1]
        elseif step.kind == "index" and #step.indices == 1 then
            keys[i] = step.indices[1] >= 0 and step.indices[1] + 1 or step.indices[1]
        else
            return nil
        end
    end
    return keys
end

local function is_reference(keys)
    for i = 1, keys and #keys or 0 do
        if type(keys[i]) == "number" and keys[i] < 0 then
            return false
        end
    end
    return keys ~= nil
end

-- reading --------------------------------------------------------------------------------------------

local function compile_one(name)
    return function(value)
        if type(value) ~= "table" then
            return nil, false
        end
        local found = value[name]
        return found, found ~= nil
    end
end

--- fun(value) -> result, found for a chain of keys. An array has no named entries and an object no numbered ones, so
--- neither needs to be asked what it is.
local function compile_plain(keys)
    local count = #keys
    if count == 1 and type(keys[1]) == "string" then
        return compile_one(keys[1])
    end
    return function(value)
        for i = 1, count do
            if type(value) ~= "table" then
                return nil, false
            end
            local key = keys[i]
            value = value[(type(key) == "number" and key < 0) and #value + 1 + key or key]
            if value == nil then
                return nil, false
            end
        end
        return value, value ~= nil
    end
end

local function compile_list(steps, o)
    local walk = steps_module.compile(steps, o)
    return function(value)
        local found = {}
        walk(value, found, value)
        return o.array(found), true
    end
end

local function compile_single(steps, o)
    local walk = steps_module.compile(steps, o)
    return function(value)
        local found = {}
        walk(value, found, value)
        return found[1], found[1] ~= nil
    end
end

-- writing --------------------------------------------------------------------------------------------

local function shallow(value)
    local own = {}
    for key, inner in next, value do
        own[key] = inner
    end
    return setmetatable(own, rawmeta(value))
end

--- Whether `key` can be written into `value`: names into objects, indices into places arrays have or just behind.
local function is_open(value, key, o)
    if type(value) ~= "table" then
        return false
    elseif o.is_array(value) then
        return type(key) == "number" and key <= #value + 1
    end
    return type(key) == "string"
end

--- { error, cause, is_path, path } of a Reference Path whose step `key` cannot be taken: AWS answers so to a ResultPath
--- that does not fit and to an ItemsPath that leads nowhere.
local function conflict(text, key, value, o)
    return { error = "States.ReferencePathConflict", is_path = true, path = text,
        cause = ('Unable to apply step "%s" to input %s'):format(type(key) == "number" and key - 1 or key,
            (o.encode(value == nil and o.null or value))) }
end

--- A copy with `new` at the place; nil and the key that does not fit.
local function set_at(value, keys, at, new, o)
    if at > #keys then
        return new
    end
    local key = keys[at]
    if (value == nil or (at > 1 and value == o.null)) and type(key) == "string" then
        value = {}
    elseif not is_open(value, key, o) then
        return nil, key
    end
    local inner, wrong = set_at(value[key], keys, at + 1, new, o)
    if inner == nil then
        return nil, wrong
    end
    local own = shallow(value)
    own[key] = inner
    return own
end

local function compile_set(text, keys, o)
    return function(value, new)
        local result, wrong = set_at(value, keys, 1, new, o)
        if result == nil then
            error(conflict(text, wrong, value, o), 0)
        end
        return result
    end
end

--- fun(value) -> the conflict of a Reference Path that must lead somewhere and does not.
local function compile_conflict(text, keys, o)
    return function(value)
        local inner = value
        for i = 1, #keys do
            inner = type(inner) == "table" and inner[keys[i]]
            if not inner then
                return conflict(text, keys[i], value, o)
            end
        end
        return conflict(text, keys[#keys] or "$", value, o)
    end
end

-- why nothing was found ------------------------------------------------------------------------------

local function spell(keys, last)
    local parts = { "$" }
    for i = 1, last do
        local key = keys[i]
        parts[#parts + 1] = type(key) == "string" and "['" .. key .. "']"
            or ("[%d]"):format(key > 0 and key - 1 or key)
    end
    return concat(parts)
end

local NODES = { string = "TextNode", boolean = "BooleanNode", table = "ArrayNode" }

local function node_name(value)
    if type(value) == "number" then
        return value % 1 == 0 and "IntNode" or "DoubleNode"
    end
    return NODES[type(value)] or (type(value) == "cdata" and "LongNode" or "NullNode")
end

local function not_an_object(value, keys, at)
    return ("Expected to find an object with property ['%s'] in path %s but found '%s'. This is not a json object "
        .. "according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'.")
        :format(keys[at], spell(keys, at - 1), "com.fasterxml.jackson.databind.node." .. node_name(value))
end

--- What is wrong at the first key that leads nowhere; nil when it leads on.
local function wrong_at(value, keys, at, o)
    local key = keys[at]
    local is_list = type(value) == "table" and o.is_array(value)
    if type(key) == "number" then
        if not is_list then
            return ("Filter: [%d] can only be applied to arrays. Current context is: %s"):format(
                key > 0 and key - 1 or key, (o.encode(value)))
        end
        return value[key > 0 and key or #value + 1 + key] == nil and "No results for path: " .. spell(keys, #keys)
    elseif type(value) ~= "table" or is_list then
        return not_an_object(value, keys, at)
    elseif value[key] == nil then
        return (at == #keys and "No results for path: " or "Missing property in path ") .. spell(keys, at)
    end
end

local function compile_why(text, keys, o)
    if not keys then
        return function()
            return "No results for path: " .. text
        end
    end
    return function(value)
        for i = 1, #keys do
            local wrong = wrong_at(value, keys, i, o)
            if wrong then
                return wrong
            end
            value = value[type(keys[i]) == "number" and keys[i] < 0 and #value + 1 + keys[i] or keys[i]]
        end
        return "No results for path: " .. spell(keys, #keys)
    end
end

--- Whether a path whose last step is an index only misses because the array ends before it. A template takes null then,
--- as AWS does; everything else treats it as not found.
local function compile_past_end(keys, o)
    local last = keys and keys[#keys]
    if type(last) ~= "number" then
        return function()
            return false
        end
    end
    local before = {}
    for i = 1, #keys - 1 do
        before[i] = keys[i]
    end
    local get_list = compile_plain(before)
    return function(value)
        local list = get_list(value)
        return type(list) == "table" and o.is_array(list) and list[last > 0 and last or #list + 1 + last] == nil
    end
end

-- the module -----------------------------------------------------------------------------------------

---@class flowhost.JsonPath
---@field text string as it was written
---@field root string "$", "$$" or a variable's name
---@field is_definite boolean one value or none; else `get` gives an array
---@field is_reference boolean a Reference Path: it can be set
---@field get fun(value: any): any, boolean what is there and whether anything is; `value` is the root's
---@field set? fun(value: any, new: any): any a copy with `new` there, objects made on the way; raises { error, cause }
---@field conflict? fun(value: any): table of a Reference Path such as ItemsPath that leads nowhere: { error =
--- "States.ReferencePathConflict", cause, is_path, path }
---@field why fun(value: any): string what AWS says when nothing was found
---@field is_past_end fun(value: any): boolean the last step is an index behind the end of an array
---@field shown string the text in AWS's sentences: "$$.a" is "$.a" there

local function compile_path(text, o)
    local parsed, message = parse.parse(text)
    if not parsed then
        return nil, message
    end
    local steps = parsed.steps
    local keys = plain_keys(steps)
    local path = { text = text, root = parsed.root, is_definite = is_definite(steps), is_reference = is_reference(keys),
        why = compile_why(text, keys, o), is_past_end = compile_past_end(keys, o), shown = (text:gsub("^%$%$", "$")) }
    if keys then
        path.get = compile_plain(keys)
    else
        path.get = (path.is_definite and compile_single or compile_list)(steps, o)
    end
    if path.is_reference then
        path.set, path.conflict = compile_set(text, keys, o), compile_conflict(text, keys, o)
    end
    return path
end

--- { error, cause, is_path, path } of a path that must lead somewhere: "Invalid path '$.a' : No results for path: ...".
--- Whoever knows the state puts its sentence before the cause.
---@param path flowhost.JsonPath
function M.invalid(path, value)
    return { error = "States.Runtime", is_path = true, path = path.text,
        cause = ("Invalid path '%s' : %s"):format(path.text, path.why(value)) }
end

--- What a path's root stands for in a scope { input, context, variables }.
function M.root_value(path, scope)
    local root = path.root
    if root == "$" then
        return scope.input
    elseif root == "$$" then
        return scope.context
    end
    return scope.variables and scope.variables[root]
end

--- Whether a text is a path, cheaply: true, or nil and what is wrong.
function M.check(text)
    local parsed, message = parse.parse(text)
    return parsed and true or nil, message
end

---@class flowhost.JsonPathOptions
---@field null any what stands for null
---@field array fun(list: table): table marks a table as an array
---@field is_array fun(value: any): boolean
---@field encode fun(value: any): string

--- A compiler of paths; compiled ones are kept by text.
---@param o flowhost.JsonPathOptions
---@return { compile: fun(text: string): flowhost.JsonPath?, string? }
function M.new(o)
    local known = setmetatable({}, { __mode = "v" })
    local own = { check = M.check, invalid = M.invalid, root_value = M.root_value }
    function own.compile(text)
        local path = known[text]
        if path then
            return path
        end
        local message
        path, message = compile_path(text, o)
        known[text] = path
        return path, message
    end
    return own
end

return M
