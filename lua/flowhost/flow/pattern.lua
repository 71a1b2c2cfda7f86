-- SPDX-License-Identifier: MIT
-- Finds the pattern matches that Lua's matcher, which no budget can interrupt, might spend minutes
-- on: ("a"):rep(1e4):find(".-.-.-b"). Those are done by `pattern_match`, slower but in Lua, where
-- the count hook ends them; all others stay native. Both give the same results.
--
-- The bound: a repetition can backtrack only if what follows it may begin with a byte it repeats
-- (`%w+=` cannot, `.-=` can). Steps <= start positions * product over those of (longest run + 1) *
-- longest run of the others. Lengths of the subject stand for runs until that is too much.

local memo = require("flowhost.flow.memo")
local pattern_match = require("flowhost.flow.pattern_match")

local M = {}

local find, gsub, type = string.find, string.gsub, type
local floor, huge, max = math.floor, math.huge, math.max
local jit_off = require("jit").off
local parse = pattern_match.parse

-- Steps a native match may take: about a tenth of a second.
M.MAX_STEPS = 3e7

--- The longest subject for which a pattern is harmless whatever it holds: all but the longest bodies
--- and the wildest patterns are settled by one comparison with it.
local harmless_length = memo.new(function(pat)
    local _, loops = gsub(pat, "[*+?-]", "")
    local _, balances = gsub(pat, "%%b", "")
    loops = loops + balances
    return loops == 0 and huge or floor(M.MAX_STEPS ^ (1 / (loops + 1)))
end)

local WIDTHLESS = { open = true, close = true, position = true }
local OPTIONAL = { star = true, minus = true, optional = true }

local function overlaps(set, other)
    for code in pairs(set.bytes) do
        if other.bytes[code] then return true end
    end
    return false
end

--- Whether the nodes from `at` on match anywhere: all is optional, and a `$` stands behind `.*`.
local function always_matches(nodes, at)
    local reaches_end = false
    for i = at, #nodes do
        local kind, set = nodes[i].kind, nodes[i].set
        if OPTIONAL[kind] then
            reaches_end = reaches_end or kind ~= "optional" and set.size == 256
        elseif not WIDTHLESS[kind] and not (kind == "finish" and reaches_end) then
            return false
        end
    end
    return true
end

--- Whether a match of the nodes from `at` on may begin with a byte of `set`.
local function may_begin_with(nodes, at, set)
    for i = at, #nodes do
        local node = nodes[i]
        if node.kind == "finish" then return false end
        if node.kind == "frontier" or node.kind == "backreference" then return true end
        if not WIDTHLESS[node.kind] then
            if overlaps(set, node.set) then return true end
            if not OPTIONAL[node.kind] then return false end
        end
    end
    return true
end

--- What the bound needs of a parsed pattern: sets of repetitions that backtrack and of those that do
--- not, the number of ways through optional items, whether something scans unboundedly.
local function new_outline(parsed)
    local nodes = parsed.nodes
    local starts_once = parsed.is_anchored or always_matches(nodes, 1)
    local outline = { starts_once = starts_once, free = {}, bound = {}, ways = 1, scans = false }
    for i, node in ipairs(nodes) do
        local is_free = node.set and not always_matches(nodes, i + 1)
            and may_begin_with(nodes, i + 1, node.set)
        if node.kind == "star" or node.kind == "plus" or node.kind == "minus" then
            local list = is_free and outline.free or outline.bound
            list[#list + 1] = node.set
        elseif node.kind == "optional" and is_free then
            outline.ways = outline.ways * 2
        elseif node.kind == "balance" or node.kind == "backreference" then
            outline.scans = true
        end
    end
    return outline
end

local outline_of = memo.new(function(pat) return new_outline(parse(pat, true)) end)
local outline_of_gmatch = memo.new(function(pat) return new_outline(parse(pat, false)) end)

--- Length of the longest run of bytes of `set` in the text.
local function longest_run(text, set)
    if set.size == 256 then return #text end
    local longest, pos = 0, 1
    local run = set.item .. "+"
    while true do
        local head, tail = find(text, run, pos)
        if not head then return longest end
        longest = max(longest, tail - head + 1)
        pos = tail + 1
    end
end

local function whole_text(text)
    return #text
end

--- The bound on steps, with `run_length(text, set)` for the longest runs.
local function count_steps(outline, text, run_length)
    local steps = (outline.starts_once and 1 or #text) * outline.ways
    for _, set in ipairs(outline.free) do steps = steps * (run_length(text, set) + 1) end
    local longest = outline.scans and #text or 0
    for _, set in ipairs(outline.bound) do longest = max(longest, run_length(text, set)) end
    return steps * (longest + 1)
end

local function is_costly(text, outline)
    return count_steps(outline, text, whole_text) > M.MAX_STEPS
        and count_steps(outline, text, longest_run) > M.MAX_STEPS
end

local function new_verdicts(text)
    return {
        text = text,
        match = memo.new(function(pat) return is_costly(text, outline_of(pat)) end),
        gmatch = memo.new(function(pat) return is_costly(text, outline_of_gmatch(pat)) end),
    }
end

-- A program that walks along one long text asks the same question at each step.
local last = new_verdicts("")

--- Whether matching `pat` in `text` might take more than MAX_STEPS steps. Raises on a malformed
--- pattern that it has to look at.
---@param text any only strings can be slow
---@param pat any
---@param is_gmatch? boolean `^` is then an ordinary character
---@return boolean
function M.is_slow(text, pat, is_gmatch)
    if type(text) ~= "string" or type(pat) ~= "string" or #text <= harmless_length(pat) then
        return false
    end
    if last.text ~= text then last = new_verdicts(text) end
    return last[is_gmatch and "gmatch" or "match"](pat)
end

-- What takes long for a long subject or pattern must feel the count hook too.
for _, fn in ipairs { overlaps, always_matches, may_begin_with, new_outline, longest_run, count_steps } do
    jit_off(fn)
end

M.find, M.match = pattern_match.find, pattern_match.match
M.gmatch, M.gsub = pattern_match.gmatch, pattern_match.gsub

return M
