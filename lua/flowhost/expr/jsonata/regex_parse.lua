-- SPDX-License-Identifier: MIT
-- Parser of JavaScript's regular expressions (ECMA-262, without the u and v flags) over code points. Nodes:
--   { kind = "char", code } | "any" | "set" (ranges, is_negated) | "start" | "finish" | "boundary" (is_negated)
--   { kind = "sequence", ... } | "choice", ... | "group" (index?, node, name) | "backreference" (index or name)
--   { kind = "repeat", node, min, max, is_lazy, first, last (groups inside) } | "look" (node, is_behind, is_negated)
-- Raises a text that says what is wrong.

local text = require "flowhost.expr.jsonata.text"

local M = {}

local huge = math.huge

local DIGIT = { { 48, 57 } }
local WORD = { { 48, 57 }, { 65, 90 }, { 95, 95 }, { 97, 122 } }
local SPACE = { { 9, 13 }, { 32, 32 }, { 160, 160 }, { 0x1680, 0x1680 }, { 0x2000, 0x200a }, { 0x2028, 0x2029 },
    { 0x202f, 0x202f }, { 0x205f, 0x205f }, { 0x3000, 0x3000 }, { 0xfeff, 0xfeff } }
M.WORD = WORD
local CLASSES = { d = DIGIT, w = WORD, s = SPACE }
local LINE_ENDS = { { 10, 10 }, { 13, 13 }, { 0x2028, 0x2029 } }
local CONTROLS = { n = 10, r = 13, t = 9, v = 11, f = 12 }
local MAX_NESTING = 100

--- What a set leaves out, as ranges.
local function complement(ranges)
    local out, from = {}, 0
    for _, range in ipairs(ranges) do
        if range[1] > from then
            out[#out + 1] = { from, range[1] - 1 }
        end
        from = range[2] + 1
    end
    out[#out + 1] = { from, 0x10ffff }
    return out
end

local function peek(p, count)
    return p.source:sub(p.at, p.at + (count or 1) - 1)
end

local function take(p, expected)
    if p.source:sub(p.at, p.at + #expected - 1) == expected then
        p.at = p.at + #expected
        return true
    end
end

local function next_code(p)
    local code, behind = text.decode(p.source, p.at)
    p.at = behind
    return code
end

--- The code point of \x41, \u0041, \cA, \n ... behind the backslash; any other character is itself.
local function escaped_code(p)
    local hex = p.source:match("^x(%x%x)", p.at) or p.source:match("^u(%x%x%x%x)", p.at)
    if hex then
        p.at = p.at + 1 + #hex
        return tonumber(hex, 16)
    end
    local braced = p.source:match("^u{(%x+)}", p.at)
    if braced then
        p.at = p.at + 3 + #braced
        return tonumber(braced, 16)
    end
    local control = p.source:match("^c(%a)", p.at)
    if control then
        p.at = p.at + 2
        return control:byte() % 32
    end
    local letter = peek(p)
    if letter == "0" and not p.source:find("^%d", p.at + 1) then
        p.at = p.at + 1
        return 0
    end
    return CONTROLS[letter] and (next_code(p) and CONTROLS[letter]) or next_code(p)
end

--- \d \W ...: ranges, or nil.
local function class_escape(p)
    local letter = peek(p)
    local ranges = CLASSES[letter:lower()]
    if ranges then
        p.at = p.at + 1
        return letter:find "%l" and ranges or complement(ranges)
    end
end

--- One end of a range in [...]: a code point, or ranges.
local function set_item(p)
    if not take(p, "\\") then
        return next_code(p)
    end
    local ranges = class_escape(p)
    if ranges then
        return nil, ranges
    elseif take(p, "b") then
        return 8
    end
    return escaped_code(p)
end

local function append(list, ranges)
    for _, range in ipairs(ranges) do
        list[#list + 1] = range
    end
end

local function parse_set(p)
    local node = { kind = "set", is_negated = take(p, "^"), ranges = {} }
    while not take(p, "]") do
        if p.at > #p.source then
            error("a [ has no ]", 0)
        end
        local from, ranges = set_item(p)
        if ranges then
            append(node.ranges, ranges)
        elseif peek(p) == "-" and peek(p, 2) ~= "-]" then
            p.at = p.at + 1
            local to, more = set_item(p)
            if to and from > to then
                error("a range of characters is out of order", 0)
            end
            append(node.ranges, more or { { from, to } })
            if more then
                append(node.ranges, { { from, from }, { 45, 45 } })
            end
        else
            node.ranges[#node.ranges + 1] = { from, from }
        end
    end
    return node
end

local parse_choice

local LOOKS = { { "(?=", false, false }, { "(?!", false, true }, { "(?<=", true, false }, { "(?<!", true, true } }

local function parse_group(p)
    p.depth = p.depth + 1
    if p.depth > MAX_NESTING then
        error("groups are nested too deeply", 0)
    end
    local node
    for _, look in ipairs(LOOKS) do
        if not node and take(p, look[1]) then
            node = { kind = "look", is_behind = look[2], is_negated = look[3] }
        end
    end
    if not node then
        node = { kind = "group" }
        if not take(p, "(?:") then
            take(p, "(")
            p.groups = p.groups + 1
            node.index = p.groups
            local name = p.source:match("^%?<([%w_$]+)>", p.at)
            if name then
                p.at, p.names[name] = p.at + #name + 3, node.index
            elseif peek(p) == "?" then
                error("a group begins with what is not known", 0)
            end
        end
    end
    node.node = parse_choice(p)
    if not take(p, ")") then
        error("a ( has no )", 0)
    end
    p.depth = p.depth - 1
    return node
end

local function parse_escape(p)
    local ranges = class_escape(p)
    if ranges then
        return { kind = "set", ranges = ranges }
    end
    local number = p.source:match("^[1-9]%d*", p.at)
    if number and tonumber(number) <= p.total then
        p.at = p.at + #number
        return { kind = "backreference", index = tonumber(number) }
    end
    local name = p.source:match("^k<([%w_$]+)>", p.at)
    if name then
        p.at = p.at + #name + 3
        return { kind = "backreference", name = name }
    elseif take(p, "b") then
        return { kind = "boundary" }
    elseif take(p, "B") then
        return { kind = "boundary", is_negated = true }
    elseif p.at > #p.source then
        error("a \\ ends the expression", 0)
    end
    return { kind = "char", code = escaped_code(p) }
end

local function parse_atom(p)
    local ch = peek(p)
    if ch == "(" then
        return parse_group(p)
    elseif take(p, "[") then
        return parse_set(p)
    elseif take(p, "\\") then
        return parse_escape(p)
    elseif take(p, ".") then
        return { kind = "set", is_negated = true, ranges = p.is_dot_all and {} or LINE_ENDS }
    elseif take(p, "^") then
        return { kind = "start" }
    elseif take(p, "$") then
        return { kind = "finish" }
    elseif ch == "*" or ch == "+" or ch == "?" then
        error("nothing stands before " .. ch, 0)
    end
    return { kind = "char", code = next_code(p) }
end

--- min and max of a quantifier, or nil.
local function parse_quantifier(p)
    if take(p, "*") then
        return 0, huge
    elseif take(p, "+") then
        return 1, huge
    elseif take(p, "?") then
        return 0, 1
    end
    local min, comma, max, behind = p.source:match("^{(%d+)(,?)(%d*)}()", p.at)
    if not min or comma == "" and max ~= "" then
        return nil
    end
    p.at = behind
    min = tonumber(min)
    max = comma == "" and min or tonumber(max) or huge
    if min > max then
        error("the numbers of a quantifier are out of order", 0)
    end
    return min, max
end

local UNREPEATABLE = { start = true, finish = true, boundary = true }

local function parse_sequence(p)
    local node = { kind = "sequence" }
    while p.at <= #p.source and peek(p) ~= "|" and peek(p) ~= ")" do
        local first = p.groups + 1
        local atom = parse_atom(p)
        local min, max = parse_quantifier(p)
        if min then
            if UNREPEATABLE[atom.kind] then
                error("a quantifier stands behind what has no width", 0)
            end
            atom = { kind = "repeat", node = atom, min = min, max = max, is_lazy = take(p, "?"), first = first,
                last = p.groups }
        end
        node[#node + 1] = atom
    end
    return node
end

function parse_choice(p)
    local node = { kind = "choice", parse_sequence(p) }
    while take(p, "|") do
        node[#node + 1] = parse_sequence(p)
    end
    return #node == 1 and node[1] or node
end

--- How many groups a source has, before it is parsed: for \1 that stands before its group.
local function count_groups(source)
    local plain = source:gsub("\\.", ""):gsub("%[[^%]]*%]", "")
    local _, all = plain:gsub("%(", "")
    local _, special = plain:gsub("%(%?[^<]", "")
    local _, behind = plain:gsub("%(%?<[=!]", "")
    return all - special - behind
end

--- The tree, the number of groups, the groups of names.
---@param is_dot_all boolean?  flag s: a dot takes line ends
function M.parse(source, is_dot_all)
    local p = { is_dot_all = is_dot_all, source = source,
        at = 1, groups = 0, names = {}, depth = 0, total = count_groups(source) }
    local node = parse_choice(p)
    if p.at <= #source then
        error("a ) has no (", 0)
    end
    return node, p.groups, p.names
end

return M
