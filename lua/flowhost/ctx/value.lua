-- SPDX-License-Identifier: MIT
-- ctx.uuid(): 32 upper-case hex characters of a random UUID (version 4) without dashes, recorded.
-- ctx.random(): a number in [0, 1); ctx.random(n): 1..n; ctx.random(m, n): m..n; recorded.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local step = require "flowhost.engine.step"

local system = core.system

local function make_uuid()
    local text = system.hex(system.random(16)):upper()
    local variant = ("89AB"):sub(1 + tonumber(text:sub(17, 17), 16) % 4):sub(1, 1)
    return text:sub(1, 12) .. "4" .. text:sub(14, 16) .. variant .. text:sub(18)
end

local function uuid()
    return (step.value("uuid", "", make_uuid))
end

--- 52 random bits as a fraction: every value a double can tell apart in [0, 1) by steps of 2^-52.
local function make_fraction()
    local a, b, c, d, e, f, g = system.random(7):byte(1, 7)
    return (((((((a % 16) * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g) / 2 ^ 52
end

local function is_integer(value)
    return type(value) == "number" and value == math.floor(value) and math.abs(value) <= 2 ^ 53
end

local function random(low, high)
    if low ~= nil and high == nil then
        low, high = 1, low
    end
    if low ~= nil and not (is_integer(low) and is_integer(high) and low <= high) then
        error_object.raise("INVALID", "ctx.random: whole numbers m <= n are expected")
    end
    return (step.value("random", "", function()
        local fraction = make_fraction()
        return low and low + math.floor(fraction * (high - low + 1)) or fraction
    end))
end

return { uuid = uuid, random = random }
