-- SPDX-License-Identifier: MIT
-- Whether a `request` block (fields.lua) is one. Pure.

local coerce = require "flowhost.schema.coerce"

local M = {}

local RULE = { type = "string", required = "boolean", default = "any", min = "number", max = "number",
    minLen = "number", maxLen = "number", enum = "table", attribute = "table" }

--- The keys of a table as text, sorted.
function M.sorted_names(map)
    local names = {}
    for name in pairs(map) do
        names[#names + 1] = name
    end
    table.sort(names, function(a, b)
        return tostring(a) < tostring(b)
    end)
    return names
end

--- Whether a default can be part of an input.
local function is_plain(value, depth)
    local kind = type(value)
    if kind == "number" then
        return value - value == 0
    elseif kind ~= "table" then
        return kind == "string" or kind == "boolean" or kind == "cdata"
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

--- A place in the block, as text (request.body.x) and as the names of a pointer.
local function at(place, name)
    local names = { unpack(place.names) }
    names[#names + 1] = tostring(name)
    return { text = place.text .. "." .. tostring(name), names = names }
end

local function add(problems, place, message)
    problems[#problems + 1] = { names = place.names, message = message }
end

local function is_a(value, expected)
    return expected == "any" or type(value) == expected or (expected == "number" and type(value) == "cdata")
end

local find_in_rules

local function find_in_default(problems, place, rule, o)
    local convert = (o.is_wide and coerce.wide or coerce.strict)[rule.type]
    if not o.is_wide and not is_plain(rule.default, 1) then
        return add(problems, at(place, "default"), place.text .. ".default must be a value that JSON can hold")
    elseif convert then
        local typed, reason = convert(rule.default, o)
        if typed == nil then
            add(problems, at(place, "default"), ("%s.default %s"):format(place.text, reason))
        end
    end
end

local function find_in_entry(problems, place, name, value)
    local expected = RULE[name]
    if not expected then
        add(problems, at(place, name), ("%s has the unknown rule '%s'"):format(place.text, tostring(name)))
    elseif not is_a(value, expected) then
        add(problems, at(place, name), ("%s.%s must be a %s"):format(place.text, name, expected))
    end
end

local function find_in_rule(problems, place, rule, o)
    if type(rule) ~= "table" then
        return add(problems, place, ("%s must be a table of rules such as { type = \"string\" }"):format(place.text))
    end
    for _, name in ipairs(M.sorted_names(rule)) do
        if RULE[name] or not o.is_wide then
            find_in_entry(problems, place, name, rule[name])
        end
    end
    if type(rule.type) == "string" and not coerce.strict[rule.type] then
        add(problems, at(place, "type"), ("%s has the unknown type '%s'"):format(place.text, rule.type))
    elseif o.is_wide and rule.type == nil then
        add(problems, place, ("%s has no type: use int, float, string, slice, bool or object"):format(place.text))
    end
    if rule.default ~= nil then
        find_in_default(problems, place, rule, o)
    end
    if type(rule.attribute) == "table" then
        find_in_rules(problems, at(place, "attribute"), rule.attribute, o)
    end
end

function find_in_rules(problems, place, rules, o)
    for _, name in ipairs(M.sorted_names(rules)) do
        if type(name) ~= "string" then
            add(problems, place, place.text .. " must have names of fields as its keys")
        else
            find_in_rule(problems, at(place, name), rules[name], o)
        end
    end
end

local BLOCKS = { query = true, header = true, body = true }

--- All that is wrong with a request block: a list of { names, message }, where names lead to the place. With is_wide
--- the block is that of a rule: every field needs a type, unknown keys are ignored.
---@param o? { is_wide?: boolean, encode?: function, decode?: function }
function M.find_problems(request, o)
    local problems, top = {}, { text = "request", names = {} }
    for _, name in ipairs(M.sorted_names(request)) do
        local rules = request[name]
        if not BLOCKS[name] then
            if not (o and o.is_wide) then
                add(problems, at(top, name), ("request has the unknown part '%s': use query, header, body"):format(
                    tostring(name)))
            end
        elseif type(rules) ~= "table" then
            add(problems, at(top, name), ("request.%s must be a table of fields"):format(name))
        else
            find_in_rules(problems, at(top, name), rules, o or {})
        end
    end
    return problems
end

--- What is wrong with a request block itself, as a sentence; nil when it can be used.
function M.find_problem(request)
    local first = M.find_problems(request)[1]
    return first and first.message
end

return M
