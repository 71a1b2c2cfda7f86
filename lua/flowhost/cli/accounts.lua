-- SPDX-License-Identifier: MIT
-- What the commands token, user and app share: they change the data folder itself when no host has it, and ask the host
-- that has it otherwise.

local core = require "flowhost.core"
local client = require "flowhost.cli.client"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = {}

--- Options that say where.
function M.declare(command)
    command:option("--data", "The data folder (FLOWHOST_DATA; data)."):argname "DIR"
    command:option("--host", "The host, when one has the data folder (FLOWHOST_HOST)."):argname "URL"
    command:option("--token", "An admin's token for that (better: FLOWHOST_TOKEN)."):argname "TOKEN"
end

function M.is_local()
    return core.command.is_local
end

--- The host to ask.
function M.client(o)
    return client.new(o)
end

--- Calls begin(done) and waits for done(result, code); ends the command when there is no result.
function M.await(begin)
    local result, code = coroutine.yield(begin)
    if not result then
        stop.with(stop.PROBLEM, ("nothing was changed: %s"):format(tostring(code)))
    end
    return result, code
end

--- A password from stdin, one line.
function M.read_password()
    local text = io.stdin:read "*l" or ""
    if #text < 8 or #text > 1024 then
        stop.with(stop.PROBLEM, "a password of 8 to 1024 bytes is expected on stdin")
    end
    return text
end

M.ACTOR = "command line"

--- Columns, one row a line.
function M.print(rows, ...)
    for _, row in ipairs(rows) do
        local cells = {}
        for i, name in ipairs { ... } do
            cells[i] = ("%-20s"):format(output.cell(row[name]))
        end
        output.line("%s", (table.concat(cells, "  "):gsub("%s+$", "")))
    end
end

return M
