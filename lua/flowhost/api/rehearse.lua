-- SPDX-License-Identifier: MIT
-- GET /v1/runs/{id}/replay: what the run did, step by step, by replaying it in memory. POST /v1/releases/check: which
-- waiting and suspended runs would go another way on other files.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local listing = require "flowhost.engine.listing"
local parking = require "flowhost.engine.parking"
local problem = require "flowhost.api.problem"
local rehearsal = require "flowhost.engine.rehearsal"
local rows = require "flowhost.engine.rows"
local runs = require "flowhost.api.runs"
local view = require "flowhost.api.view"

local json = core.json

local M = {}

local PAGE = 100
local MAX_REPORTED = 1000

function M.replay(request, captures)
    local row = runs.find_row(request, captures.id)
    if not row then
        return
    end
    local query = request:query()
    local code, reason
    if query.release and query.release ~= "active" and query.release ~= "pinned" then
        return problem.send(request, 422, "QUERY_INVALID", "release must be pinned or active")
    elseif query.release == "active" then
        local flow = catalog.flow(row.flow)
        if not flow then
            return problem.send(request, 409, "NO_FLOW", ("no flow '%s' is served"):format(row.flow), { run = row.id })
        end
        code = flow.code
    else
        code, reason = catalog.find_code(row)
    end
    if not code then
        return problem.send(request, 409, "RELEASE_MISSING", reason, { run = row.id })
    end
    local report, err = rehearsal.play(row, code, { with_steps = true, with_locals = query.locals == "true" })
    if not report then
        return problem.send(request, 500, err.code, err.message, { run = row.id })
    end
    for _, one in ipairs(report.items) do
        one.state = view.state(one.state)
    end
    runs.send(request, 200, { run = row.id, items = json.array(report.items),
        divergence = report.divergence or json.null, ["end"] = report["end"], error = report.error or json.null })
end

--- The files of a candidate; nil after a problem was sent.
local function read_files(request, body)
    local value, reason = json.decode(body)
    if value == nil then
        return problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
    elseif type(value) ~= "table" or type(value.files) ~= "table" or json.is_array(value.files) then
        return problem.send(request, 422, "BODY_INVALID", "the body must be { \"files\": { path: text } }")
    end
    for path, text in pairs(value.files) do
        if type(text) ~= "string" then
            return problem.send(request, 422, "BODY_INVALID", ("file '%s' must be a text"):format(path))
        end
    end
    return value.files
end

local function check_run(report, release, row)
    report.runs = report.runs + 1
    local status = row.status -- a replay changes it
    local flow = release.flows[row.flow]
    local found, err
    if flow then
        found, err = rehearsal.play(row, flow.code, {})
    end
    local divergence = found and found.divergence
    if not flow then
        divergence = { why = "there is no such flow in these files" }
    elseif err then
        divergence = { why = err.code .. ": " .. err.message }
    end
    if divergence and #report.diverging < MAX_REPORTED then
        table.insert(report.diverging, { run = row.id, flow = row.flow, status = status, divergence = divergence })
    end
end

--- A page of runs in a turn of the loop, until all are looked at.
local function check_page(report, release, status, after, on_done)
    local found, last = listing.page({ status = status }, PAGE, after)
    for _, bytes in ipairs(found or {}) do
        local row = rows.read(bytes)
        if row and row.flow:sub(1, 9) ~= "flowhost/" then
            check_run(report, release, row)
        end
    end
    if not last or not found then
        return on_done()
    end
    parking.in_turn(function()
        check_page(report, release, status, last, on_done)
    end)
end

function M.check(request, _, _, _, body)
    local files = read_files(request, body)
    if not files then
        return
    end
    local release = catalog.candidate(files)
    local report = { runs = 0, diverging = json.array {}, problems = json.array(release.problems) }
    check_page(report, release, "waiting", nil, function()
        check_page(report, release, "suspended", nil, function()
            runs.send(request, 200, report)
        end)
    end)
end

return M
