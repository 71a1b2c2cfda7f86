-- SPDX-License-Identifier: MIT
-- Where a rule stood when it came to stand, as an entry of its journal: what it goes on with, and what a person may
-- edit before that. The entry in force is the last one.
--
--   path "~sN", kind "snapshot", value { layer, names, data, rule }
--     layer  number of the layer to go on with, from 1
--     names  components of that layer to run; absent: all
--     data   what templates see: request, the outputs so far, global_store
--     rule   text of the rule, when it was edited; absent: that of the run's release
--   extra { edited = true } when a person wrote it

local core = require "flowhost.core"
local journal = require "flowhost.engine.journal"

local json, timer = core.json, core.timer

local M = {}

M.KIND = "snapshot"

--- The value in force, and the number of snapshots in a run's journal; nil, 0 when there is none.
---@param by_path table<string, table>|false|nil
function M.latest(by_path)
    local last, count = nil, 0
    for _, entry in pairs(by_path or {}) do
        if entry.kind == M.KIND then
            count = count + 1
            if not last or entry.order > last.order then
                last = entry
            end
        end
    end
    return last and last.value, count
end

--- When the run came to stand where it stands, in unix ms: the last snapshot that no person wrote. nil when there is
--- none.
function M.stood_at(by_path)
    local last
    for _, entry in pairs(by_path or {}) do
        local is_own = entry.kind == M.KIND and not (entry.extra and entry.extra.edited)
        if is_own and (not last or entry.order > last.order) then
            last = entry
        end
    end
    return last and last.started
end

local function count_of(run)
    run.snapshots = run.snapshots or select(2, M.latest(run.journal))
    return run.snapshots
end

--- Adds one to what the run records next. nil, reason when JSON cannot hold it.
---@param extra table?
function M.add(run, value, extra)
    local text, reason = json.encode_stored(value)
    if not text then
        return nil, reason
    end
    run.snapshots = count_of(run) + 1
    local now, path = timer.now_ms(), "~s" .. run.snapshots
    if extra then
        text = text .. "," .. json.encode_stored(extra)
    end
    run.pending[#run.pending + 1] = journal.encode(path, M.KIND, "", "", "", now, now, 1, "k", text)
    run.recorded = run.recorded + 1
    if run.journal then
        run.entry_count = (run.entry_count or 0) + 1
        run.journal[path] = { path = path, kind = M.KIND, name = "", hash = "", line = "", started = now, ended = now,
            attempts = 1, state = "k", value = json.decode_stored(json.encode_stored(value)), order = run.entry_count,
            extra = extra }
    end
    return true
end

return M
