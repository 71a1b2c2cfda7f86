-- SPDX-License-Identifier: MIT
-- Base64 (RFC 4648 §4), for where the program's own is not at hand. Pure.

local bit = require "bit"

local M = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local char, byte = string.char, string.byte
local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift

local VALUES = {}
for i = 1, #ALPHABET do
    VALUES[byte(ALPHABET, i)] = i - 1
end

local function letter(number, shift)
    local i = band(rshift(number, shift), 63) + 1
    return ALPHABET:sub(i, i)
end

function M.encode(text)
    local parts = {}
    for at = 1, #text, 3 do
        local a, b, c = byte(text, at, at + 2)
        local number = bor(lshift(a, 16), lshift(b or 0, 8), c or 0)
        parts[#parts + 1] = letter(number, 18) .. letter(number, 12) .. (b and letter(number, 6) or "=")
            .. (c and letter(number, 0) or "=")
    end
    return table.concat(parts)
end

--- The bytes of base64 text, with its padding or without; nil for any other text.
function M.decode(text)
    local body = text:gsub("=?=$", "")
    if body:find "[^%w+/]" or #body % 4 == 1 or (#body ~= #text and #text % 4 ~= 0) then
        return nil
    end
    local parts = {}
    for at = 1, #body, 4 do
        local a, b, c, d = byte(body, at, at + 3)
        local number = bor(lshift(VALUES[a], 18), lshift(VALUES[b], 12), lshift(VALUES[c] or 0, 6), VALUES[d] or 0)
        parts[#parts + 1] = char(rshift(number, 16), band(rshift(number, 8), 255), band(number, 255))
            :sub(1, c and (d and 3 or 2) or 1)
    end
    return table.concat(parts)
end

return M
