-- SPDX-License-Identifier: MIT
-- What the checks of a definition write their findings to, and what they know while they go through it.
--
--   ctx = { o (json, expressions), problems, language (of the state), machine_language, type = "STANDARD" | "EXPRESS",
--           names = { state name = true } }

local M = {}

local bit = require "bit"

--- A problem of the schema at a location such as "/States/A/Next".
function M.schema(ctx, location, message, ...)
    M.add(ctx, "SCHEMA_VALIDATION_FAILED", location, message, ...)
end

--- A problem of any code; `location` may be nil.
function M.add(ctx, code, location, message, ...)
    if select("#", ...) > 0 then
        message = message:format(...)
    end
    local list = ctx.problems
    list[#list + 1] = { code = code, severity = "ERROR", message = message, location = location }
end

--- A finding that refuses nothing.
function M.warn(ctx, code, location, message, ...)
    local list = ctx.warnings
    list[#list + 1] = { code = code, severity = "WARNING", message = message:format(...), location = location }
end

--- The same context for a state of another query language.
function M.within(ctx, changes)
    return setmetatable(changes, { __index = ctx })
end

--- The keys of a decoded object in the order of their bytes.
function M.sorted_keys(value)
    local keys = {}
    for key in pairs(value) do
        if type(key) == "string" then
            keys[#keys + 1] = key
        end
    end
    table.sort(keys)
    return keys
end

--- The bucket of a text in a Java hash set of 16.
local function bucket(text)
    local hash = 0
    for i = 1, #text do
        hash = (hash * 31 + text:byte(i)) % 2 ^ 32
    end
    hash = bit.tobit(hash)
    return bit.band(bit.bxor(hash, bit.rshift(hash, 16)), 15)
end

--- "[States, StartAt]": AWS prints the names as a Java hash set holds them.
function M.names(list)
    local order = {}
    for i, name in ipairs(list) do
        order[i] = { name = name, bucket = bucket(name), at = i }
    end
    table.sort(order, function(a, b)
        if a.bucket ~= b.bucket then
            return a.bucket < b.bucket
        end
        return a.at < b.at
    end)
    for i, entry in ipairs(order) do
        order[i] = entry.name
    end
    return "[" .. table.concat(order, ", ") .. "]"
end

return M
