-- SPDX-License-Identifier: MIT
-- Reads a condition: LPeg takes the text apart into words, precedence climbing puts them together. Pure.
--
--   condition    = binary { "?" condition ":" binary }
--   binary       = unary { operator unary }       || ; && ; == != === !== ; < <= > >= ; + - ; * / %  (loosest first)
--   unary        = { "!" | "-" | "+" } primary
--   primary      = number | string | "true" | "false" | "null" | "undefined" | "NaN" | "Infinity"
--                | "{" path "}" | "(" condition ")"
--
-- A node is { kind, at, depth, ... }: literal value; reference path; unary op operand; binary op left right; all / any
-- (&& / ||) list; choice condition yes no.

local lpeg = require "lpeg"
local javascript = require "flowhost.expr.javascript"
local utf8_char = require "flowhost.expr.utf8_char"

local M = {}

local MAX_DEPTH = 200
local MAX_BYTES = 65536

-- words ----------------------------------------------------------------------------------------------

local P, R, S, V = lpeg.P, lpeg.R, lpeg.S, lpeg.V
local C, Cc, Cp, Cs, Ct = lpeg.C, lpeg.Cc, lpeg.Cp, lpeg.Cs, lpeg.Ct

local function hex_char(digits)
    return utf8_char(tonumber(digits, 16))
end

local function pair_char(high, low)
    return utf8_char(0x10000 + (tonumber(high, 16) - 0xd800) * 1024 + tonumber(low, 16) - 0xdc00)
end

local SIMPLE = { n = "\n", t = "\t", r = "\r", b = "\b", f = "\f", v = "\v", ["\n"] = "" }

local hex = R("09", "af", "AF")
local hex4 = hex * hex * hex * hex
local high = S "dD" * S "89abAB" * hex * hex
local low = S "dD" * R("cf", "CF") * hex * hex
local escape = P "\\" * (
    "u" * C(high) * "\\u" * C(low) / pair_char
    + "u" * C(hex4) / hex_char
    + "x" * C(hex * hex) / hex_char
    + P "0" * -R "09" / "\0"
    + C(S "ntrbfv\n") / SIMPLE
    + C(P(1) - R "09" - S "ux")) / "%1"

local function quoted(mark)
    return mark * Cs((escape + (1 - S("\\\n" .. mark)))^0) * mark
end

local space = (S " \t\r\n\v\f" + "\194\160" + "\239\187\191" + P "//" * (1 - P "\n")^0
    + "/*" * (1 - P "*/")^0 * "*/")^0
local digit = R "09"
local name_start = R("az", "AZ") + S "_$" + R "\128\255"
local exponent = S "eE" * S "+-"^-1 * digit^1
local decimal = ((P "0" * -digit + R "19" * digit^0) * ("." * digit^0)^-1 + "." * digit^1) * exponent^-1
local number = (P "0" * S "xX" * hex^1 + decimal) * -(name_start + digit)

local operator = P "===" + "!==" + "==" + "!=" + "<=" + ">=" + "&&" + "||" + "++" + "--" + ">>>" + ">>" + "<<" + "**"
    + S "<>+-*/%!?:()=&|^~;,[].`"

--- { kind, position, value }
local function word(kind, pattern)
    return Ct(Cc(kind) * Cp() * pattern)
end

local words = P { Ct((space * V "word")^0) * space * Cp(),
    word = word("number", C(number)) + word("string", quoted "'" + quoted '"')
        + word("reference", "{" * C((R("az", "AZ", "09") + S "_.")^1) * "}")
        + word("name", C(name_start * (name_start + digit)^0)) + word("operator", C(operator)) }

-- errors ---------------------------------------------------------------------------------------------

--- The text as it stands in messages.
function M.quote(text)
    if #text > 200 then
        text = text:sub(1, 197):gsub("[\192-\255]?[\128-\191]*$", "") .. "..."
    end
    return '"' .. text .. '"'
end

local function fail(p, at, what)
    error({ condition = true, position = at,
        message = ("%s at position %d of %s"):format(what, at, M.quote(p.text)) }, 0)
end

local function fail_at_character(p, at)
    local rest = p.text:sub(at)
    local first = rest:match "^[%z\1-\127]" or rest:match "^[\192-\255][\128-\191]*" or "?"
    if first == "'" or first == '"' then
        return fail(p, at, "the string that begins is not closed or has an escape that does not exist")
    elseif first == "{" then
        return fail(p, at, "expected a reference such as {request.body.id}")
    elseif first:find "%d" then
        return fail(p, at, "bad number")
    end
    return fail(p, at, ("unexpected character '%s'"):format(first))
end

local HINTS = { ["="] = "; == compares", ["&"] = "; && is and", ["|"] = "; || is or" }

local function describe(token)
    if not token then
        return "the end"
    elseif token[1] == "string" then
        return "a string"
    elseif token[1] == "reference" then
        return ("{%s}"):format(token[3])
    end
    return ("'%s'"):format(token[3])
end

--- Fails for a word that cannot stand where it does.
local function fail_at_word(p, wanted)
    local token = p.tokens[p.index]
    local hint = token and token[1] == "operator" and HINTS[token[3]] or ""
    fail(p, token and token[2] or #p.text + 1, ("expected %s, not %s%s,"):format(wanted, describe(token), hint))
end

-- nodes ----------------------------------------------------------------------------------------------

local function add_node(p, node, depth)
    if depth > MAX_DEPTH then
        fail(p, node.at, ("more than %d levels of operators and parentheses"):format(MAX_DEPTH))
    end
    node.depth = depth
    return node
end

local function peek_operator(p)
    local token = p.tokens[p.index]
    return token and token[1] == "operator" and token[3]
end

--- Takes the operator if it is next; its position, else nil.
local function take(p, text)
    if peek_operator(p) == text then
        p.index = p.index + 1
        return p.tokens[p.index - 1][2]
    end
end

local NAMES = { ["true"] = true, ["false"] = false, undefined = javascript.UNDEFINED, NaN = 0 / 0,
    Infinity = math.huge }

local function read_name(p, token)
    local name = token[3]
    if NAMES[name] == nil and name ~= "null" then
        fail(p, token[2], ("the name '%s' is not known (a value of the run is written {%s})"):format(name, name))
    end
    return { kind = "literal", at = token[2], value = NAMES[name] }
end

local parse_condition

local PRIMARY = {
    number = function(_, token)
        return { kind = "literal", at = token[2], value = javascript.parse_number(token[3]) }
    end,
    string = function(_, token)
        return { kind = "literal", at = token[2], value = token[3] }
    end,
    reference = function(_, token)
        return { kind = "reference", at = token[2], path = token[3] }
    end,
    name = read_name,
}

local function parse_primary(p, nesting)
    local token = p.tokens[p.index]
    local at = take(p, "(")
    if at then
        if nesting >= MAX_DEPTH then
            fail(p, at, ("more than %d levels of operators and parentheses"):format(MAX_DEPTH))
        end
        local inner = parse_condition(p, nesting + 1)
        return take(p, ")") and inner or fail_at_word(p, "')'")
    end
    local read = token and PRIMARY[token[1]] or fail_at_word(p, "an operand")
    p.index = p.index + 1
    return add_node(p, read(p, token), 1)
end

local UNARY = { ["!"] = true, ["-"] = true, ["+"] = true }

local function parse_unary(p, nesting)
    local first = p.index
    while UNARY[peek_operator(p)] do
        p.index = p.index + 1
    end
    local last = p.index - 1
    local node = parse_primary(p, nesting)
    for i = last, first, -1 do
        local token = p.tokens[i]
        node = add_node(p, { kind = "unary", at = token[2], op = token[3], operand = node }, node.depth + 1)
    end
    return node
end

local LEVELS = { ["||"] = 1, ["&&"] = 2, ["=="] = 3, ["!="] = 3, ["==="] = 3, ["!=="] = 3, ["<"] = 4, ["<="] = 4,
    [">"] = 4, [">="] = 4, ["+"] = 5, ["-"] = 5, ["*"] = 6, ["/"] = 6, ["%"] = 6 }
local LISTS = { ["||"] = "any", ["&&"] = "all" }

--- left op right; chains of && or of || are one list.
local function join(p, op, at, left, right)
    local kind = LISTS[op]
    if not kind then
        return add_node(p, { kind = "binary", at = at, op = op, left = left, right = right },
            math.max(left.depth, right.depth) + 1)
    elseif left.kind == kind then
        left.list[#left.list + 1] = right
        return add_node(p, left, math.max(left.depth, right.depth + 1))
    end
    return add_node(p, { kind = kind, at = at, list = { left, right } }, math.max(left.depth, right.depth) + 1)
end

local function parse_binary(p, nesting, least)
    local left = parse_unary(p, nesting)
    while true do
        local token, op = p.tokens[p.index], peek_operator(p)
        local level = LEVELS[op]
        if not level or level < least then
            return left
        end
        p.index = p.index + 1
        left = join(p, op, token[2], left, parse_binary(p, nesting, level + 1))
    end
end

function parse_condition(p, nesting)
    local parts, places = { parse_binary(p, nesting, 1) }, {}
    while peek_operator(p) == "?" do
        if nesting >= MAX_DEPTH then
            fail(p, p.tokens[p.index][2], ("more than %d levels of operators and parentheses"):format(MAX_DEPTH))
        end
        places[#places + 1] = take(p, "?")
        parts[#parts + 1] = parse_condition(p, nesting + 1)
        if not take(p, ":") then
            fail_at_word(p, "':'")
        end
        parts[#parts + 1] = parse_binary(p, nesting, 1)
    end
    local node = parts[#parts]
    for i = #parts - 2, 1, -2 do
        local condition, yes = parts[i], parts[i + 1]
        node = add_node(p, { kind = "choice", at = places[(i + 1) / 2], condition = condition, yes = yes, no = node },
            math.max(condition.depth, yes.depth, node.depth) + 1)
    end
    return node
end

local function parse(text)
    local p = { text = text, index = 1 }
    if #text > MAX_BYTES then
        fail(p, MAX_BYTES + 1, ("more than %d bytes"):format(MAX_BYTES))
    end
    local tokens, behind = words:match(text)
    p.tokens = tokens
    local ok, node = pcall(parse_condition, p, 0)
    if behind <= #text and (ok or p.index > #tokens) then
        fail_at_character(p, behind)
    elseif not ok then
        error(node, 0)
    end
    take(p, ";")
    return p.index > #tokens and node or fail_at_word(p, "an operator or the end")
end

--- The tree of a condition, or nil and { message, position }: what is wrong, at which byte (from 1).
function M.parse(text)
    local ok, node = pcall(parse, text)
    if ok then
        return node
    elseif type(node) == "table" and node.condition then
        return nil, { message = node.message, position = node.position }
    end
    error(node, 0)
end

return M
