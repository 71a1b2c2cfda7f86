-- SPDX-License-Identifier: MIT
-- The `request` block of a flow or rule: rules for the fields of query, header and body. Pure.
--
--   { body = { phone = { type = "string", required = true, minLen = 6 } } }
--   rule: type (int float string slice bool object), required, default, min, max, minLen, maxLen, enum,
--         attribute (rules of a nested object)
--
-- Values are checked in place: text of a query or header is taken as the number or boolean it spells, defaults are
-- filled in. Errors name the full path as a JSON pointer, in the order query, header, body, sorted. A block with rules
-- for `body` needs an object there.
--
-- A block with `is_wide = true` is that of a rule (rule_document.normalize sets it) and does as ps-go: the types take
-- what coerce.wide takes, null is a value that no type takes, a block that is no object is an empty one, only declared
-- headers stay and empty ones are absent. Its errors have `path` too, as "request.body.user.phone".

local coerce = require "flowhost.schema.coerce"
local field_rules = require "flowhost.schema.field_rules"
local javascript = require "flowhost.expr.javascript"
local value_module = require "flowhost.expr.value"

local M = {}

local BLOCKS = { "query", "header", "body" }

local is_list, copy, order = coerce.is_list, value_module.copy, javascript.order

-- limits -----------------------------------------------------------------------------------------------

local function length_of(value)
    if type(value) == "string" then
        -- characters, not bytes: what a person counts
        local _, continuation = value:gsub("[\128-\191]", "")
        return #value - continuation
    end
    return #value
end

local function is_listed(value, enum)
    for i = 1, #enum do
        if enum[i] == value then
            return true
        end
    end
    return false
end

--- Each limit of a rule: kind of value -> fun(rule) -> fun(value) -> message or nil.
local LIMITS = {
    { "min", "number", function(rule)
        local min, message = rule.min, "must be at least " .. value_module.number_text(rule.min)
        return function(value)
            return order(value, min) == -1 and message or nil
        end
    end },
    { "max", "number", function(rule)
        local max, message = rule.max, "must be at most " .. value_module.number_text(rule.max)
        return function(value)
            return order(value, max) == 1 and message or nil
        end
    end },
    { "minLen", "length", function(rule)
        local min, message = rule.minLen, ("must have a length of at least %d"):format(rule.minLen)
        return function(value)
            return length_of(value) < min and message or nil
        end
    end },
    { "maxLen", "length", function(rule)
        local max, message = rule.maxLen, ("must have a length of at most %d"):format(rule.maxLen)
        return function(value)
            return length_of(value) > max and message or nil
        end
    end },
    { "enum", "any", function(rule)
        local enum = rule.enum
        return function(value)
            if type(value) ~= "table" then
                return not is_listed(value, enum) and "must be one of the values listed" or nil
            end
            for i = 1, #value do
                if not is_listed(value[i], enum) then
                    return "must have only values that are listed"
                end
            end
        end
    end },
}

local HAS_LIMITS = { number = "number", cdata = "number", string = "length" }

--- fun(value) -> what is wrong with its size, or nil; nil when a rule sets no limits.
local function compile_limits(rule)
    local checks, kinds, count = {}, {}, 0
    for _, limit in ipairs(LIMITS) do
        if rule[limit[1]] ~= nil then
            count = count + 1
            kinds[count], checks[count] = limit[2], limit[3](rule)
        end
    end
    return count > 0 and function(value)
        local kind = HAS_LIMITS[type(value)] or (is_list(value) and "length")
        for i = 1, kind and count or 0 do
            local message = (kinds[i] == kind or kinds[i] == "any") and checks[i](value)
            if message then
                return message
            end
        end
    end or nil
end

-- fields -----------------------------------------------------------------------------------------------

--- What stands before a field's name in a pointer, with the name (RFC 6901).
local function pointer_to(pointer, name)
    return pointer .. "/" .. name:gsub("~", "~0"):gsub("/", "~1")
end

---@class flowhost.FieldError
---@field pointer string JSON pointer into the input
---@field message string
---@field path? string as in ps-go, of rules only

--- How a field says that it is wrong.
local function reporter(place)
    local pointer, path = place.pointer, place.is_wide and place.path or nil
    return function(errors, message)
        errors[#errors + 1] = { pointer = pointer, message = message, path = path }
    end
end

--- What an absent field becomes: its default as its type has it, where the type takes it.
local function compile_absent(rule, convert, report)
    local default, is_required = rule.default, rule.required
    if default ~= nil then
        return function(_, holder, name, o)
            local own = copy(default) -- the run may write into it
            if convert then
                local typed = convert(own, o)
                if typed ~= nil then
                    own = typed
                end
            end
            holder[name] = own
        end
    end
    return function(errors)
        if is_required then
            report(errors, "is required")
        end
    end
end

local compile_map

--- fun(errors, holder, o) that checks one field of `holder`.
local function compile_field(name, rule, place)
    local types, is_wide = place.is_wide and coerce.wide or coerce.strict, place.is_wide
    local convert, limits, report = rule.type and types[rule.type], compile_limits(rule), reporter(place)
    local absent = compile_absent(rule, convert, report)
    local attribute = rule.attribute and compile_map(rule.attribute, place)
    return function(errors, holder, o)
        local value = holder[name]
        if value == nil or (not is_wide and type(value) == "userdata") then
            return absent(errors, holder, name, o)
        end
        if convert then
            local typed, reason = convert(value, o)
            if typed == nil then
                return report(errors, reason)
            end
            holder[name], value = typed, typed
        end
        local reason = limits and limits(value)
        if reason then
            report(errors, reason)
        end
        if attribute and type(value) == "table" then
            attribute(errors, value, o)
        end
    end
end

local function place_of(place, name)
    return { pointer = pointer_to(place.pointer, name), path = place.path .. "." .. name, is_wide = place.is_wide }
end

--- fun(errors, holder, o) that checks the fields of an object, sorted by name.
function compile_map(rules, place)
    local checks = {}
    for i, name in ipairs(field_rules.sorted_names(rules)) do
        checks[i] = compile_field(name, rules[name], place_of(place, name))
    end
    local count = #checks
    return function(errors, holder, o)
        for i = 1, count do
            checks[i](errors, holder, o)
        end
    end
end

-- blocks -----------------------------------------------------------------------------------------------

local function is_object(value)
    return type(value) == "table" and not is_list(value)
end

--- Headers come in lower case; a flow finds one under the name by which its rule calls it.
local function spell_as_declared(names, headers)
    for _, name in ipairs(names) do
        if headers[name] == nil then
            headers[name], headers[name:lower()] = headers[name:lower()], nil
        end
    end
    return headers
end

--- The declared headers alone, without empty ones.
local function pick_declared(names, headers)
    local own = {}
    for _, name in ipairs(names) do
        local value = headers[name] == nil and headers[name:lower()] or headers[name]
        own[name] = value ~= "" and value or nil
    end
    return own
end

local function compile_strict(block, rules)
    if not rules or not next(rules) then
        return nil
    end
    local place = { pointer = "/" .. block, path = "request." .. block }
    local check, report = compile_map(rules, place), reporter(place)
    local names = block == "header" and field_rules.sorted_names(rules)
    return function(errors, input, o)
        local holder = input[block]
        if not is_object(holder) then
            return report(errors, "must be a JSON object")
        end
        check(errors, names and spell_as_declared(names, holder) or holder, o)
    end
end

local function compile_wide(block, rules)
    local check = compile_map(rules or {}, { pointer = "/" .. block, path = "request." .. block, is_wide = true })
    local names = block == "header" and field_rules.sorted_names(rules or {})
    return function(errors, input, o)
        local holder = is_object(input[block]) and input[block] or {}
        input[block] = names and pick_declared(names, holder) or holder
        check(errors, input[block], o)
    end
end

local function compile_blocks(request)
    local checks = {}
    for _, block in ipairs(BLOCKS) do
        checks[#checks + 1] = (request.is_wide and compile_wide or compile_strict)(block, request[block])
    end
    return checks
end

--- Compiles a request block.
---@return fun(input: any, o?: { encode: function, decode: function }): flowhost.FieldError[]? # checks and completes
--- `input` in place; nil when it holds
function M.compile(request)
    local checks = compile_blocks(request)
    return function(input, o)
        if type(input) ~= "table" then
            return { { pointer = "", message = "must be a JSON object" } }
        end
        local errors = {}
        for i = 1, #checks do
            checks[i](errors, input, o)
        end
        return errors[1] and errors or nil
    end
end

-- A checker holds no request block, so it goes with its block.
local checkers = setmetatable({}, { __mode = "k" })

--- Checks and completes `input` in place. nil when it holds, else the errors. What it learns of a block it keeps: the
--- block must not change afterwards.
function M.check(request, input, o)
    local checker = checkers[request]
    if not checker then
        checker = M.compile(request)
        checkers[request] = checker
    end
    return checker(input, o)
end

M.find_problem = field_rules.find_problem
M.find_problems = field_rules.find_problems

return M
