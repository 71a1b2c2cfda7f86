-- SPDX-License-Identifier: MIT
-- Templates: JSON values in whose strings {a.b.c} stands for what a path leads to. Pure. The syntax is ps-go's
-- (SEEDS 1.5), with interpolation.
--
--   "{a.b}"        the value itself, its type kept; null where the path leads nowhere
--   "x {a.b} y"    as text in between: numbers by their shortest form, null as nothing, objects and arrays as JSON
--   path           one or more of A-Z a-z 0-9 _ and points; a number is also the index of an array, from 0
--
-- Objects and arrays are walked through, their values, not their keys. What is no reference stays as it is. A compiled
-- template makes new tables each time, but a referenced value is not copied.

local M = {}

local REFERENCE = "{([%w_.]+)}"

local function split(path)
    local parts = {}
    for part in path:gmatch "[^.]+" do
        parts[#parts + 1] = part
    end
    return parts
end

--- A member by its name, or by its index from 0.
local function member(holder, name)
    local value = holder[name]
    if value == nil then
        local index = tonumber(name)
        return index and holder[index + 1]
    end
    return value
end

--- What the parts lead to; nil for nothing and for null.
local function follow(root, parts)
    local value = root
    for i = 1, #parts do
        if type(value) ~= "table" then
            return nil
        end
        value = member(value, parts[i])
    end
    if type(value) == "userdata" then
        return nil -- JSON's null
    end
    return value
end

--- What a path such as "a.b.c" leads to; nil for nothing and for null.
function M.lookup(root, path)
    return follow(root, split(path))
end

--- A function of the root for the same.
function M.compile_path(path)
    local parts = split(path)
    local first, second = parts[1], parts[2]
    if #parts == 2 then -- most are
        return function(root)
            local holder = root[first]
            if type(holder) ~= "table" then
                return nil
            end
            local value = holder[second]
            if value == nil then
                return follow(holder, { second })
            elseif type(value) == "userdata" then
                return nil
            end
            return value
        end
    end
    return function(root)
        return follow(root, parts)
    end
end

--- A number's shortest text that reads back as the same.
function M.number_text(number)
    if type(number) == "cdata" then
        return (tostring(number):gsub("U?LL$", ""))
    elseif number == math.floor(number) and math.abs(number) < 1e15 then
        return ("%d"):format(number)
    end
    for digits = 15, 17 do
        local text = ("%." .. digits .. "g"):format(number)
        if tonumber(text) == number then
            return text
        end
    end
    return tostring(number)
end

local function to_text(value, o)
    local kind = type(value)
    if value == nil then
        return ""
    elseif kind == "number" or kind == "cdata" then
        return M.number_text(value)
    elseif kind == "table" then
        return o.encode(value) or ""
    end
    return tostring(value)
end

--- Text with references in it.
local function compile_text(text, o)
    local pieces, getters, raw, at = {}, {}, {}, 1
    for first, path, last in text:gmatch("()" .. REFERENCE .. "()") do
        pieces[#pieces + 1] = text:sub(at, first - 1)
        getters[#pieces] = M.compile_path(path)
        raw[#pieces] = not o.escape or (o.raw_roots or {})[path:match "^[^.]*"]
        at = last
    end
    local rest = text:sub(at)
    return function(root)
        local parts = {}
        for i = 1, #pieces do
            local value = to_text(getters[i](root), o)
            parts[2 * i - 1] = pieces[i]
            parts[2 * i] = raw[i] and value or o.escape(value)
        end
        parts[#parts + 1] = rest
        return table.concat(parts)
    end
end

local function constant(value)
    return function()
        return value
    end
end

local function compile_string(text, o)
    local path = text:match("^" .. REFERENCE .. "$")
    if path then
        local get, null = M.compile_path(path), o.null
        return function(root)
            local value = get(root)
            if value == nil then
                return null
            end
            return value
        end
    elseif text:find(REFERENCE) then
        return compile_text(text, o)
    end
    return constant(text)
end

local compile

local function compile_array(value, o)
    local makers, array = {}, o.array
    for i = 1, #value do
        makers[i] = compile(value[i], o)
    end
    return function(root)
        local made = {}
        for i = 1, #makers do
            made[i] = makers[i](root)
        end
        return array(made)
    end
end

local function compile_object(value, o)
    local names, makers = {}, {}
    for name, inner in pairs(value) do
        names[#names + 1] = name
        makers[#names] = compile(inner, o)
    end
    return function(root)
        local made = {}
        for i = 1, #names do
            made[names[i]] = makers[i](root)
        end
        return made
    end
end

function compile(value, o)
    if type(value) == "string" then
        return compile_string(value, o)
    elseif type(value) ~= "table" then
        return constant(value)
    elseif o.is_array(value) then
        return compile_array(value, o)
    end
    return compile_object(value, o)
end

--- A function of the root that makes the value. `nil` makes nil.
---@param o { encode: (fun(value: table): string), is_array: (fun(value: table): boolean), array: (fun(list: table):
--- table), null: any, escape: (fun(text: string): string)?, raw_roots: table<string, boolean>? }  escape: for what is
--- put into other text, unless it comes from one of raw_roots
---@return fun(root: table): any
function M.compile(value, o)
    return compile(value, o)
end

local function add_references(value, found, depth)
    if type(value) == "string" then
        for path in value:gmatch(REFERENCE) do
            found[path:match "^%.*([^.]*)"] = true
        end
    elseif type(value) == "table" and depth < 200 then
        for _, inner in pairs(value) do
            add_references(inner, found, depth + 1)
        end
    end
    return found
end

--- The names that paths in a value begin with, as a set.
function M.references(value)
    return add_references(value, {}, 1)
end

return M
