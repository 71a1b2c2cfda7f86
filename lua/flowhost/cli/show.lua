-- SPDX-License-Identifier: MIT
-- Runs and steps of answers, for people.

local output = require "flowhost.cli.output"

local M = {}

local cell, is_absent = output.cell, output.is_absent

local function error_text(err)
    if is_absent(err) then
        return ""
    end
    local step = is_absent(err.step) and "" or (" (step %s)"):format(cell(err.step))
    return ("%s: %s%s"):format(cell(err.code), cell(err.message), step)
end

local function tags_text(tags)
    local list = {}
    for name, value in pairs(is_absent(tags) and {} or tags) do
        list[#list + 1] = ("%s=%s"):format(cell(name), cell(value))
    end
    table.sort(list)
    return table.concat(list, " ")
end

local function json_text(value)
    return is_absent(value) and "" or output.clean(output.json(value))
end

--- Another run and the step of it.
local function place_text(place)
    if is_absent(place) then
        return ""
    end
    local step = is_absent(place.step) and "" or (" (step %s)"):format(cell(place.step))
    return ("run %s%s"):format(cell(place.run), step)
end

local KINDS = { wait = "signal", call = "run of", sleep = "time", sleep_until = "time" }

--- What a parked run waits for: "signal 'paid' (step 2) until TIME, and 3 more".
function M.waiting(one)
    if is_absent(one) then
        return ""
    end
    local parts = { cell(KINDS[one.kind] or one.kind) }
    for _, part in ipairs { { "'%s'", one.name }, { "(step %s)", one.step }, { "until %s", one["until"] } } do
        if not is_absent(part[2]) then
            parts[#parts + 1] = part[1]:format(cell(part[2]))
        end
    end
    local others = is_absent(one.others) and "" or (", and %s more"):format(cell(one.others))
    return table.concat(parts, " ") .. others
end

local function progress_text(progress)
    return is_absent(progress) and "" or ("%s of %s %s"):format(cell(progress.done), cell(progress.total),
        cell(progress.text))
end

--- All of a run.
function M.run(run)
    output.fields {
        { "run", cell(run.id) },
        { "flow", ("%s (version %s, release %s)"):format(cell(run.flow), cell(run.version),
            output.short(cell(run.release), 15)) },
        { "status", cell(run.status) },
        { "error", error_text(run.error) },
        { "reason", cell(run.reason) },
        { "waits for", M.waiting(run.waiting_for) },
        { "progress", progress_text(run.progress) },
        { "tags", tags_text(run.tags) },
        { "parent", place_text(run.parent) },
        { "forked from", place_text(run.forked_from) },
        { "created", cell(run.created_at) },
        { "started", cell(run.started_at) },
        { "ended", cell(run.ended_at) },
        { "trace", cell(run.trace_id) },
        { "input", json_text(run.input) },
        { "output", json_text(run.output) },
    }
end

local function step_result(step)
    local status = cell(step.status)
    if not is_absent(step.error) then
        status = ("%s  %s: %s"):format(status, cell(step.error.code), cell(step.error.message))
    end
    if not is_absent(step.attempts) and step.attempts > 1 then
        status = ("%s  (%d attempts)"):format(status, step.attempts)
    end
    return status
end

local function line_text(line)
    return output.short(cell(line), 40)
end

--- A table of steps.
function M.steps(items)
    if #items == 0 then
        return output.line "no steps"
    end
    local rows = { { "path", "kind", "name", "line", "ms", "status" } }
    for _, step in ipairs(items) do
        rows[#rows + 1] = { cell(step.path), cell(step.kind), output.short(cell(step.name), 40), line_text(step.line),
            is_absent(step.ms) and "-" or cell(step.ms), step_result(step) }
    end
    output.table(rows, { [5] = true })
end

--- Where a replay and the journal part; `divergence` as GET /v1/runs/{id}/replay has it.
function M.divergence(divergence)
    local function side(what)
        return is_absent(what) and "nothing" or ("%s '%s' at %s"):format(cell(what.kind), cell(what.name),
            is_absent(what.line) and "?" or cell(what.line))
    end
    output.line("diverges at step %s: %s", cell(divergence.step), cell(divergence.why))
    output.line("  recorded  %s", side(divergence.recorded))
    output.line("  asked     %s", side(divergence.asked))
end

--- What a request to change a run said: its id and how it stands now.
function M.changed(run)
    output.line("run %s of %s: %s", cell(run.id), cell(run.flow), cell(run.status))
end

--- The run that works through many.
function M.bulk(run)
    output.line("run %s works through them; see: flowhost run-show %s", cell(run.id), cell(run.id))
end

return M
