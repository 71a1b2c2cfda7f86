-- SPDX-License-Identifier: MIT
-- State machines as a person writes them: what fits stands on one line, names that begin a machine or a state stand
-- first, where it goes on last.

local core = require "flowhost.core"

local json = core.json

local M = {}

local WIDTH, INDENT = 100, "    "
local DEEP = { max_depth = 256 }

local PLACES = {}
for i, name in ipairs { "Comment", "Version", "QueryLanguage", "StartAt", "TimeoutSeconds", "Type", "Resource",
    "Variable", "ErrorEquals" } do
    PLACES[name] = i - 100
end
for i, name in ipairs { "Retry", "Catch", "Next", "End", "Default", "States" } do
    PLACES[name] = i
end

local function is_before(a, b)
    local first, second = PLACES[a] or 0, PLACES[b] or 0
    if first ~= second then
        return first < second
    end
    return a < b
end

local function sorted_names(value)
    local names = {}
    for name in pairs(value) do
        names[#names + 1] = name
    end
    table.sort(names, is_before)
    return names
end

--- On one line, with spaces.
local function inline(value)
    local parts = {}
    if type(value) ~= "table" then
        return (json.encode(value))
    elseif json.is_array(value) then
        for i, inner in ipairs(value) do
            parts[i] = inline(inner)
        end
        return parts[1] and "[ " .. table.concat(parts, ", ") .. " ]" or "[]"
    end
    for i, name in ipairs(sorted_names(value)) do
        parts[i] = json.encode(name) .. ": " .. inline(value[name])
    end
    return parts[1] and "{ " .. table.concat(parts, ", ") .. " }" or "{}"
end

local function write(value, indent, used, is_open)
    local line = (type(value) ~= "table" or not is_open) and inline(value)
    if line and (type(value) ~= "table" or #indent + used + #line <= WIDTH) then
        return line
    end
    local parts, inner, is_array = {}, indent .. INDENT, json.is_array(value)
    for i, name in ipairs(is_array and value or sorted_names(value)) do
        local before = is_array and "" or json.encode(name) .. ": "
        parts[i] = inner .. before .. write(is_array and name or value[name], inner, #before, name == "States")
    end
    local text = table.concat(parts, ",\n")
    return (is_array and "[\n%s\n%s]" or "{\n%s\n%s}"):format(text, indent)
end

--- A decoded definition as text over several lines.
---@param value any
---@return string
function M.json(value)
    assert(json.encode(value, DEEP)) -- what is too deep to be JSON is so here
    return write(value, "", 0, type(value) == "table" and next(value) ~= nil)
end

return M
