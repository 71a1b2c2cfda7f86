-- SPDX-License-Identifier: MIT
-- The line of a document's text that a place such as "/States/A/Choices[0]/Next" (of a rule a JSON pointer:
-- "/components/0/1/url") lies on. Pure.

local M = {}

--- Behind the string that begins at `at`.
local function skip_string(text, at)
    local position = at + 1
    while true do
        local char = text:find('["\\]', position)
        if not char or text:byte(char) == 34 then
            return (char or #text) + 1
        end
        position = char + 2
    end
end

--- Behind the value that begins at `at`.
local function skip_value(text, at)
    local depth, position = 0, at
    repeat
        local char = text:sub(position, position)
        if char == '"' then
            position = skip_string(text, position)
        elseif char:find "[%[{]" then
            depth, position = depth + 1, position + 1
        elseif char:find "[%]}]" then
            depth, position = depth - 1, position + 1
        else
            position = text:match("^[^%s,:%[%]{}\"]+()", position) or position + 1
        end
        position = text:match(depth > 0 and "^[%s,:]*()" or "^()", position)
    until depth <= 0 or position > #text
    return position
end

--- Where the member's name begins, and its value; nil when the object at `at` has none of that name. One in another
--- case will do where there is no other: SFC writes "states".
local function find_member(text, at, name)
    local position, second, value_of_second = text:match("^{%s*()", at), nil, nil
    while position and text:byte(position) == 34 do
        local behind = skip_string(text, position)
        local value, own = text:match("^%s*:%s*()", behind), text:sub(position + 1, behind - 2)
        if not value or own == name then
            return value and position, value
        elseif own:lower() == name:lower() then
            second, value_of_second = position, value
        end
        position = text:match("^%s*,%s*()", skip_value(text, value))
    end
    return second, value_of_second
end

--- Where the entry of the array at `at` begins; nil when it has fewer.
local function find_entry(text, at, index)
    local position = text:match("^%[%s*()", at)
    for _ = 1, index do
        position = position and text:match("^%s*,%s*()", skip_value(text, position))
    end
    return position
end

--- Counted from 1. As far as the place is found: a name in another spelling has its object's.
---@param text string  valid JSON
---@param location string
function M.of(text, location)
    local value = text:match "^%s*()"
    local found = value
    for name, entries in location:gmatch "/([^/%[]*)([^/]*)" do
        local at
        if text:byte(value) == 91 and name:find "^%d+$" then
            at = find_entry(text, value, tonumber(name))
            value = at
        else
            at, value = find_member(text, value, name)
        end
        if not at then
            break
        end
        found = at
        for index in entries:gmatch "%[(%d+)%]" do
            value = value and find_entry(text, value, tonumber(index))
            found = value or found
        end
        if not value then
            break
        end
    end
    local _, breaks = text:sub(1, found - 1):gsub("\n", "")
    return breaks + 1
end

return M
