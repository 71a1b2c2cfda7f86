-- SPDX-License-Identifier: MIT
-- The functions that AWS Step Functions adds to JSONata, as bindings for an evaluation (AWS Step Functions Developer
-- Guide, "Transforming data with JSONata"): $partition, $range, $hash, $random, $uuid, $parse; $eval is no function.
-- An argument that is not there gives undefined, one of a wrong type the error T0410. Pure: random numbers, ids and
-- digests come from `env`.

local M = {}

local floor, huge = math.floor, math.huge

local MAX_RANGE = 1e7
local MODULUS = 2147483647 -- of the generator by Park and Miller
local ALGORITHMS = { ["MD5"] = true, ["SHA-1"] = true, ["SHA-256"] = true, ["SHA-384"] = true, ["SHA-512"] = true }

local function refuse(name, index, value, wanted)
    error({ code = "T0410", index = index, token = name, value = value, wanted = wanted,
        message = ("argument %d of function %s must be %s"):format(index, name, wanted) }, 0)
end

local function is_number(value)
    return (type(value) == "number" or type(value) == "cdata") and value == value
        and value ~= huge and value ~= -huge
end

local function check_number(name, index, value)
    return is_number(value) and tonumber(value) or refuse(name, index, value, "a number")
end

local function check_string(name, index, value)
    return type(value) == "string" and value or refuse(name, index, value, "a string")
end

local function partition(list, size, o)
    if list == nil or size == nil then
        return nil
    elseif not o.is_array(list) then
        list = { list }
    end
    size = floor(check_number("partition", 2, size))
    if size < 1 then
        refuse("partition", 2, size, "a positive number")
    end
    local out = {}
    for i = 1, #list do
        local chunk = floor((i - 1) / size) + 1
        out[chunk] = out[chunk] or {}
        table.insert(out[chunk], list[i])
    end
    for i = 1, #out do
        out[i] = o.array(out[i])
    end
    return o.array(out)
end

local function range(first, last, step, o)
    if first == nil or last == nil or step == nil then
        return nil
    end
    first, last = check_number("range", 1, first), check_number("range", 2, last)
    step = check_number("range", 3, step)
    if step == 0 then
        refuse("range", 3, step, "a number other than 0")
    elseif (last - first) / step >= MAX_RANGE then
        refuse("range", 2, last, "such that the range holds at most 10000000 numbers")
    end
    local out = {}
    for i = 0, floor((last - first) / step) do
        out[i + 1] = first + i * step
    end
    return o.array(out)
end

--- A number in [0, 1) that depends on the seed alone.
local function seeded(seed)
    local state = floor(math.abs(seed) * 1000003 + (seed < 0 and 7919 or 0)) % (MODULUS - 1) + 1
    for _ = 1, 4 do
        state = state * 16807 % MODULUS
    end
    return (state - 1) / (MODULUS - 1)
end

---@class flowhost.JsonataAwsEnv
---@field random fun(): number in [0, 1)
---@field uuid fun(): string
---@field hash fun(text: string, algorithm: string): string hexadecimal; algorithm MD5, SHA-1, SHA-256, SHA-384, SHA-512

--- Bindings for expression.evaluate; others may be added to the table.
---@param o table { null, array, is_array, decode(text) -> value or nil, reason }
---@param env flowhost.JsonataAwsEnv
---@return table<string, any>
function M.bindings(o, env)
    return {
        eval = o.null,
        partition = function(list, size)
            return partition(list, size, o)
        end,
        range = function(first, last, step)
            return range(first, last, step, o)
        end,
        hash = function(text, algorithm)
            if text == nil or algorithm == nil then
                return nil
            end
            check_string("hash", 1, text)
            if not ALGORITHMS[algorithm] then
                refuse("hash", 2, algorithm, "MD5, SHA-1, SHA-256, SHA-384 or SHA-512")
            end
            return env.hash(text, algorithm)
        end,
        random = function(seed)
            if seed == nil then
                return env.random()
            end
            return seeded(check_number("random", 1, seed))
        end,
        uuid = function()
            return env.uuid()
        end,
        parse = function(text)
            if text == nil then
                return nil
            end
            local value, reason = o.decode(check_string("parse", 1, text))
            if value == nil then
                refuse("parse", 1, text, "JSON (" .. tostring(reason) .. ")")
            end
            return value
        end,
    }
end

return M
