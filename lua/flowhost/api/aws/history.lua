-- SPDX-License-Identifier: MIT
-- GetExecutionHistory: events are derived by replaying the run (ctx/asl_history.lua) and given page by page.

local core = require "flowhost.core"
local asl_history = require "flowhost.ctx.asl_history"
local call_module = require "flowhost.api.aws.call"
local check = require "flowhost.api.aws.check"
local machine_code = require "flowhost.engine.machine_code"
local map_children = require "flowhost.api.aws.map_children"
local operations = require "flowhost.api.aws.operations"
local paging = require "flowhost.api.aws.paging"
local resource = require "flowhost.api.aws.resource"

local json = core.json

local latest = {} -- of an execution that has ended: run, ended, events; for its next page

local function events_of(run)
    if latest.run == run.id and latest.ended == run.ended then
        return latest.events
    end
    local code, reason = machine_code.find(run)
    if not code then
        return nil, reason
    end
    local id, ended = run.id, run.ended
    local events, err = asl_history.events(run, code)
    if events and ended then
        latest = { run = id, ended = ended, events = events }
    end
    return events, err and tostring(err)
end

local DATA = { input = true, output = true, inputDetails = true, outputDetails = true, parameters = true,
    assignedVariables = true, assignedVariablesDetails = true }

local function details_of(given, has_data)
    local shown = {}
    for name, value in pairs(given) do
        if has_data or not DATA[name] then
            shown[name] = value
        end
    end
    return shown
end

--- An event without what was not asked for, its time in seconds.
local function show(event, has_data)
    local shown = {}
    for name, value in pairs(event) do
        shown[name] = type(value) == "table" and details_of(value, has_data) or value
    end
    shown.timestamp = call_module.time(event.timestamp)
    return shown
end

local function send_page(call, events, place)
    local p = call.params
    local limit, count = paging.limit(call), #events
    local first = tonumber(place) or 1
    local last = math.min(count, first + limit - 1)
    local shown = json.array {}
    for i = first, last do
        shown[#shown + 1] = show(events[p.reverseOrder and count - i + 1 or i], p.includeExecutionData ~= false)
    end
    call:reply { events = shown, nextToken = last < count and paging.token(call, ("%d"):format(last + 1)) or nil }
end

local function get(call)
    local own = map_children.events(call)
    if own then
        local place = paging.place(call)
        return place ~= false and send_page(call, own, place)
    end
    local run = resource.execution(call, call.params.executionArn)
    local place = run and paging.place(call)
    if not run or place == false then
        return
    end
    local events, reason = events_of(run)
    if not events then
        return call:fail("InternalFailure", "the execution cannot be replayed: " .. reason)
    end
    send_page(call, events, place)
end

operations.add("GetExecutionHistory", { run = get, takes = { executionArn = check.ARN,
    maxResults = check.MAX_RESULTS, reverseOrder = { "boolean" }, includeExecutionData = { "boolean" },
    nextToken = check.NEXT_TOKEN } })
