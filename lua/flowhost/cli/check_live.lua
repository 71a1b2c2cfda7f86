-- SPDX-License-Identifier: MIT
-- flowhost check DIR --against-live: ask a running host which of its waiting and suspended runs would go another way on
-- the files of a folder. `check` without the option is the program's own.

local client = require "flowhost.cli.client"
local core = require "flowhost.core"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local show = require "flowhost.cli.show"
local stop = require "flowhost.cli.stop"

local M = { name = "check-live", summary = "Check a folder against the runs of a running host." }

local MAX_DEPTH = 16 -- folders in each other

--- Options of `check`, which stand beside its own.
function M.declare(command)
    command:flag("--against-live", "Replay the waiting and suspended runs of a running host on these files, in memory.")
    options.client(command)
end

local function is_source(name)
    return name:find "%.lua$" or name:find "%.json$"
end

local function read_folder(files, dir, prefix, depth)
    local names, _, detail = core.command.list(dir)
    if not names then
        stop.with(stop.PROBLEM, detail)
    end
    for _, name in ipairs(names) do
        if name:sub(-1) == "/" and depth < MAX_DEPTH then
            read_folder(files, dir .. "/" .. name:sub(1, -2), prefix .. name, depth + 1)
        elseif is_source(name) and not name:find "_test%.lua$" then
            local text, _, reason = core.command.read(dir .. "/" .. name)
            if not text then
                stop.with(stop.PROBLEM, reason)
            end
            files[prefix .. name] = text
        end
    end
end

function M.run(o)
    local dir = o.dir:gsub("(.)/+$", "%1")
    local files = {}
    read_folder(files, dir, "", 1)
    local report, text = client.new(o):post("/v1/releases/check", { files = files })
    if o.json then
        output.raw(text)
    else
        for _, problem in ipairs(report.problems) do
            output.line("%s/%s:%d: %s", dir, problem.file, problem.line, problem.message)
        end
        for _, one in ipairs(report.diverging) do
            output.line("run %s of %s (%s)", one.run, one.flow, one.status)
            show.divergence(one.divergence)
        end
        output.line("%d waiting and suspended runs replayed, %d would go another way", report.runs, #report.diverging)
    end
    if #report.problems > 0 or #report.diverging > 0 then
        return stop.PROBLEM
    end
end

return M
