-- SPDX-License-Identifier: MIT
-- Tasks that whoever has their token ends; who took a task, as a replay tells it; forks; crashes; shards.
local world = require "support.world"

local flow = world.flow

--- Verbs of these specs: ctx.token(), ctx.callback(token, o), ctx.watched(queue, log, o): activities.wait whose
--- on_started goes into the log.
local function prepare(w)
    local activities = w:module "flowhost.engine.activities"
    local verbs = w:module "flowhost.ctx.task"
    verbs.token = activities.token
    verbs.callback = function(token, o)
        o = o or {}
        return (activities.wait { token = token, timeout_s = o.timeout, heartbeat_s = o.heartbeat })
    end
    verbs.watched = function(queue)
        local output, info = activities.wait { activity = queue, input = "1", on_started = function(worker, time)
            w.started[#w.started + 1] = { worker, time }
        end }
        return { output, info.worker_name, info.started_ms }
    end
    w.started = {}
end

local function new(text, o, options)
    local given = { files = { ["a.lua"] = flow(text, options) }, settings = { park_after = "5" }, prepare = prepare }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

--- Calls a verb of the engine's activities and lets everything happen; what it told.
local function ask(w, verb, ...)
    local got = {}
    local arguments = { ... }
    arguments[#arguments + 1] = function(...)
        got = { ... }
        got.is_done = true
    end
    w:module("flowhost.engine.activities")[verb](unpack(arguments))
    w:rest()
    assert.is_true(got.is_done)
    return got[1], got[2]
end

local function succeed(w, token, output)
    local problem = ask(w, "succeed", token, output)
    return problem and problem.code
end

local function beat(w, token)
    local problem = ask(w, "heartbeat", token)
    return problem and problem.code
end

local function poll(w, name, worker)
    return (ask(w, "poll", name, worker, 0))
end

local function token_of(w)
    return w:entries()["1"].value
end

local function check_clean(w)
    local ids = w.store.ids
    assert.same({}, w.store:keys(ids.tasks, ""))
    assert.same({}, w.store:keys(ids.queues, ""))
    assert.same({}, w.store:keys(ids.alarms, ""))
end

describe("a callback", function()
    local CALLBACK = [[
        local token = ctx.token()
        ctx.sleep(10)
        local ok, err = pcall(ctx.callback, token, { heartbeat = 30 })
        return { ok and err or err.code }
    ]]

    it("is ended by whoever has its token", function()
        for _, ms in ipairs { 10000, 17000 } do
            local w = new(CALLBACK)
            w:start "a"
            w:pass(ms)
            local token = token_of(w)
            assert.is_nil(succeed(w, token, '{"a":1}'))
            assert.same({ { a = 1 } }, w:run().output)
            assert.equal("TaskTimedOut", succeed(w, token, "2"))
            check_clean(w)
        end
    end)

    it("may be ended before the run waits for it, once", function()
        for _, ms in ipairs { 0, 6000 } do
            local w = new(CALLBACK)
            w:start "a"
            w:pass(ms)
            local token = token_of(w)
            assert.is_nil(beat(w, token))
            assert.is_nil(succeed(w, token, "[1]"))
            assert.equal("TaskTimedOut", succeed(w, token, "2"))
            w:settle()
            assert.same({ { 1 } }, w:run().output)
            assert.equal("TaskTimedOut", beat(w, token))
            check_clean(w)
        end
    end)

    it("needs signs of life from its beginning", function()
        local w = new(CALLBACK)
        w:start "a"
        w:pass(35000)
        local token = token_of(w)
        assert.is_nil(beat(w, token))
        w:pass(29999)
        assert.equal("waiting", w:run().status)
        w:pass(1)
        assert.same({ "States.HeartbeatTimeout" }, w:run().output)
        assert.equal("TaskTimedOut", beat(w, token))
        check_clean(w)
    end)

    it("is known to be over while its run goes on", function()
        for _, has_waited in ipairs { false, true } do
            local w = new [[
                local token = ctx.token()
                local value = ctx.callback(token)
                ctx.sleep(100)
                return value
            ]]
            w:start "a"
            w:rest()
            local token = token_of(w)
            assert.is_nil(succeed(w, token, "1"))
            w:pass(has_waited and 6000 or 0)
            assert.equal(has_waited and "waiting" or "running", w:run().status)
            assert.equal("TaskTimedOut", beat(w, token))
            assert.equal("TaskTimedOut", succeed(w, token, "1"))
            w:settle()
            assert.equal(1, w:run().output)
        end
    end)

    it("works in a run that is not kept", function()
        local w = new([[
            local token = ctx.token()
            ctx.request { url = "http://u/" .. token }
            ctx.sleep(1)
            return ctx.callback(token, { heartbeat = 5 })
        ]], nil, 'durable = "never"')
        local request = w:start "a"
        w:rest()
        local token = w.calls[1].url:match "([^/]+)$"
        assert.is_nil(beat(w, token))
        assert.is_nil(succeed(w, token, "3"))
        assert.equal("TaskTimedOut", succeed(w, token, "3"))
        w:settle()
        assert.equal("3", request.body:match "^%d")
    end)

    it("goes with a run that ends in the same breath", function()
        local w = new [[
            local token = ctx.token()
            return (ctx.race {
                function() return ctx.callback(token, { heartbeat = 5 }) end,
                function() return ctx.task "q" end,
                function() return 1 end,
            })
        ]]
        w:start "a"
        w:rest()
        assert.equal(1, w:run().output)
        check_clean(w)
        w = new [[
            local token = ctx.token()
            ctx.all {
                function() return ctx.callback(token, { heartbeat = 5 }) end,
                function() return ctx.task "q" end,
                function() ctx.fail("NO", "no") end,
            }
        ]]
        w:start "a"
        w:rest()
        assert.equal("failed", w:run().status)
        check_clean(w)
    end)

    it("takes no token of another kind", function()
        local w = new [[ return ctx.callback("abc") ]]
        w:start "a"
        w:rest()
        assert.equal("INVALID", w:run().error.code)
    end)
end)

describe("who took a task", function()
    it("is told live and by each replay", function()
        local w = new([[ return ctx.watched "q" ]])
        ask(w, "create", "q", {})
        w:start "a"
        w:rest()
        assert.same({}, w.started)
        w:pass(7)
        local token = poll(w, "q", "Ada").token
        local taken = w.clock.now
        assert.same({ { "Ada", taken } }, w.started)
        local after = w:crash()
        after:rest()
        assert.same({ { "Ada", taken } }, after.started)
        after:pass(6000)
        assert.equal(0, after:live_count())
        assert.is_nil(succeed(after, token, '"x"'))
        assert.same({ "x", "Ada", taken }, after:run().output)
        assert.same({ worker = "Ada", taken = taken }, after:entries()["1"].extra.task)
        after.started = {}
        after:request("GET", "/v1/runs/" .. after:ids()[1] .. "/replay")
        assert.same({ { "Ada", taken } }, after.started)
    end)

    it("is told of a task that is not over", function()
        local w = new([[ return ctx.watched "q" ]])
        ask(w, "create", "q", {})
        w:start "a"
        w:rest()
        poll(w, "q", "Ada")
        w:pass(6000)
        w.started = {}
        w:request("GET", "/v1/runs/" .. w:ids()[1] .. "/replay")
        assert.equal("Ada", w.started[1][1])
    end)
end)

describe("a fork", function()
    it("has its tasks from the run it comes from, or may not have any", function()
        local w = new [[ return { ctx.task("q", 1), ctx.task("q", 2) } ]]
        ask(w, "create", "q", {})
        w:start "a"
        w:rest()
        succeed(w, poll(w, "q", "w").token, "10")
        local second = poll(w, "q", "w")
        local id = w:ids()[1]
        local request = w:request("POST", "/v1/runs/" .. id .. "/fork", { body = '{"from":"1"}' })
        w:rest()
        local forked = request:json().id
        assert.equal("EFFECT_NOT_ALLOWED", w:run(forked).error.code)
        assert.is_nil(poll(w, "q", "w"))
        succeed(w, second.token, "20")
        request = w:request("POST", "/v1/runs/" .. id .. "/fork", { body = '{"from":"1"}' })
        w:rest()
        assert.same({ 10, 20 }, w:run(request:json().id).output)
        request = w:request("POST", "/v1/runs/" .. id .. "/fork", { body = '{"from":"2","allow_effects":true}' })
        w:rest()
        local got = poll(w, "q", "w")
        assert.equal("2", got.input)
        succeed(w, got.token, "21")
        assert.same({ 10, 21 }, w:run(request:json().id).output)
        check_clean(w)
    end)
end)

describe("a crash", function()
    local TEXT = [[
        local ok, value = pcall(ctx.task, "q", 1, { heartbeat = 30 })
        return { ok, ok and value or value.code }
    ]]

    --- Takes, shows life, finishes; after a crash once more what can be done again. Returns the number of batches.
    local function play(w)
        local tokens = {}
        for _ = 1, 2 do
            ask(w, "create", "q", {})
            if not w:ids()[1] then
                w:start "a"
                w:rest()
            end
            local task = poll(w, "q", "w")
            tokens[#tokens + 1] = task and task.token
            for _, token in ipairs(tokens) do
                beat(w, token)
            end
            w:pass(20000)
            for _, token in ipairs(tokens) do
                beat(w, token)
            end
            w:pass(20000)
            for _, token in ipairs(tokens) do
                succeed(w, token, "7")
            end
        end
        w:settle()
        return tokens
    end

    it("between any two batches loses no task and ends none twice", function()
        local whole = new(TEXT)
        play(whole)
        assert.same({ true, 7 }, whole:run().output)
        for count = 0, whole:applied() do
            local w = whole:crash(count)
            w:rest()
            local tokens = play(w)
            assert.equal("succeeded", w:run().status)
            -- a worker whose task was taken and whose answer was lost shows no life: that is told
            assert.is_true(#tokens <= 1)
            assert.same(w:run().output[1] and { true, 7 } or { false, "TIMEOUT" }, w:run().output)
            check_clean(w)
        end
    end)
end)

describe("a crash while a callback is waited for", function()
    local TEXT = [[
        local token = ctx.token()
        ctx.sleep(2)
        local ok, value = pcall(ctx.callback, token, { heartbeat = 30 })
        ctx.sleep(2)
        return { ok, ok and value or value.code }
    ]]

    --- Ends it after `ms`, again and again until it is acknowledged.
    local function play(w, ms)
        if not w:ids()[1] then
            w:start "a"
        end
        w:rest()
        w:pass(ms)
        local entry = w:entries()["1"]
        if w:run().status ~= "succeeded" and entry then
            local refusal = succeed(w, entry.value, "7")
            assert.is_true(refusal == nil or refusal == "TaskTimedOut")
        end
        w:settle()
    end

    it("and acknowledged before is taken though its time is over by then", function()
        local w = new(TEXT)
        w:start "a"
        w:pass(1000)
        local token = w:entries()["1"].value
        assert.is_nil(succeed(w, token, "7"))
        local acknowledged = w:applied()
        w:settle()
        for count = acknowledged, w:applied() do
            local after = w:crash(count, { seconds_later = 1000 })
            after:settle()
            assert.same({ true, 7 }, after:run().output)
            check_clean(after)
        end
    end)

    it("between any two batches loses no result", function()
        for _, ms in ipairs { 0, 1000, 3000, 10000 } do
            local whole = new(TEXT)
            play(whole, ms)
            assert.same({ true, 7 }, whole:run().output)
            for count = 0, whole:applied() do
                local w = whole:crash(count, { is_at_commit = true })
                play(w, ms)
                assert.same({ true, 7 }, w:run().output)
                check_clean(w)
            end
        end
    end)
end)

describe("shards", function()
    it("hand out each task once, whoever asks where", function()
        local shards = world.shards(3, { files = { ["a.lua"] = flow [[ return ctx.task("q", input) ]] },
            settings = { park_after = "5" } })
        local w = shards[0]
        ask(w, "create", "q", {})
        for i = 1, 6 do
            shards[i % 3]:start("a", i)
        end
        w:rest()
        w:pass(6000)
        local seen = {}
        for i = 1, 6 do
            local task = poll(shards[(i + 1) % 3], "q", "w" .. i)
            assert.is_nil(seen[task.input])
            seen[task.input] = task.token
        end
        assert.is_nil(poll(shards[2], "q", "w"))
        for input, token in pairs(seen) do
            assert.is_nil(succeed(shards[1], token, input))
        end
        for _, id in ipairs(w:ids()) do
            local run = w:run(id)
            assert.equal("succeeded", run.status)
            assert.equal(run.input, run.output)
        end
        check_clean(w)
    end)

    it("let workers wait at any of them", function()
        local shards = world.shards(2, { files = { ["a.lua"] = flow([[ return ctx.task("q", input) ]],
            'durable = "never"') } })
        local w = shards[0]
        ask(w, "create", "q", {})
        local got = {}
        for i = 0, 1 do
            shards[i]:module("flowhost.engine.activities").poll("q", "w", 60000, function(task)
                got[i] = task
            end)
        end
        w:rest()
        local first = shards[0]:start("a", 5)
        shards[1]:start("a", 6)
        w:rest()
        local tokens = { [got[0].input] = got[0].token, [got[1].input] = got[1].token }
        assert.is_nil(succeed(shards[1], tokens["5"], "55"))
        assert.equal("55", first.body:match "^%d+")
    end)
end)
