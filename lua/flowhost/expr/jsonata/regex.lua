-- SPDX-License-Identifier: MIT
-- Matcher of regular expressions: backtracking over closures. Each node becomes fun(at) -> the byte behind the whole
-- match, or nil; what follows a node is compiled into it. Work is counted by tick(count), which may raise.

local letters = require "flowhost.expr.jsonata.letters"
local regex_parse = require "flowhost.expr.jsonata.regex_parse"
local text = require "flowhost.expr.jsonata.text"
local utf8_char = require "flowhost.expr.utf8_char"

local M = {}

local byte, find, sub = string.byte, string.find, string.sub
local decode, huge = text.decode, math.huge

local function in_ranges(ranges, code)
    for i = 1, #ranges do
        local range = ranges[i]
        if code >= range[1] and code <= range[2] then
            return true
        end
    end
    return false
end

--- Both cases of a code point.
local function cases_of(code)
    local ch = utf8_char(code)
    return (decode(letters.lower(ch), 1)), (decode(letters.upper(ch), 1))
end

local function has_code(ranges, code, ignore_case)
    if in_ranges(ranges, code) then
        return true
    elseif not ignore_case then
        return false
    end
    local lower, upper = cases_of(code)
    return in_ranges(ranges, lower) or in_ranges(ranges, upper)
end

--- fun(code) -> whether a one-character node takes it; ASCII is looked up.
local function code_test(node, m)
    local ranges = node.kind == "char" and { { node.code, node.code } } or node.ranges
    local is_negated = node.is_negated or false
    local ascii = {}
    for code = 0, 127 do
        ascii[code] = has_code(ranges, code, m.ignore_case) ~= is_negated
    end
    return function(code)
        if code < 128 then
            return ascii[code]
        end
        return has_code(ranges, code, m.ignore_case) ~= is_negated
    end
end

local builders = {}

local function build(node, m, follow)
    return builders[node.kind](node, m, follow)
end

local function one_character(node, m, follow)
    local test = code_test(node, m)
    return function(at)
        local code = byte(m.text, at)
        if not code then
            return nil
        end
        local behind = at + 1
        if code >= 0xc2 then
            code, behind = decode(m.text, at)
        end
        if test(code) then
            return follow(behind)
        end
    end
end
builders.char, builders.set = one_character, one_character

function builders.sequence(node, m, follow)
    for i = #node, 1, -1 do
        follow = build(node[i], m, follow)
    end
    return follow
end

function builders.choice(node, m, follow)
    local ways = {}
    for i = 1, #node do
        ways[i] = build(node[i], m, follow)
    end
    return function(at)
        m.tick(1)
        for i = 1, #ways do
            local stop = ways[i](at)
            if stop then
                return stop
            end
        end
    end
end

local function is_line_end(code)
    return code == 10 or code == 13
end

function builders.start(_, m, follow)
    return function(at)
        if at == 1 or m.is_multiline and is_line_end(byte(m.text, at - 1)) then
            return follow(at)
        end
    end
end

function builders.finish(_, m, follow)
    return function(at)
        if at == #m.text + 1 or m.is_multiline and is_line_end(byte(m.text, at)) then
            return follow(at)
        end
    end
end

function builders.boundary(node, m, follow)
    local function is_word(at)
        local code = byte(m.text, at)
        return code ~= nil and in_ranges(regex_parse.WORD, code)
    end
    local wanted = not node.is_negated
    return function(at)
        if ((at > 1 and is_word(at - 1)) ~= is_word(at)) == wanted then
            return follow(at)
        end
    end
end

function builders.group(node, m, follow)
    local index = node.index
    if not index then
        return build(node.node, m, follow)
    end
    local opened = {}
    local inner = build(node.node, m, function(at)
        local first, last = m.first[index], m.last[index]
        m.first[index], m.last[index] = opened[#opened], at
        local start = table.remove(opened)
        local stop = follow(at)
        if not stop then
            opened[#opened + 1] = start
            m.first[index], m.last[index] = first, last
        end
        return stop
    end)
    return function(at)
        local depth = #opened
        opened[depth + 1] = at
        local stop = inner(at)
        for i = #opened, depth + 1, -1 do
            opened[i] = nil
        end
        return stop
    end
end

function builders.backreference(node, m, follow)
    return function(at)
        local index = node.index or m.names[node.name]
        local first = m.first[index]
        if not first then
            return follow(at)
        end
        local part = sub(m.text, first, m.last[index] - 1)
        local here = sub(m.text, at, at + #part - 1)
        if part == here or m.ignore_case and letters.lower(part) == letters.lower(here) then
            return follow(at + #part)
        end
    end
end

--- Lookahead, and lookbehind as a match that ends here.
function builders.look(node, m, follow)
    local target
    local inner = build(node.node, m, function(at)
        if not node.is_behind or at == target then
            return at
        end
    end)
    local function is_found(at)
        if not node.is_behind then
            return inner(at) ~= nil
        end
        local saved = target
        target = at
        local found = false
        for start = at, 1, -1 do
            m.tick(1)
            found = inner(start) ~= nil
            if found then
                break
            end
        end
        target = saved
        return found
    end
    return function(at)
        if is_found(at) ~= (node.is_negated or false) then
            return follow(at)
        end
    end
end

-- repetition ----------------------------------------------------------------------------------------

local SINGLE = { char = true, set = true }

--- The character before a byte begins here.
local function step_back(str, at)
    at = at - 1
    local code = byte(str, at)
    while code and code >= 0x80 and code <= 0xbf do
        at = at - 1
        code = byte(str, at)
    end
    return at
end

--- A repeated character needs no recursion: it runs as far as it goes and comes back.
local function repeat_single(node, m, follow)
    local test, min, max = code_test(node.node, m), node.min, node.max

    local function run(at, most)
        local count = 0
        local str = m.text
        while count < most do
            local code, behind = byte(str, at), at + 1
            if not code then
                break
            elseif code >= 0xc2 then
                code, behind = decode(str, at)
            end
            if not test(code) then
                break
            end
            at, count = behind, count + 1
        end
        m.tick(count + 1)
        return at, count
    end

    if node.is_lazy then
        return function(at)
            local count
            at, count = run(at, min)
            if count < min then
                return nil
            end
            while true do
                local stop = follow(at)
                if stop or count >= max then
                    return stop
                end
                local behind, more = run(at, 1)
                if more == 0 then
                    return nil
                end
                at, count = behind, count + 1
            end
        end
    end
    return function(at)
        local behind, count = run(at, max)
        while count >= min do
            local stop = follow(behind)
            if stop then
                return stop
            end
            m.tick(1)
            behind, count = step_back(m.text, behind), count - 1
        end
    end
end

builders["repeat"] = function(node, m, follow)
    if SINGLE[node.node.kind] then
        return repeat_single(node, m, follow)
    end
    local count, began = 0, -1
    local body

    local function clear_groups()
        local first, last = {}, {}
        for i = node.first, node.last do
            first[i], last[i] = m.first[i], m.last[i]
            m.first[i], m.last[i] = nil, nil
        end
        return first, last
    end

    local function once_more(at)
        local saved_count, saved_began = count, began
        local first, last = clear_groups()
        count, began = count + 1, at
        local stop = body(at)
        if not stop then
            count, began = saved_count, saved_began
            for i = node.first, node.last do
                m.first[i], m.last[i] = first[i], last[i]
            end
        end
        return stop
    end

    --- What follows may come back into this loop, as a loop of its own.
    local function leave(at)
        local saved_count, saved_began = count, began
        local stop = follow(at)
        count, began = saved_count, saved_began
        return stop
    end

    local function try(at)
        m.tick(1)
        if count < node.min then
            return once_more(at)
        end
        local may_go_on = count < node.max and at ~= began
        if node.is_lazy then
            return leave(at) or may_go_on and once_more(at) or nil
        end
        return may_go_on and once_more(at) or leave(at)
    end
    body = build(node.node, m, try)

    return function(at)
        local saved_count, saved_began = count, began
        count, began = 0, -1
        local stop = try(at)
        count, began = saved_count, saved_began
        return stop
    end
end

--- The text that each match begins with, if any.
local function find_prefix(node, ignore_case)
    local parts = {}
    for i = 1, node.kind == "sequence" and not ignore_case and #node or 0 do
        if node[i].kind ~= "char" then
            break
        end
        parts[i] = utf8_char(node[i].code)
    end
    return #parts > 0 and table.concat(parts) or nil
end

--- Whether a match can begin nowhere but at the start of the text (of a line, where ^ means that).
local function is_anchored(node)
    if node.kind == "choice" then
        for _, one in ipairs(node) do
            if not is_anchored(one) then
                return false
            end
        end
        return #node > 0
    end
    local first = node.kind == "sequence" and node[1] or node.kind == "group" and node.node
    return node.kind == "start" or (first and is_anchored(first)) or false
end

--- The regular expression of a text.
function M.quote(str)
    return (str:gsub("[.*+?^${}()|%[%]\\]", "\\%0"))
end

--- Compiles a regular expression; raises a text when it is none.
---@param source string
---@param flags string of i, m and s
---@param tick fun(count: integer)
---@return fun(str: string, at: integer): integer?, integer?, table? # byte of the first match from `at` on, the one
---  behind it, its groups (false where a group took no part)
function M.compile(source, flags, tick)
    local node, groups, names = regex_parse.parse(source, flags:find("s", 1, true) ~= nil)
    local m = { first = {}, last = {}, names = names, tick = tick, ignore_case = flags:find("i", 1, true) ~= nil,
        is_multiline = flags:find("m", 1, true) ~= nil }
    local run = build(node, m, function(at)
        return at
    end)
    local prefix, is_only_first = find_prefix(node, m.ignore_case), not m.is_multiline and is_anchored(node)

    local function captures()
        local list = {}
        for i = 1, groups do
            list[i] = m.first[i] and sub(m.text, m.first[i], m.last[i] - 1) or false
        end
        return list
    end

    local function search(str, at)
        while at <= #str + 1 do
            if prefix then
                at = find(str, prefix, at, true) or huge
                if at == huge then
                    return nil
                end
            end
            tick(1)
            for i = 1, groups do
                m.first[i], m.last[i] = nil, nil
            end
            local behind = run(at)
            if behind then
                return at, behind, captures()
            end
            if is_only_first then
                return nil
            end
            local code = byte(str, at)
            at = at + 1
            while code and code >= 0xc2 and byte(str, at) and byte(str, at) >= 0x80 and byte(str, at) <= 0xbf do
                at = at + 1
            end
        end
    end

    return function(str, at)
        local before = m.text
        m.text = str
        local first, behind, list = search(str, at)
        m.text = before
        return first, behind, list
    end
end

return M
