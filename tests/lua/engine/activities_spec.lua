-- SPDX-License-Identifier: MIT
-- Tasks for outside workers: ctx.task, queues, tokens, heartbeats.
local world = require "support.world"

local flow = world.flow

local function new(text, o, options)
    local given = { files = { ["a.lua"] = flow(text, options) }, settings = { park_after = "5" } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

--- What a call of the engine tells: { done = true, values }, filled when it does.
local function answer()
    local got = {}
    return got, function(...)
        got.is_done, got.n = true, select("#", ...)
        got[1], got[2] = ...
    end
end

local function activities(w)
    return w:module "flowhost.engine.activities"
end

local function create(w, name)
    local got, done = answer()
    activities(w).create(name, {}, done)
    w:rest()
    return got[1]
end

--- Asks for a task; it may wait for `ms`.
local function poll(w, name, worker, ms)
    local got, done = answer()
    got.cancel = activities(w).poll(name, worker, ms or 0, done)
    w:rest()
    return got
end

local function succeed(w, token, output)
    local got, done = answer()
    activities(w).succeed(token, output, done)
    w:rest()
    assert.is_true(got.is_done)
    return got[1] and got[1].code
end

local function fail(w, token, err, cause)
    local got, done = answer()
    activities(w).fail(token, err, cause, done)
    w:rest()
    assert.is_true(got.is_done)
    return got[1] and got[1].code
end

local function beat(w, token)
    local got, done = answer()
    activities(w).heartbeat(token, done)
    w:rest()
    assert.is_true(got.is_done)
    return got[1] and got[1].code
end

--- A world in which flow "a" has begun and come to rest.
local function begun(text, o, options)
    local w = new(text, o, options)
    create(w, "q")
    w:start("a", { n = 1 })
    w:rest()
    return w
end

local TASK = [[ return ctx.task("q", input) ]]

--- Nothing is kept of tasks.
local function check_clean(w)
    local ids = w.store.ids
    assert.same({}, w.store:keys(ids.tasks, ""))
    assert.same({}, w.store:keys(ids.queues, ""))
    assert.same({}, w.store:keys(ids.alarms, ""))
end

describe("a task", function()
    it("waits for a worker, who takes and finishes it", function()
        for _, ms in ipairs { 0, 6000 } do
            local w = begun(TASK)
            w:pass(ms)
            assert.equal(ms == 0 and 1 or 0, w:live_count())
            local got = poll(w, "q", "w1")
            assert.equal('{"n":1}', got[1].input)
            assert.equal(ms == 0 and 1 or 0, w:live_count())
            assert.is_nil(succeed(w, got[1].token, '{"m":2}'))
            assert.equal("succeeded", w:run().status)
            assert.same({ m = 2 }, w:run().output)
            check_clean(w)
            assert.is_nil(w:next_timer())
        end
    end)

    it("goes to one worker only, the oldest first", function()
        local w = begun [[ return ctx.task("q", input.n) ]]
        w:pass(1)
        w:start("a", { n = 2 })
        w:rest()
        assert.equal("1", poll(w, "q", "w1")[1].input)
        assert.equal("2", poll(w, "q", "w2")[1].input)
        local none = poll(w, "q", "w3")
        assert.is_true(none.is_done)
        assert.is_nil(none[1])
    end)

    it("goes to the worker that has waited longest", function()
        local w = new(TASK)
        create(w, "q")
        local first, second = poll(w, "q", "w1", 60000), poll(w, "q", "w2", 60000)
        w:start("a", 7)
        w:rest()
        assert.equal("7", first[1].input)
        assert.is_nil(second.is_done)
        w:pass(59999)
        assert.is_nil(second.is_done)
        w:pass(1)
        assert.is_true(second.is_done)
        assert.is_nil(second[1])
    end)

    it("is not given to a worker who has gone", function()
        local w = new(TASK)
        create(w, "q")
        local first, second = poll(w, "q", "w1", 60000), poll(w, "q", "w2", 60000)
        first.cancel()
        w:start("a", 7)
        w:rest()
        assert.is_nil(first.is_done)
        assert.equal("7", second[1].input)
        second[1].give_back()
        w:rest()
        assert.equal("7", poll(w, "q", "w3")[1].input)
    end)

    it("fails as the worker says", function()
        local w = begun([[
            local ok, err = pcall(ctx.task, "q")
            return { err.code, err.message, err.data }
        ]])
        local got = poll(w, "q", "w1")
        assert.equal("null", got[1].input)
        assert.is_nil(fail(w, got[1].token, "Bad", "no luck"))
        assert.same({ "Bad", "no luck", { error = "Bad", cause = "no luck" } }, w:run().output)
        check_clean(w)
    end)

    it("fails without saying how", function()
        local w = begun([[
            local ok, err = pcall(ctx.task, "q")
            return { err.code, err.message, err.data }
        ]])
        assert.is_nil(fail(w, poll(w, "q", "w1")[1].token, ""))
        assert.same({ "TASK_FAILED", "the task failed", { error = "" } }, w:run().output)
    end)

    it("of a flow that writes on errors only is written", function()
        local w = begun(TASK, nil, 'durable = "on_error"')
        local after = w:crash()
        after:rest()
        assert.is_nil(succeed(after, poll(after, "q", "w1")[1].token, "3"))
        assert.equal(3, after:run().output)
        check_clean(after)
    end)

    it("shows no secret to a worker", function()
        for _, durable in ipairs { "always", "never" } do
            local w = new([[ return ctx.task("q", { "a swordfish" }) ]], { secrets = { PASS = "swordfish" } },
                ('durable = "%s"'):format(durable))
            create(w, "q")
            w:start "a"
            w:rest()
            assert.equal('["a [secret PASS]"]', poll(w, "q", "w1")[1].input)
        end
    end)

    it("is finished once", function()
        local w = begun(TASK)
        local token = poll(w, "q", "w1")[1].token
        assert.is_nil(succeed(w, token, "1"))
        assert.equal("TaskTimedOut", succeed(w, token, "2"))
        assert.equal("TaskTimedOut", fail(w, token))
        assert.equal("TaskTimedOut", beat(w, token))
        assert.equal(1, w:run().output)
        assert.equal("InvalidToken", succeed(w, "nonsense", "1"))
        assert.equal("InvalidToken", succeed(w, token:sub(1, -3) .. "xx", "1"))
        assert.equal("InvalidOutput", succeed(w, token, "{"))
    end)
end)

describe("a task's time", function()
    local WITH_TIMEOUT = [[
        local ok, err = pcall(ctx.task, "q", nil, { timeout = 100 })
        return { err.code, err.message, err.data }
    ]]
    local WITH_HEARTBEAT = [[
        local ok, err = pcall(ctx.task, "q", nil, { heartbeat = 30 })
        return { ok, ok and err or err.code, not ok and err.data.error or nil }
    ]]

    it("counts from its beginning, whoever has it", function()
        for _, is_taken in ipairs { false, true } do
            local w = begun(WITH_TIMEOUT)
            w:pass(6000)
            local token = is_taken and poll(w, "q", "w1")[1].token
            w:pass(93999)
            assert.equal("waiting", w:run().status)
            w:pass(1)
            assert.same({ "TIMEOUT", "task 'q' was not finished in time", { error = "States.Timeout" } },
                w:run().output)
            check_clean(w)
            assert.is_nil(poll(w, "q", "w2")[1])
            if token then
                assert.equal("TaskTimedOut", succeed(w, token, "1"))
            end
        end
    end)

    it("without a sign of life ends it, from when a worker has it", function()
        local w = begun(WITH_HEARTBEAT)
        w:pass(100000)
        assert.equal("waiting", w:run().status)
        local token = poll(w, "q", "w1")[1].token
        w:pass(29999)
        assert.equal(0, w:live_count())
        assert.is_nil(beat(w, token))
        w:pass(29999)
        assert.is_nil(beat(w, token))
        w:pass(15000)
        assert.equal(0, w:live_count())
        w:pass(14999)
        assert.equal("waiting", w:run().status)
        w:pass(1)
        assert.same({ false, "TIMEOUT", "States.HeartbeatTimeout" }, w:run().output)
        assert.equal("TaskTimedOut", beat(w, token))
        check_clean(w)
    end)

    it("without a sign of life ends it in memory, too", function()
        local w = begun(WITH_HEARTBEAT)
        local token = poll(w, "q", "w1")[1].token
        w:pass(3000)
        assert.is_nil(beat(w, token))
        assert.is_nil(succeed(w, token, '"x"'))
        assert.same({ true, "x" }, w:run().output)
        check_clean(w)
        w:pass(30000)
        assert.is_nil(w:next_timer())
    end)
end)

describe("a run that is not kept", function()
    local NEVER = 'durable = "never"'

    it("has its tasks in memory", function()
        local w = new([[ return ctx.task("q", input, { heartbeat = 10 }) ]], nil, NEVER)
        create(w, "q")
        local first, second = w:start("a", 1), w:start("a", 2)
        w:rest()
        local applied = w:applied()
        local got, other = poll(w, "q", "w1")[1], poll(w, "q", "w2")[1]
        assert.equal("1", got.input)
        assert.is_nil(poll(w, "q", "w3")[1])
        other.give_back()
        w:rest()
        other = poll(w, "q", "w3")[1]
        assert.equal("2", other.input)
        w:pass(6000)
        assert.is_nil(beat(w, got.token))
        w:pass(4000)
        assert.is_nil(first.status)
        assert.equal(504, second.status)
        assert.is_nil(succeed(w, got.token, "11"))
        assert.equal("11", first.body:match "^%d+")
        assert.equal("TaskDoesNotExist", succeed(w, got.token, "12"))
        assert.equal(applied, w:applied())
        assert.is_nil(w:next_timer())
    end)

    it("takes its tasks out of the queue", function()
        local w = new([[ ctx.race { function() ctx.task "q" end, function() ctx.sleep(1) end } ]], nil, NEVER)
        create(w, "q")
        w:start "a"
        w:pass(1000)
        assert.is_nil(poll(w, "q", "w1")[1])
    end)
end)

describe("a task that nobody waits for any more", function()
    local LOSER = [[
        return ctx.race { function() return ctx.task("q", 1) end, function() ctx.sleep(input) return "slept" end }
    ]]

    it("leaves its queue", function()
        for _, is_taken in ipairs { false, true } do
            local w = new(LOSER)
            create(w, "q")
            w:start("a", 20)
            w:pass(6000)
            local token = is_taken and poll(w, "q", "w1")[1].token
            w:pass(14000)
            assert.equal("succeeded", w:run().status)
            check_clean(w)
            assert.is_nil(poll(w, "q", "w1")[1])
            if token then
                assert.equal("TaskTimedOut", succeed(w, token, "1"))
            end
        end
    end)

    it("goes with its run", function()
        for _, ms in ipairs { 0, 6000 } do
            local w = begun(TASK)
            w:pass(ms)
            local id = w:ids()[1]
            local request = w:request("POST", "/v1/runs/" .. id .. "/cancel", { body = "{}" })
            w:settle()
            assert.equal(202, request.status)
            assert.equal("cancelled", w:run().status)
            check_clean(w)
            assert.is_nil(poll(w, "q", "w1")[1])
        end
    end)

    it("waits while its run stands still, out of the queue", function()
        local w = begun [[
            return { ctx.all {
                function() return ctx.task("q", 1) end,
                function() ctx.sleep(1) ctx.suspend("LOOK", "here") return 2 end,
            } }
        ]]
        w:pass(2000)
        assert.equal("suspended", w:run().status)
        assert.is_nil(poll(w, "q", "w1")[1])
        w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/recover", { body = "{}" })
        w:rest()
        local got = poll(w, "q", "w1")[1]
        assert.equal("1", got.input)
        assert.is_nil(succeed(w, got.token, "5"))
        assert.same({ 5, 2 }, w:run().output)
        check_clean(w)
    end)

    it("gives its result to a run that stands still", function()
        local w = begun [[
            return { ctx.all {
                function() return ctx.task("q", 1) end,
                function() ctx.sleep(1) ctx.suspend("LOOK", "here") return 2 end,
            } }
        ]]
        local token = poll(w, "q", "w1")[1].token
        w:pass(2000)
        assert.equal("suspended", w:run().status)
        assert.is_nil(beat(w, token))
        assert.is_nil(succeed(w, token, "5"))
        assert.equal("TaskTimedOut", succeed(w, token, "6"))
        w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/recover", { body = "{}" })
        w:rest()
        assert.same({ 5, 2 }, w:run().output)
        check_clean(w)
    end)

    it("goes with a run that stood still", function()
        local w = begun [[
            return ctx.all {
                function() return ctx.task("q", 1, { heartbeat = 1000 }) end,
                function() ctx.sleep(1) ctx.suspend("LOOK", "here") end,
            }
        ]]
        local token = poll(w, "q", "w1")[1].token
        w:pass(2000)
        w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/cancel", { body = "{}" })
        w:rest()
        assert.equal("cancelled", w:run().status)
        check_clean(w)
        assert.equal("TaskTimedOut", succeed(w, token, "6"))
    end)
end)

describe("a worker who takes a task at the moment when", function()
    local HEART = [[ return ctx.task("q", input, { heartbeat = 30 }) ]]

    --- Asks without letting anything happen.
    local function ask(w, worker)
        local got, done = answer()
        got.cancel = activities(w).poll("q", worker, 60000, done)
        return got
    end

    local function cancel(w)
        return w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/cancel", { body = "{}" })
    end

    it("its run ends has it, or not", function()
        local w = begun(HEART)
        local got = ask(w, "w1")
        cancel(w)
        w:rest()
        assert.equal("cancelled", w:run().status)
        assert.equal("TaskTimedOut", succeed(w, got[1].token, "1"))
        assert.equal("TaskTimedOut", beat(w, got[1].token))
        w:pass(30000)
        check_clean(w)

        w = begun(HEART)
        cancel(w)
        got = ask(w, "w1")
        w:rest()
        assert.is_nil(got.is_done)
        w:pass(60000)
        assert.is_true(got.is_done)
        assert.is_nil(got[1])
        check_clean(w)
    end)

    it("the worker goes leaves it to the next", function()
        local w = begun(HEART)
        local got, other = ask(w, "w1"), ask(w, "w2")
        got.cancel()
        w:rest()
        assert.is_nil(got.is_done)
        assert.is_not_nil(other[1])
        assert.is_nil(succeed(w, other[1].token, "1"))
        assert.equal("w2", w:entries()["1"].extra.task.worker)
        check_clean(w)
    end)

    it("the store is full waits, and gets it when there is room", function()
        local w = begun(HEART)
        w.store.is_full = true
        local got = ask(w, "w1")
        w:rest()
        assert.is_nil(got.is_done)
        w.store.is_full = false
        w:rest()
        assert.is_not_nil(got[1])
    end)

    it("the store fails is told, and the task stays", function()
        local w = begun(HEART)
        w.store:fail_next "IO"
        local got = ask(w, "w1")
        w:rest()
        assert.same({ code = "IO" }, got[2])
        assert.is_not_nil(poll(w, "q", "w2")[1])
    end)
end)
