-- SPDX-License-Identifier: MIT
-- The `string` functions of flows, shared by all runs: Lua's, with limits where one call into C could
-- outlive every budget (the count hook does not fire inside C), and without calls from C back into
-- Lua, since recursion through C ends the process when the C stack does. No string.dump.

local pattern = require("flowhost.flow.pattern")
local sandbox_text = require("flowhost.flow.sandbox_text")

local M = {}

local debug_getmetatable = debug.getmetatable
local error, tonumber, tostring, type = error, tonumber, tostring, type
local find, gmatch, gsub, match, rep = string.find, string.gmatch, string.gsub, string.match,
    string.rep

M.MAX_REP_BYTES = 64 * 1024 * 1024

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

--- Whether gsub would call Lua for this replacement.
local function calls_back(replacement)
    return type(replacement) == "function"
        or type(replacement) == "table" and debug_getmetatable(replacement) ~= nil
end

--- `string.gsub`, which may yield in its callbacks.
function M.string.gsub(text, pat, replacement, limit)
    if type(text) == "number" then text = tostring(text) end
    if type(pat) == "number" then pat = tostring(pat) end
    if is_slow(text, pat) then
        return pattern.gsub(text, pat, replacement, limit, pattern.find)
    end
    if calls_back(replacement) and type(text) == "string" and type(pat) == "string" then
        return pattern.gsub(text, pat, replacement, limit, find)
    end
    return gsub(text, pat, replacement, limit)
end

return M
