-- SPDX-License-Identifier: MIT
-- Runs by flow, status, tag and time, newest first, a page at a time. The index that narrows most is walked; what it
-- does not say is looked up in the rows.

local core = require "flowhost.core"
local rows = require "flowhost.engine.rows"

local store, system = core.store, core.system
local tables = store.tables

local M = {}

local MAX_SCANNED = 20000

--- Table, prefix, and what its values say.
local function plan_of(filter)
    if filter.tag then
        return tables.runs_by_tag, filter.tag.name .. "\0" .. filter.tag.value .. "\0", "flow"
    elseif filter.flow then
        return tables.runs_by_flow, filter.flow .. "\0", "status"
    elseif filter.status then
        return tables.runs_by_status, filter.status .. "\0", "flow"
    end
    return tables.runs, "", nil
end

local function is_wanted(filter, says, bytes, value)
    if says == "status" and (not filter.status or filter.status == value) then
        return true
    elseif says == "flow" and filter.flow and filter.flow ~= value then
        return false
    elseif says == "flow" and not filter.tag then
        return true
    elseif filter.status and (filter.tag or says == nil) then
        local row = rows.read(bytes)
        return row ~= nil and row.status == filter.status
    end
    return says ~= "status"
end

--- The first 6 bytes of a run id hold its time.
local function id_at(ms)
    return system.u64(math.max(0, math.min(ms, 2 ^ 48 - 1))):sub(3)
end

--- Returns run ids (bytes) and the last one looked at when there may be more; nil, code, detail when the store cannot
--- be read.
---@param filter { flow: string?, status: string?, tag: { name: string, value: string }?, since: number?, till: number?
---}
---@param after string?  run bytes of the page before
function M.page(filter, limit, after)
    local table_id, prefix, says = plan_of(filter)
    local found, scanned = {}, 0
    local lowest = filter.since and id_at(filter.since)
    if filter.till and not after then
        after = id_at(filter.till)
    end
    after = after and prefix .. after
    while scanned < MAX_SCANNED do
        local want = math.min(limit, 500)
        local range = { prefix = prefix, after = after, reverse = true, limit = want }
        local keys, values, count = store.scan(table_id, range)
        if not keys then
            return nil, values, count
        end
        for i = 1, count do
            local bytes = keys[i]:sub(#prefix + 1)
            if lowest and bytes < lowest then
                return found
            elseif is_wanted(filter, says, bytes, values[i]) then
                found[#found + 1] = bytes
                if #found == limit then
                    return found, bytes
                end
            end
        end
        if count < want then
            return found
        end
        scanned = scanned + count
        after = keys[count]
    end
    return found, after:sub(#prefix + 1)
end

return M
