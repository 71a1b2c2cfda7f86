-- SPDX-License-Identifier: MIT
-- Regular expressions of `=~` in filters, compiled to closures that backtrack. Pure.
--
--   alternatives a|b, groups (a) (?:a), quantifiers * + ? {2} {2,} {2,5} and lazy ones, . [a-z] [^a-z]
--   \d \w \s \D \W \S \b \t \n \r, anchors ^ $; flags i (case of ASCII) and s (. takes line ends); the rest is ignored
--
-- Characters are bytes, but a dot or a negated class takes a whole character of UTF-8. The whole text must match, as in
-- Java's `matches`. A match that takes more than MAX_STEPS steps is given up: it does not hold.

local M = {}

local byte = string.byte

local MAX_STEPS = 200000
local MAX_REPEAT = 1000
local MAX_DEPTH = 50

local OUT_OF_STEPS = {}

-- reading --------------------------------------------------------------------------------------------

local function fail(message)
    error({ regex = message }, 0)
end

local function peek(p, text)
    return p.text:sub(p.at, p.at + #text - 1) == text
end

local function take(p, text)
    if peek(p, text) and p.at <= #p.text then
        p.at = p.at + #text
        return true
    end
end

local CLASSES = { d = "%d", D = "[^%d]", w = "[%w_]", W = "[^%w_]", s = "%s", S = "%S" }
local ESCAPES = { t = "\t", n = "\n", r = "\r", f = "\f", v = "\v", ["0"] = "\0" }

--- A set of bytes of a Lua pattern.
local function set_of(pattern)
    local set = {}
    for code = 0, 255 do
        set[code] = string.char(code):find(pattern) ~= nil or nil
    end
    return set
end

local function read_escape(p)
    local char = p.text:sub(p.at + 1, p.at + 1)
    p.at = p.at + 2
    if char == "" then
        fail "a regular expression ends with a backslash"
    elseif char == "b" or char == "B" then
        return { kind = "boundary", is_inside = char == "B" }
    elseif CLASSES[char] then
        return { kind = "set", set = set_of(CLASSES[char]), is_wide = char:find "%u" ~= nil }
    elseif not ESCAPES[char] and char:find "%w" then
        fail("a regular expression has an escape that is not known: \\" .. char)
    end
    return { kind = "char", code = byte(ESCAPES[char] or char) }
end

--- One member of a class: a byte, or a set.
local function read_member(p)
    if peek(p, "\\") then
        local node = read_escape(p)
        return node.code or (node.kind == "boundary" and 8), node.set
    end
    p.at = p.at + 1
    return byte(p.text, p.at - 1)
end

local function add_range(set, first, last)
    if first > last then
        fail "a regular expression has a range that runs backwards"
    end
    for code = first, last do
        set[code] = true
    end
end

local function read_class(p)
    local is_negated, set, is_first = take(p, "^"), {}, true
    while is_first or not peek(p, "]") do
        if p.at > #p.text then
            fail "a class of a regular expression is not closed"
        end
        is_first = false
        local code, other = read_member(p)
        for member in pairs(other or {}) do
            set[member] = true
        end
        local next_char = p.text:sub(p.at + 1, p.at + 1)
        if code and peek(p, "-") and next_char ~= "]" and next_char ~= "" then
            p.at = p.at + 1
            add_range(set, code, read_member(p) or fail "a range of a regular expression has no end")
        elseif code then
            set[code] = true
        end
    end
    p.at = p.at + 1
    return { kind = "set", set = set, is_negated = is_negated, is_wide = is_negated }
end

local read_alternatives

local function read_group(p, depth)
    if depth > MAX_DEPTH then
        fail "a regular expression has too many groups in groups"
    elseif peek(p, "?") and not take(p, "?:") then
        fail "a regular expression has a kind of group that is not known"
    end
    local node = read_alternatives(p, depth + 1)
    return take(p, ")") and node or fail "a group of a regular expression is not closed"
end

local function read_atom(p, depth)
    if take(p, "(") then
        return read_group(p, depth)
    elseif take(p, "[") then
        return read_class(p)
    elseif take(p, ".") then
        local set = p.is_dot_all and {} or { [10] = true, [13] = true }
        return { kind = "set", is_wide = true, is_negated = true, set = set }
    elseif take(p, "^") then
        return { kind = "start" }
    elseif take(p, "$") then
        return { kind = "finish" }
    elseif peek(p, "\\") then
        return read_escape(p)
    elseif p.text:find("^[*+?{]", p.at) then
        fail "a regular expression repeats nothing"
    end
    p.at = p.at + 1
    return { kind = "char", code = byte(p.text, p.at - 1) }
end

--- Least and most times of the quantifier that is next; nil without one.
local function read_quantifier(p)
    if take(p, "*") then
        return 0, math.huge
    elseif take(p, "+") then
        return 1, math.huge
    elseif take(p, "?") then
        return 0, 1
    end
    local least, comma, most, behind = p.text:match("^{(%d+)(,?)(%d*)}()", p.at)
    if not least then
        return nil
    end
    p.at = behind
    least = tonumber(least)
    most = comma == "" and least or tonumber(most) or math.huge
    if least > MAX_REPEAT or (most < math.huge and most > MAX_REPEAT) or most < least then
        fail "a regular expression repeats too often"
    end
    return least, most
end

local function read_sequence(p, depth)
    local list = {}
    while p.at <= #p.text and not peek(p, "|") and not peek(p, ")") do
        local node = read_atom(p, depth)
        local least, most = read_quantifier(p)
        if least then
            node = { kind = "repeat", node = node, least = least, most = most, is_lazy = take(p, "?") }
            take(p, "+")
        end
        list[#list + 1] = node
    end
    return { kind = "sequence", list = list }
end

function read_alternatives(p, depth)
    local list = { read_sequence(p, depth) }
    while take(p, "|") do
        list[#list + 1] = read_sequence(p, depth)
    end
    return #list == 1 and list[1] or { kind = "either", list = list }
end

-- matching -------------------------------------------------------------------------------------------
-- A matcher is fun(state, at, following) -> whether the rest matches from `at` on; `following(state, at)` is the rest.

local compile

local function step(state)
    state.steps = state.steps + 1
    if state.steps > MAX_STEPS then
        error(OUT_OF_STEPS, 0)
    end
end

--- How many bytes the character at `at` has.
local function width(text, at)
    local code = byte(text, at)
    if code < 0xc0 then
        return 1
    end
    return code < 0xe0 and 2 or code < 0xf0 and 3 or 4
end

--- fun(text, at) -> behind the one character that fits at `at`, or nil
local TAKERS = {}

function TAKERS.char(node, is_caseless)
    local code, other = node.code, node.code
    if is_caseless then
        code, other = byte(string.char(code):lower()), byte(string.char(code):upper())
    end
    return function(text, at)
        local found = byte(text, at)
        return (found == code or found == other) and at + 1 or nil
    end
end

local function add_other_case(set)
    for code in pairs(set_of "%a") do
        local char = string.char(code)
        if set[byte(char:lower())] or set[byte(char:upper())] then
            set[code] = true
        end
    end
end

function TAKERS.set(node, is_caseless)
    local set, is_negated, is_wide = node.set, node.is_negated or false, node.is_wide
    if is_caseless then
        add_other_case(set)
    end
    return function(text, at)
        local found = byte(text, at)
        if found and (set[found] or false) ~= is_negated then
            return at + (is_wide and width(text, at) or 1)
        end
    end
end

local MATCHERS = {}

local function match_one(node, is_caseless)
    local take_one = TAKERS[node.kind](node, is_caseless)
    return function(state, at, following)
        local behind = take_one(state.text, at)
        return behind ~= nil and following(state, behind)
    end
end

MATCHERS.char, MATCHERS.set = match_one, match_one

function MATCHERS.start()
    return function(state, at, following)
        return at == 1 and following(state, at)
    end
end

function MATCHERS.finish()
    return function(state, at, following)
        return at == #state.text + 1 and following(state, at)
    end
end

function MATCHERS.boundary(node)
    return function(state, at, following)
        local before = state.text:sub(at - 1, at - 1):find "[%w_]" ~= nil and at > 1
        local behind = state.text:sub(at, at):find "[%w_]" ~= nil
        return (before ~= behind) == not node.is_inside and following(state, at)
    end
end

function MATCHERS.sequence(node, is_caseless)
    local list = {}
    for i, inner in ipairs(node.list) do
        list[i] = compile(inner, is_caseless)
    end
    local function from(i, state, at, following)
        if i > #list then
            return following(state, at)
        end
        return list[i](state, at, function(_, behind)
            return from(i + 1, state, behind, following)
        end)
    end
    return function(state, at, following)
        return from(1, state, at, following)
    end
end

function MATCHERS.either(node, is_caseless)
    local list = {}
    for i, inner in ipairs(node.list) do
        list[i] = compile(inner, is_caseless)
    end
    return function(state, at, following)
        step(state)
        for i = 1, #list do
            if list[i](state, at, following) then
                return true
            end
        end
        return false
    end
end

--- As many single characters as there are, then one less at a time; or the other way round.
local function repeat_one(node, is_caseless)
    local take_one, least, most = TAKERS[node.node.kind](node.node, is_caseless), node.least, node.most
    return function(state, at, following)
        local places, count = { [0] = at }, 0
        while count < most do
            local behind = take_one(state.text, places[count])
            if not behind then
                break
            end
            count = count + 1
            places[count] = behind
        end
        local first, last, by = count, least, -1
        if node.is_lazy then
            first, last, by = least, count, 1
        end
        for i = first, last, by do
            step(state)
            if following(state, places[i]) then
                return true
            end
        end
        return false
    end
end

MATCHERS["repeat"] = function(node, is_caseless)
    if TAKERS[node.node.kind] then
        return repeat_one(node, is_caseless)
    end
    local inner, least, most, is_lazy = compile(node.node, is_caseless), node.least, node.most, node.is_lazy
    local function try(state, at, count, following)
        step(state)
        local function more()
            return count < most and inner(state, at, function(_, behind)
                return (behind > at or count < least) and try(state, behind, count + 1, following)
            end)
        end
        if count < least then
            return more()
        elseif is_lazy then
            return following(state, at) or more()
        end
        return more() or following(state, at)
    end
    return function(state, at, following)
        return try(state, at, 0, following)
    end
end

function compile(node, is_caseless)
    return MATCHERS[node.kind](node, is_caseless)
end

local function is_end(state, at)
    return at == #state.text + 1
end

--- fun(text) -> boolean of a regular expression, or nil and what is wrong with it.
---@param text string
---@param flags string letters
function M.compile(text, flags)
    local p = { text = text, at = 1, is_dot_all = flags:find("s", 1, true) ~= nil }
    local ok, node = pcall(read_alternatives, p, 1)
    if not ok then
        return nil, type(node) == "table" and node.regex or error(node, 0)
    elseif p.at <= #text then
        return nil, "a regular expression has a ) too many"
    end
    local match = compile(node, flags:find("i", 1, true) ~= nil)
    return function(subject)
        local done, result = pcall(match, { text = subject, steps = 0 }, 1, is_end)
        -- A long text on a pattern that nests calls deeply ends on the stack's limit: the same as too many steps.
        return done and result or false
    end
end

return M
