-- SPDX-License-Identifier: MIT
-- Lua patterns (of Lua 5.1 with %f) as lists of nodes { kind, set?, index? }. Kinds: single star plus
-- minus optional (with a set), open close position (captures), backreference, balance, frontier,
-- finish (`$`).

local memo = require("flowhost.flow.memo")

local M = {}

local byte, char, find, gmatch, match, sub = string.byte, string.char, string.find, string.gmatch,
    string.match, string.sub
local error = error
local concat = table.concat

local MAX_CAPTURES = 32
local QUANTIFIERS = { ["*"] = "star", ["+"] = "plus", ["-"] = "minus", ["?"] = "optional" }

local every_byte = {}
for code = 0, 255 do every_byte[code + 1] = char(code) end
every_byte = concat(every_byte)

--- The set of bytes that the pattern item matches: { item, bytes = { [code] = true }, size }.
local new_set = memo.new(function(item)
    local set = { item = item, bytes = {}, size = 0 }
    for c in gmatch(every_byte, item) do
        set.bytes[byte(c)] = true
        set.size = set.size + 1
    end
    return set
end)

local set_of_byte = memo.new(function(c)
    return { item = find(c, "%w") and c or "%" .. c, bytes = { [byte(c)] = true }, size = 1 }
end)

local function malformed(reason)
    return error("malformed pattern (" .. reason .. ")", 0)
end

--- Position behind the `[...]` that opens at `at`; its first character is never the closing one.
local function skip_class(pat, at)
    local pos = match(pat, "^%[%^?()", at)
    repeat
        local c = sub(pat, pos, pos)
        if c == "" then malformed("missing ']'") end
        pos = pos + (c == "%" and 2 or 1)
    until sub(pat, pos, pos) == "]"
    return pos + 1
end

local function parse_item(state, pos)
    local pat = state.pat
    local behind, set
    local c = sub(pat, pos, pos)
    if c == "[" then
        behind = skip_class(pat, pos)
        set = new_set(sub(pat, pos, behind - 1))
    elseif c == "%" then
        if pos == #pat then malformed("ends with '%'") end
        behind, set = pos + 2, new_set(sub(pat, pos, pos + 1))
    else
        behind, set = pos + 1, c == "." and new_set(".") or set_of_byte(c)
    end
    local kind = QUANTIFIERS[sub(pat, behind, behind)]
    return kind and behind + 1 or behind, { kind = kind or "single", set = set }
end

local function parse_capture(state, pos)
    state.captures = state.captures + 1
    if state.captures > MAX_CAPTURES then error("too many captures", 0) end
    local node = { kind = "open", index = state.captures }
    if sub(state.pat, pos + 1, pos + 1) == ")" then
        node.kind = "position"
        state.closed[state.captures] = true
        return pos + 2, node
    end
    state.open[#state.open + 1] = state.captures
    return pos + 1, node
end

local function parse_close(state, pos)
    local index = table.remove(state.open)
    if not index then error("invalid pattern capture", 0) end
    state.closed[index] = true
    return pos + 1, { kind = "close", index = index }
end

local function parse_escape(state, pos)
    local pat = state.pat
    local letter = sub(pat, pos + 1, pos + 1)
    if letter == "b" then
        if pos + 3 > #pat then error("unbalanced pattern", 0) end
        local first, last = sub(pat, pos + 2, pos + 2), sub(pat, pos + 3, pos + 3)
        return pos + 4, { kind = "balance", set = set_of_byte(first), first = byte(first), last = byte(last) }
    elseif letter == "f" then
        if sub(pat, pos + 2, pos + 2) ~= "[" then error("missing '[' after '%f' in pattern", 0) end
        local behind = skip_class(pat, pos + 2)
        return behind, { kind = "frontier", set = new_set(sub(pat, pos + 2, behind - 1)) }
    elseif find(letter, "%d") then
        local index = tonumber(letter)
        if not state.closed[index] then error("invalid capture index", 0) end
        return pos + 2, { kind = "backreference", index = index }
    end
    return parse_item(state, pos)
end

local PARSERS = { ["("] = parse_capture, [")"] = parse_close, ["%"] = parse_escape }

--- Parses a pattern; raises a text without position when it is malformed.
---@param pat string
---@param may_anchor boolean whether a leading `^` is an anchor (not in gmatch)
---@return { nodes: table[], is_anchored: boolean, captures: integer }
function M.parse(pat, may_anchor)
    -- Lua 5.1 sees a pattern only up to its first zero byte.
    pat = match(pat, "^%Z*")
    local is_anchored = may_anchor and sub(pat, 1, 1) == "^"
    local state = { pat = pat, captures = 0, open = {}, closed = {} }
    local nodes, pos = {}, is_anchored and 2 or 1
    while pos <= #pat do
        local c = sub(pat, pos, pos)
        local node
        if c == "$" and pos == #pat then
            pos, node = pos + 1, { kind = "finish" }
        else
            pos, node = (PARSERS[c] or parse_item)(state, pos)
        end
        nodes[#nodes + 1] = node
    end
    if #state.open > 0 then error("unfinished capture", 0) end
    return { nodes = nodes, is_anchored = is_anchored, captures = state.captures }
end

-- A pattern may be as long as a string: parsing feels the count hook.
require("jit").off(true, true)

return M
