-- SPDX-License-Identifier: MIT
-- Reads a JSONPath as Amazon States Language writes it: LPeg gives the steps as plain tables. Pure.
--
--   path    = ( "$$" | "$" [ variable ] ) { step }
--   step    = "." name | ".*" | "." function "()" | [ "." ] bracket | ".." ( name | "*" | bracket )
--   bracket = "[" ( 'a', "b" | 0, -1 | from:to:step | * | ?( filter ) | (@.length - 1) ) "]"
--   filter  = conditions with || && ! ( ) over operands and one operator between two: see OPERATORS
--
-- Steps: { kind = "name", names }, "index" indices, "slice" from to by, "wildcard", "filter" condition, "scan",
-- "call" name. A condition: { kind = "any" | "all", list }, "not" operand, "exists" path, "compare" op left right.
-- An operand: { kind = "path", is_root, steps }, "value" value, "list" list, "regex" text flags.
-- A dotted name takes the character behind a backslash as it is (\uXXXX: that character). Between quotes a backslash
-- only keeps a quote from ending the name and itself from doing so: `$['a\"b']` is the name `a\"b`, as recorded.

local lpeg = require "lpeg"
local regex = require "flowhost.expr.jsonpath_regex"
local utf8_char = require "flowhost.expr.utf8_char"

local M = {}

local P, R, S, V = lpeg.P, lpeg.R, lpeg.S, lpeg.V
local C, Cc, Cg, Cs, Ct, Cmt = lpeg.C, lpeg.Cc, lpeg.Cg, lpeg.Cs, lpeg.Ct, lpeg.Cmt

local MAX_BYTES = 65536
M.NULL = {} -- what the word null stands for in a filter

-- characters -----------------------------------------------------------------------------------------

local function hex_char(digits)
    return utf8_char(tonumber(digits, 16))
end

local function pair_char(high, low)
    return utf8_char(0x10000 + (tonumber(high, 16) - 0xd800) * 1024 + tonumber(low, 16) - 0xdc00)
end

local space = S " \t\r\n"^0
local digit = R "09"
local hex = R("09", "af", "AF")
local hex4 = hex * hex * hex * hex
local high, low = S "dD" * S "89abAB" * hex * hex, S "dD" * R("cf", "CF") * hex * hex
local unicode_escape = "\\u" * C(high) * "\\u" * C(low) / pair_char + "\\u" * C(hex4) / hex_char
local escape = unicode_escape + P "\\" * C(P(1)) / "%1"

local ENDS = S ".[](),*?'\"\\ \t\r\n" + R "\0\31"
local name = Cs((escape + (1 - ENDS))^1)
local filter_name = Cs((escape + (1 - ENDS - S "=!<>&|~/"))^1)

local letter = R("az", "AZ") + P "_" + R "\128\255"
local variable = letter * (letter + digit)^0

--- Text between quotes; only the mark and the backslash lose the backslash before them.
local function quoted(mark)
    return mark * Cs((P "\\" * C(S("\\" .. mark)) / "%1" + (1 - P(mark) - P "\\") + P "\\")^0) * mark
end

local string_pattern = quoted "'" + quoted '"'
local integer = P "-"^-1 * digit^1 / tonumber

--- LPeg pattern of a number that a double can hold: captures it.
M.number = Cmt(P "-"^-1 * digit^1 * (P "." * digit^1)^-1 * (S "eE" * S "+-"^-1 * digit^1)^-1, function(_, at, text)
    local value = tonumber(text) -- nil for an exponent that is absurd
    return value and math.abs(value) < math.huge and at, value
end)

-- steps ----------------------------------------------------------------------------------------------

local function list_of(pattern)
    return Ct(pattern * (space * "," * space * pattern)^0)
end

local function step(kind, pattern)
    return Ct(Cg(Cc(kind), "kind") * pattern)
end

local slice = Cg(integer, "from")^-1 * space * ":" * space * Cg(integer, "to")^-1
    * (space * ":" * space * Cg(digit^1 / tonumber, "by")^-1)^-1
local last = P "(" * space * "@.length" * (P "()")^-1 * space * "-" * space * (digit^1 / function(digits)
    return { -tonumber(digits) }
end) * space * ")"

local bracket = "[" * space * (
    step("name", Cg(list_of(string_pattern), "names"))
    + step("slice", slice)
    + step("index", Cg(list_of(integer), "indices"))
    + step("index", Cg(last, "indices"))
    + step("wildcard", P "*")
    + step("filter", "?" * space * "(" * space * Cg(V "any", "condition") * space * ")")) * space * "]"

--- One step with names spelt as `names` says.
local function steps_of(names)
    local call = step("call", Cg(C(letter * (letter + digit)^0), "name") * "(" * space * ")")
    local named = step("name", Cg(Ct(names), "names"))
    local star = step("wildcard", P "*")
    return step("scan", P "..") * (star + named + bracket)
        + P "."^-1 * bracket + "." * (star + call + named)
end

-- filters --------------------------------------------------------------------------------------------

local WORDS = { ["true"] = true, ["false"] = false, null = M.NULL }
local word = C(P "true" + "false" + "null") * -(letter + digit)
local sign = P "===" + "!==" + "==" + "!=" + "<=" + ">=" + "=~" + "<" + ">"
local verb = (P "subsetof" + "contains" + "noneof" + "anyof" + "empty" + "size" + "nin" + "in" + "all")
    * -(letter + digit)
local VERBS = { ["==="] = "==", ["!=="] = "!=" }
local operator = C(sign + verb + (P "IN" + "NIN") * -(letter + digit) / string.lower) / function(text)
    return VERBS[text] or text:lower()
end

local literal = step("value", Cg(M.number, "value") + Cg(string_pattern, "value") + Cg(word / WORDS, "value"))
local pattern_text = Cs((P "\\/" / "/" + C(P "\\" * 1) + (1 - S "/\\"))^1)

local function read_regex(_, at, text, flags)
    local compiled = regex.compile(text, flags)
    return compiled and at, { kind = "regex", match = compiled }
end

--- A list of conditions as one node.
local function join(kind)
    return function(first, ...)
        return select("#", ...) == 0 and first or { kind = kind, list = { first, ... } }
    end
end

--- A path alone asks whether it leads somewhere. Each operand is read once, so that nested filters stay cheap.
local function compare(left, op, right)
    if not op then
        return { kind = "exists", path = left }
    end
    return { kind = "compare", left = left, op = op, right = right }
end

local grammar_rules = {
    any = V "all" * (space * "||" * space * V "all")^0 / join "any",
    all = V "unary" * (space * "&&" * space * V "unary")^0 / join "all",
    unary = "!" * space * step("not", Cg(V "unary", "operand")) + "(" * space * V "any" * space * ")" + V "compare",
    compare = (V "path" * V "right"^-1 + V "constant" * V "right") / compare,
    right = space * operator * space * V "operand",
    operand = V "path" + V "constant",
    constant = literal + step("list", "[" * space * Cg(Ct((V "operand" * (space * "," * space * V "operand")^0)^-1),
        "list") * space * "]") + Cmt("/" * pattern_text * "/" * C(S "imsux"^0), read_regex),
    path = step("path", ("@" * Cg(Cc(false), "is_root") + "$" * Cg(Cc(true), "is_root"))
        * Cg(Ct(steps_of(filter_name)^0), "steps")),
}

local function grammar(start)
    local rules = { start }
    for key, rule in pairs(grammar_rules) do
        rules[key] = rule
    end
    return P(rules)
end

grammar_rules.outer = Ct(Cg(C(P "$$") + "$" * C(variable) + C "$", "root") * Cg(Ct(steps_of(name)^0), "steps"))
local outer = grammar "outer"

--- LPeg pattern of a path inside other text: captures nothing.
M.pattern = outer / 0

local whole = outer * -1

--- What a pattern makes of a text; nil as well for nesting that is too much for LPeg's stack.
function M.match(pattern, text)
    local ok, parsed = pcall(pattern.match, pattern, text)
    if ok or tostring(parsed):find "overflow" or tostring(parsed):find "too" then
        return ok and parsed or nil
    end
    error(parsed, 0)
end

--- { root, steps } of a path, or nil and what is wrong.
function M.parse(text)
    if #text > MAX_BYTES then
        return nil, ("a path has more than %d bytes"):format(MAX_BYTES)
    end
    local parsed = M.match(whole, text)
    if not parsed then
        return nil, "not a JSONPath: " .. text
    end
    return parsed
end

return M
