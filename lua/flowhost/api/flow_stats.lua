-- SPDX-License-Identifier: MIT
-- GET /v1/flows/{name}/stats: what became of the newest runs of a flow, and how long those took that have ended.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local problem = require "flowhost.api.problem"
local rows = require "flowhost.engine.rows"

local json, store = core.json, core.store

local DEFAULT_LAST, MOST_LAST, MOST_TIMED, PAGE = 1000, 20000, 1000, 500

--- The value at or above which the given part of a sorted list lies; null of an empty one.
local function percentile(sorted, part)
    return sorted[math.max(1, math.ceil(#sorted * part))] or json.null
end

local function durations_of(ended)
    local list = {}
    for i = 1, math.min(#ended, MOST_TIMED) do
        local row = rows.read(ended[i])
        if row and row.ended then
            list[#list + 1] = row.ended - row.created
        end
    end
    table.sort(list)
    return { count = #list, p50_ms = percentile(list, 0.5), p95_ms = percentile(list, 0.95),
        max_ms = list[#list] or json.null }
end

--- Counts the newest runs: by status, the ended ones (ids), how many, whether these are all.
local function count(name, last)
    local prefix, after, by_status, ended, total = name .. "\0", nil, {}, {}, 0
    repeat
        local keys, statuses, found = store.scan(store.tables.runs_by_flow, { prefix = prefix, after = after,
            limit = math.min(PAGE, last - total), reverse = true })
        if not keys then
            return nil, found
        end
        for i = 1, found do
            by_status[statuses[i]] = (by_status[statuses[i]] or 0) + 1
            if rows.TERMINAL[statuses[i]] then
                ended[#ended + 1] = keys[i]:sub(#prefix + 1)
            end
        end
        total, after = total + found, keys[found]
    until found < PAGE or total >= last
    return by_status, ended, total, total < last
end

return function(request, captures)
    local name, last = captures.name, request:query().last
    local number = last == nil and DEFAULT_LAST or tonumber(last)
    if not catalog.served.flows[name] then
        return problem.send(request, 404, "NO_FLOW", ("no flow '%s'"):format(name))
    elseif not number or number % 1 ~= 0 or number < 1 or number > MOST_LAST then
        return problem.send(request, 422, "QUERY_INVALID",
            ("last must be a whole number from 1 to %d"):format(MOST_LAST))
    end
    local by_status, ended, total, is_all = count(name, number)
    if not by_status then
        return problem.send(request, 500, "CORRUPT", "the runs of the flow cannot be read: " .. tostring(ended))
    end
    request:respond(200, { "Content-Type", "application/json" }, json.encode { flow = name, runs = total,
        is_all = is_all, by_status = by_status, durations = durations_of(ended) } .. "\n")
end
