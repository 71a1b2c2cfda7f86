-- SPDX-License-Identifier: MIT
-- The host's own flow "flowhost/bulk": recovers or cancels every run that a filter finds, page by page. It is a run as
-- any other: its progress is in its journal, a crash goes on with the page it was at, it can be watched and cancelled.
--
--   input  { verb = "recover" | "cancel", filter = {...}, edits = {...} | reason }
--   output { matched, changed, refused, problems = { { run, code, detail }, ... } }   the first 20 problems

local core = require "flowhost.core"
local effect = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local listing = require "flowhost.engine.listing"
local remote = require "flowhost.engine.remote"

local json, system = core.json, core.system

local M = {}

local PAGE, MAX_PROBLEMS = 100, 20

local function arguments_for(input, id)
    return { id = id, edits = input.edits or {}, reason = input.reason, actor = input.actor }
end

--- Does it to the runs of a page; done when all have answered.
local function act_on(input, found, last, done)
    local result = { matched = #found, changed = 0, refused = 0, problems = json.array {}, next = last }
    local left = #found + 1
    local function one_less()
        left = left - 1
        if left == 0 then
            system.fault "engine.bulk.done"
            done(json.encode_stored(result), result)
        end
    end
    system.fault "engine.bulk"
    for _, bytes in ipairs(found) do
        local id = system.id_text(bytes)
        remote.call(remote.owner(bytes), input.verb, arguments_for(input, id), function(answer)
            if answer.status then
                result.refused = result.refused + 1
                if #result.problems < MAX_PROBLEMS then
                    table.insert(result.problems, { run = id, code = answer.code, detail = answer.detail })
                end
            else
                result.changed = result.changed + 1
            end
            one_less()
        end)
    end
    one_less()
end

local function page(run, input, number, after)
    return effect.run("bulk", ("%s page %d"):format(input.verb, number), after or "", function(_, done)
        -- runs that began after this one are none of its business: ids begin with 6 bytes of time
        local from = after and system.id_bytes(after) or system.u64(run.created + 1):sub(3)
        local found, last, detail = listing.page(input.filter, PAGE, from)
        if not found then
            return done(nil, error_object.new(last, detail))
        end
        for i, bytes in ipairs(found) do
            if bytes == run.bytes then
                table.remove(found, i)
                break
            end
        end
        act_on(input, found, last and system.id_text(last), done)
    end)
end

local function main(run)
    local input = run.input
    local total = { matched = 0, changed = 0, refused = 0, problems = json.array {} }
    local number, after = 0, nil
    repeat
        number = number + 1
        local result = page(run, input, number, after)
        for _, name in ipairs { "matched", "changed", "refused" } do
            total[name] = total[name] + result[name]
        end
        for _, problem in ipairs(result.problems) do
            if #total.problems < MAX_PROBLEMS then
                table.insert(total.problems, problem)
            end
        end
        after = result.next
    until not after or after == json.null
    return total
end

M.code = {
    files = {}, env = {}, on_error = "suspend", main = main,
    component = function() end,
    flow = function() end,
}

--- As a flow of the catalog, for run.start.
M.flow = {
    name = "flowhost/bulk", file = "", version = system.version, release = "builtin", durable = "always",
    on_error = "suspend", code = M.code,
}

return M
