-- SPDX-License-Identifier: MIT
-- Upper and lower case beyond ASCII: the Latin, Greek, Cyrillic and Armenian letters that have one partner each
-- (Unicode Character Database, simple case mappings); German sharp s becomes SS.

local utf8_char = require "flowhost.expr.utf8_char"

local M = {}

local to_upper, to_lower = { ["ß"] = "SS" }, {}

local function pair(upper, lower)
    to_lower[utf8_char(upper)], to_upper[utf8_char(lower)] = utf8_char(lower), utf8_char(upper)
end

--- Letters from first to last whose partner is `offset` behind.
local function shifted(first, last, offset)
    for code = first, last do
        pair(code, code + offset)
    end
end

--- Letters from first to last, upper and lower in turn.
local function alternating(first, last)
    for code = first, last, 2 do
        pair(code, code + 1)
    end
end

shifted(0xc0, 0xd6, 32)
shifted(0xd8, 0xde, 32)
alternating(0x100, 0x12e)
alternating(0x132, 0x136)
alternating(0x139, 0x147)
alternating(0x14a, 0x176)
pair(0x178, 0xff)
alternating(0x179, 0x17d)
alternating(0x1cd, 0x1db)
alternating(0x1de, 0x1ee)
alternating(0x1f8, 0x21e)
alternating(0x222, 0x232)
pair(0x386, 0x3ac)
shifted(0x388, 0x38a, 37)
pair(0x38c, 0x3cc)
pair(0x38e, 0x3cd)
pair(0x38f, 0x3ce)
shifted(0x391, 0x3a1, 32)
shifted(0x3a3, 0x3ab, 32)
shifted(0x400, 0x40f, 80)
shifted(0x410, 0x42f, 32)
alternating(0x460, 0x480)
alternating(0x48a, 0x4be)
alternating(0x4d0, 0x52e)
shifted(0x531, 0x556, 48)
alternating(0x1e00, 0x1e94)
alternating(0x1ea0, 0x1efe)
to_upper["ς"] = "Σ"

local WIDE = "[\194-\244][\128-\191]+"

function M.upper(text)
    return (text:upper():gsub(WIDE, to_upper))
end

function M.lower(text)
    return (text:lower():gsub(WIDE, to_lower))
end

return M
