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
    { "Who may call", "token", "user", "app" },
    { "Data and files", "backup", "restore", "open", "new", "secret", "completion" },
}

M.by_name = {}
for _, group in ipairs(M.GROUPS) do
    for i = 2, #group do
        local command = require("flowhost.cli.commands." .. group[i]:gsub("%-", "_"))
        M.by_name[command.name] = command
    end
end

--- Commands that an option of the program's own `check` makes of it.
M.check_live = require "flowhost.cli.check_live"
M.check_canonical = require "flowhost.cli.check_canonical"

local of_check = { [M.check_live.name] = M.check_live, [M.check_canonical.name] = M.check_canonical }

function M.find(name)
    return M.by_name[name] or of_check[name]
end

return M
