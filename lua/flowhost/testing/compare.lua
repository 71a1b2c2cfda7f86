-- SPDX-License-Identifier: MIT
-- Are two values the same to a test, where do they differ, and how does one read? An empty array equals an empty
-- object: Lua writes both as {}. Absent and json.null are the same at the top only.

local parts = require "flowhost.testing.parts"

local json = parts.json

local M = {}

local MAX_SHOWN = 8   -- differences
local MAX_TEXT = 300  -- bytes of a value in a difference
local MAX_DEPTH = 64

local function is_plain_key(key)
    return type(key) == "string" and key:find "^[%a_][%w_]*$" ~= nil
end

--- Numbers in order, then texts in order, then the rest.
local function sorted_keys(map)
    local keys = {}
    for key in next, map do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        local kind_a, kind_b = type(a), type(b)
        if kind_a ~= kind_b then
            return kind_a < kind_b
        elseif kind_a == "number" or kind_a == "string" then
            return a < b
        end
        return tostring(a) < tostring(b)
    end)
    return keys
end

local render

local function render_table(value, depth)
    local texts, listed = {}, 0
    for i = 1, #value do
        texts[i] = render(rawget(value, i), depth + 1)
        listed = i
    end
    for _, key in ipairs(sorted_keys(value)) do
        if not (type(key) == "number" and key >= 1 and key <= listed and key == math.floor(key)) then
            local name = is_plain_key(key) and key or "[" .. render(key, depth + 1) .. "]"
            texts[#texts + 1] = name .. " = " .. render(rawget(value, key), depth + 1)
        end
    end
    return #texts == 0 and "{}" or "{ " .. table.concat(texts, ", ") .. " }"
end

--- With as few digits as tell it from all others.
local function render_number(value)
    for digits = 14, 16 do
        local text = ("%." .. digits .. "g"):format(value)
        if tonumber(text) == value then
            return text
        end
    end
    return ("%.17g"):format(value)
end

function render(value, depth)
    if value == json.null then
        return "null"
    elseif type(value) == "string" then
        return '"' .. value:gsub('[%c"\\]', function(c)
            return c == "\n" and "\\n" or (c == '"' or c == "\\") and "\\" .. c or ("\\%d"):format(c:byte())
        end) .. '"'
    elseif type(value) == "number" then
        return render_number(value)
    elseif type(value) == "table" then
        return depth > MAX_DEPTH and "{ ... }" or render_table(value, depth)
    end
    return tostring(value)
end

--- The value as Lua would write it, keys in order.
function M.render(value)
    return render(value, 1)
end

local function cut(text)
    return #text > MAX_TEXT and text:sub(1, MAX_TEXT) .. " ..." or text
end

local function child_path(path, key)
    if is_plain_key(key) then
        return path .. "." .. key
    end
    return path .. "[" .. render(key, 1) .. "]"
end

local function is_same(actual, expected)
    return actual == expected or (actual ~= actual and expected ~= expected)
end

--- Adds { path, actual, expected } of each difference to `found`. With `is_part` what `expected` does not name is not
--- looked at.
local function collect(found, path, actual, expected, is_part, depth)
    if type(actual) ~= "table" or type(expected) ~= "table" then
        if not is_same(actual, expected) then
            found[#found + 1] = { path = path, actual = actual, expected = expected }
        end
        return
    elseif rawequal(actual, expected) or depth > MAX_DEPTH then
        return
    end
    for _, key in ipairs(sorted_keys(expected)) do
        collect(found, child_path(path, key), rawget(actual, key), rawget(expected, key), is_part, depth + 1)
    end
    for _, key in ipairs(is_part and {} or sorted_keys(actual)) do
        if rawget(expected, key) == nil then
            found[#found + 1] = { path = child_path(path, key), actual = rawget(actual, key) }
        end
    end
end

local function to_nil(value)
    if value == json.null then
        return nil
    end
    return value
end

local function side(value)
    return value == nil and "nothing" or cut(M.render(value))
end

local function describe(found)
    local lines = {}
    for i, one in ipairs(found) do
        if i > MAX_SHOWN then
            lines[#lines + 1] = ("and %d more"):format(#found - MAX_SHOWN)
            break
        end
        if one.path ~= "" then
            lines[#lines + 1] = "at " .. one.path
        end
        lines[#lines + 1] = "  expected " .. side(one.expected)
        lines[#lines + 1] = "  actual   " .. side(one.actual)
    end
    return table.concat(lines, "\n")
end

--- nil when they are the same, else lines that say where they differ.
function M.diff(actual, expected, is_part)
    local found = {}
    collect(found, "", to_nil(actual), to_nil(expected), is_part, 1)
    return #found > 0 and describe(found) or nil
end

return M
