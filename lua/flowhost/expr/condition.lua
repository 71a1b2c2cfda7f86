-- SPDX-License-Identifier: MIT
-- Conditions of rules: an expression of JavaScript (ECMAScript 5.1) over references {a.b.c}, which must come to true or
-- false (SEEDS 1.6). Values are bound, never put into the text. Pure; the grammar is LPeg's.
--
--   == != === !== < <= > >= && || ! + - * / % ?: ( )   numbers, 'text', "text", true, false, null, undefined, {path}
--
-- A path that leads nowhere is null. Compiled once into closures over the root.

local javascript = require "flowhost.expr.javascript"
local lpeg = require "lpeg"
local template = require "flowhost.expr.template"

local M = {}

local MAX_BYTES = 8192

lpeg.setmaxstack(4000) -- a level of brackets takes about a dozen entries

-- operators ----------------------------------------------------------------------------------------

local NULL, UNDEFINED = javascript.NULL, javascript.UNDEFINED
local loose_equal, strict_equal, is_less = javascript.loose_equal, javascript.strict_equal, javascript.is_less
local is_truthy, to_number = javascript.is_truthy, javascript.to_number

local BINARY = {
    ["=="] = loose_equal,
    ["!="] = function(a, b) return not loose_equal(a, b) end,
    ["==="] = strict_equal,
    ["!=="] = function(a, b) return not strict_equal(a, b) end,
    ["<"] = function(a, b) return is_less(a, b) end,
    ["<="] = function(a, b) return is_less(a, b, true) end,
    [">"] = function(a, b) return is_less(b, a) end,
    [">="] = function(a, b) return is_less(b, a, true) end,
    ["+"] = javascript.add,
    ["-"] = function(a, b) return to_number(a) - to_number(b) end,
    ["*"] = function(a, b) return to_number(a) * to_number(b) end,
    ["/"] = function(a, b) return to_number(a) / to_number(b) end,
    ["%"] = javascript.remainder,
}

local UNARY = {
    ["!"] = function(a) return not is_truthy(a) end,
    ["-"] = function(a) return -to_number(a) end,
    ["+"] = to_number,
}

-- nodes: closures over the root ---------------------------------------------------------------------

local function constant(value)
    return function()
        return value
    end
end

local function reference(path)
    local get = template.compile_path(path)
    return function(root)
        local value = get(root)
        if value == nil then
            return NULL
        end
        return value
    end
end

--- operand, operator, operand, ...: from the left.
local function chain(first, ...)
    local node = first
    for i = 1, select("#", ...), 2 do
        local left, act, right = node, BINARY[(select(i, ...))], (select(i + 1, ...))
        node = function(root)
            return act(left(root), right(root))
        end
    end
    return node
end

local function unary(operator, operand)
    local act = UNARY[operator]
    return function(root)
        return act(operand(root))
    end
end

local function logical_and(first, ...)
    local node = first
    for i = 1, select("#", ...) do
        local left, right = node, (select(i, ...))
        node = function(root)
            local value = left(root)
            if is_truthy(value) then
                return right(root)
            end
            return value
        end
    end
    return node
end

local function logical_or(first, ...)
    local node = first
    for i = 1, select("#", ...) do
        local left, right = node, (select(i, ...))
        node = function(root)
            local value = left(root)
            if is_truthy(value) then
                return value
            end
            return right(root)
        end
    end
    return node
end

local function choice(test, yes, no)
    if not yes then
        return test
    end
    return function(root)
        if is_truthy(test(root)) then
            return yes(root)
        end
        return no(root)
    end
end

-- literals -----------------------------------------------------------------------------------------

local ESCAPES = { n = "\n", t = "\t", r = "\r", b = "\b", f = "\f", v = "\v", ["0"] = "\0" }

--- The bytes of a code point in UTF-8.
local function utf8(code)
    if code < 0x80 then
        return string.char(code)
    elseif code < 0x800 then
        return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
    end
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local function unescape(body)
    body = body:gsub("\\u(%x%x%x%x)", function(hex)
        return utf8(tonumber(hex, 16))
    end)
    body = body:gsub("\\x(%x%x)", function(hex)
        return utf8(tonumber(hex, 16))
    end)
    return (body:gsub("\\(.)", function(char)
        return ESCAPES[char] or char
    end))
end

-- grammar ------------------------------------------------------------------------------------------

local P, R, S, V, C, Cmt = lpeg.P, lpeg.R, lpeg.S, lpeg.V, lpeg.C, lpeg.Cmt

local furthest -- how far any way of reading it has come

local blank = Cmt(S " \t\r\n" ^ 0, function(_, at)
    furthest = math.max(furthest, at)
    return true
end)

local function token(pattern)
    return pattern * blank
end

local function operators(...)
    local pattern = P(false)
    for _, text in ipairs { ... } do
        pattern = pattern + P(text)
    end
    return token(C(pattern))
end

local digits = R "09" ^ 1
local number = (digits * (P "." * R "09" ^ 0) ^ -1 + P "." * digits) * (S "eE" * S "+-" ^ -1 * digits) ^ -1
local word_end = -(R("az", "AZ", "09") + S "_$")

local function quoted(mark)
    return P(mark) * C((P "\\" * P(1) + (P(1) - S(mark .. "\\\n"))) ^ 0) * P(mark)
end

local function keyword(text, value)
    return token(P(text) * word_end) / function()
        return constant(value)
    end
end

local grammar = P {
    "whole",
    whole = blank * V "choice" * -P(1),
    choice = V "either" * (token(P "?") * V "choice" * token(P ":") * V "choice") ^ -1 / choice,
    either = V "both" * (token(P "||") * V "both") ^ 0 / logical_or,
    both = V "equality" * (token(P "&&") * V "equality") ^ 0 / logical_and,
    equality = V "relation" * (operators("===", "!==", "==", "!=") * V "relation") ^ 0 / chain,
    relation = V "sum" * (operators("<=", ">=", "<", ">") * V "sum") ^ 0 / chain,
    sum = V "product" * (operators("+", "-") * V "product") ^ 0 / chain,
    product = V "signed" * (operators("*", "/", "%") * V "signed") ^ 0 / chain,
    signed = operators("!", "-", "+") * V "signed" / unary + V "operand",
    operand = token(P "(") * V "choice" * token(P ")")
        + token(P "{" * C((R("az", "AZ", "09") + S "_.") ^ 1) * P "}") / reference
        + token(C(number) * word_end) / function(text) return constant(tonumber(text)) end
        + token(quoted "'" + quoted '"') / function(body) return constant(unescape(body)) end
        + keyword("true", true) + keyword("false", false) + keyword("null", NULL) + keyword("undefined", UNDEFINED),
}

local function syntax_error(text, position)
    local rest = text:sub(position)
    local found = rest:match "^[%w_]+" or rest:match "^[^\128-\191][\128-\191]*" or rest:sub(1, 1)
    found = found == "" and "the end" or ("'%s'"):format(found)
    return { position = position,
        message = ("the condition \"%s\" cannot be read at position %d: %s was not expected"):format(text,
            position, found) }
end

local NAMES = { number = "a number", string = "text", object = "an object or array", null = "null",
    undefined = "undefined" }

--- A function of the root that gives true or false, and raises { code = "110004", message } when the text comes to
--- something else. nil, { message, position } when it cannot be read. A blank text is always true.
---@param text string
---@return (fun(root: table): boolean)?, { message: string, position: integer }?
function M.compile(text)
    if not text:find "%S" then
        return constant(true)
    elseif #text > MAX_BYTES then
        return nil, { message = ("the condition is longer than %d bytes"):format(MAX_BYTES), position = MAX_BYTES + 1 }
    end
    furthest = 1
    local is_read, node = pcall(grammar.match, grammar, text)
    if not is_read then -- LPeg's own limits: captures in captures, at most 200
        return nil, { message = "the condition is nested too deep", position = furthest }
    elseif not node then
        return nil, syntax_error(text, furthest)
    end
    return function(root)
        local value = node(root)
        if value == true then
            return true
        elseif value == false then
            return false
        end
        error({ code = "110004", position = 1, message = ("the condition \"%s\" is %s, not true or false"):format(text,
            NAMES[javascript.type_of(value)]) }, 0)
    end
end

return M
