-- SPDX-License-Identifier: MIT
-- The `string` and `table` functions of flows, shared by all runs: Lua's, with limits where one call
-- into C could outlive every budget (the count hook does not fire inside C). No string.dump.

local pattern = require("flowhost.flow.pattern")
local sandbox_text = require("flowhost.flow.sandbox_text")

local M = {}

local error, select, tonumber, type = error, select, tonumber, type
local find, gmatch, gsub, match, rep = string.find, string.gmatch, string.gsub, string.match,
    string.rep
local insert, move, sort = table.insert, table.move, table.sort
local jit_off = require("jit").off

M.MAX_REP_BYTES = 64 * 1024 * 1024
M.MAX_NATIVE_SORT = 4096

--- The functions of `string`; also what methods of string values find.
M.string = {
    byte = string.byte, char = string.char, len = string.len, lower = string.lower,
    reverse = string.reverse, sub = string.sub, upper = string.upper,
    format = sandbox_text.format,
}

local function text_length(value)
    return type(value) == "string" and #value or 32
end

--- `string.rep`, whose result is at most MAX_REP_BYTES.
function M.string.rep(text, count, separator)
    local unit = text_length(text) + (separator == nil and 0 or text_length(separator))
    local times = tonumber(count)
    if type(times) == "number" and unit * times > M.MAX_REP_BYTES then
        error(("rep: the result would have over %d bytes, build it in pieces")
            :format(M.MAX_REP_BYTES), 2)
    end
    return rep(text, count, separator)
end

-- The four below hand what might backtrack for long to the matcher in Lua, which a budget can stop.
local is_slow = pattern.is_slow

function M.string.find(text, pat, init, plain)
    if not plain and is_slow(text, pat) then return pattern.find(text, pat, init) end
    return find(text, pat, init, plain)
end

function M.string.match(text, pat, init)
    if is_slow(text, pat) then return pattern.match(text, pat, init) end
    return match(text, pat, init)
end

function M.string.gmatch(text, pat)
    if is_slow(text, pat, true) then return pattern.gmatch(text, pat) end
    return gmatch(text, pat)
end

function M.string.gsub(text, pat, replacement, limit)
    if is_slow(text, pat) then return pattern.gsub(text, pat, replacement, limit) end
    return gsub(text, pat, replacement, limit)
end

--- The functions of `table`.
M.table = { concat = table.concat, maxn = table.maxn, remove = table.remove }

--- `table.insert`; a negative position would make C shift for minutes.
function M.table.insert(list, position, ...)
    if select("#", ...) == 0 then return insert(list, position) end
    if type(position) == "number" and position < 0 then
        error("bad argument #2 to 'insert' (position out of bounds)", 2)
    end
    return insert(list, position, ...)
end

local function is_less(x, y)
    return x < y
end

--- `table.sort`; long lists are compared in Lua, where a budget can stop a quadratic case.
function M.table.sort(list, comparator)
    if comparator == nil and type(list) == "table" and #list > M.MAX_NATIVE_SORT then
        comparator = is_less
    end
    return sort(list, comparator)
end

--- `table.move`, interpreted: the built-in one compiles to a loop without hooks.
function M.table.move(from, first, last, at, to)
    if type(first) ~= "number" or type(last) ~= "number" or type(at) ~= "number" then
        return move(from, first, last, at, to)
    end
    to = to == nil and from or to
    if at > last or at <= first or from ~= to then
        for i = 0, last - first do to[at + i] = from[first + i] end
    else
        for i = last - first, 0, -1 do to[at + i] = from[first + i] end
    end
    return to
end

jit_off(is_less)
jit_off(M.table.move)

return M
