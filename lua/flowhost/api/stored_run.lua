-- SPDX-License-Identifier: MIT
-- A stored run for those routes that only read.

local core = require "flowhost.core"
local journal = require "flowhost.engine.journal"
local problem = require "flowhost.api.problem"
local rows = require "flowhost.engine.rows"

local system = core.system

local M = {}

--- Its row, or nil after a problem was sent.
function M.row(request, id)
    local bytes = system.id_bytes(id)
    if not bytes then
        problem.send(request, 404, "NO_RUN", ("'%s' is not a run id (26 characters)"):format(id))
        return nil
    end
    local row, code, detail = rows.read(bytes)
    if row then
        return row
    elseif code then
        problem.send(request, 500, code, detail, { run = id })
    else
        problem.send(request, 404, "NO_RUN", ("no run %s"):format(id))
    end
end

--- Its entries in force by path, or nil after a problem was sent.
function M.entries(request, row)
    local entries, reason = journal.load(row.bytes)
    if not entries then
        problem.send(request, 500, "CORRUPT", reason, { run = row.id })
        return nil
    end
    return journal.index(entries)
end

return M
