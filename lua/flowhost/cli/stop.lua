-- SPDX-License-Identifier: MIT
-- How a command ends before its end: raised, caught by command.lua. Exit codes as in DESIGN §12.

local M = { PROBLEM = 1, USAGE = 2, NOT_REACHED = 4 }

local metatable = {}

--- Ends the command with this exit code; `text` (a sentence, may be nil) goes to stderr.
function M.with(exit_code, text)
    error(setmetatable({ exit_code = exit_code, text = text }, metatable), 0)
end

function M.is(value)
    return getmetatable(value) == metatable
end

return M
