-- SPDX-License-Identifier: MIT
-- What is waited for: a number for C to hand back, a function to call then.
-- C never holds Lua functions of pending operations; it holds these numbers.

local core = require "flowhost.core"

local M = {}

local waiting = {}
local last = 0

---@param fn function  called with what the event carries
---@return integer token
function M.new(fn)
    last = last + 1
    waiting[last] = fn
    return last
end

--- Nobody waits any more; a late event is ignored.
function M.drop(token)
    waiting[token] = nil
end

local function fire(token, ...)
    local fn = waiting[token]
    if fn then
        waiting[token] = nil
        fn(...)
    end
end

for _, event in ipairs { "commit", "call", "timer", "native" } do
    core.on(event, fire)
end

return M
