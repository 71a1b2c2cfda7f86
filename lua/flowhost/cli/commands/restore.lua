-- SPDX-License-Identifier: MIT
-- flowhost restore: a backup as the data of a new folder.

local backup = require "flowhost.cli.commands.backup"
local core = require "flowhost.core"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = { name = "restore", summary = "Make a data folder from a backup." }

function M.declare(command)
    command:argument("file", "What backup wrote.")
    command:option("--data", "The data folder, without data yet (FLOWHOST_DATA; data)."):argname "DIR"
    command:flag("--damaged", "Also when values in it are damaged.")
end

function M.run(o)
    local folder = backup.folder_of(o)
    local damaged, code, detail = core.command.restore(o.file, folder, o.damaged or false)
    if not damaged then
        local hint = code == "CORRUPT" and not o.damaged and "; --damaged restores what there is" or ""
        stop.with(stop.PROBLEM, detail .. hint)
    elseif damaged > 0 then
        output.complain(("%d values are damaged, the first: %s"):format(damaged, code))
    end
    output.line("restored %s to %s", o.file, folder)
end

return M
