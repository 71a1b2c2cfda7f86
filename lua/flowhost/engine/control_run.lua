-- SPDX-License-Identifier: MIT
-- What the verbs of control.lua share: the run that one is about, brought into memory for it, and how it is refused.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local live = require "flowhost.engine.live"
local rows = require "flowhost.engine.rows"
local run_module = require "flowhost.engine.run"

local system = core.system

local M = {}

--- What else may be done with an ended execution of a state machine that was to be recovered.
local function hint(row, wanted)
    local flow = wanted == "suspended" and row.status ~= "succeeded" and row.ended and catalog.flow(row.flow)
    return flow and flow.dialect == "asl" and "; RedriveExecution of the Step Functions API lets it go on" or ""
end

function M.conflict(row, wanted)
    return { status = 409, code = "WRONG_STATE", detail = ("run %s is %s, not %s%s"):format(row.id, row.status, wanted,
        hint(row, wanted)) }
end

function M.failed(err)
    local status = err.code == "DISK_FULL" and 507 or err.code == "MEMORY_LIMIT" and 507 or 503
    return { status = status, code = err.code, detail = err.message }
end

--- The row of a run that is not in memory; nil after a reply.
function M.read_row(id, reply)
    local row, code, detail = rows.read(system.id_bytes(id))
    if row then
        return row
    elseif code then
        reply { status = 500, code = code, detail = detail }
    else
        reply { status = 404, code = "NO_RUN", detail = "no run " .. id }
    end
end

--- A run in memory that is on its way out of it: `again` is called when it is.
function M.after_close(run, again)
    run.waiters[#run.waiters + 1] = function(_, early_answer)
        if early_answer then
            return M.after_close(run, again)
        end
        again()
    end
end

--- Replies what the store said if it refuses what the run records next. Returns a function that ends this.
function M.watch_refusal(run, reply)
    local function on_end(ended, early_answer)
        if early_answer then
            run.waiters[#run.waiters + 1] = on_end
        elseif ended.has_commit_failed then
            reply(M.failed(ended.error))
        end
    end
    table.insert(run.waiters, on_end)
    return function()
        for i, waiter in ipairs(run.waiters) do
            if waiter == on_end then
                return table.remove(run.waiters, i)
            end
        end
    end
end

--- The code that a recover goes on with, and its flow when that is another; nil after a reply.
function M.code_for(row, reply, release)
    if release == "active" then
        local flow = catalog.flow(row.flow)
        if not flow then
            return reply { status = 409, code = "NO_FLOW", detail = ("no flow '%s' is served"):format(row.flow) }
        end
        return flow.code, flow
    end
    local code, reason = catalog.find_code(row)
    if not code then
        return reply { status = 409, code = "RELEASE_MISSING", detail = reason }
    end
    return code
end

function M.load(row, reply, release)
    local code, flow = M.code_for(row, reply, release)
    if not code then
        return
    end
    local run, err = run_module.load(row, code)
    if not run then
        return reply { status = 500, code = err.code, detail = err.message }
    end
    return run, flow
end

--- Gives on_run the run when it is in memory and not on its way out of it, else on_row its row, and what begins anew.
---@param fn fun(arguments: table, reply: function)  the verb itself
function M.with_run(fn, arguments, reply, on_run, on_row)
    local function again()
        fn(arguments, reply)
    end
    local run = live.runs[arguments.id]
    if run and (run.is_over or run.is_touched) then
        return M.after_close(run, again)
    elseif run then
        return on_run(run)
    end
    local row = M.read_row(arguments.id, reply)
    if row then
        on_row(row, again)
    end
end

return M
