-- SPDX-License-Identifier: MIT
-- flowhost backup: a copy of the data, beside a running host or without one.

local core = require "flowhost.core"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = { name = "backup", summary = "Copy the data into one file, also while the host runs." }

function M.declare(command)
    command:argument("file", "The new file.")
    command:option("--data", "The data folder (FLOWHOST_DATA; data)."):argname "DIR"
end

function M.folder_of(o)
    local given = os.getenv "FLOWHOST_DATA"
    return o.data or given ~= "" and given or "data"
end

function M.run(o)
    local damaged, code, detail = core.command.backup(M.folder_of(o), o.file)
    if not damaged then
        stop.with(stop.PROBLEM, detail)
    elseif damaged > 0 then
        stop.with(stop.PROBLEM, ("backup %s is written, but %d values in it are damaged, the first: %s"):format(
            o.file, damaged, code))
    end
    output.line("backed up %s to %s", M.folder_of(o), o.file)
end

return M
