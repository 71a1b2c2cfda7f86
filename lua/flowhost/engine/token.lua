-- SPDX-License-Identifier: MIT
-- What is waited for: a number for C to hand back, a function to call then.
-- C never holds Lua functions of pending operations; it holds these numbers. What is waited for on behalf of a run
-- (`owner`) is called under that run's guard: an error there ends the run and nothing else.

local core = require "flowhost.core"

local M = {
    owner = nil, -- of the tokens made meanwhile
}

local waiting = {}
local owners = {}
local last = 0

---@param fn function  called with what the event carries
---@return integer token
function M.new(fn)
    last = last + 1
    waiting[last] = fn
    owners[last] = M.owner
    return last
end

--- Nobody waits any more; a late event is ignored.
function M.drop(token)
    waiting[token] = nil
    owners[token] = nil
end

--- Hands a batch to the store. done(code): nil when it is stored; called at once when it is refused.
---@param done fun(code: string?)
function M.submit(batch, done)
    local token = M.new(done)
    local ok, code = batch:submit(token)
    if not ok then
        M.drop(token)
        done(code)
    end
end

local function fire(token, ...)
    local fn, owner = waiting[token], owners[token]
    if not fn then
        return
    end
    M.drop(token)
    if owner then
        return owner.guarded(owner, fn, ...)
    end
    return fn(...)
end

for _, event in ipairs { "commit", "call", "timer", "native", "gone", "room", "password" } do
    core.on(event, fire)
end

return M
