-- SPDX-License-Identifier: MIT
-- Parser of JSONata: operator precedence by binding power (Vaughan Pratt, 1973). It gives the tree as it is written;
-- tree.lua makes paths of it. Errors are raised as { code, position, token?, value? }.

local lexer = require "flowhost.expr.jsonata.lexer"
local signature = require "flowhost.expr.jsonata.signature"

local M = {}

local MAX_NESTING = 200
local POWER = { ["."] = 75, ["["] = 80, ["{"] = 70, ["("] = 80, ["@"] = 80, ["#"] = 80, ["?"] = 20, ["+"] = 50,
    ["-"] = 50, ["*"] = 60, ["/"] = 60, ["%"] = 60, ["="] = 40, ["<"] = 40, [">"] = 40, ["^"] = 40, [":="] = 10,
    ["!="] = 40, ["<="] = 40, [">="] = 40, ["~>"] = 40, ["?:"] = 40, ["??"] = 40, ["and"] = 30, ["or"] = 25,
    ["in"] = 40, ["&"] = 50 }
local UNKNOWN = { ["!"] = true, ["~"] = true }

local function raise(code, position, fields)
    fields = fields or {}
    fields.code, fields.position = code, position
    error(fields, 0)
end

--- Moves on to the next token; with `id` the present one must be that.
local function advance(p, id, is_infix)
    local node = p.node
    if id and node.id ~= id then
        raise(node.id == "(end)" and "S0203" or "S0202", node.position, { token = node.value, value = id })
    end
    local token = p.lex(is_infix)
    if not token then
        token = { id = "(end)", value = "(end)", position = p.length }
    elseif token.type == "operator" then
        token.id = token.value
        if UNKNOWN[token.value] then
            raise("S0204", token.position, { token = token.value })
        end
    else
        token.id = "(" .. token.type .. ")"
    end
    p.node = token
    return token
end

local prefix, infix = {}, {}

--- The expression whose operators bind tighter than `power`.
local function expression(p, power)
    p.depth = p.depth + 1
    if p.depth > MAX_NESTING then
        raise("S0500", p.node.position, { value = MAX_NESTING })
    end
    local node = p.node
    advance(p, nil, true)
    local parse = prefix[node.id]
    if not parse then
        raise("S0211", node.position, { token = node.value })
    end
    local left = parse(p, node)
    while power < (p.node.type == "operator" and POWER[p.node.id] or 0) do
        node = p.node
        advance(p)
        left = infix[node.id](p, node, left)
    end
    p.depth = p.depth - 1
    return left
end

local function terminal(_, node)
    return node
end

for _, id in ipairs { "(end)", "(name)", "(variable)", "(string)", "(number)", "(value)", "(regex)", "and", "or",
    "in" } do
    prefix[id] = terminal
end

--- expression {, expression}; one(p) parses each.
local function list_until(p, closing, one)
    local list = {}
    if p.node.id ~= closing then
        while true do
            list[#list + 1] = one(p)
            if p.node.id ~= "," then
                break
            end
            advance(p, ",")
        end
    end
    return list
end

prefix["-"] = function(p, node)
    node.type, node.expression = "unary", expression(p, 70)
    return node
end

local function terminal_of(kind)
    return function(_, node)
        node.type = kind
        return node
    end
end
prefix["*"], prefix["**"], prefix["%"] = terminal_of "wildcard", terminal_of "descendant", terminal_of "parent"

prefix["("] = function(p, node)
    local expressions = {}
    while p.node.id ~= ")" do
        expressions[#expressions + 1] = expression(p, 0)
        if p.node.id ~= ";" then
            break
        end
        advance(p, ";")
    end
    advance(p, ")", true)
    node.type, node.expressions = "block", expressions
    return node
end

local function array_item(p)
    local item = expression(p, 0)
    if p.node.id == ".." then
        item = { type = "binary", value = "..", position = p.node.position, lhs = item }
        advance(p, "..")
        item.rhs = expression(p, 0)
    end
    return item
end

prefix["["] = function(p, node)
    node.expressions = list_until(p, "]", array_item)
    advance(p, "]", true)
    node.type = "unary"
    return node
end

local function object_pair(p)
    local key = expression(p, 0)
    advance(p, ":")
    return { key, expression(p, 0) }
end

prefix["{"] = function(p, node)
    node.pairs = list_until(p, "}", object_pair)
    advance(p, "}", true)
    node.type = "unary"
    return node
end

prefix["|"] = function(p, node)
    node.type = "transform"
    node.pattern = expression(p, 0)
    advance(p, "|")
    node.update = expression(p, 0)
    if p.node.id == "," then
        advance(p, ",")
        node.delete = expression(p, 0)
    end
    advance(p, "|")
    return node
end

local function binary(p, node, left)
    node.lhs, node.rhs, node.type = left, expression(p, POWER[node.id]), "binary"
    return node
end

for _, id in ipairs { ".", "+", "-", "*", "/", "%", "=", "<", ">", "!=", "<=", ">=", "&", "and", "or", "in", "~>" } do
    infix[id] = binary
end

infix["{"] = function(p, node, left)
    node.lhs, node.rhs = left, list_until(p, "}", object_pair)
    advance(p, "}", true)
    node.type = "binary"
    return node
end

infix["["] = function(p, node, left)
    if p.node.id == "]" then
        local step = left
        while step.type == "binary" and step.value == "[" do
            step = step.lhs
        end
        step.keep_array = true
        advance(p, "]")
        return left
    end
    node.lhs, node.rhs, node.type = left, expression(p, 0), "binary"
    advance(p, "]", true)
    return node
end

local function sort_term(p)
    local id, term = p.node.id, {}
    if id == "<" or id == ">" then
        advance(p, id)
    end
    term.is_descending = id == ">"
    term.expression = expression(p, 0)
    return term
end

infix["^"] = function(p, node, left)
    advance(p, "(")
    local terms = {}
    repeat
        if #terms > 0 then
            advance(p, ",")
        end
        terms[#terms + 1] = sort_term(p)
    until p.node.id ~= ","
    advance(p, ")")
    node.lhs, node.rhs, node.type = left, terms, "binary"
    return node
end

infix[":="] = function(p, node, left)
    if left.type ~= "variable" then
        raise("S0212", left.position, { token = left.value })
    end
    node.lhs, node.rhs, node.type = left, expression(p, POWER[":="] - 1), "binary"
    return node
end

local function variable_binding(p, node, left)
    node.lhs, node.rhs = left, expression(p, POWER[node.id])
    if node.rhs.type ~= "variable" then
        raise("S0214", node.rhs.position, { token = node.id })
    end
    node.type = "binary"
    return node
end
infix["@"], infix["#"] = variable_binding, variable_binding

infix["?"] = function(p, node, left)
    node.type, node.condition, node.yes = "condition", left, expression(p, 0)
    if p.node.id == ":" then
        advance(p, ":")
        node.no = expression(p, 0)
    end
    return node
end

--- `a ?: b` and `a ?? b`: the left side is evaluated once and tested by its truth or by being there.
local function default(p, node, left)
    node.type, node.lhs, node.rhs = "default", left, expression(p, 0)
    return node
end
infix["?:"], infix["??"] = default, default

-- calls and lambdas ---------------------------------------------------------------------------------

local function parse_signature(p)
    local begin, depth, parts = p.node.position, 1, { "<" }
    while depth > 0 and p.node.id ~= "{" and p.node.id ~= "(end)" do
        local token = advance(p)
        depth = depth + (token.id == ">" and -1 or token.id == "<" and 1 or 0)
        parts[#parts + 1] = tostring(token.value)
    end
    advance(p, ">")
    local made, code, offset, value = signature.parse(table.concat(parts))
    if not made then
        raise(code, begin + offset, { value = value })
    end
    return made
end

local function lambda(p, node)
    for i, argument in ipairs(node.arguments) do
        if argument.type ~= "variable" then
            raise("S0208", argument.position, { token = argument.value, value = i })
        end
    end
    node.type = "lambda"
    if p.node.id == "<" then
        node.signature = parse_signature(p)
    end
    advance(p, "{")
    node.body = expression(p, 0)
    advance(p, "}")
    return node
end

infix["("] = function(p, node, left)
    node.procedure, node.type = left, "function"
    node.arguments = list_until(p, ")", function()
        if p.node.id == "?" then
            local hole = { type = "hole", position = p.node.position }
            node.type = "partial"
            advance(p, "?")
            return hole
        end
        return expression(p, 0)
    end)
    advance(p, ")", true)
    if left.type == "name" and (left.value == "function" or left.value == "λ") then
        return lambda(p, node)
    end
    return node
end

--- The tree of a text.
---@param text string
---@param null any the value of `null`
function M.parse(text, null)
    local lex, length = lexer.new(text, null)
    local p = { lex = lex, length = length, depth = 0 }
    advance(p)
    local tree = expression(p, 0)
    if p.node.id ~= "(end)" then
        raise("S0201", p.node.position, { token = p.node.value })
    end
    return tree
end

return M
