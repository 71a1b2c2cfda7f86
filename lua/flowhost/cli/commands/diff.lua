-- SPDX-License-Identifier: MIT
-- flowhost diff: where two runs went different ways.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = { name = "diff", summary = "Compare two runs step by step; exit code 1 when they differ." }

local cell, is_absent = output.cell, output.is_absent

function M.declare(command)
    command:argument("a", "A run.")
    command:argument("b", "Another run.")
    options.client(command)
end

local function side_text(side)
    if is_absent(side) then
        return "no such step"
    end
    local value = is_absent(side.error) and output.json(side.value) or output.json(side.error)
    return ("%s '%s'%s %s: %s"):format(cell(side.kind), cell(side.name),
        is_absent(side.line) and "" or " at " .. cell(side.line), cell(side.status),
        output.short(output.clean(value), 200))
end

local function short_json(value)
    return output.short(output.clean(output.json(value)), 100)
end

local function show_changes(changes, indent)
    for _, change in ipairs(is_absent(changes) and {} or changes) do
        output.line("%s%s: %s -> %s", indent, change.pointer == "" and "value" or cell(change.pointer),
            short_json(change.a), short_json(change.b))
    end
end

local function show_first(first)
    output.line("first difference at step %s: %s", cell(first.path), table.concat(first.differs, ", "))
    output.line("  a  %s", side_text(first.a))
    output.line("  b  %s", side_text(first.b))
    output.line()
end

local function ms_text(step)
    local function ms_of(side)
        return (is_absent(side) or is_absent(side.ms)) and "-" or cell(side.ms)
    end
    return ms_of(step.a) .. " -> " .. ms_of(step.b)
end

local function show_steps(items)
    local rows = { { "path", "kind", "name", "ms", "differs" } }
    for _, step in ipairs(items) do
        local side = is_absent(step.a) and step.b or step.a
        rows[#rows + 1] = { cell(step.path), cell(side.kind), output.short(cell(side.name), 40), ms_text(step),
            table.concat(step.differs, ", ") }
    end
    output.table(rows)
    output.line()
    for _, step in ipairs(items) do
        if not is_absent(step.changes) and #step.changes > 0 then
            output.line("step %s", cell(step.path))
            show_changes(step.changes, "  ")
        end
    end
end

local function show_run(name, run)
    local took = is_absent(run.ms) and "" or " in " .. output.duration(run.ms)
    output.line("%s  run %s of %s (version %s): %s%s, %d step%s", name, cell(run.id), cell(run.flow),
        cell(run.version), cell(run.status), took, run.steps, run.steps == 1 and "" or "s")
end

local function show(answer)
    show_run("a", answer.a)
    show_run("b", answer.b)
    output.line()
    if #answer.changes > 0 then
        output.line "around the steps"
        show_changes(answer.changes, "  ")
        output.line()
    end
    if is_absent(answer.first) then
        return output.line "no step differs"
    end
    show_first(answer.first)
    show_steps(answer.items)
    output.line("%d step%s", answer.count, answer.count == 1 and " differs" or "s differ")
end

function M.run(o)
    local answer, text = client.new(o):get(client.path("/v1/runs/{}/diff/{}", o.a, o.b))
    if o.json then
        output.raw(text)
    else
        show(answer)
    end
    return answer.is_same and 0 or stop.PROBLEM
end

return M
