-- SPDX-License-Identifier: MIT
-- State machines that die after each batch: they end as they would have, with the history that they would have had; of
-- which everything was there before that was shown before.
local crash = require "support.crash"
local executions = require "support.executions"

local json = executions.json

local MODES = {
    { name = "one answer a commit", options = {} },
    { name = "newest first", options = { is_reversed = true } },
    { name = "all answers before a commit", options = { answers_together = true } },
    { name = "parked at once", options = { settings = { park_after = "0.001" } } },
}

local CALL = 'return function(ctx, input) return ctx.request { url = "http://u/" .. input.at, json = input } end'
local FLAKY = [[return function(ctx, input)
    local answer = ctx.request { url = "http://u/" .. input.at, json = input }
    if not input.ok then error { code = "NO_LUCK", message = "not today" } end
    return answer
end]]
local FILES = { ["components/call.lua"] = CALL, ["components/flaky.lua"] = FLAKY }

local function upstream(call)
    return 200, nil, { url = call.url }
end

local function task(name, more)
    local state = { Type = "Task", Resource = "arn:aws:lambda:us-east-1:1:function:" .. name, End = true }
    for field, value in pairs(more or {}) do
        state[field] = value
        state.End = not more.Next or nil
    end
    return state
end

local function one(name, state)
    return { StartAt = name, States = { [name] = state } }
end

local function wait(seconds)
    return { Type = "Wait", Seconds = seconds, End = true }
end

local function map(processor, more)
    local state = { Type = "Map", ItemsPath = "$.items", ItemProcessor = processor, End = true }
    for field, value in pairs(more or {}) do
        state[field] = value
    end
    return state
end

local function numbers(count)
    local list = json.array {}
    for i = 1, count do
        list[i] = { at = i }
    end
    return list
end

local AGAIN = json.array { { ErrorEquals = json.array { "NO_LUCK" }, MaxAttempts = 2, IntervalSeconds = 2 } }
local CAUGHT = json.array { { ErrorEquals = json.array { "States.ALL" }, Next = "Z", ResultPath = "$.error" } }
local UUID = { Type = "Pass", Parameters = { ["at.$"] = "States.UUID()" }, Next = "B" }

local MACHINES = {
    ["a Wait"] = { StartAt = "A", States = { A = { Type = "Wait", Seconds = 5, Next = "B" }, B = task "call" } },
    ["a Task"] = { StartAt = "A", States = { A = UUID, B = task("call", { Next = "C", ResultPath = "$.b" }),
        C = task "call" } },
    ["a Task that is tried again and caught"] = { StartAt = "A", States = { Z = { Type = "Pass", End = true },
        A = task("flaky", { Next = "Z", Retry = AGAIN, Catch = CAUGHT }) } },
    ["a machine that fails"] = one("A", task("flaky", { Retry = AGAIN })),
    ["a Map of ten at a time"] = one("M", map(one("A", task "call"), { MaxConcurrency = 10 })),
    ["a Map one after the other"] = one("M", map(one("A", task "call"), { MaxConcurrency = 1 })),
    ["a Map of waits"] = one("M", map({ StartAt = "A", States = { B = task "call",
        A = { Type = "Wait", SecondsPath = "$.at", Next = "B" } } }, { MaxConcurrency = 4 })),
    ["a Map that fails"] = one("M", map({ StartAt = "C", States = { F = task "flaky", A = task "call",
        W = { Type = "Wait", Seconds = 500, Next = "F" }, X = wait(5000),
        C = { Type = "Choice", Default = "X", Choices = json.array {
            { Variable = "$.at", NumericEquals = 3, Next = "W" },
            { Variable = "$.at", NumericLessThan = 3, Next = "A" } } } } }, { MaxConcurrency = 10 })),
    ["a distributed Map"] = one("M", map({ StartAt = "A", States = { A = task "call" },
        ProcessorConfig = { Mode = "DISTRIBUTED", ExecutionType = "STANDARD" } }, { MaxConcurrency = 3, Label = "L" })),
    ["a Parallel"] = one("P", { Type = "Parallel", End = true, Branches = json.array {
        { StartAt = "A", States = { A = { Type = "Wait", Seconds = 3, Next = "B" }, B = task "call" } },
        { StartAt = "C", States = { C = { Type = "Pass", Result = { at = "c" }, Next = "D" }, D = task "call" } },
        one("E", wait(1)) } }),
    ["a Parallel that fails"] = { StartAt = "P", States = { Z = { Type = "Pass", End = true },
        P = { Type = "Parallel", Next = "Z", Catch = CAUGHT, Branches = json.array {
            one("A", wait(3000)), one("B", task "call"), one("F", task("flaky", { Retry = AGAIN })) } } } },
    ["branches in branches"] = one("P", { Type = "Parallel", End = true, Branches = json.array {
        one("M", map(one("Q", { Type = "Parallel", End = true, Branches = json.array {
            one("A", task "call"), one("B", wait(2)) } }), { MaxConcurrency = 3 })), one("C", task "call") } }),
}

--- Events without what depends on the clock.
local function plain(events)
    local shown = {}
    for i, event in ipairs(events) do
        local own = {}
        for name, value in pairs(event) do
            own[name] = name ~= "timestamp" and value or nil
        end
        shown[i] = json.encode(own)
    end
    return shown
end

local function check_numbers(events)
    for i = 1, #events do
        assert.equal(i, events[i].id)
        assert.is_true(events[i].previousEventId < i)
    end
end

--- What is recorded of branches that go on at the same time may come in another order after a crash, unless it was
--- shown before.
local function check_history(life)
    local events = executions.history(life.again, life.id)
    check_numbers(events)
    for i, text in ipairs(life.before) do
        assert.equal(text, plain(events)[i], life.where)
    end
    local first, again = {}, {}
    for _, event in ipairs(executions.history(life.first, life.id)) do
        first[#first + 1] = event.type
    end
    for _, event in ipairs(events) do
        again[#again + 1] = event.type
    end
    table.sort(first)
    table.sort(again)
    assert.same(first, again, life.where)
end

local function checks()
    local before
    local list = { function(life)
        life.before = before
        check_history(life)
    end, unpack(crash.STRICT) }
    return list, function(w, _, id)
        before = plain(executions.history(w, id))
    end
end

local function play(definition, mode, count)
    local files = { ["m.asl.json"] = assert(json.encode(definition)) }
    for path, text in pairs(FILES) do
        files[path] = text
    end
    local list, on_found = checks()
    local o = { files = files, flow = "m", input = { at = "x", items = numbers(count) }, upstream = upstream,
        checks = list, on_found = on_found }
    for name, value in pairs(mode.options) do
        o[name] = value
    end
    return crash.at_each_step(o)
end

describe("a state machine that dies", function()
    for name, definition in pairs(MACHINES) do
        for _, mode in ipairs(MODES) do
            it(("ends as it would have: %s, %s"):format(name, mode.name), function()
                local first, _, deaths = play(definition, mode, name:find "of ten" and 12 or 4)
                assert.same({}, first.problems)
                assert.is_true(deaths > 0)
            end)
        end
    end
end)
