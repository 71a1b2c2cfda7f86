-- SPDX-License-Identifier: MIT
-- $match, $contains, $replace, $split: with a string or a matcher. A matcher is a regular expression or a function
-- that takes a string and gives { match, start, end, groups, next } or nothing; next() gives the following match.

local text = require "flowhost.expr.jsonata.text"

local M = {}

local concat, floor, sub = table.concat, math.floor, string.sub

--- fun() -> { match, first, behind (bytes), groups }, for the matches one after another.
local function regex_matches(rt, str, matcher)
    local at, is_first = 1, true
    return function()
        if not is_first and at > #str then
            return nil
        end
        local first, behind, groups = matcher.exec(str, at)
        if not first then
            return nil
        elseif first == behind and not is_first then
            rt.fail("D1004", { value = matcher.source, position = matcher.position })
        end
        at, is_first = behind, false
        return { match = sub(str, first, behind - 1), first = first, behind = behind, groups = groups }
    end
end

local function is_match(rt, value)
    return rt.is_object(value) and (type(value.start) == "number" or rt.is_array(value.groups)
        or rt.is_function(value.next))
end

--- The same for the function of an expression.
local function function_matches(rt, str, matcher)
    local following = function()
        return matcher.invoke(1, nil, str)
    end
    return function()
        local value = rt.collapse(following())
        if value == nil then
            return nil
        elseif not is_match(rt, value) then
            rt.fail("T1010", {})
        end
        local next_match = value.next
        following = function()
            return rt.is_function(next_match) and next_match.invoke(0, nil) or nil
        end
        local first = text.byte_of_index(str, value.start or 0)
        return { match = value.match or "", first = first + 1, groups = value.groups or {}, given = value,
            behind = value["end"] and text.byte_of_index(str, value["end"]) + 1 or first + 1 + #(value.match or "") }
    end
end

local function matches(rt, str, matcher)
    rt.state.level = rt.state.level + 1
    return (matcher.exec and regex_matches or function_matches)(rt, str, matcher)
end

--- The object of a match that expressions see.
local function match_object(rt, str, found)
    local groups = {}
    for i = 1, #found.groups do
        groups[i] = found.groups[i] == false and rt.null or found.groups[i]
    end
    return { match = found.match, start = text.index_of_byte(str, found.first - 1), groups = rt.new_array(groups),
        ["end"] = text.index_of_byte(str, found.behind - 1) }
end

local function check_limit(rt, limit, code)
    if limit and limit < 0 then
        rt.fail(code, { value = limit, index = code == "D3011" and 4 or 3 })
    end
    return limit or math.huge
end

local function add_match(rt, define)
    define("match", "<s-f<s:o>n?:a<o>>", 3, function(str, matcher, limit)
        if str == nil or matcher == nil then
            return nil
        end
        limit = check_limit(rt, limit, "D3040")
        local out, following = setmetatable({}, rt.SEQ), matches(rt, str, matcher)
        while #out < limit do
            local found = following()
            if not found then
                break
            end
            local object = match_object(rt, str, found)
            out[#out + 1] = { match = object.match, index = object.start, groups = object.groups }
            if rt.added then
                for _, key in ipairs { "match", "index", "groups" } do
                    rt.added(out[#out], key)
                end
            end
        end
        return out
    end)

    define("contains", "<s-(sf):b>", 2, function(str, part)
        if str == nil or part == nil then
            return nil
        elseif type(part) == "string" then
            return str:find(part, 1, true) ~= nil
        elseif part.exec then
            return part.exec(str, 1) ~= nil
        end
        return matches(rt, str, part)() ~= nil
    end)
end

--- $n of a replacement: the n-th group with as many digits as there are groups for. Text and bytes used.
local function group_reference(replacement, at, groups)
    local count = #groups
    local digits = count == 0 and 1 or floor(math.log10(count)) + 1
    local number = replacement:sub(at, at + digits - 1):match "^%d+"
    if number and digits > 1 and tonumber(number) > count then
        number = number:sub(1, digits - 1)
    end
    if not number then
        return "$", 0
    end
    return groups[tonumber(number)] or "", #tostring(tonumber(number))
end

local function expand(replacement, found)
    local out, at = {}, 1
    while true do
        local dollar = replacement:find("$", at, true)
        if not dollar then
            out[#out + 1] = replacement:sub(at)
            return concat(out)
        end
        out[#out + 1] = replacement:sub(at, dollar - 1)
        at = dollar + 1
        local ch = replacement:sub(at, at)
        if ch == "$" or ch == "0" then
            out[#out + 1] = ch == "$" and "$" or found.match
            at = at + 1
        else
            local part, used = group_reference(replacement, at, found.groups)
            out[#out + 1] = part
            at = at + used
        end
    end
end

local function add_replace(rt, define)
    local function replace_text(str, pattern, replacement, limit)
        local out, at, count = {}, 1, 0
        local shown = rt.to_text(replacement)
        while count < limit do
            local first, last = str:find(pattern, at, true)
            if not first then
                break
            end
            out[#out + 1] = sub(str, at, first - 1) .. shown
            at, count = last + 1, count + 1
            rt.tick(1)
        end
        rt.tick_text(16 * count + #shown * count)
        return concat(out) .. sub(str, at)
    end

    local function substitute(str, replacement, found)
        if type(replacement) == "string" then
            return expand(replacement, found)
        end
        local value = rt.collapse(replacement.invoke(1, nil, found.given or match_object(rt, str, found)))
        if type(value) ~= "string" then
            rt.fail("D3012", { value = value })
        end
        return value
    end

    define("replace", "<s-(sf)(sf)n?:s>", 4, function(str, pattern, replacement, limit)
        if str == nil then
            return nil
        elseif pattern == "" then
            rt.fail("D3010", { value = pattern, index = 2 })
        end
        limit = check_limit(rt, limit, "D3011")
        if limit == 0 or pattern == nil then
            return str
        elseif replacement == nil then
            rt.fail("D3012", {})
        elseif type(pattern) == "string" then
            return replace_text(str, pattern, replacement, limit)
        end
        local out, at, count, following = {}, 1, 0, matches(rt, str, pattern)
        local found = following()
        while found and count < limit do
            out[#out + 1] = sub(str, at, found.first - 1)
            out[#out + 1] = substitute(str, replacement, found)
            at, count = found.first + #found.match, count + 1
            rt.tick_text(#out[#out])
            found = following()
        end
        return concat(out) .. sub(str, at)
    end)
end

local function split_text(str, separator, limit)
    if separator == "" then
        local list = text.characters(str)
        for i = #list, limit + 1, -1 do
            list[i] = nil
        end
        return list
    end
    local list, at = {}, 1
    while #list < limit do
        local first, last = str:find(separator, at, true)
        list[#list + 1] = sub(str, at, first and first - 1 or nil)
        if not first then
            break
        end
        at = last + 1
    end
    return list
end

function M.add(rt, define)
    add_match(rt, define)
    add_replace(rt, define)

    define("split", "<s-(sf)n?:a<s>>", 3, function(str, separator, limit)
        if str == nil then
            return nil
        end
        limit = check_limit(rt, limit, "D3020")
        if type(separator) ~= "table" then
            local list = separator and split_text(str, separator, floor(limit)) or limit > 0 and { str } or {}
            rt.tick(#list)
            return rt.new_array(list)
        end
        local list, at, following = {}, 1, matches(rt, str, separator)
        local found = limit > 0 and following()
        while found and #list < limit do
            list[#list + 1] = sub(str, at, found.first - 1)
            at, found = found.behind, following()
        end
        if #list < limit then
            list[#list + 1] = sub(str, at)
        end
        return rt.new_array(list)
    end)
end

M.match_object = match_object

return M
