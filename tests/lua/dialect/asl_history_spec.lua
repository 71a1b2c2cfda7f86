-- SPDX-License-Identifier: MIT
-- Histories of executions that are under way: what was shown once stays as it was.
local executions = require "support.executions"

local json = executions.json

local WORK = { Type = "Task", End = true,
    Resource = "arn:aws:states:us-east-1:" .. executions.ACCOUNT .. ":activity:q" }

local function branch(name)
    return { StartAt = name, States = { [name] = WORK } }
end

local BRANCHES = { StartAt = "P", States = { P = { Type = "Parallel", End = true,
    Branches = json.array { branch "A", branch "B" } } } }

local function begun(definition, o)
    local w = executions.new({ m = definition }, o)
    w:module("flowhost.engine.activities").create("q", {}, function() end)
    w:rest()
    w:start("m", { n = 1 }, { headers = { prefer = "respond-async" } })
    w:rest()
    return w
end

local function take(w)
    local task
    w:module("flowhost.engine.activities").poll("q", "w", 0, function(got)
        task = got
    end)
    w:rest()
    return task
end

local function finish(w, task)
    w:module("flowhost.engine.activities").succeed(task.token, "1", function() end)
    w:rest()
end

local function shown(w)
    local events = {}
    for i, event in ipairs(executions.history(w, w:ids()[1])) do
        events[i] = json.encode(event)
    end
    return events
end

--- Nothing of `before` has changed.
local function check_longer(before, after)
    for i, event in ipairs(before) do
        assert.equal(event, after[i])
    end
    assert.is_true(#after >= #before)
    return after
end

describe("the history of a Map", function()
    it("tells the iterations that another one's failure ended", function()
        local choice = { Type = "Choice", Default = "W", Choices = json.array {
            { Variable = "$", NumericEquals = 2, Next = "F" } } }
        local w = executions.new { m = { StartAt = "M", States = { M = { Type = "Map", End = true, MaxConcurrency = 2,
            ItemProcessor = { StartAt = "C", States = { C = choice, F = { Type = "Fail", Error = "E" },
                W = { Type = "Wait", Seconds = 1000, End = true } } } } } } }
        local request = w:start("m", json.array { 1, 2, 3 })
        w:rest()
        local last = {}
        for _, event in ipairs(executions.history(w, request.answered.headers["flowhost-run"])) do
            last[#last + 1] = { event.type, event.previousEventId, event.mapIterationAbortedEventDetails }
        end
        assert.same({ { "FailStateEntered", 10 }, { "MapIterationFailed", 11 }, { "WaitStateAborted", 7 },
            { "MapIterationAborted", 7, { name = "M", index = 0 } }, { "MapStateFailed", 11 },
            { "ExecutionFailed", 15 } }, { unpack(last, #last - 5) })
    end)
end)

describe("the history of an execution under way", function()
    it("shows takers of tasks where they came, with their time", function()
        for _, o in ipairs { {}, { settings = { park_after = "0.001" } } } do
            local w = begun(BRANCHES, o)
            local before, tasks = shown(w), {}
            for i = 1, 2 do
                w:pass(1000)
                tasks[i] = take(w)
                before = check_longer(before, shown(w))
                assert.matches('"ActivityStarted"', before[#before])
                assert.matches('"timestamp":' .. ("%.0f"):format(w.clock.now), before[#before])
            end
            for i = 2, 1, -1 do
                w:pass(1000)
                finish(w, tasks[i])
                before = check_longer(before, shown(w))
            end
            assert.matches("ExecutionSucceeded", before[#before])
            local after = w:crash()
            check_longer(before, shown(after))
        end
    end)

    it("ends with what is on disk, also within a turn", function()
        local w = begun(BRANCHES)
        finish(w, take(w))
        finish(w, take(w))
        local all = shown(w)
        for count = 1, w:applied() do
            local after = w:crash(count, { before_start = function(self)
                if self:ids()[1] then
                    local before = shown(self)
                    for i = 1, #before do
                        assert.equal(json.decode(all[i]).type, json.decode(before[i]).type)
                    end
                end
            end })
            assert.is_not_nil(after)
        end
    end)

    it("starts iterations when there is room for them", function()
        local w = executions.new { m = { StartAt = "M", States = { M = { Type = "Map", End = true, MaxConcurrency = 1,
            ItemProcessor = { StartAt = "W", States = { W = { Type = "Wait", Seconds = 10, End = true } } } } } } }
        w:play("m", json.array { 1, 2, 3 })
        local last = 0
        for _, event in ipairs(executions.history(w, w:ids()[1])) do
            assert.is_true(event.timestamp >= last)
            last = event.timestamp
        end
    end)
end)
