-- SPDX-License-Identifier: MIT
-- UTF-8: characters of a text by their index. A character is a code point; a stray byte counts as one.

local M = {}

local byte, find, gsub, match, sub = string.byte, string.find, string.gsub, string.match, string.sub

local CHARACTER = "^[%z\1-\127\194-\244][\128-\191]*"

function M.is_ascii(text)
    return not find(text, "[\128-\255]")
end

--- Number of characters.
function M.length(text)
    if M.is_ascii(text) then
        return #text
    end
    return select(2, gsub(text, "[^\128-\191]", ""))
end

--- The characters as a list.
function M.characters(text)
    local list, count, at = {}, 0, 1
    while at <= #text do
        local ch = match(text, CHARACTER, at) or sub(text, at, at)
        count = count + 1
        list[count] = ch
        at = at + #ch
    end
    return list
end

--- The code point at a byte and the byte behind it.
function M.decode(text, at)
    local first = byte(text, at)
    if not first then
        return nil, at
    elseif first < 0xc2 or first > 0xf4 then
        return first, at + 1
    end
    local extra = first >= 0xf0 and 3 or first >= 0xe0 and 2 or 1
    local code = first % 2 ^ (6 - extra)
    for i = 1, extra do
        local more = byte(text, at + i)
        if not more or more < 0x80 or more > 0xbf then
            return first, at + 1
        end
        code = code * 64 + more - 0x80
    end
    return code, at + extra + 1
end

--- How many characters the first `bytes` bytes are.
function M.index_of_byte(text, bytes)
    return M.length(sub(text, 1, bytes))
end

--- The byte behind the first `count` characters, from 0.
function M.byte_of_index(text, count)
    if M.is_ascii(text) then
        return count
    end
    local at, left = 1, count
    while left > 0 and at <= #text do
        at = at + #(match(text, CHARACTER, at) or " ")
        left = left - 1
    end
    return at - 1
end

--- Characters from..to-1 by JavaScript's slice: negative counts from the end, fractions are cut off.
function M.slice(text, from, to)
    local length = M.length(text)
    local function clamp(index)
        index = index < 0 and math.ceil(index) or math.floor(index)
        return index < 0 and math.max(length + index, 0) or math.min(index, length)
    end
    from, to = clamp(from), to and clamp(to) or length
    if from >= to then
        return ""
    elseif length == #text then
        return sub(text, from + 1, to)
    end
    local first = M.byte_of_index(text, from)
    return sub(text, first + 1, M.byte_of_index(text, to))
end

return M
