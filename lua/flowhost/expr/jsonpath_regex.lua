-- SPDX-License-Identifier: MIT
-- Regular expressions of `=~` in filters: JavaScript's (jsonata/regex.lua); flag i ignores case, s lets a dot take line
-- ends, others are ignored. The whole text must match, as in Java's `matches`. A match that takes more than MAX_STEPS
-- steps is given up: it does not hold. Pure.

local regex = require "flowhost.expr.jsonata.regex"

local M = {}

local MAX_STEPS = 200000

local OUT_OF_STEPS = {}
local left = 0

local function tick(count)
    left = left - count
    if left < 0 then
        error(OUT_OF_STEPS, 0)
    end
end

--- fun(text) -> boolean of a regular expression, or nil and what is wrong with it.
---@param text string
---@param flags string letters
function M.compile(text, flags)
    local ok, search = pcall(regex.compile, "^(?:" .. text .. ")$", flags, tick)
    if not ok or not pcall(regex.compile, text, flags, tick) then
        return nil, tostring(search)
    end
    return function(subject)
        left = MAX_STEPS
        -- a pattern that nests calls deeply on a long text ends on the stack's limit: the same as too many steps
        local done, first = pcall(search, subject, 1)
        return done and first ~= nil
    end
end

return M
