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
    activities(w).create(name, nil, done)
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
