-- SPDX-License-Identifier: MIT
-- Templates of rules: JSON values in whose strings `{a.b.0}` stands for a value of the run. Pure.
--
--   "{user.id}"          exactly one reference: the value with its type; null when there is none
--   "hi {user.name}!"    text around it: strings as they are, numbers by their shortest print, null and what is missing
--                        as nothing, arrays and objects as JSON text
--   "{}", "{a b}", "{"   no reference: stays as it is
--
-- A reference is one or more of A-Z a-z 0-9 _ . between braces (path.lua). Arrays and objects are walked; their keys
-- are no templates. Text that a reference brings in is not looked at again. What a compiled template gives is fresh
-- each time: it shares no table with the template nor with the root, so a run may change it.

local path = require "flowhost.expr.path"
local value_module = require "flowhost.expr.value"

local M = {}

local concat = table.concat
local copy = value_module.copy

local REFERENCE = "{([A-Za-z0-9_.]+)}"
local MAX_DEPTH = 512 -- the JSON codec allows no more

--- The text and the references of a string in order: { text | false }, { path | false }; nil without a reference.
local function split(text)
    if not text:find(REFERENCE) then
        return nil
    end
    local texts, paths, at = {}, {}, 1
    for before, reference, behind in text:gmatch("()" .. REFERENCE .. "()") do
        if before > at then
            texts[#texts + 1], paths[#paths + 1] = text:sub(at, before - 1), false
        end
        texts[#texts + 1], paths[#paths + 1] = false, reference
        at = behind
    end
    if at <= #text then
        texts[#texts + 1], paths[#paths + 1] = text:sub(at), false
    end
    return texts, paths
end

--- What a value is inside of text.
local function to_text(value, reference, o)
    local kind = type(value)
    if kind == "string" then
        return value
    elseif value == nil or value == o.null then
        return ""
    elseif kind == "number" or kind == "cdata" then
        return value_module.number_text(value)
    elseif kind == "boolean" then
        return value and "true" or "false"
    end
    local text, reason = o.encode(value)
    return text or error({ code = "100001",
        message = ("{%s} cannot be put into text: it %s"):format(reference, reason or "is no JSON") }, 0)
end

local function compile_whole(reference, o)
    local get, null = path.getter(reference), o.null
    return function(root)
        local value = get(root)
        if value == nil then
            return null
        end
        return type(value) == "table" and copy(value) or value
    end
end

--- fun(root) -> text for one part of a string.
local function compile_reference(reference, o)
    local get = path.getter(reference)
    local escape = not (o.raw_roots and o.raw_roots[path.root_of(reference)]) and o.escape
    return function(root)
        local text = to_text(get(root), reference, o)
        return escape and escape(text) or text
    end
end

local function compile_mixed(texts, paths, o)
    local count, makers = #texts, {}
    for i = 1, count do
        makers[i] = paths[i] and compile_reference(paths[i], o)
    end
    return function(root)
        local parts = {}
        for i = 1, count do
            parts[i] = makers[i] and makers[i](root) or texts[i]
        end
        return concat(parts)
    end
end

local function compile_string(text, o)
    local texts, paths = split(text)
    if not texts then
        return nil
    elseif #texts == 1 then
        return compile_whole(paths[1], o)
    end
    return compile_mixed(texts, paths, o)
end

local compile_value

--- The makers of a table's changing entries and its constant ones, as lists beside their keys.
local function compile_entries(value, o, depth)
    local keys, makers, constant_keys, constants = {}, {}, {}, {}
    for key, inner in next, value do
        local make = compile_value(inner, o, depth)
        if make then
            keys[#keys + 1], makers[#makers + 1] = key, make
        else
            constant_keys[#constant_keys + 1], constants[#constants + 1] = key, inner
        end
    end
    return keys, makers, constant_keys, constants
end

local function compile_table(value, o, depth)
    if depth >= MAX_DEPTH then
        error("a template is deeper than " .. MAX_DEPTH .. " levels", 0)
    end
    local keys, makers, constant_keys, constants = compile_entries(value, o, depth + 1)
    local count, constant_count = #keys, #constant_keys
    local array = o.is_array(value) and o.array
    return function(root)
        local own = {}
        for i = 1, constant_count do
            own[constant_keys[i]] = constants[i]
        end
        for i = 1, count do
            own[keys[i]] = makers[i](root)
        end
        return array and array(own) or own
    end
end

--- fun(root), or nil for a constant that can be shared.
function compile_value(value, o, depth)
    if type(value) == "string" then
        return compile_string(value, o)
    elseif type(value) == "table" then
        return compile_table(value, o, depth)
    end
end

---@class flowhost.TemplateOptions
---@field encode fun(value: any): string? JSON text of a value
---@field is_array fun(value: any): boolean
---@field array fun(list: table): table marks a table as an array
---@field null any what stands for null
---@field escape? fun(text: string): string for what references bring into other text, such as a URL
---@field raw_roots? table<string, boolean> but not for what comes from these

--- Compiles a value with references in its strings.
---@param value any
---@param o flowhost.TemplateOptions
---@return fun(root: any): any # raises { code, message } when a value has no text
function M.compile(value, o)
    return compile_value(value, o, 0) or function()
        return value
    end
end

--- The value at a path such as "user.id"; nil when there is none.
M.lookup = path.lookup

local function collect(value, found)
    if type(value) == "string" then
        for reference in value:gmatch(REFERENCE) do
            found[reference] = true
        end
    elseif type(value) == "table" then
        for _, inner in next, value do
            collect(inner, found)
        end
    end
    return found
end

--- All paths in a template, sorted, each once.
function M.paths(value)
    local list = {}
    for reference in pairs(collect(value, {})) do
        list[#list + 1] = reference
    end
    table.sort(list)
    return list
end

--- The names that its references begin with, as a set.
function M.references(value)
    local roots = {}
    for reference in pairs(collect(value, {})) do
        roots[path.root_of(reference)] = true
    end
    return roots
end

return M
