-- SPDX-License-Identifier: MIT
-- Map runs: ListMapRuns, DescribeMapRun, UpdateMapRun, over what ctx/asl_map_runs.lua knows of them:
--
--   list(run) -> map runs of an execution's row     find(machine, label, uuid) -> map run | nil
--   update(map_run, { maxConcurrency, toleratedFailureCount, toleratedFailurePercentage }, done(problem | nil))
--   map run: number, execution (name), label, uuid, status, started, ended (ms), max_concurrency, tolerated_count,
--            tolerated_percentage, items, executions { pending, running, succeeded, failed, timedOut, aborted, total,
--            resultsWritten }

local call_module = require "flowhost.api.aws.call"
local check = require "flowhost.api.aws.check"
local map_children = require "flowhost.api.aws.map_children"
local operations = require "flowhost.api.aws.operations"
local paging = require "flowhost.api.aws.paging"
local resource = require "flowhost.api.aws.resource"
local map_runs = require "flowhost.ctx.asl_map_runs"

local time = call_module.time

local MAP_RUN = { "string", required = true, min = 1, max = 2000 }

local function list(call)
    local run, machine = resource.execution(call, call.params.executionArn)
    if not run then
        return
    end
    local found = map_runs.list(run)
    paging.send(call, "mapRuns", found, {
        place_of = function(one)
            return ("%010d"):format(one.number)
        end,
        show = function(one)
            return { executionArn = call.params.executionArn,
                mapRunArn = call.arns.map_run(machine.name, one.label, one.uuid),
                stateMachineArn = call.arns.machine(machine.name .. "/" .. one.label), startDate = time(one.started),
                stopDate = one.ended and time(one.ended) or nil }
        end,
    })
end

operations.add("ListMapRuns", { run = list, takes = { executionArn = check.ARN, maxResults = check.MAX_RESULTS,
    nextToken = check.NEXT_TOKEN } })

local COUNTS = { "pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten" }

local function counts_of(given)
    local shown = {}
    for _, name in ipairs(COUNTS) do
        shown[name] = given[name] or 0
    end
    return shown
end

local function describe(call)
    local one, machine = map_children.find_map_run(call, call.params.mapRunArn)
    if one then
        call:reply { mapRunArn = call.params.mapRunArn,
            executionArn = call.arns.execution(machine.name, one.execution),
            status = one.status, startDate = time(one.started), stopDate = one.ended and time(one.ended) or nil,
            maxConcurrency = one.max_concurrency or 0, toleratedFailureCount = one.tolerated_count or 0,
            toleratedFailurePercentage = one.tolerated_percentage or 0, itemCounts = counts_of(one.items or {}),
            executionCounts = counts_of(one.executions or {}), redriveCount = 0 }
    end
end

operations.add("DescribeMapRun", { run = describe, takes = { mapRunArn = MAP_RUN } })

local function update(call)
    local p = call.params
    local one = map_children.find_map_run(call, p.mapRunArn)
    if not one then
        return
    elseif not (p.maxConcurrency or p.toleratedFailureCount or p.toleratedFailurePercentage) then
        return call:fail("ValidationException", "Must specify at least one of maxConcurrency, "
            .. "toleratedFailureCount, toleratedFailurePercentage")
    end
    map_runs.update(one, p, function(problem)
        if problem then
            return call:refuse(problem)
        end
        call:reply()
    end)
end

operations.add("UpdateMapRun", { run = update, role = "operator", takes = { mapRunArn = MAP_RUN,
    maxConcurrency = { "integer", min = 0 }, toleratedFailureCount = { "integer", min = 0 },
    toleratedFailurePercentage = { "number", min = 0, max = 100 } } })
