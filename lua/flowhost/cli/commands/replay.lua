-- SPDX-License-Identifier: MIT
-- flowhost replay: a run once more in the host's memory, against its journal.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local show = require "flowhost.cli.show"
local stop = require "flowhost.cli.stop"

local M = { name = "replay", summary = "Replay a run in memory, step by step." }

function M.declare(command)
    command:argument("id", "The run.")
    M.declare_how(command)
    options.client(command)
end

--- Shared with open.
function M.declare_how(command)
    command:flag("--locals", "Show the flow's local variables at each step.")
    command:option("--release", "Code to replay with: pinned (its own) or active."):choices { "pinned", "active" }
end

local function show_locals(locals)
    local names = {}
    for name in pairs(output.is_absent(locals) and {} or locals) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        output.line("      %s = %s", output.clean(name), output.clean(output.json(locals[name])))
    end
end

local function show_step(step)
    local line = output.is_absent(step.line) and "" or "  " .. output.cell(step.line)
    output.line("%-10s  %-10s  %s%s", output.cell(step.path), output.cell(step.kind), output.cell(step.name), line)
    show_locals(step.locals)
end

--- Prints the replay of the run; exit code 1 when it diverges.
function M.show(host, id, o)
    local query = client.query { locals = o.locals and "true" or nil, release = o.release }
    local answer, text = host:get(client.path("/v1/runs/{}/replay", id) .. query)
    if o.json then
        return output.raw(text)
    end
    for _, step in ipairs(answer.items) do
        show_step(step)
    end
    if not output.is_absent(answer.divergence) then
        show.divergence(answer.divergence)
        return stop.PROBLEM
    end
    output.line("end: %s%s", output.cell(answer["end"]), output.is_absent(answer.error) and ""
        or (", %s: %s"):format(output.cell(answer.error.code), output.cell(answer.error.message)))
end

function M.run(o)
    return M.show(client.new(o), o.id, o)
end

return M
