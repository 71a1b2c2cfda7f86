-- SPDX-License-Identifier: MIT
-- Random numbers of a run: xoshiro128** (Blackman and Vigna) over a state that is plain data, so
-- that a branch can be replayed. A state is { a, b, c, d }, four signed 32-bit integers, not all
-- zero, changed in place. The sequences of a seed are part of every journal: never change them.

local bit = require("bit")

local M = {}

local bxor, lshift, rshift, rol = bit.bxor, bit.lshift, bit.rshift, bit.rol
local band, tobit = bit.band, bit.tobit
local floor = math.floor
local error, select, tonumber, type = error, select, tonumber, type

local TWO_32 = 2 ^ 32

--- Product of two 32-bit integers, modulo 2^32.
local function multiply(x, y)
    y = y % TWO_32
    return tobit((rshift(x, 16) * y % 65536) * 65536 + band(x, 0xffff) * y)
end

local function mix(x)
    x = multiply(bxor(x, rshift(x, 16)), 0x7feb352d)
    x = multiply(bxor(x, rshift(x, 15)), 0x846ca68b)
    return bxor(x, rshift(x, 16))
end

--- The state for a text (a run id and branch path): the same text gives the same state for ever.
---@param text string
---@return integer[] state
function M.seed(text)
    local hash = tobit(0x811c9dc5)
    local state = { 0, 0, 0, 0 }
    for i = 1, #text do
        hash = multiply(bxor(hash, text:byte(i)), 0x01000193)
        local lane = i % 4 + 1
        state[lane] = mix(bxor(state[lane], hash))
    end
    for lane = 1, 4 do
        hash = mix(tobit(hash + 0x9e3779b9))
        state[lane] = bxor(state[lane], hash)
    end
    if state[1] == 0 and state[2] == 0 and state[3] == 0 and state[4] == 0 then state[1] = 1 end
    return state
end

--- The next 32 bits, as a signed integer.
function M.next(s)
    local a, b, c, d = s[1], s[2], s[3], s[4]
    local result = tobit(rol(tobit(b % TWO_32 * 5), 7) % TWO_32 * 9)
    c = bxor(c, a)
    d = bxor(d, b)
    s[1], s[2] = bxor(a, d), bxor(b, c)
    s[3], s[4] = bxor(c, lshift(b, 9)), rol(d, 11)
    return result
end
local next_bits = M.next

--- A float in [0, 1) with 53 random bits.
local function unit(s)
    local high = rshift(next_bits(s), 5)
    return (high * 2 ^ 26 + rshift(next_bits(s), 6)) / 2 ^ 53
end

--- An integer in [0, span), uniform: draws beyond the last multiple of span are thrown away.
local function below(s, span)
    local limit = TWO_32 - TWO_32 % span
    local draw
    repeat draw = next_bits(s) % TWO_32 until draw < limit
    return draw % span
end

local function number_argument(name, index, value)
    local number = tonumber(value)
    if type(number) ~= "number" then
        error(("bad argument #%d to '%s' (number expected, got %s)"):format(index, name,
            type(value)), 3)
    end
    return number
end

--- `math.random` over a state: (), (m), (m, n) with Lua's rules.
---@param s integer[]
---@return number
function M.random(s, ...)
    local count = select("#", ...)
    if count == 0 then return unit(s) end
    local first, second = ...
    local low, high = 1, number_argument("random", 1, first)
    if count > 1 then low, high = high, number_argument("random", 2, second) end
    if low > high then
        error(("bad argument #%d to 'random' (interval is empty)"):format(count > 1 and 2 or 1), 2)
    end
    local span = high - low + 1
    if span <= TWO_32 and floor(low) == low and floor(high) == high then
        return low + below(s, span)
    end
    return floor(unit(s) * span) + low
end

--- `math.randomseed` over a state: the same number gives the same sequence.
---@param s integer[]
function M.randomseed(s, ...)
    local seed = number_argument("randomseed", 1, (...))
    local fresh = M.seed(("%.17g"):format(seed))
    s[1], s[2], s[3], s[4] = fresh[1], fresh[2], fresh[3], fresh[4]
end

return M
