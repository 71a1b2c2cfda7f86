-- SPDX-License-Identifier: MIT
-- What each intrinsic function does: name (without "States.") -> { least, most, run(arguments, env, scope) }. Pure.
--
-- env = { o, name, fail(text) }. MathAdd rounds each argument half up as recorded (-1.5 is -1); the other functions cut
-- fractions off, as AWS does whatever its guide says. What is wrong with arguments is not told apart: all of it is
-- "Invalid arguments in States.X".

local base64 = require "flowhost.expr.base64"
local equal = require "flowhost.expr.jsonpath_equal"
local value_module = require "flowhost.expr.value"

local M = {}

--- name (without "States.") -> { least, most, is_template?, run }
M.FUNCTIONS = {}
local F = M.FUNCTIONS

local type, floor, concat = type, math.floor, table.concat
local number_text = value_module.number_text

local MAX_RANGE = 1000
local MAX_TEXT = 10000 -- characters that Hash and Base64* take

-- arguments ------------------------------------------------------------------------------------------

local function is_number(value)
    return type(value) == "number" or type(value) == "cdata"
end

local function bad_arguments(env)
    env.fail("Invalid arguments in " .. env.name)
end

--- What runs in place of a function that was given too few or too many arguments.
function M.refuse(_, env)
    bad_arguments(env)
end

local function want_text(value, env)
    if type(value) ~= "string" then
        bad_arguments(env)
    end
    return value
end

local function want_short_text(value, env)
    if #want_text(value, env) > MAX_TEXT and select(2, value:gsub("[^\128-\191]", "")) > MAX_TEXT then
        bad_arguments(env)
    end
    return value
end

local function want_array(value, env)
    if type(value) ~= "table" or not env.o.is_array(value) then
        bad_arguments(env)
    end
    return value
end

local function want_object(value, env)
    if type(value) ~= "table" or env.o.is_array(value) then
        bad_arguments(env)
    end
    return value
end

local function want_number(value, env)
    if not is_number(value) then
        bad_arguments(env)
    end
    return tonumber(value)
end

--- The number without its fraction.
local function want_integer(value, env)
    local number = want_number(value, env)
    return number < 0 and math.ceil(number) or floor(number)
end

--- A 32-bit integer of a number rounded half up.
local function want_int32(number, env)
    local rounded = floor(number + 0.5)
    if not (rounded >= -2147483648 and rounded <= 2147483647) then
        bad_arguments(env)
    end
    return rounded
end

--- A marked array, empty or of a plain list.
local function new_array(env, list)
    return env.o.array(list or {})
end

-- text -----------------------------------------------------------------------------------------------

--- How a value stands in formatted text.
local function shown(value, env)
    if type(value) == "string" then
        return value
    elseif value == env.o.null then
        return "null"
    elseif is_number(value) then
        return number_text(value)
    elseif type(value) == "boolean" then
        return tostring(value)
    end
    return env.o.encode(value)
end

local function format(arguments, env)
    local template = want_text(arguments[1], env)
    local used, parts, at = 1, {}, 1
    while at <= #template do
        local from = template:find("[{}\\]", at) or #template + 1
        local pair = template:sub(from, from + 1)
        parts[#parts + 1] = template:sub(at, from - 1)
        if pair == "{}" then
            used = used + 1
            parts[#parts + 1] = arguments[used] ~= nil and shown(arguments[used], env) or ""
        elseif pair:find "^\\[\\'{}]" then
            parts[#parts + 1] = pair:sub(2)
        elseif pair:find "^[{}]" then
            bad_arguments(env)
        else
            parts[#parts + 1] = pair
        end
        at = from + 2
    end
    if used ~= #arguments then
        env.fail("Invalid arguments in States.Format: number of arguments do not match the occurrences of {}.")
    end
    return concat(parts)
end

F.Format = { least = 1, most = 100, run = format, is_template = true }

F.StringToJson = { least = 1, most = 1, run = function(arguments, env)
    local text = want_text(arguments[1], env)
    if not text:find "%S" then
        return env.o.null
    end
    local value = env.o.decode(text)
    if value == nil then
        bad_arguments(env)
    end
    return value
end }

F.JsonToString = { least = 1, most = 1, run = function(arguments, env)
    return (env.o.encode(arguments[1]))
end }

--- Parts between any of the separator's characters; parts without text are left out.
F.StringSplit = { least = 2, most = 2, run = function(arguments, env)
    local text, separators = want_text(arguments[1], env), want_text(arguments[2], env)
    local set, list = {}, new_array(env)
    for char in separators:gmatch "[%z\1-\127\192-\255][\128-\191]*" do
        set[char] = true
    end
    local part = {}
    local function finish()
        if #part > 0 then
            list[#list + 1], part = concat(part), {}
        end
    end
    for char in text:gmatch "[%z\1-\127\192-\255][\128-\191]*" do
        if set[char] then
            finish()
        else
            part[#part + 1] = char
        end
    end
    finish()
    return list
end }

F.Base64Encode = { least = 1, most = 1, run = function(arguments, env)
    return (env.o.base64_encode or base64.encode)(want_short_text(arguments[1], env))
end }

F.Base64Decode = { least = 1, most = 1, run = function(arguments, env)
    return (env.o.base64_decode or base64.decode)(want_short_text(arguments[1], env)) or bad_arguments(env)
end }

local ALGORITHMS = { MD5 = "md5", ["SHA-1"] = "sha1", ["SHA-256"] = "sha256", ["SHA-384"] = "sha384",
    ["SHA-512"] = "sha512" }

F.Hash = { least = 2, most = 2, run = function(arguments, env)
    local data = arguments[1]
    if type(data) ~= "string" then
        data = env.o.encode(data)
    end
    local algorithm = ALGORITHMS[want_text(arguments[2], env)]
    if not algorithm then
        bad_arguments(env)
    end
    return env.o.hash(algorithm, want_short_text(data, env))
end }

-- arrays ---------------------------------------------------------------------------------------------

F.Array = { least = 0, most = 1000, run = function(arguments, env)
    return new_array(env, arguments)
end }

F.ArrayPartition = { least = 2, most = 2, run = function(arguments, env)
    local array, size = want_array(arguments[1], env), want_integer(arguments[2], env)
    if size < 1 then
        bad_arguments(env)
    end
    local list = new_array(env)
    for first = 1, #array, size do
        local part = new_array(env)
        for i = first, math.min(first + size - 1, #array) do
            part[#part + 1] = array[i]
        end
        list[#list + 1] = part
    end
    return list
end }

local function contains(array, value)
    for i = 1, #array do
        if equal(array[i], value) then
            return true
        end
    end
    return false
end

F.ArrayContains = { least = 2, most = 2, run = function(arguments, env)
    return contains(want_array(arguments[1], env), arguments[2])
end }

F.ArrayRange = { least = 3, most = 3, run = function(arguments, env)
    local first, last = want_integer(arguments[1], env), want_integer(arguments[2], env)
    local by = want_integer(arguments[3], env)
    if by == 0 or floor((last - first) / by) >= MAX_RANGE then
        bad_arguments(env)
    end
    local list = new_array(env)
    for i = 0, floor((last - first) / by) do
        list[i + 1] = first + i * by
    end
    return list
end }

--- Nothing but an empty array gives null for an index behind its end, as AWS does.
F.ArrayGetItem = { least = 2, most = 2, run = function(arguments, env)
    local array, index = want_array(arguments[1], env), want_integer(arguments[2], env)
    if index < 0 or (index >= #array and #array > 0) then
        bad_arguments(env)
    end
    local item = array[index + 1]
    return item == nil and env.o.null or item
end }

F.ArrayLength = { least = 1, most = 1, run = function(arguments, env)
    return #want_array(arguments[1], env)
end }

F.ArrayUnique = { least = 1, most = 1, run = function(arguments, env)
    local array, list, seen = want_array(arguments[1], env), new_array(env), {}
    for i = 1, #array do
        local value = array[i]
        local is_new
        if type(value) == "table" or type(value) == "cdata" then
            is_new = not contains(list, value)
        else
            is_new = not seen[value]
            seen[value] = true
        end
        if is_new then
            list[#list + 1] = value
        end
    end
    return list
end }

-- objects, numbers -----------------------------------------------------------------------------------

F.JsonMerge = { least = 3, most = 3, run = function(arguments, env)
    local merged = {}
    if arguments[3] == true then -- AWS has no deep merge
        bad_arguments(env)
    end
    for i = 1, 2 do
        for key, inner in next, want_object(arguments[i], env) do
            merged[key] = inner
        end
    end
    return merged
end }

F.MathAdd = { least = 2, most = 2, run = function(arguments, env)
    local left = want_int32(want_number(arguments[1], env), env)
    return want_int32(left + want_int32(want_number(arguments[2], env), env), env)
end }

--- A number from 0 to below 1 out of a seed: two rounds of the minimal standard generator (Park and Miller), whose
--- products stay exact in a double.
local function seeded(seed)
    local state = seed % 2147483646 + 1
    for _ = 1, 3 do
        state = state * 48271 % 2147483647
    end
    return (state - 1) / 2147483646
end

--- From the first number to below the second.
F.MathRandom = { least = 2, most = 3, run = function(arguments, env, scope)
    local first, last = want_integer(arguments[1], env), want_integer(arguments[2], env)
    if first >= last then
        bad_arguments(env)
    end
    local fraction = arguments[3] ~= nil and seeded(want_integer(arguments[3], env)) or scope.random()
    return first + floor(fraction * (last - first))
end }

F.UUID = { least = 0, most = 0, run = function(_, _, scope)
    return scope.uuid()
end }

return M
