-- SPDX-License-Identifier: MIT
-- Replays in memory: what a run has done, step by step, and whether other code would do the same. Nothing is started or
-- written; verbs that are not recorded stop the flow where it stands.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local journal = require "flowhost.engine.journal"
local run_module = require "flowhost.engine.run"
local step = require "flowhost.engine.step"

local json = core.json

local M = {}

local MAX_TEXT = 200     -- of a local's value
local MAX_LEVELS, MAX_LOCALS = 30, 100

local function show(value)
    if value == nil then
        return json.null
    elseif type(value) == "function" then
        return "(function)"
    elseif type(value) == "thread" or (type(value) == "userdata" and value ~= json.null) then
        return "(" .. type(value) .. ")"
    elseif type(value) == "string" and #value <= MAX_TEXT then
        return value
    elseif type(value) == "number" or type(value) == "boolean" or value == json.null then
        return value
    end
    local text = json.encode(value) or "(" .. type(value) .. ")"
    if #text <= MAX_TEXT then
        return type(value) == "table" and json.decode(text) or text
    end
    return text:sub(1, MAX_TEXT) .. "..."
end

--- The locals of the flow's own functions on the stack, inner ones first in what they hide.
local function locals_of(files)
    local found, count = {}, 0
    for level = 3, MAX_LEVELS do
        local info = debug.getinfo(level, "S")
        if not info then
            break
        elseif files[info.source:sub(2)] then
            for i = 1, 200 do
                local name, value = debug.getlocal(level, i)
                if not name then
                    break
                elseif not name:find("^%(") and found[name] == nil and count < MAX_LOCALS then
                    found[name], count = show(value), count + 1
                end
            end
        end
    end
    found.ctx = nil
    return found
end

local function report_of(run, steps, asked)
    local divergence
    if run.status == "suspended" and run.error.code == "DIVERGED" then
        divergence = run.error.data
        divergence.step = run.error.step
    elseif asked then
        divergence = asked
    end
    local ended = run.status
    if ended == "running" then
        ended = "stands at its last recorded step"
    elseif divergence then
        ended = "diverged"
    end
    return { items = steps, divergence = divergence, ["end"] = ended,
        error = run.error and not divergence and error_object.to_plain(run.error) or nil }
end

--- A recorded step that the code never asks for, the first one: the code has taken another way or ends earlier.
local function find_unasked(by_path, seen)
    local first
    for path, entry in pairs(by_path) do
        local is_step = entry.kind ~= "log" and entry.kind ~= "signal" and entry.kind ~= "data.edit"
        local above = path:match "^(.*)%.[^.]*$"
        while above and is_step do -- below a step that is taken from the journal whole nothing is asked for
            local container = by_path[above]
            local has_ended = container and (container.state == "k" or container.state == "e")
            if has_ended and not journal.GROUPS[container.kind] then
                is_step = false
            end
            above = above:match "^(.*)%.[^.]*$"
        end
        if is_step and not seen[path] and not path:find "^undo%." and (not first or entry.order < first.order) then
            first = entry
        end
    end
    return first
end

local function unasked_divergence(by_path, seen)
    local entry = find_unasked(by_path, seen)
    return entry and {
        step = entry.path, why = "a recorded step that the code does not ask for", asked = json.null,
        recorded = { kind = entry.kind, name = entry.name, line = entry.line, arguments = entry.hash },
    }
end

---@class flowhost.Rehearsal
---@field items table[]       steps { path, kind, name, line, state, locals }
---@field divergence table?   { step, why, recorded, asked }
---@field end string

--- Replays the run of a row on `code`. nil, error object when its journal cannot be read.
---@param o { with_locals: boolean?, with_steps: boolean?, by_path: table? }  by_path: instead of its stored journal
---@return flowhost.Rehearsal?
function M.play(row, code, o)
    local by_path = o.by_path
    if not by_path then
        local entries, reason = journal.load(row.bytes)
        if not entries then
            return nil, error_object.new("CORRUPT", reason)
        end
        by_path = journal.index(entries)
    end
    local steps, seen = {}, {}
    local ending = row.ending
    local run = run_module.rehearse(row, code, by_path, function(_, path, kind, name, entry)
        seen[path] = true
        if o.with_steps then
            local current = fiber_module.current
            steps[#steps + 1] = {
                path = path, kind = kind, name = name, line = step.find_line(), state = entry and entry.state or "new",
                locals = o.with_locals and current and locals_of(code.files) or nil,
            }
        end
    end)
    local has_diverged = run.status == "suspended" and run.error.code == "DIVERGED"
    local asked = not has_diverged and not ending and unasked_divergence(by_path, seen) or nil
    return report_of(run, steps, asked)
end

return M
