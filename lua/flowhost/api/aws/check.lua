-- SPDX-License-Identifier: MIT
-- Parameters against what an operation takes, with the texts of AWS. A shape:
--
--   { "string", required, min, max, pattern, shown, enum }   min, max: characters; `pattern` a Lua pattern or function,
--                                          `shown` the regular expression that stands for it; enum: a list, as AWS
--                                          orders it
--   { "integer", min, max }  { "number", min, max }  { "boolean" }  { "timestamp" }
--   { "list", of = shape, min, max }       { "map", of = shape }      { "structure", fields = name -> shape, name,
--                                          order }   name, order (of the fields): how AWS quotes one in a message
--
-- All constraints that are not met are named at once: "2 validation errors detected: ...; ...".

local core = require "flowhost.core"

local json = core.json
local null = json.null

local M = {}

local MAX_INTEGER = 2 ^ 31 - 1

--- The value as AWS quotes it in a message: structures as Java prints them.
local function shown(value, shape)
    if type(value) == "number" and value == math.floor(value) then
        return ("%d"):format(value)
    elseif type(value) ~= "table" then
        return tostring(value)
    end
    local parts = {}
    if json.is_array(value) then
        for i, item in ipairs(value) do
            parts[i] = shown(item, shape and shape.of)
        end
        return ("[%s]"):format(table.concat(parts, ", "))
    end
    for _, field in ipairs(shape and shape.order or {}) do
        parts[#parts + 1] = ("%s=%s"):format(field, value[field] == nil and "null" or shown(value[field]))
    end
    return ("%s(%s)"):format(shape and shape.name or "", table.concat(parts, ", "))
end

local function note(found, value, path, constraint, shape)
    local quoted = value == nil and "null" or ("'%s'"):format(shown(value, shape))
    found[#found + 1] = ("Value %s at '%s' failed to satisfy constraint: %s"):format(quoted, path, constraint)
end

--- Characters of a text, as UTF-16 counts them.
local function length(text)
    if not text:find "[\128-\255]" then
        return #text
    end
    local count = 0
    for lead in text:gmatch "[%z\1-\127\194-\244][\128-\191]*" do
        count = count + (#lead == 4 and 2 or 1)
    end
    return count
end

local SIZES = { string = "length", list = "length", integer = "value", number = "value" }

local function check_size(shape, value, size, path, found)
    local what = SIZES[shape[1]]
    if shape.min and size < shape.min then
        note(found, value, path, ("Member must have %s greater than or equal to %d"):format(what, shape.min), shape)
    elseif shape.max and size > shape.max then
        note(found, value, path, ("Member must have %s less than or equal to %d"):format(what, shape.max), shape)
    end
end

local function matches(pattern, text)
    if type(pattern) == "function" then
        return pattern(text)
    end
    return text:find(pattern) ~= nil
end

local function is_in(list, value)
    for _, one in ipairs(list) do
        if one == value then
            return true
        end
    end
    return false
end

local check

local kinds = {}

function kinds.string(shape, value, path, found)
    if type(value) ~= "string" then
        return "a String"
    end
    check_size(shape, value, length(value), path, found)
    if shape.pattern and not matches(shape.pattern, value) then
        note(found, value, path, "Member must satisfy regular expression pattern: " .. shape.shown)
    elseif shape.enum and not is_in(shape.enum, value) then
        note(found, value, path, ("Member must satisfy enum value set: [%s]"):format(table.concat(shape.enum, ", ")))
    end
end

function kinds.integer(shape, value, path, found)
    if type(value) ~= "number" or value ~= math.floor(value) or math.abs(value) > MAX_INTEGER then
        return "an Integer"
    end
    check_size(shape, value, value, path, found)
end

function kinds.number(shape, value, path, found)
    if type(value) ~= "number" then
        return "a Number"
    end
    check_size(shape, value, value, path, found)
end

kinds.timestamp = kinds.number

function kinds.boolean(_, value)
    return type(value) ~= "boolean" and "a Boolean" or nil
end

function kinds.list(shape, value, path, found)
    if type(value) ~= "table" or not json.is_array(value) then
        return "a List"
    end
    check_size(shape, value, #value, path, found)
    for i, item in ipairs(value) do
        local wrong, at = check(shape.of, item, ("%s.%d.member"):format(path, i), found)
        if wrong then
            return wrong, at
        end
    end
end

local function is_object(value)
    return type(value) == "table" and not json.is_array(value)
end

function kinds.map(shape, value, path, found)
    if not is_object(value) then
        return "a Map"
    end
    for name, item in pairs(value) do
        local wrong, at = check(shape.of, item, ("%s.%s.member"):format(path, name), found)
        if wrong then
            return wrong, at
        end
    end
end

function kinds.structure(shape, value, path, found)
    if not is_object(value) then
        return "a Structure"
    end
    return M.fields(shape.fields, value, path .. ".", found)
end

function check(shape, value, path, found)
    local wrong, at = kinds[shape[1]](shape, value, path, found)
    return wrong, wrong and (at or path)
end

local function sorted_names(fields)
    local names = {}
    for name in pairs(fields) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

--- Checks the members of an object; nulls are taken out of it. Returns what the member at the path had to be when it is
--- of another type.
function M.fields(fields, value, prefix, found)
    for name, member in pairs(value) do
        if member == null then
            value[name] = nil
        end
    end
    for _, name in ipairs(sorted_names(fields)) do
        local shape, member = fields[name], value[name]
        if member == nil and shape.required then
            note(found, nil, prefix .. name, "Member must not be null")
        elseif member ~= nil then
            local wrong, at = check(shape, member, prefix .. name, found)
            if wrong then
                return wrong, at
            end
        end
    end
end

local NAMES = { string = "STRING_VALUE", number = "NUMBER_VALUE", boolean = "BOOLEAN_VALUE", table = "START_OBJECT" }

--- What is wrong with parameters: { code, message }; nil when nothing is.
---@param takes table<string, table>
function M.find_problem(takes, params)
    local found = {}
    local wrong, at = M.fields(takes, params, "", found)
    if wrong then
        local value = params[at] ~= nil and type(params[at]) or "string"
        return { code = "SerializationException",
            message = ("%s at '%s' can not be converted to %s"):format(NAMES[value] or "VALUE", at, wrong) }
    elseif found[1] then
        return { code = "ValidationException", message = ("%d validation error%s detected: %s"):format(#found,
            found[2] and "s" or "", table.concat(found, "; ")) }
    end
end

-- names ------------------------------------------------------------------------------------------------

--- Whether a text can name a state machine, an execution or an activity: no white space, brackets, wildcards, special
--- or control characters (API reference, CreateStateMachine).
function M.is_name(text)
    return not text:find "[%s<>{}%[%]?*\"#%%\\^|~`$&,;:/%c\127]" and not text:find "\194[\128-\159]"
end

--- The problem of a name; nil when it can be one.
function M.find_name_problem(text)
    if not M.is_name(text) then
        return { code = "InvalidName", message = ("Invalid Name: '%s'"):format(text) }
    end
end

--- The problem of a role's ARN (nil: none is given); nil when it can be one.
function M.find_role_problem(role)
    if role and not role:find "^arn:aws[%w-]*:iam::%d+:role/." then
        return { code = "InvalidArn", message = ("Invalid Role Arn: '%s'"):format(role) }
    end
end

M.NAME = { "string", required = true, min = 1, max = 80 }
M.ARN = { "string", required = true, min = 1, max = 256 }
M.MAX_RESULTS = { "integer", min = 0, max = 1000 }
M.NEXT_TOKEN = { "string", min = 1, max = 1024 }
M.TAGS = { "list", of = { "structure", name = "Tag", order = { "key", "value" }, fields = {
    key = { "string", required = true, min = 1, max = 128 }, value = { "string", min = 0, max = 256 } } } }

return M
