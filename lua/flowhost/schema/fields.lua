-- SPDX-License-Identifier: MIT
-- The `request` block of a flow: rules for the fields of query, header and body. Pure.
--
--   { body = { phone = { type = "string", required = true, minLen = 6 } } }
--   rule: type (int float string slice bool object), required, default, min, max, minLen, maxLen, enum,
--         attribute (rules of a nested object)
--
-- Values are checked in place: text of a query or header is taken as the number or boolean it spells, defaults are
-- filled in. Errors name the full path as a JSON pointer, in sorted order. A block with rules for `body` needs an
-- object there.

local M = {}

local BLOCKS = { "query", "header", "body" }

local function is_null(value)
    return value == nil or type(value) == "userdata"
end

--- Decoded arrays carry a protected metatable; plain tables of a default may be told by their length.
local function is_list(value)
    return type(value) == "table" and (getmetatable(value) ~= nil or #value > 0)
end

local BOOLEANS = { ["true"] = true, ["false"] = false, ["1"] = true, ["0"] = false }

--- The number a value is or spells, nil for "nan" and "inf", which Lua takes for numbers and JSON does not. Integers of
--- 64 bits (cdata) stay what they are.
local function to_number(value)
    if type(value) == "cdata" then
        return value
    end
    local number = type(value) ~= "table" and tonumber(value)
    return number and number - number == 0 and number or nil
end

local TYPES = {
    int = function(value)
        local number = to_number(value)
        if number and (type(number) == "cdata" or number == math.floor(number)) then
            return number
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
    string = function(value)
        if type(value) == "string" then
            return value
        end
        return nil, "must be a string"
    end,
    bool = function(value)
        if type(value) == "boolean" then
            return value
        end
        local spelled = BOOLEANS[value]
        if spelled == nil then
            return nil, "must be true or false"
        end
        return spelled
    end,
    slice = function(value)
        if is_list(value) or (type(value) == "table" and next(value) == nil) then
            return value
        end
        return nil, "must be an array"
    end,
    object = function(value)
        if type(value) == "table" and not is_list(value) then
            return value
        end
        return nil, "must be an object"
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
    for _, allowed in ipairs(enum) do
        if allowed == value then
            return true
        end
    end
    return false
end

local function check_bounds(rule, value)
    if type(value) == "number" or type(value) == "cdata" then
        if rule.min and value < rule.min then
            return ("must be at least %s"):format(rule.min)
        elseif rule.max and value > rule.max then
            return ("must be at most %s"):format(rule.max)
        end
    elseif rule.minLen and length_of(value) < rule.minLen then
        return ("must have a length of at least %d"):format(rule.minLen)
    elseif rule.maxLen and length_of(value) > rule.maxLen then
        return ("must have a length of at most %d"):format(rule.maxLen)
    end
    if rule.enum and not in_enum(value, rule.enum) then
        return "must be one of the values listed"
    end
end

local function add(errors, pointer, message)
    errors[#errors + 1] = { pointer = pointer, message = message }
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

local check_map

local function check_field(errors, pointer, rule, holder, name)
    local value = holder[name]
    if is_null(value) then
        if rule.default ~= nil then
            holder[name] = copy(rule.default) -- the run may write into it
        elseif rule.required then
            add(errors, pointer, "is required")
        end
        return
    end
    local check_type = rule.type and TYPES[rule.type]
    if check_type then
        local typed, reason = check_type(value)
        if typed == nil then
            return add(errors, pointer, reason)
        end
        holder[name], value = typed, typed
    end
    if type(value) ~= "boolean" then
        local reason = check_bounds(rule, value)
        if reason then
            add(errors, pointer, reason)
        end
    end
    if rule.attribute and type(value) == "table" then
        check_map(errors, pointer, rule.attribute, value)
    end
end

function check_map(errors, pointer, rules, holder)
    local names = {}
    for name in pairs(rules) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        check_field(errors, pointer_to(pointer, name), rules[name], holder, name)
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

--- Checks and completes `input` in place. nil when it holds, else a list of { pointer, message }.
function M.check(request, input)
    local errors = {}
    if type(input) ~= "table" then
        return { { pointer = "", message = "must be a JSON object" } }
    end
    for _, block in ipairs(BLOCKS) do
        local rules = request[block]
        if rules and next(rules) then
            local holder = input[block]
            if type(holder) ~= "table" or is_list(holder) then
                add(errors, "/" .. block, "must be a JSON object")
            else
                if block == "header" then
                    spell_as_declared(rules, holder)
                end
                check_map(errors, "/" .. block, rules, holder)
            end
        end
    end
    return errors[1] and errors or nil
end

return M
