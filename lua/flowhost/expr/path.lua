-- SPDX-License-Identifier: MIT
-- Paths of references, `a.b.0`: names of fields with dots between them. Pure.
--
-- A segment of digits is a name first, else the index of an entry, counted from 0 as in JavaScript. Whatever has no
-- such field (text, numbers, null) gives nil, as a missing field does. Metamethods are not called.

local M = {}

--- The segments of a path, each with the index it may also be (false: none), and their count.
local function split(path)
    local names, indexes = {}, {}
    for name in (path .. "."):gmatch "([^.]*)%." do
        names[#names + 1] = name
        local is_index = name == "0" or name:find "^[1-9]%d*$" ~= nil
        indexes[#indexes + 1] = is_index and tonumber(name) + 1
    end
    return names, indexes, #names
end

local function get(value, name, index)
    if type(value) ~= "table" then
        return nil
    end
    local inner = rawget(value, name)
    if inner == nil and index then
        return rawget(value, index)
    end
    return inner
end

--- @return fun(root: any): any value at the path; nil when there is none
function M.getter(path)
    local names, indexes, count = split(path)
    if count == 1 then
        local name, index = names[1], indexes[1]
        return function(root)
            return get(root, name, index)
        end
    end
    return function(value)
        for i = 1, count do
            value = get(value, names[i], indexes[i])
            if value == nil then
                return nil
            end
        end
        return value
    end
end

--- The value at a path, nil when there is none.
function M.lookup(root, path)
    return M.getter(path)(root)
end

--- The first segment: the name a path begins with.
function M.root_of(path)
    return path:match "^[^.]*"
end

return M
