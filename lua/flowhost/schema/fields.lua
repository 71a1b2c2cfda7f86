-- SPDX-License-Identifier: MIT
-- The `request` block of a flow: rules for the fields of query, header and body. Pure.
--
--   { body = { phone = { type = "string", required = true, minLen = 6 } } }
--   rule: type (int float string slice bool object), required, default, min, max, minLen, maxLen, enum,
--         attribute (rules of a nested object)
--
-- Values are checked in place and made what their rule says (SEEDS 1.4): text that spells a number is one for `int` and
-- `float`, numbers and booleans are text for `string`, JSON text is an array or object for `slice` and `object`.
-- Defaults are filled in. Errors name the full path, as a JSON pointer and as request.body.user.phone, in sorted order.
-- A block with rules for `body` needs an object there. null counts as absent.

local number_text = require("flowhost.expr.template").number_text

local M = {}

local BLOCKS = { "query", "header", "body" }

local function is_null(value)
    return value == nil or type(value) == "userdata"
end

--- Decoded arrays carry a protected metatable; plain tables of a default may be told by their length.
local function is_list(value)
    return type(value) == "table" and (getmetatable(value) ~= nil or #value > 0)
end

local BOOLEANS = {}
for _, text in ipairs { "1", "t", "T", "true", "TRUE", "True" } do
    BOOLEANS[text] = true
end
for _, text in ipairs { "0", "f", "F", "false", "FALSE", "False" } do
    BOOLEANS[text] = false
end

--- The number a value is or spells, nil for "nan" and "inf", which Lua takes for numbers and JSON does not. Integers of
--- 64 bits (cdata) stay what they are.
local function to_number(value)
    if type(value) == "cdata" then
        return value
    elseif type(value) == "boolean" then
        return value and 1 or 0
    end
    local number = type(value) ~= "table" and tonumber(value)
    return number and number - number == 0 and number or nil
end

local function truncate(number)
    if type(number) == "cdata" then
        return number
    end
    return number < 0 and math.ceil(number) or math.floor(number)
end

local function is_array(value)
    return is_list(value) or (type(value) == "table" and next(value) == nil)
end

local function is_object(value)
    return type(value) == "table" and not is_list(value)
end

--- A value of that shape, or the one that its JSON text stands for.
local function read_as(value, o, has_shape)
    if has_shape(value) then
        return value
    elseif type(value) == "string" and o.decode then
        local decoded = o.decode(value)
        return has_shape(decoded) and decoded or nil
    end
end

--- Each gives the value as its type, or nil and what it must be.
local TYPES = {
    int = function(value)
        local number = to_number(value)
        if number and (type(value) ~= "string" or value:find "^%s*[+-]?%d+%s*$") then
            return truncate(number)
        end
        return nil, "must be a whole number"
    end,
    float = function(value)
        local number = to_number(value)
        if number then
            return number
        end
        return nil, "must be a number"
    end,
    string = function(value, o)
        local kind = type(value)
        if kind == "string" then
            return value
        elseif kind == "number" or kind == "cdata" then
            return number_text(value)
        elseif kind == "boolean" then
            return tostring(value)
        elseif kind == "table" and o.encode then
            return o.encode(value)
        end
        return nil, "must be a string"
    end,
    bool = function(value)
        if type(value) == "boolean" then
            return value
        elseif type(value) == "number" then
            return value == 1
        end
        local spelled = BOOLEANS[value]
        if spelled == nil then
            return nil, "must be true or false"
        end
        return spelled
    end,
    slice = function(value, o)
        return read_as(value, o, is_array), "must be an array"
    end,
    object = function(value, o)
        return read_as(value, o, is_object), "must be an object"
    end,
}

local function length_of(value)
    if type(value) == "string" then
        -- characters, not bytes: what a person counts
        local _, continuation = value:gsub("[\128-\191]", "")
        return #value - continuation
    end
    return #value
end

local function in_enum(value, enum)
    for i = 1, #enum do
        if enum[i] == value then
            return true
        end
    end
    return false
end

--- Of a list each entry must be listed.
local function check_enum(value, enum)
    if is_list(value) then
        for i = 1, #value do
            if not in_enum(value[i], enum) then
                return ("must hold only values that are listed, not %s"):format(tostring(value[i]))
            end
        end
    elseif type(value) ~= "table" and not in_enum(value, enum) then
        return "must be one of the values listed"
    end
end

local function check_bounds(rule, value)
    local kind = type(value)
    if kind == "number" or kind == "cdata" then
        if rule.min and value < rule.min then
            return ("must be at least %s"):format(rule.min)
        elseif rule.max and value > rule.max then
            return ("must be at most %s"):format(rule.max)
        end
    elseif kind == "string" or is_array(value) then
        if rule.minLen and length_of(value) < rule.minLen then
            return ("must have a length of at least %d"):format(rule.minLen)
        elseif rule.maxLen and length_of(value) > rule.maxLen then
            return ("must have a length of at most %d"):format(rule.maxLen)
        end
    end
    return rule.enum and check_enum(value, rule.enum)
end

local function copy(value)
    if type(value) ~= "table" then
        return value
    end
    local own = {}
    for key, inner in pairs(value) do
        own[key] = copy(inner)
    end
    return setmetatable(own, debug.getmetatable(value)) -- an array stays one
end

--- What stands before a field's name in a pointer, with the name (RFC 6901).
local function pointer_to(pointer, name)
    return pointer .. "/" .. name:gsub("~", "~0"):gsub("/", "~1")
end

local compile_map

--- A checker of one field: check(errors, holder, o).
local function compile_field(name, rule, pointer, path)
    local to_type = rule.type and TYPES[rule.type]
    local has_bounds = rule.min or rule.max or rule.minLen or rule.maxLen or rule.enum
    local check_inner = rule.attribute and compile_map(rule.attribute, pointer, path)
    local function add(errors, message)
        errors[#errors + 1] = { pointer = pointer, path = path, message = message }
    end
    local function fill(errors, holder, o)
        if rule.default ~= nil then
            local default = copy(rule.default) -- the run may write into it
            if to_type then
                default = to_type(default, o)
            end
            holder[name] = default
        elseif rule.required then
            add(errors, "is required")
        end
    end
    return function(errors, holder, o)
        local value = holder[name]
        if is_null(value) then
            return fill(errors, holder, o)
        end
        if to_type then
            local typed, reason = to_type(value, o)
            if typed == nil then
                return add(errors, reason)
            end
            holder[name], value = typed, typed
        end
        local reason = has_bounds and type(value) ~= "boolean" and check_bounds(rule, value)
        if reason then
            add(errors, reason)
        end
        if check_inner and type(value) == "table" then
            check_inner(errors, value, o)
        end
    end
end

--- A checker of the fields of one object, in sorted order.
function compile_map(rules, pointer, path)
    local names, checks = {}, {}
    for name in pairs(rules) do
        names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
        checks[i] = compile_field(name, rules[name], pointer_to(pointer, name), path .. "." .. name)
    end
    return function(errors, holder, o)
        for i = 1, #checks do
            checks[i](errors, holder, o)
        end
    end
end

local RULE = { type = "string", required = "boolean", default = "any", min = "number", max = "number",
    minLen = "number", maxLen = "number", enum = "table", attribute = "table" }

--- Whether a default can be part of an input.
local function is_plain(value, depth)
    local kind = type(value)
    if kind == "number" then
        return value - value == 0
    elseif kind ~= "table" then
        return kind == "string" or kind == "boolean"
    elseif depth > 20 then
        return false
    end
    local size, count = #value, 0
    for key, inner in pairs(value) do
        local is_entry = type(key) == "number" and key >= 1 and key <= size and key == math.floor(key)
        if (size > 0 and not is_entry) or (size == 0 and type(key) ~= "string") or not is_plain(inner, depth + 1) then
            return false
        end
        count = count + 1
    end
    return size == 0 or count == size
end

local find_in_rules

local function find_in_rule(place, rule)
    if type(rule) ~= "table" then
        return ("%s must be a table of rules such as { type = \"string\" }"):format(place)
    end
    for name, value in pairs(rule) do
        local expected = RULE[name]
        if not expected then
            return ("%s has the unknown rule '%s'"):format(place, tostring(name))
        elseif expected ~= "any" and type(value) ~= expected then
            return ("%s.%s must be a %s"):format(place, name, expected)
        end
    end
    if rule.type and not TYPES[rule.type] then
        return ("%s has the unknown type '%s'"):format(place, rule.type)
    end
    if rule.default ~= nil and not is_plain(rule.default, 1) then
        return place .. ".default must be a value that JSON can hold"
    end
    return rule.attribute and find_in_rules(place .. ".attribute", rule.attribute)
end

function find_in_rules(place, rules)
    for name, rule in pairs(rules) do
        local problem = type(name) ~= "string" and place .. " must have names of fields as its keys"
            or find_in_rule(place .. "." .. name, rule)
        if problem then
            return problem
        end
    end
end

--- What is wrong with a request block itself, as a sentence; nil when it can be used.
function M.find_problem(request)
    for name, rules in pairs(request) do
        if name ~= "query" and name ~= "header" and name ~= "body" then
            return ("request has the unknown part '%s': use query, header, body"):format(tostring(name))
        elseif type(rules) ~= "table" then
            return ("request.%s must be a table of fields"):format(name)
        end
        local problem = find_in_rules("request." .. name, rules)
        if problem then
            return problem
        end
    end
end

--- Headers come in lower case; a flow finds one under the name by which its rule calls it.
local function spell_as_declared(rules, headers)
    for name in pairs(rules) do
        if headers[name] == nil then
            headers[name], headers[name:lower()] = headers[name:lower()], nil
        end
    end
end

local function compile_block(block, rules)
    local check = compile_map(rules, "/" .. block, "request." .. block)
    return function(errors, input, o)
        local holder = input[block]
        if type(holder) ~= "table" or is_list(holder) then
            errors[#errors + 1] = { pointer = "/" .. block, path = "request." .. block,
                message = "must be a JSON object" }
            return
        end
        if block == "header" then
            spell_as_declared(rules, holder)
        end
        check(errors, holder, o)
    end
end

local compiled = setmetatable({}, { __mode = "k" }) -- request block -> its checkers

local function checkers_of(request)
    local checkers = compiled[request]
    if not checkers then
        checkers = {}
        for _, block in ipairs(BLOCKS) do
            local rules = request[block]
            if rules and next(rules) then
                checkers[#checkers + 1] = compile_block(block, rules)
            end
        end
        compiled[request] = checkers
    end
    return checkers
end

local NO_CODEC = {}

--- Checks and completes `input` in place. nil when it holds, else a list of { pointer, path, message }.
---@param o { encode: function, decode: function }?  of JSON, for text that stands for arrays and objects, and back
function M.check(request, input, o)
    local errors = {}
    if type(input) ~= "table" then
        return { { pointer = "", path = "request", message = "must be a JSON object" } }
    end
    local checkers = checkers_of(request)
    for i = 1, #checkers do
        checkers[i](errors, input, o or NO_CODEC)
    end
    return errors[1] and errors or nil
end

return M
