-- SPDX-License-Identifier: MIT
-- string.find, match, gmatch and gsub in Lua, with the results of Lua's own: what a budget must be
-- able to stop. Each node of a pattern becomes a function (m, position) → position behind the match
-- of itself and all that follows, or nil. Never compiled, so that the count hook fires.

local memo = require("flowhost.flow.memo")
local pattern_parse = require("flowhost.flow.pattern_parse")

local M = {}

local byte, find, gsub, sub = string.byte, string.find, string.gsub, string.sub
local concat = table.concat
local error, select, tonumber, tostring = error, select, tonumber, tostring
local type, unpack = type, unpack

M.parse = pattern_parse.parse

local POSITION = -1

-- Builders by kind of node: (node, rest) → matcher. m: text, and the captures' first and last bytes.
local BUILDERS = {}

function BUILDERS.single(node, rest)
    local bytes = node.set.bytes
    return function(m, i)
        if bytes[byte(m.text, i)] then return rest(m, i + 1) end
        return nil
    end
end

local function greedy(bytes, least, rest)
    return function(m, i)
        local text, last = m.text, i
        while bytes[byte(text, last)] do last = last + 1 end
        for pos = last, i + least, -1 do
            local behind = rest(m, pos)
            if behind then return behind end
        end
        return nil
    end
end

function BUILDERS.star(node, rest) return greedy(node.set.bytes, 0, rest) end
function BUILDERS.plus(node, rest) return greedy(node.set.bytes, 1, rest) end

function BUILDERS.minus(node, rest)
    local bytes = node.set.bytes
    return function(m, i)
        while true do
            local behind = rest(m, i)
            if behind then return behind end
            if not bytes[byte(m.text, i)] then return nil end
            i = i + 1
        end
    end
end

function BUILDERS.optional(node, rest)
    local bytes = node.set.bytes
    return function(m, i)
        return bytes[byte(m.text, i)] and rest(m, i + 1) or rest(m, i)
    end
end

function BUILDERS.open(node, rest)
    local index = node.index
    return function(m, i)
        m.first[index] = i
        return rest(m, i)
    end
end

function BUILDERS.close(node, rest)
    local index = node.index
    return function(m, i)
        m.last[index] = i - 1
        return rest(m, i)
    end
end

function BUILDERS.position(node, rest)
    local index = node.index
    return function(m, i)
        m.first[index], m.last[index] = i, POSITION
        return rest(m, i)
    end
end

function BUILDERS.backreference(node, rest)
    local index = node.index
    return function(m, i)
        local first, last = m.first[index], m.last[index]
        -- Lua lets a pattern refer to a position capture, and it matches nothing.
        if last == POSITION then return nil end
        local behind = i + last - first + 1
        if sub(m.text, i, behind - 1) == sub(m.text, first, last) then return rest(m, behind) end
        return nil
    end
end

function BUILDERS.balance(node, rest)
    local first, last = node.first, node.last
    return function(m, i)
        local text, depth = m.text, 1
        if byte(text, i) ~= first then return nil end
        for pos = i + 1, #text do
            local code = byte(text, pos)
            if code == last then
                depth = depth - 1
                if depth == 0 then return rest(m, pos + 1) end
            elseif code == first then
                depth = depth + 1
            end
        end
        return nil
    end
end

function BUILDERS.frontier(node, rest)
    local bytes = node.set.bytes
    return function(m, i)
        local before = i > 1 and byte(m.text, i - 1) or 0
        if not bytes[before] and bytes[byte(m.text, i) or 0] then return rest(m, i) end
        return nil
    end
end

function BUILDERS.finish()
    return function(m, i) return i == #m.text + 1 and i or nil end
end

--- A pattern ready to match: { run, is_anchored, captures, lead }; `lead` matches its first byte.
local function compile(pat, may_anchor)
    local parsed = pattern_parse.parse(pat, may_anchor)
    local run = function(_, i) return i end
    for i = #parsed.nodes, 1, -1 do
        local node = parsed.nodes[i]
        run = BUILDERS[node.kind](node, run)
    end
    local head = parsed.nodes[1]
    local has_lead = head and (head.kind == "single" or head.kind == "plus")
    return {
        run = run, is_anchored = parsed.is_anchored, captures = parsed.captures,
        lead = has_lead and head.set.item or nil,
    }
end

local compile_anchored = memo.new(function(pat) return compile(pat, true) end)
local compile_unanchored = memo.new(function(pat) return compile(pat, false) end)

local function new_match(text)
    return { text = text, first = {}, last = {} }
end

--- First and behind-last position of the first match at or behind `from`.
local function search(compiled, m, from)
    if compiled.is_anchored then return from, compiled.run(m, from) end
    local last = #m.text + 1
    while from and from <= last do
        if compiled.lead then
            from = find(m.text, compiled.lead, from)
            if not from then return nil end
        end
        local behind = compiled.run(m, from)
        if behind then return from, behind end
        from = from + 1
    end
    return nil
end

local function capture(m, index)
    if m.last[index] == POSITION then return m.first[index] end
    return sub(m.text, m.first[index], m.last[index])
end

--- All captures, none as no value.
local function captures(compiled, m)
    local values = {}
    for index = 1, compiled.captures do values[index] = capture(m, index) end
    return unpack(values, 1, compiled.captures)
end

--- All captures, the whole match when the pattern has none.
local function values_of(compiled, m, first, behind)
    if compiled.captures == 0 then return sub(m.text, first, behind - 1) end
    return captures(compiled, m)
end

local function start_position(text, init)
    local from = tonumber(init or 1)
    if type(from) ~= "number" then error("bad argument #3 (number expected)", 3) end
    from = from < 0 and math.ceil(from) + #text + 1 or math.floor(from)
    if from < 1 then return 1 end
    return from > #text + 1 and #text + 1 or from
end

--- string.find, never plain
function M.find(text, pat, init)
    local compiled, m = compile_anchored(pat), new_match(text)
    local first, behind = search(compiled, m, start_position(text, init))
    if not behind then return nil end
    return first, behind - 1, captures(compiled, m)
end

--- string.match
function M.match(text, pat, init)
    local compiled, m = compile_anchored(pat), new_match(text)
    local first, behind = search(compiled, m, start_position(text, init))
    if not behind then return nil end
    return values_of(compiled, m, first, behind)
end

--- string.gmatch
function M.gmatch(text, pat)
    local compiled, m, from = compile_unanchored(pat), new_match(text), 1
    return function()
        local first, behind = search(compiled, m, from)
        if not behind then
            from = #text + 2
            return nil
        end
        from = behind == first and behind + 1 or behind
        return values_of(compiled, m, first, behind)
    end
end

-- What a match is replaced with, by type of the replacement: (replacement, whole match, captures...).
local REPLACERS = {}

function REPLACERS.string(replacement, whole, ...)
    local count, values = select("#", ...), { ... }
    return (gsub(replacement, "%%(.?)", function(letter)
        local index = tonumber(letter)
        if not index then return letter end
        if index == 0 or index == 1 and count == 0 then return whole end
        if index > count then error("invalid capture index", 0) end
        return values[index]
    end))
end

function REPLACERS.table(replacement, whole, ...)
    if select("#", ...) == 0 then return replacement[whole] end
    return replacement[(...)]
end

REPLACERS["function"] = function(replacement, whole, ...)
    if select("#", ...) == 0 then return (replacement(whole)) end
    return (replacement(...))
end

local function replacement_text(value, whole)
    if not value then return whole end
    if type(value) ~= "string" and type(value) ~= "number" then
        error("invalid replacement value (a " .. type(value) .. ")", 0)
    end
    return tostring(value)
end

--- Takes what a search returned into the job of a gsub; false when it found nothing.
local function replace_found(job, first, last, ...)
    if not first then return false end
    local whole = sub(job.text, first, last)
    local value = job.replace(job.replacement, whole, ...)
    local pieces = job.pieces
    pieces[#pieces + 1] = sub(job.text, job.copied, first - 1)
    pieces[#pieces + 1] = replacement_text(value, whole)
    job.copied = last + 1
    -- Behind an empty match, the next search begins one byte further on.
    job.from = last < first and first + 1 or last + 1
    return true
end

--- string.gsub
---@param finder fun(text: string, pat: string, init: integer): ... string.find or M.find
function M.gsub(text, pat, replacement, limit, finder)
    if type(replacement) == "number" then replacement = tostring(replacement) end
    local replace = REPLACERS[type(replacement)]
    if not replace then
        error("bad argument #3 to 'gsub' (string/function/table expected, got "
            .. type(replacement) .. ")", 2)
    end
    local job = {
        text = text, replacement = replacement, replace = replace, pieces = {}, copied = 1, from = 1,
    }
    local count, is_anchored = 0, sub(pat, 1, 1) == "^"
    limit = math.min(tonumber(limit) or #text + 1, is_anchored and 1 or #text + 1)
    while count < limit and job.from <= #text + 1 do
        if not replace_found(job, finder(text, pat, job.from)) then break end
        count = count + 1
    end
    job.pieces[#job.pieces + 1] = sub(text, job.copied)
    return concat(job.pieces), count
end

require("jit").off(true, true)

return M
