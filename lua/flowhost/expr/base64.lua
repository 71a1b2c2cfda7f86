-- SPDX-License-Identifier: MIT
-- Base64 (RFC 4648 §4 and, reading, §5), for where the program's own is not at hand. Pure. Reading forgives what AWS
-- forgives: characters of no meaning are left out, padding may lack, and what comes behind it is not looked at.

local bit = require "bit"

local M = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local char, byte = string.char, string.byte
local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift

local VALUES = {}
for i = 1, #ALPHABET do
    VALUES[byte(ALPHABET, i)] = i - 1
end
VALUES[byte "-"], VALUES[byte "_"] = 62, 63

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

function M.decode(text)
    local body = text:gsub("=.*", ""):gsub("[^%w+/_-]", "")
    local parts = {}
    for at = 1, #body - 1, 4 do
        local a, b, c, d = byte(body, at, at + 3)
        local number = bor(lshift(VALUES[a], 18), lshift(VALUES[b], 12), lshift(VALUES[c] or 0, 6), VALUES[d] or 0)
        parts[#parts + 1] = char(rshift(number, 16), band(rshift(number, 8), 255), band(number, 255))
            :sub(1, c and (d and 3 or 2) or 1)
    end
    return table.concat(parts)
end

return M
