-- SPDX-License-Identifier: MIT
-- Expressions of the suite that do not give what the reference gives, and why: specifics of JavaScript.
local UTF16 = "positions count code points, not the UTF-16 units of JavaScript"
local RESERVED = "the reference marks its functions by this key; here any key may be used"
local NAN = "an offset that is no number gives NaN in the reference; here it is 0"
local YEAR = "Date.UTC of JavaScript takes years below 100 as 19xx"

local pictures = { "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z]", "[H01]:[m01] [z]",
    "[Z0] [Z01] [Z0101] [Z01:01t]" }

local M = {
    ['$match("é世😀x",/x/)'] = UTF16,
    ['{"_jsonata_lambda":1}'] = RESERVED,
    ['$fromMillis(-62135596800000,"[FNn] [W] [w] [X] [x] [d] [D] [H] [h] [P]")'] = YEAR,
}
for _, picture in ipairs(pictures) do
    M['$fromMillis(1521801216617,"' .. picture .. '","Z")'] = NAN
    M['$fromMillis(1521801216617,"' .. picture .. '","")'] = NAN
end

return M
