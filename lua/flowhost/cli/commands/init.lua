-- SPDX-License-Identifier: MIT
-- Every command but those of the program itself (serve, check, run). One is a file and a word here:
--
--   name, summary
--   declare(command)       its arguments, to argparse's command
--   check(o) -> true       optional: nil, sentence is wrong usage
--   run(o) -> exit code    nil: 0; o is what the words gave. Runs in a coroutine (command.lua)

local M = {}

M.GROUPS = {
    { "Ask a running host", "runs", "run-show", "why", "replay", "diff", "export", "flow-list", "flow-show" },
    { "Change what it does", "recover", "cancel", "fork", "signal", "import", "enable", "disable", "activate" },
    { "Data and files", "backup", "restore", "open", "new", "completion" },
}

M.by_name = {}
for _, group in ipairs(M.GROUPS) do
    for i = 2, #group do
        local command = require("flowhost.cli.commands." .. group[i]:gsub("%-", "_"))
        M.by_name[command.name] = command
    end
end

--- An option of a command of the program's own makes it one of these.
M.check_live = require "flowhost.cli.commands.check_live"
M.by_name[M.check_live.name] = M.check_live

return M
