-- SPDX-License-Identifier: MIT
-- Journal entries: what a run has recorded, in order, durable.
--
-- Stored as chunks, one a commit: key = run + u32 chunk, value = a JSON array of entries. An entry is the array
--   [ path, kind, name, arguments hash, line, started ms, ended ms, attempts, state, value, extra ]
-- state: "k" ok, value is the result · "e" error, value is the error · "o" open: a container or a wait that has begun,
-- value is what it needs to go on · "s" started: a step that may run once only has begun · "t" tried: an attempt has
-- failed, value is { error, due }: another begins when it is due · "r" redo: entries of that path so far are void (a
-- recover asked for it); with extra.from also those behind it.
-- extra is left out where there is nothing to say: { child = run id }, { signal = number }, { edited = true }, ...
-- A later entry of a path replaces the earlier. Signals that came in are entries of kind "signal", too, under the path
-- "~N": they are no steps. Format 1.

local core = require "flowhost.core"

local json, store, system = core.json, core.store, core.system

local M = {}

local JOURNAL = store.tables.journal

-- As json.decode_stored, with room for the two arrays around a value as deep as json.encode_stored writes.
local AS_STORED = { any_bytes = true, max_depth = 168 }

--- Text of one entry: encode(path, kind, name, hash, line, started, ended, attempts, state, text). text: JSON.
M.encode = json.join

--- The same with the value itself.
M.encode_value = json.list

local is_redacting = false

--- Entries pass this from now on; nil: there is nothing to redact.
---@param redact (fun(json: string): string)?
function M.set_redact(redact)
    if is_redacting and not redact then
        M.encode, M.encode_value = json.join, json.list
    end
    is_redacting = redact ~= nil
    if redact then
        M.encode = function(...)
            return redact(json.join(...))
        end
        M.encode_value = function(...)
            return redact(json.list(...))
        end
    end
end

function M.key(run_bytes, chunk)
    return run_bytes .. system.u32(chunk)
end

local function to_entry(list)
    return {
        path = list[1], kind = list[2], name = list[3], hash = list[4], line = list[5], started = list[6],
        ended = list[7], attempts = list[8], state = list[9], value = list[10], extra = list[11],
    }
end

--- All entries of a run in order. nil, error text when a chunk is damaged.
---@return table[]? entries, integer|string next_chunk
function M.load(run_bytes)
    local entries, chunk, after = {}, 0, nil
    repeat
        local keys, values, count = store.scan(JOURNAL, { prefix = run_bytes, after = after, limit = 1000 })
        if not keys then
            return nil, values
        end
        for i = 1, count do
            local list = values[i] and json.decode(values[i], AS_STORED)
            if not list then
                return nil, ("table journal, key %s is damaged"):format(system.hex(keys[i]))
            end
            for _, fields in ipairs(list) do
                entries[#entries + 1] = to_entry(fields)
            end
        end
        chunk, after = chunk + count, keys[count]
    until count < 1000
    return entries, chunk
end

--- The last chunk's number and one more: where the next chunk goes. 0 when there is none.
function M.next_chunk(run_bytes)
    local keys, _, count = store.scan(JOURNAL, { prefix = run_bytes, reverse = true, limit = 1 })
    if not keys or count == 0 then
        return 0
    end
    local a, b, c, d = keys[1]:byte(17, 20)
    return ((a * 256 + b) * 256 + c) * 256 + d + 1
end

M.GROUPS = { all = true, map = true, any = true, race = true, parallel = true }

--- The parts of a path to restart from. `branches[i]`: part i is the number of a branch ("2" in "4.2.1"), not of a
--- step.
local function restart_point(path, by_path)
    local from, prefix = { branches = {} }, nil
    for part in path:gmatch "[^.]+" do
        local above = prefix and by_path[prefix]
        from[#from + 1] = tonumber(part) or part
        from.branches[#from] = above and M.GROUPS[above.kind]
        prefix = prefix and prefix .. "." .. part or part
    end
    return from
end

--- Whether a restart voids `path`: it is that step, lies in it or around it, or comes behind one of these in the same
--- branch.
local function is_voided(from, path)
    local at = 0
    for text in path:gmatch "[^.]+" do
        at = at + 1
        local limit, part = from[at], tonumber(text) or text
        if limit == nil then
            return true
        elseif part ~= limit then
            local is_step = type(part) == "number" and type(limit) == "number" and not from.branches[at]
            local is_later_try = type(limit) == "number" and text:find "^r%d+$" ~= nil
            return is_later_try or (is_step and part > limit)
        end
    end
    return true
end

local KEPT = { log = true, signal = true, ["data.edit"] = true }

--- A group that was decided, or interrupted, begins anew as a whole: what its other branches had begun was undone then.
local function widen(path, by_path)
    local prefix
    for part in path:gmatch "[^.]+" do
        prefix = prefix and prefix .. "." .. part or part
        local entry = by_path[prefix]
        if entry and M.GROUPS[entry.kind] and entry.state ~= "o" then
            return prefix
        end
    end
    return path
end

--- Takes back the step at `path` and all behind it.
function M.void_from(by_path, path)
    local from = restart_point(widen(path, by_path), by_path)
    for other, entry in pairs(by_path) do
        if not KEPT[entry.kind] and is_voided(from, other) then
            by_path[other] = nil
        end
    end
end

--- path -> the entry in force.
function M.index(entries)
    local by_path = {}
    for order, entry in ipairs(entries) do
        entry.order = order
        local path = entry.path
        if entry.state ~= "r" then
            by_path[path] = entry
        elseif entry.extra and entry.extra.from then
            M.void_from(by_path, path)
        else
            by_path[path] = nil
        end
    end
    return by_path
end

M.AS_STORED, M.to_entry = AS_STORED, to_entry -- for journal_tail.lua

return M
