-- SPDX-License-Identifier: MIT
-- test.crash_at_each_step: a run is played to its end; then, for every batch that it wrote, the host is started again
-- on what lay on disk after it. Each time the run must end as it did, no step that was recorded may have its effect
-- again, and one that was not recorded must ask for the same again.
--
-- The services that a test mocks are taken to know their Idempotency-Key: what a step asks for again is answered as
-- before. The clock goes on where the host died, uuids are the same again: what differs is the flow's doing.

local compare = require "flowhost.testing.compare"
local crash = require "flowhost.testing.crash"
local failure = require "flowhost.testing.failure"
local host_module = require "flowhost.testing.host"
local origin = require "flowhost.testing.origin"
local parts = require "flowhost.testing.parts"
local run_module = require "flowhost.testing.run"

local json = parts.json

local M = {}

local function effects_of(world)
    local all = {}
    for _, list in ipairs { world.calls, world.native_calls } do
        for _, call in ipairs(list) do
            all[#all + 1] = call
        end
    end
    return all
end

local function what_of(call)
    if call.method then
        return call.method .. " " .. call.url
    end
    return "component " .. call.name
end

local HAS_OUTCOME = { k = true, e = true, t = true } -- "t": an attempt that failed, another follows

--- How often each step of the run had an outcome before this life.
local function count_outcomes(world, entries, id)
    local times = {}
    for _, entry in ipairs(entries) do
        if HAS_OUTCOME[entry.state] then
            local key = id .. "/" .. entry.path
            times[key] = (times[key] or 0) + 1
        end
    end
    world.outcomes = times
end

--- What tells one effect from the others in every life: run, step, and the how manieth time.
local function key_of(world, call, times)
    local from = call.origin
    local key = ("%s/%s"):format(from.run or "", from.path or what_of(call))
    times[key] = (times[key] or world.outcomes and world.outcomes[key] or 0) + 1
    return key .. "#" .. times[key]
end

local function by_key(world)
    local found, times = {}, {}
    for _, call in ipairs(effects_of(world)) do
        found[key_of(world, call, times)] = call
    end
    return found
end

--- "step 2.1 (POST http://..., register.lua:12)"
local function describe(call)
    local from = call.origin
    local line = (from.line or "") ~= "" and ", " .. from.line or ""
    return ("step %s (%s%s)"):format(from.path or "?", what_of(call), line)
end

-- answers ------------------------------------------------------------------------------------------

local Replies = {}
Replies.__index = Replies

--- What the step was answered in an earlier life, else what ask() says.
function Replies:of(call, ask, world)
    local times = self.times[world]
    if not times then
        times = {}
        self.times[world] = times
    end
    local key = key_of(world, call, times)
    if self.known[key] == nil then
        self.known[key] = ask()
    end
    return self.known[key]
end

local function new_replies()
    return setmetatable({ known = {}, times = setmetatable({}, { __mode = "k" }) }, Replies)
end

-- checks -------------------------------------------------------------------------------------------

local function outcome_of(run)
    local err = run.error ~= json.null and run.error or {}
    return { status = run.status, output = run.output, error = err.code, message = err.message, step = err.step }
end

--- Steps whose outcome was on disk and stood: a recover may have voided it since.
local function recorded_paths(life)
    local paths = {}
    local function read(entry)
        if entry.state == "k" or entry.state == "e" then
            paths[entry.path] = true
        elseif entry.state == "r" then
            paths[entry.path] = nil
        end
    end
    for _, entry in ipairs(life.found) do
        read(entry)
    end
    local _, entries = life.again:entries(life.id)
    for i = #life.found + 1, #entries do
        if entries[i].state == "r" then
            read(entries[i])
        end
    end
    return paths
end

local function fail(life, format, ...)
    local last = life.found[#life.found]
    local after = last and (" behind step %s, %s"):format(last.path, last.line ~= "" and last.line or last.kind) or ""
    error(failure.new(("died after %s%s: " .. format):format(life.where, after, ...)), 0)
end

local function check_recorded(life)
    local recorded = recorded_paths(life)
    for _, call in ipairs(effects_of(life.again)) do
        if call.origin.run == life.id and recorded[call.origin.path] then
            fail(life, "%s was done again though its result was recorded", describe(call))
        end
    end
end

local function body_text(call)
    local lines = { what_of(call) }
    for _, header in ipairs(call.headers or {}) do
        if header[1] ~= "traceparent" then
            lines[#lines + 1] = header[1] .. ": " .. header[2]
        end
    end
    lines[#lines + 1] = call.body or call.input or ""
    return table.concat(lines, "\n")
end

--- Effects that were under way when the host died are there twice: they must ask for the same.
local function check_same(life)
    local before = by_key(life.first)
    for key, call in pairs(by_key(life.again)) do
        local earlier = before[key]
        if earlier and earlier.at <= life.count and body_text(earlier) ~= body_text(call) then
            fail(life, "%s is not idempotent: it asked for something else the second time\n%s", describe(call),
                compare.diff(body_text(call), body_text(earlier)))
        end
    end
end

--- A step of `once = true` whose outcome is not known waits for a person, as it should.
local function check_end(life)
    local run = outcome_of(life.run)
    if run.status == "suspended" and run.error == "OUTCOME_UNKNOWN" then
        return
    end
    local diff = compare.diff(run, outcome_of(life.first:run(life.id)))
    if diff then
        fail(life, "it ended otherwise\n%s", diff)
    end
end

--- Counts what was sent twice, by step.
local function new_counter(resent)
    return function(life)
        local before = by_key(life.first)
        for key, call in pairs(by_key(life.again)) do
            if before[key] and before[key].at <= life.count then
                local text = describe(call)
                resent[text] = (resent[text] or 0) + 1
            end
        end
    end
end

-- --------------------------------------------------------------------------------------------------

local function sorted(counts)
    local texts = {}
    for text in pairs(counts) do
        texts[#texts + 1] = text
    end
    table.sort(texts)
    return texts
end

--- What could be written a little later is written at once: so the host can die behind each result.
local function write_at_once(world)
    local commit = world:module "flowhost.engine.commit"
    function commit.flush_soon(run)
        if run.submitted ~= run.recorded and not run.is_over then
            commit.flush(run)
        end
    end
end

--- Plays what the test does with the run, then lets all time pass that it takes.
local function play_script(host, id, name, script)
    local run = run_module.new(host, id, name, { is_scripted = true })
    host:rest()
    if script then
        script(run)
    end
    run:finish()
end

---@param o table   flow, input, script(run)?, start(host) -> id, and what host.new takes
---@return integer deaths
---@return string[] resent   steps that were under way when the host died, and asked for the same again
function M.run(o)
    o.replies = new_replies()
    local host = host_module.new(o)
    local options, resent = host.options, {}
    local prepare = options.prepare
    function options.prepare(world)
        prepare(world)
        write_at_once(world)
    end
    options.random_key = origin.place
    options.play = function(world)
        host.world = world
        local id = o.start(host)
        play_script(host, id, o.flow, o.script)
        return {}
    end
    options.crash = function()
        return { is_at_commit = true }
    end
    options.on_found = count_outcomes
    options.go_on = function(world, id)
        host.world = world
        play_script(host, id, o.flow, o.script)
    end
    options.checks = { check_recorded, check_same, check_end, new_counter(resent) }
    local _, _, deaths = crash.at_each_step(options)
    return deaths, sorted(resent)
end

return M
