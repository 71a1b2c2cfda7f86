-- SPDX-License-Identifier: MIT
-- Turns the text of a flow into a function: `ctx.break` becomes legal, bytecode is refused, errors
-- are { line, message }. Pure: loads under bare luajit. Used by the loader, by components and by
-- the sandbox's own `load`.

local M = {}

local byte, find, match, sub = string.byte, string.find, string.match, string.sub
local load, tonumber = load, tonumber
local concat = table.concat
local jit_off = require("jit").off

M.MAX_BYTES = 4 * 1024 * 1024

local KEYWORDS = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat "
    .. "return then true until while"):gmatch("%a+") do
    KEYWORDS[word] = true
end

local WORD = "^[%a_\128-\255][%w_\128-\255]*()"

--- Position behind the long bracket that opens at `at`; nil: none opens there; false: it never ends.
local function skip_long_bracket(text, at)
    local level = match(text, "^%[(=*)%[", at)
    if not level then return nil end
    local _, last = find(text, "]" .. level .. "]", at + 2 + #level, true)
    return last and last + 1 or false
end

--- Position behind the quoted string that opens at `at`, or false when its line ends first.
local function skip_quoted(text, at)
    local quote = sub(text, at, at)
    local stops = "[\\\r\n" .. quote .. "]"
    local pos = at + 1
    while true do
        pos = find(text, stops, pos)
        local c = pos and sub(text, pos, pos)
        if c == quote then return pos + 1 end
        if c ~= "\\" then return false end
        pos = match(text, "^\\z%s*()", pos) or match(text, "^\\\r\n()", pos)
            or match(text, "^\\\n\r()", pos) or pos + 2
    end
end

--- Position behind the comment that opens at `at` (the first of `--`), or false when it never ends.
local function skip_comment(text, at)
    local behind = skip_long_bracket(text, at + 2)
    if behind ~= nil then return behind end
    return find(text, "[\r\n]", at) or #text + 1
end

--- Position of the next token at or behind `pos`; nil at the end of the text.
local function next_token(text, pos)
    while pos do
        pos = find(text, "%S", pos)
        if not pos or match(text, "^%-%-", pos) == nil then return pos end
        pos = skip_comment(text, pos)
    end
    return nil
end

local function skip_number(text, at)
    local pos = match(text, "^[%w_.]*()", at)
    while match(text, "^[eEpP][+-]", pos - 1) do
        pos = match(text, "^[%w_.]*()", pos + 1)
    end
    return pos
end

-- Each handler takes (text, position of its token) and returns the position behind the token (false:
-- it never ends) and whether a member access may follow.
local TOKENS = {}

local function suffix_token(_, at) return at + 1, true end
TOKENS[")"], TOKENS["]"], TOKENS["}"] = suffix_token, suffix_token, suffix_token

local function quoted_token(text, at) return skip_quoted(text, at), true end
TOKENS["'"], TOKENS['"'] = quoted_token, quoted_token

TOKENS["["] = function(text, at)
    local behind = skip_long_bracket(text, at)
    if behind == nil then return at + 1, false end
    return behind, true
end

-- After `...` no member access is legal, so a dot token never precedes one.
TOKENS["."] = function(text, at)
    if find(text, "^%d", at + 1) then return skip_number(text, at), false end
    return match(text, "^%.%.?%.?()", at), false
end

local function word_or_other(text, at)
    local behind = match(text, WORD, at)
    if behind then return behind, not KEYWORDS[sub(text, at, behind - 1)] end
    if find(text, "^%d", at) then return skip_number(text, at), false end
    return at + 1, false
end

--- The position of `break` when the dot at `at` is the one of a member access `.break`.
local function break_behind_dot(text, at)
    if find(text, "^[.%d]", at + 1) then return nil end
    local word_at = next_token(text, at + 1)
    if not word_at or not find(text, "^break", word_at) then return nil end
    return match(text, WORD, word_at) == word_at + 5 and word_at or nil
end

local function rewrite_members(text, pos)
    local pieces, copied, may_access = {}, 1, false
    while true do
        pos = next_token(text, pos)
        if not pos then break end
        local c = sub(text, pos, pos)
        local word_at = may_access and c == "." and break_behind_dot(text, pos)
        if word_at then
            pieces[#pieces + 1] = sub(text, copied, pos - 1) .. "[" .. sub(text, pos + 1, word_at - 1)
                .. '"break"]'
            pos, may_access = word_at + 5, true
            copied = pos
        else
            pos, may_access = (TOKENS[c] or word_or_other)(text, pos)
            if not pos then break end
        end
    end
    pieces[#pieces + 1] = sub(text, copied)
    return concat(pieces)
end

--- Makes `ctx.break` legal: rewrites the tokens `. break` behind a name, `)`, `]`, `}` or a string to
--- `["break"]`; strings, comments, `..`, `...` and `:break` stay, and so does every line number. A
--- leading `#!` line becomes a comment. Text that does not lex is returned as far as it was
--- understood: the compiler names its error.
---@param text string
---@return string
function M.translate(text)
    local first = 1
    if byte(text, 1) == 0x23 then
        if byte(text, 2) == 0x21 then text = "-- " .. sub(text, 3) end
        first = find(text, "[\r\n]") or #text + 1
    end
    -- A comment may stand between the dot and the word, hence the second pattern.
    if not find(text, "%.%s*break") and not find(text, "%.%s*%-%-") then return text end
    return rewrite_members(text, first)
end

--- Splits `name:LINE: message`; the text was compiled under the name `=c` so that names with colons
--- cannot confuse it.
local function compile_error(message)
    local line, rest = match(message, "^c:(%d+): (.*)$")
    return { line = tonumber(line) or 1, message = rest or message }
end

--- Compiles the text of a flow. The function runs in the interpreter (see DESIGN §4: the count hook
--- does not fire in compiled traces) unless `opts.jit`.
---@param text string
---@param chunkname string as for `load`: "@flows/register.lua"
---@param opts? { jit: boolean?, env: table? } env: the function's environment, default the host's
---@return function|nil fn, { line: integer, message: string }|nil err
function M.compile(text, chunkname, opts)
    if byte(text, 1) == 0x1b then
        return nil, { line = 1, message = "precompiled code is refused, give the text of the script" }
    end
    if #text > M.MAX_BYTES then
        return nil, { line = 1, message = ("the script has %d bytes, the limit is %d, split it")
            :format(#text, M.MAX_BYTES) }
    end
    local env = opts and opts.env or nil
    local translated = M.translate(text)
    local fn = load(translated, chunkname, "t", env or _G)
    if not fn then
        local _, message = load(translated, "=c", "t", {})
        return nil, compile_error(message)
    end
    if not (opts and opts.jit) then jit_off(fn, true) end
    return fn
end

return M
