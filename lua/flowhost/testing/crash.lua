-- SPDX-License-Identifier: MIT
-- What must hold wherever the process dies: a flow is played to its end, then the world is rebuilt as it was on disk
-- after each batch, and a fresh engine goes on from there.
--
--   · a run that is not on disk had no effect and no answer
--   · else it ends as the first one did: status, output, error
--   · a request whose result was on disk is not sent again; one that was sent before is sent again as it was
--   · the journal on disk is only ever added to

local fake_store = require "flowhost.testing.fake_store"
local world = require "flowhost.testing.world"

local json = world.json

local M = {}

--- What tells one call from the others: the step it belongs to, or what it asks for.
local function name_of(call)
    local key = call:header "Idempotency-Key"
    return key and key:match "/(.*)$" or call.method .. " " .. call.url
end

local function text_of(call)
    local parts = { call.method, call.url, call.body or "" }
    for _, header in ipairs(call.headers) do
        if header[1] ~= "traceparent" then
            parts[#parts + 1] = header[1] .. ": " .. header[2]
        end
    end
    return table.concat(parts, "\n")
end

local function by_name(calls)
    local found = {}
    for _, call in ipairs(calls) do
        local name = name_of(call)
        assert(not found[name], "sent twice in one life: " .. name)
        found[name] = call
    end
    return found
end

--- Names of the requests whose result is on disk.
local function recorded_requests(entries)
    local names = {}
    for _, entry in ipairs(entries) do
        if entry.kind == "request" and entry.state ~= "o" then
            names[entry.path] = true
            names[entry.name] = true
        end
    end
    return names
end

local function outcome_of(run)
    local err = run.error ~= json.null and run.error or {}
    local null = json.null
    return json.encode { run.status, run.output, err.code or null, err.message or null, err.step or null }
end

local function fail(where, format, ...)
    error(("%s: " .. format):format(where, ...), 0)
end

local function check_nothing_left_process(where, first, request, count)
    for _, call in ipairs(first.calls) do
        if call.at <= count then
            fail(where, "%s was sent though nothing of the run is on disk", name_of(call))
        end
    end
    if request.answered and request.answered.at <= count then
        fail(where, "the caller was answered though nothing of the run is on disk")
    end
end

--- What was answered before a request that had left must be on disk: that request may depend on it. Of answers that
--- come together, the first one's batch is on its way when the others are recorded: those are in the batch behind it.
local function check_order(where, first, count, recorded)
    local slack = first.options.answers_together and 1 or 0
    local last_sent = 0
    for _, call in ipairs(first.calls) do
        last_sent = call.at <= count and math.max(last_sent, call.at) or last_sent
    end
    for _, call in ipairs(first.calls) do
        if call.answered_at and call.answered_at < last_sent - slack and not recorded[name_of(call)] then
            fail(where, "%s has no result on disk though later requests were sent", name_of(call))
        end
    end
end

local function check_calls(where, first, again, count, recorded)
    local before, after = by_name(first.calls), by_name(again.calls)
    for name, call in pairs(after) do
        if recorded[name] then
            fail(where, "%s was sent again though its result is on disk", name)
        elseif not before[name] then
            fail(where, "%s was never sent in the first life", name)
        elseif before[name].at <= count and text_of(before[name]) ~= text_of(call) then
            fail(where, "%s was sent again as another:\n%s\n--\n%s", name, text_of(before[name]), text_of(call))
        end
    end
    for name in pairs(before) do
        if not recorded[name] and not after[name] then
            fail(where, "%s has no result on disk and was not sent again", name)
        end
    end
end

local function check_journal(where, before, after)
    for i, entry in ipairs(before) do
        if json.encode_stored(entry) ~= json.encode_stored(after[i] or json.null) then
            fail(where, "entry %d of the journal has changed", i)
        end
    end
end

local function check_rest(where, again)
    if again:live_count() ~= 0 or again:next_timer() or #again:open_calls() > 0 then
        fail(where, "something is left: %d runs, %d calls", again:live_count(), #again:open_calls())
    elseif #again.store:keys(again.store.ids.alarms, "") > 0 then
        fail(where, "alarms are left")
    end
end

--- What a run that died must hold to, in this order. Each is called with a life { where, first (the world that was
--- played to its end), again (the world after the crash, at its end), count (batches of the first that were on disk),
--- found (the journal then), run (as it is now), id, outcome (the first's) }.
M.STRICT = {
    function(life)
        if outcome_of(life.run) ~= life.outcome then
            fail(life.where, "ended as %s, not as %s", outcome_of(life.run), life.outcome)
        end
    end,
    function(life)
        local recorded = recorded_requests(life.found)
        check_order(life.where, life.first, life.count, recorded)
        check_calls(life.where, life.first, life.again, life.count, recorded)
    end,
    function(life)
        check_journal(life.where, life.found, select(2, life.again:entries(life.id)))
    end,
    function(life)
        check_rest(life.where, life.again)
    end,
}

local function default_crash(from)
    return { seconds_later = 100, is_reversed = not from.options.is_reversed }
end

--- The engine that finds the first `count` batches of `from` on disk and goes on to the end.
local function go_on(o, where, from, count, first, run)
    local found
    local options = (o.crash or default_crash)(from)
    options.before_start = function(self)
        found = select(2, self:entries(run.id))
        if o.on_found then
            o.on_found(self, found, run.id)
        end
    end
    local again = from:crash(count, options)
    if o.go_on then
        o.go_on(again, run.id)
    else
        again:settle()
    end
    local life = { where = where, first = first, again = again, count = count, found = found, id = run.id,
        run = again:run(run.id), outcome = run.outcome }
    for _, check in ipairs(o.checks or M.STRICT) do
        check(life)
    end
    return again
end

--- Plays the flow, then dies after each batch. Returns the first world, what `play` returned, and how often it died.
---@param o table  what world.new takes, flow, input; play(world) -> request, instead of starting the flow and letting
--- all happen; crash(from) -> options of World:crash; go_on(world, id), instead of letting all happen after a crash;
--- on_found(world, entries, id): before a run that was found goes on; checks, instead of STRICT
function M.at_each_step(o)
    local first = world.new(o)
    local before = first:applied()
    local request
    if o.play then
        request = o.play(first)
    else
        request = first:play(o.flow, o.input)
        check_rest("first life", first)
    end
    local id = first:ids()[1]
    if not id then
        return first, request, 0
    end
    local run = { id = id, outcome = outcome_of(first:run(id)) }
    local bytes = first.core.system.id_bytes(id)
    local deaths = 0
    for count = before, first:applied() do
        local where = ("batch %d of %d"):format(count - before, first:applied() - before)
        local on_disk = fake_store.new(first.store.log, count)
        if on_disk.tables[on_disk.ids.runs][bytes] then
            local again = go_on(o, where, first, count, first, run)
            deaths = deaths + 1
            -- and once more, half way through what was left
            local half = math.floor((count + again:applied()) / 2)
            if half > count then
                go_on(o, where .. ", then " .. (half - before), again, half, again, run)
                deaths = deaths + 1
            end
        else
            check_nothing_left_process(where, first, request, count)
        end
    end
    return first, request, deaths
end

return M
