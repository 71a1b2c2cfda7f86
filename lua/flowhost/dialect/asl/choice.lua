-- SPDX-License-Identifier: MIT
-- Choice rules of Amazon States Language in JSONPath, compiled to fun(scope) -> boolean. Pure.
--
--   { "Variable": "$.a", "NumericLessThan": 5 }      { "Variable": "$.a", "StringEqualsPath": "$.b" }
--   { "And": [ rule, ... ] }  { "Or": [ ... ] }  { "Not": rule }
--
-- A value of another type than the operator's is no error: the rule does not hold. A path that leads nowhere is one,
-- except for IsPresent.

local jsonpath = require "flowhost.expr.jsonpath"
local rfc3339 = require "flowhost.expr.rfc3339"

local M = {}

local concat = table.concat

-- comparing ------------------------------------------------------------------------------------------

local COMPARE = {
    Equals = function(left, right)
        return left == right
    end,
    LessThan = function(left, right)
        return left < right
    end,
    GreaterThan = function(left, right)
        return left > right
    end,
    LessThanEquals = function(left, right)
        return left <= right
    end,
    GreaterThanEquals = function(left, right)
        return left >= right
    end,
}

--- What of a value is compared; nil when it is of another type.
local READ = {
    String = function(value)
        return type(value) == "string" and value or nil
    end,
    Numeric = function(value)
        return (type(value) == "number" or type(value) == "cdata") and value or nil
    end,
    Boolean = function(value)
        if type(value) == "boolean" then
            return value
        end
    end,
    Timestamp = function(value)
        return type(value) == "string" and rfc3339.parse(value) or nil
    end,
}

--- The texts between the stars of a pattern of StringMatches: `*` is any text, `\*` a star, `\\` a backslash.
local function split_pattern(text)
    local pieces, piece, at = {}, {}, 1
    while at <= #text do
        local char, following = text:sub(at, at), text:sub(at + 1, at + 1)
        if char == "\\" and (following == "*" or following == "\\") then
            char, at = following, at + 1
        elseif char == "*" then
            pieces[#pieces + 1], piece, char = concat(piece), {}, nil
        end
        piece[#piece + 1] = char
        at = at + 1
    end
    pieces[#pieces + 1] = concat(piece)
    return pieces
end

--- Whether the pieces stand in a text in their order, the first at its begin and the last at its end: the earliest
--- place of each is enough, so that no pattern takes long.
local function matches(text, pieces)
    local count = #pieces
    local first, last = pieces[1], pieces[count]
    if count == 1 then
        return text == first
    elseif text:sub(1, #first) ~= first then
        return false
    end
    local at = #first + 1
    for i = 2, count - 1 do
        local _, finish = text:find(pieces[i], at, true)
        if not finish then
            return false
        end
        at = finish + 1
    end
    return #text - #last + 1 >= at and text:sub(#text - #last + 1) == last
end

local TESTS = {
    IsNull = function(value, o)
        return value == o.null
    end,
    IsString = function(value)
        return type(value) == "string"
    end,
    IsNumeric = function(value)
        return type(value) == "number" or type(value) == "cdata"
    end,
    IsBoolean = function(value)
        return type(value) == "boolean"
    end,
    IsTimestamp = function(value)
        return type(value) == "string" and rfc3339.parse(value) ~= nil
    end,
}

-- paths ----------------------------------------------------------------------------------------------

local function refuse(message)
    error({ choice = true, message = message }, 0)
end

--- fun(scope) -> value, found
local function compile_lookup(text, c)
    if type(text) ~= "string" then
        refuse "a choice rule lacks the path of its variable"
    end
    local path, message = c.paths.compile(text)
    if not path then
        refuse(message)
    end
    local get, root_value = path.get, jsonpath.root_value
    return function(scope)
        local root = root_value(path, scope)
        if root == nil then
            return nil, false
        end
        return get(root)
    end
end

--- fun(scope) -> value; raises what AWS says when there is none.
local function compile_reader(text, c)
    local lookup = compile_lookup(text, c)
    return function(scope)
        local value, is_found = lookup(scope)
        if not is_found then
            error({ error = "States.Runtime", is_path = true, path = text,
                cause = ("Invalid path '%s': The choice state's condition path references an invalid value."):format(
                    text) }, 0)
        end
        return value
    end
end

-- operators ------------------------------------------------------------------------------------------

local OPERATORS = {}

function OPERATORS.IsPresent(rule, c, expected)
    local lookup = compile_lookup(rule.Variable, c)
    return function(scope)
        local _, is_found = lookup(scope)
        return is_found == expected
    end
end

for name, test in pairs(TESTS) do
    OPERATORS[name] = function(rule, c, expected)
        local read = compile_reader(rule.Variable, c)
        return function(scope)
            return test(read(scope), c.o) == expected
        end
    end
end

function OPERATORS.StringMatches(rule, c, expected)
    if type(expected) ~= "string" then
        refuse "the pattern of StringMatches is no text"
    end
    local read = compile_reader(rule.Variable, c)
    local pieces = split_pattern(expected)
    return function(scope)
        local value = read(scope)
        return type(value) == "string" and matches(value, pieces)
    end
end

local function compile_constant(kind, compare)
    return function(rule, c, expected)
        local read, convert = compile_reader(rule.Variable, c), READ[kind]
        local right = convert(expected)
        return function(scope)
            local left = convert(read(scope))
            return left ~= nil and right ~= nil and compare(left, right)
        end
    end
end

local function compile_two_paths(kind, compare)
    return function(rule, c, other)
        local read, read_other, convert = compile_reader(rule.Variable, c), compile_reader(other, c), READ[kind]
        return function(scope)
            local left, right = convert(read(scope)), convert(read_other(scope))
            return left ~= nil and right ~= nil and compare(left, right)
        end
    end
end

for kind in pairs(READ) do
    for name, compare in pairs(COMPARE) do
        if kind ~= "Boolean" or name == "Equals" then
            OPERATORS[kind .. name] = compile_constant(kind, compare)
            OPERATORS[kind .. name .. "Path"] = compile_two_paths(kind, compare)
        end
    end
end

--- The names of all comparison operators, as a set.
M.OPERATORS = {}
for name in pairs(OPERATORS) do
    M.OPERATORS[name] = true
end

-- rules ----------------------------------------------------------------------------------------------

local compile_rule

local function compile_rules(list, c)
    if type(list) ~= "table" or not c.o.is_array(list) then
        refuse "And and Or of a choice rule take a list of rules"
    end
    local rules = {}
    for i = 1, #list do
        rules[i] = compile_rule(list[i], c)
    end
    return rules
end

local function compile_joined(list, c, stops_at)
    local rules = compile_rules(list, c)
    return function(scope)
        for i = 1, #rules do
            if rules[i](scope) == stops_at then
                return stops_at
            end
        end
        return not stops_at
    end
end

function compile_rule(rule, c)
    if type(rule) ~= "table" then
        refuse "a choice rule is no object"
    elseif rule.And then
        return compile_joined(rule.And, c, false)
    elseif rule.Or then
        return compile_joined(rule.Or, c, true)
    elseif rule.Not then
        local inner = compile_rule(rule.Not, c)
        return function(scope)
            return not inner(scope)
        end
    end
    for name, expected in next, rule do
        if OPERATORS[name] then
            return OPERATORS[name](rule, c, expected)
        end
    end
    refuse "a choice rule has no operator"
end

---@param o flowhost.JsonPathOptions
---@param paths? table a compiler of jsonpath.new to share
---@return { compile: fun(rule: table): (fun(scope: flowhost.AslScope): boolean)?, string? }
function M.new(o, paths)
    local c = { o = o, paths = paths or jsonpath.new(o) }
    return { compile = function(rule)
        local ok, holds = pcall(compile_rule, rule, c)
        if ok then
            return holds
        elseif type(holds) == "table" and holds.choice then
            return nil, holds.message
        end
        error(holds, 0)
    end }
end

return M
