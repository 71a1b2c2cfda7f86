-- SPDX-License-Identifier: MIT
-- Options that several verbs share: retry, timeout (s), once. Not a verb.

local error_object = require "flowhost.engine.error"
local retry = require "flowhost.engine.retry"

local M = {}

local MAX_SECONDS = 1e9
local NONE = {}

local function invalid(verb, message)
    error_object.raise("INVALID", ("ctx.%s: %s"):format(verb, message))
end

--- Milliseconds of an option in seconds; nil when it is not given. 0, negative and no number: INVALID.
---@param name string?  what the flow calls it, default "timeout"
function M.timeout_ms(verb, value, name)
    if value == nil then
        return nil
    elseif type(value) ~= "number" or not (value > 0 and value <= MAX_SECONDS) then
        invalid(verb, (name or "timeout") .. " must be a number of seconds above 0, at most 1e9")
    end
    return math.max(1, math.ceil(value * 1000))
end

--- { policy, timeout_ms, is_once } of a verb's options. `allowed`: set of the names it knows.
function M.parse(verb, o, allowed)
    if o == nil then
        return NONE
    elseif type(o) ~= "table" then
        invalid(verb, "options must be a table")
    end
    for name in next, o do
        if not allowed[name] then
            invalid(verb, ("unknown option '%s'"):format(tostring(name)))
        end
    end
    local once = rawget(o, "once")
    if once ~= nil and type(once) ~= "boolean" then
        invalid(verb, "once must be true or false")
    end
    local policy = retry.parse(verb, rawget(o, "retry"))
    if once and policy then
        invalid(verb, "once and retry exclude each other: what may run once only is not tried again")
    end
    return { policy = policy, timeout_ms = M.timeout_ms(verb, rawget(o, "timeout")), is_once = once or false }
end

return M
