-- SPDX-License-Identifier: MIT
-- Reads an intrinsic function call of Amazon States Language: `States.Format('a {}', $.b, States.UUID())`. Pure.
--
--   call     = "States." name "(" [ argument { "," argument } ] ")"
--   argument = call | path | 'text' | number | true | false | null
--
-- Within quotes \' \{ \} \\ stand for the character behind; any other backslash is refused. Nodes: { kind = "call",
-- name, arguments, text }, "path" text, "text" value raw (the escapes as written), "value" value.

local lpeg = require "lpeg"
local path_parse = require "flowhost.expr.jsonpath_parse"

local M = {}

local P, R, S, V = lpeg.P, lpeg.R, lpeg.S, lpeg.V
local C, Cc, Cg, Ct = lpeg.C, lpeg.Cc, lpeg.Cg, lpeg.Ct

local MAX_BYTES = 10240 -- AWS's limit of a call's text
M.MAX_DEPTH = 10
M.NULL = path_parse.NULL

local space = S " \t\r\n"^0
local digit = R "09"
local letter = R("az", "AZ") + P "_"
local raw = C((P "\\" * S "'{}\\" + (1 - S "'\\"))^0)
local WORDS = { ["true"] = true, ["false"] = false, null = M.NULL }
local word = C(P "true" + "false" + "null") * -(letter + digit) / WORDS

local function node(kind, pattern)
    return Ct(Cg(Cc(kind), "kind") * pattern)
end

--- The text that escapes in quoted text stand for.
function M.unescape(text)
    return (text:gsub("\\(['{}\\])", "%1"))
end

local grammar = P { V "call" * -1,
    call = Ct(Cg(Cc "call", "kind") * Cg(C("States." * letter * (letter + digit)^0), "name") * space * "(" * space
        * Cg(Ct((V "argument" * (space * "," * space * V "argument")^0)^-1), "arguments") * space * ")"),
    argument = V "call" + node("path", Cg(C(path_parse.pattern), "text")) + node("text", "'" * Cg(raw, "raw") * "'")
        + node("value", Cg(path_parse.number, "value") + Cg(word, "value")) }

--- The tree of a call, or nil and what is wrong.
function M.parse(text)
    if #text > MAX_BYTES then
        return nil, ("an intrinsic function call has more than %d bytes"):format(MAX_BYTES)
    end
    local tree = path_parse.match(grammar, text)
    if not tree then
        return nil, "not an intrinsic function call: " .. text
    end
    return tree
end

return M
