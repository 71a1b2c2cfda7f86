-- SPDX-License-Identifier: MIT
-- Retry policies: when a failed attempt is followed by another, and after how long.
--
--   retry = 3                       as { max = 3 }
--   retry = { max, base, cap, factor, jitter, fibonacci, linear, on }
--     max     how many times more, at most 10,000
--     base    seconds before the first retry (1); 0: at once
--     factor  each wait is that many times the one before (2) · linear = true: base, 2 base, 3 base, ...
--             fibonacci = true: base, base, 2 base, 3 base, 5 base, ...
--     cap     longest wait in seconds (60)
--     jitter  true: a random part of the wait, so that many do not come back at the same time; a number from 0 to 1:
--     that
--             share of it is random
--     on      list of error codes or HTTP statuses that are tried again; default: those that say retryable
--
-- A Retry-After that came with the error lengthens the wait, the cap notwithstanding.
--
-- Rules have a wait of their own (`M.ramp`): it rises to the cap in as many equal steps as there are retries, at most
-- five, and begins at 0.

local error_object = require "flowhost.engine.error"

local M = {}

local KNOWN = { max = "number", base = "number", cap = "number", factor = "number", jitter = "any",
    fibonacci = "boolean", linear = "boolean", on = "table" }
local MAX_RETRIES, MAX_WAIT_S = 10000, 1e9

local function invalid(verb, message)
    error_object.raise("INVALID", ("ctx.%s: retry%s"):format(verb, message))
end

local function check_number(verb, retry, name, least, most)
    local value = rawget(retry, name)
    if value ~= nil and not (value >= least and value <= most) then
        invalid(verb, (".%s must be from %s to %s"):format(name, least, most))
    end
    return value
end

local function set_of(verb, list)
    local set = {}
    for _, one in ipairs(list) do
        if type(one) ~= "string" and type(one) ~= "number" then
            invalid(verb, ".on must be a list of error codes and HTTP statuses")
        end
        set[one] = true
    end
    if not next(set) then
        invalid(verb, ".on must name at least one error code or HTTP status")
    end
    return set
end

local function check_fields(verb, retry)
    for name, value in next, retry do
        local expected = KNOWN[name]
        if not expected then
            invalid(verb, (" has the unknown field '%s'"):format(tostring(name)))
        elseif expected ~= "any" and type(value) ~= expected then
            invalid(verb, (".%s must be a %s"):format(name, expected))
        end
    end
end

local function jitter_of(verb, value)
    if value == nil or value == false then
        return 0
    elseif value == true then
        return 1
    elseif type(value) ~= "number" or not (value >= 0 and value <= 1) then
        invalid(verb, ".jitter must be true, false or a number from 0 to 1")
    end
    return value
end

--- The policy as the engine works with it, nil for none. Raises INVALID.
---@param verb string  for messages
---@param retry integer|table|nil
function M.parse(verb, retry)
    if retry == nil then
        return nil
    elseif type(retry) == "number" then
        retry = { max = retry }
    elseif type(retry) ~= "table" then
        invalid(verb, " must be a number of retries or a table such as { max = 3, base = 1 }")
    end
    check_fields(verb, retry)
    local max = check_number(verb, retry, "max", 0, MAX_RETRIES)
    if not max or max ~= math.floor(max) then
        invalid(verb, ".max must be a whole number of retries")
    elseif retry.linear and retry.fibonacci then
        invalid(verb, ": linear and fibonacci exclude each other")
    end
    return {
        max = max, base = check_number(verb, retry, "base", 0, MAX_WAIT_S) or 1,
        cap = check_number(verb, retry, "cap", 0, MAX_WAIT_S) or 60,
        factor = check_number(verb, retry, "factor", 1, 1000) or 2, jitter = jitter_of(verb, rawget(retry, "jitter")),
        linear = rawget(retry, "linear"), fibonacci = rawget(retry, "fibonacci"),
        on = rawget(retry, "on") and set_of(verb, retry.on),
    }
end

--- The policy of rules.
---@param max integer    retries
---@param cap_s number   longest wait
function M.ramp(max, cap_s)
    return { max = max, base = 0, cap = cap_s, factor = 1, jitter = 0, ramp = true }
end

local function fibonacci(n)
    local a, b = 0, 1
    for _ = 1, math.min(n, 1000) do
        a, b = b, a + b
    end
    return a
end

--- Seconds to wait after attempt `attempt` (from 1) has failed.
---@param random number  from 0 up to but not 1
function M.wait_s(policy, attempt, random, retry_after_s)
    local wait
    if policy.ramp then
        local steps, k = math.min(policy.max, 5), attempt - 1
        wait = k >= steps and policy.cap or math.floor(policy.cap / steps) * k
    elseif policy.linear then
        wait = policy.base * attempt
    elseif policy.fibonacci then
        wait = policy.base * fibonacci(attempt)
    else
        wait = policy.base * policy.factor ^ (attempt - 1)
    end
    wait = math.min(wait, policy.cap)
    wait = wait * (1 - policy.jitter * random)
    return math.min(math.max(wait, retry_after_s or 0), MAX_WAIT_S)
end

--- Whether attempt `attempt`, which failed with `err`, is followed by another.
function M.is_due(policy, attempt, err)
    if not policy or attempt > policy.max then
        return false
    elseif policy.on then
        return policy.on[err.code] or policy.on[err.status] or false
    end
    return err.retryable == true
end

return M
