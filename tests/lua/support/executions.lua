-- SPDX-License-Identifier: MIT
-- Recorded executions of state machines (tests/lua/dialect/asl/executions.json) run in worlds, and compared.

local world = require "support.world"

local json = world.json

local M = { json = json, ACCOUNT = "123456789012" }

--- The recorded cases, decoded, with names as they are here: machine "m" and the number of the case, our account. A
--- role of its own an execution has only by the Step Functions API.
function M.read(name)
    local file = assert(io.open("tests/lua/dialect/asl/" .. name))
    local text = file:read "*a"
    file:close()
    local cases = assert(json.decode(text)).cases
    for i, case in ipairs(cases) do
        local own = json.encode(case):gsub(case.name:gsub("%-", "%%-"), "m" .. i):gsub("111111111111", M.ACCOUNT)
        cases[i] = json.decode(own)
        for _, event in ipairs(cases[i].events or {}) do
            if event.executionStartedEventDetails then
                event.executionStartedEventDetails.roleArn = nil
            end
        end
    end
    return cases
end

--- A world whose folder has machines (name -> definition).
function M.new(machines, o)
    local files = {}
    for name, definition in pairs(machines) do
        files[name .. ".asl.json"] = assert(json.encode(definition))
    end
    local given = { files = files }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    for path, text in pairs(o and o.files or {}) do
        files[path] = text
    end
    given.files = files
    return world.new(given)
end

--- The stored row of a run and its code.
function M.row(w, id)
    w:enter()
    local rows, catalog = w:module "flowhost.engine.rows", w:module "flowhost.engine.catalog"
    local row = assert(rows.read(w.core.system.id_bytes(id)))
    return row, assert(catalog.find_code(row))
end

--- The history of a run.
function M.history(w, id)
    local row, code = M.row(w, id)
    return assert(w:module("flowhost.ctx.asl_history").events(row, code))
end

-- comparison -----------------------------------------------------------------------------------------

local function is_wildcard(text)
    return type(text) == "string" and (text:find "<[%w_:%-]+>" ~= nil or text == "date" or text == "datetime"
        or text == "start-date" or text == "stop-date")
end

local function pattern_of(text)
    local escaped = text:gsub("[%-%.%+%[%]%(%)%$%^%%%?%*]", "%%%0")
    return "^" .. escaped:gsub("<[^<>]+>", ".*") .. "$"
end

local compare
local placeholders = {} -- pointers of what differs from time to time

local function compare_tables(expected, actual, place)
    for key, inner in pairs(expected) do
        local problem = compare(inner, actual[key], place .. "/" .. tostring(key))
        if problem then
            return problem
        end
    end
    for key, inner in pairs(actual) do
        if expected[key] == nil and inner ~= json.null then
            return ("%s/%s: not in the recording: %s"):format(place, tostring(key), json.encode(inner))
        end
    end
end

local function is_like(expected, actual)
    local text = type(actual) == "string" and actual or actual ~= nil and json.encode(actual) or ""
    return not expected:find "<" or text:find(pattern_of(expected)) ~= nil or not text:find "\n"
end

--- Our value as the recording has it: texts of JSON decoded where it has them decoded.
local function like_recorded(expected, actual)
    if type(actual) ~= "string" or actual == expected then
        return actual
    elseif type(expected) ~= "string" then
        return json.decode(actual)
    end
    local decoded = actual:find '^"' and json.decode(actual)
    return type(decoded) == "string" and decoded or actual
end

local function is_nothing(value)
    return value == nil or value == json.null
end

local function show(value)
    return value == nil and "nothing" or json.encode(value)
end

--- What differs, or nil.
function compare(expected, actual, place)
    if placeholders[place] or (is_nothing(expected) and is_nothing(actual)) then
        return nil
    elseif is_wildcard(expected) then
        return not is_like(expected, actual) and ("%s: %s is not like %s"):format(place, show(actual), expected) or nil
    end
    actual = like_recorded(expected, actual)
    if type(expected) == "table" and type(actual) == "table" then
        return compare_tables(expected, actual, place)
    elseif expected ~= actual then
        return ("%s: expected %s, got %s"):format(place, show(expected), show(actual))
    end
end

M.compare = compare

local function set_placeholders(case)
    placeholders = {}
    for _, pointer in ipairs(case.placeholder_paths or {}) do
        placeholders[pointer:gsub("/(%d+)", function(index)
            return "/" .. index + 1
        end)] = true
    end
end

local STATUS = { succeeded = "SUCCEEDED", failed = "FAILED", timed_out = "TIMED_OUT", cancelled = "ABORTED" }

--- What differs between a run and what was recorded; nil when nothing does.
function M.find_difference(case, run)
    local expect, data = case.expect, type(run.error) == "table" and run.error.data or {}
    local actual = { status = STATUS[run.status] or run.status, output = run.output, error = data.error,
        cause = data.cause }
    if expect.status ~= "SUCCEEDED" then
        actual.output = nil
    end
    set_placeholders(case)
    return compare(expect, actual, "")
end

local function find_alike(expected, events, used, place)
    local first
    for i, event in ipairs(events) do
        if not used[i] and event.type == expected.type then
            local bare = {}
            for name, value in pairs(event) do
                bare[name] = (name ~= "id" and name ~= "previousEventId") and value or nil
            end
            local wanted = {}
            for name, value in pairs(expected) do
                wanted[name] = (name ~= "id" and name ~= "previousEventId" and name ~= "restored") and value or nil
            end
            local problem = compare(wanted, bare, place)
            if not problem then
                used[i] = true
                return nil
            end
            first = first or problem
        end
    end
    return first or ("no %s"):format(expected.type)
end

--- What differs between a history and the recorded one. Branches at the same time: any order, and some may be missing
--- in the recording.
function M.find_event_difference(case, events)
    local used = {}
    set_placeholders(case)
    for i, event in ipairs(events) do
        event.timestamp = nil
        if event.executionStartedEventDetails then
            event.executionStartedEventDetails.roleArn = nil
        end
        if event.id ~= i or event.previousEventId >= i then
            return ("event %d has id %s and follows %s"):format(i, tostring(event.id), tostring(event.previousEventId))
        end
    end
    if #case.events ~= #events and not case.is_concurrent then
        return ("%d events, recorded were %d"):format(#events, #case.events)
    end
    for i, expected in ipairs(case.events) do
        local problem
        local before, place = events[i - 1] or {}, "/events/" .. i
        if expected.type == "MapStateExited" and before.type == "MapStateSucceeded" then
            expected.previousEventId = events[i].previousEventId -- of a map run AWS has named two events over the years
        end
        if case.is_concurrent then
            problem = find_alike(expected, events, used, place)
        else
            problem = compare(expected, events[i], place)
        end
        if problem then
            return ("event %d %s: %s"):format(i, expected.type, problem)
        end
    end
end

return M
