-- SPDX-License-Identifier: MIT
-- Waiting for long: parked, woken by alarms and signals, over restarts and stepped clocks.
local world = require "support.world"

local flow = world.flow

local function new(text, o, options)
    local given = { files = { ["a.lua"] = flow(text, options) }, settings = { park_after = "5" } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

--- Lets time pass in steps, with what happens meanwhile.
local function pass(w, ms)
    w:advance(ms)
    repeat until not w:commit()
end

local function rest(w)
    repeat until not w:commit()
end

describe("a run that waits", function()
    it("longer than park_after leaves memory: a row, its journal, an alarm", function()
        local w = new [[ ctx.sleep(3600) return "slept" ]]
        w:start "a"
        rest(w)
        assert.equal(1, w:live_count())
        pass(w, 5000)
        assert.equal(0, w:live_count())
        local run = w:run()
        assert.equal("waiting", run.status)
        assert.equal("sleep", run.waiting_for.kind)
        assert.equal(1, #w.store:keys(w.store.ids.alarms, ""))
        w:settle()
        assert.equal("succeeded", w:run().status)
        assert.equal("slept", w:run().output)
        assert.equal(0, #w.store:keys(w.store.ids.alarms, ""))
        assert.is_nil(w:next_timer())
    end)

    it("and whose caller does not wait leaves nothing in memory", function()
        local w = new [[ ctx.wait "go" ]]
        w:start("a", nil, { headers = { prefer = "respond-async" } })
        w:start("a", nil, { headers = { prefer = "respond-async", ["idempotency-key"] = "k" } })
        rest(w)
        pass(w, 5000)
        assert.equal(0, w:live_count())
        assert.same({}, w:module("flowhost.engine.parking").waiters)
    end)

    it("less than park_after stays", function()
        local w = new [[ ctx.sleep(4) return 1 ]]
        w:start "a"
        w:settle()
        assert.equal("succeeded", w:run().status)
        for _, batch in ipairs(w.store.log) do
            for _, op in ipairs(batch) do
                assert.not_equal(w.store.ids.alarms, op.table)
            end
        end
    end)

    it("is woken at its time, never early, and its caller gets the answer", function()
        local w = new [[ ctx.sleep(60) return ctx.now() ]]
        local began = w.clock.now
        local request = w:start "a"
        rest(w)
        pass(w, 59999)
        assert.equal("waiting", w:run().status)
        assert.is_nil(request.status)
        pass(w, 1)
        w:settle()
        assert.equal(200, request.status)
        assert.equal((began + 60000) / 1000, request:json())
    end)

    it("a restart finds its alarm and does not look at the run before", function()
        local w = new [[ ctx.sleep(3600) return "slept" ]]
        w:start "a"
        rest(w)
        pass(w, 6000)
        local again = w:crash(nil, { seconds_later = 100 })
        assert.equal(0, again:live_count())
        assert.equal(0, #again.log)
        again:settle()
        assert.equal("succeeded", again:run().status)
        assert.equal(w.clock.now - 6000 + 3600000, again.clock.now)
    end)

    it("an alarm that came due while nobody was there fires at once", function()
        local w = new [[ ctx.sleep(3600) return "slept" ]]
        w:start "a"
        rest(w)
        pass(w, 6000)
        local again = w:crash(nil, { seconds_later = 5000 })
        local before = again.clock.now
        again:settle()
        assert.equal("succeeded", again:run().status)
        assert.equal(before, again.clock.now)
    end)

    it("a clock that is set back or forward by an hour loses no alarm and fires none twice", function()
        for _, step in ipairs { -3600000, 3600000 } do
            local w = new [[ ctx.sleep(7200) return ctx.now() ]]
            w:start "a"
            rest(w)
            local due = w.clock.now + 7200000
            pass(w, 6000)
            w.clock.now = w.clock.now + step
            w:settle()
            assert.equal("succeeded", w:run().status)
            assert.is_true(w:run().output * 1000 >= due)
            assert.equal(1, #select(2, w:entries()) - 2)
        end
    end)

    it("many that are due at the same time all go on, each once", function()
        local w = new [[ ctx.sleep(100) return input.n ]]
        for n = 1, 300 do
            w:start("a", { n = n })
        end
        rest(w)
        pass(w, 6000)
        assert.equal(0, w:live_count())
        assert.equal(300, #w.store:keys(w.store.ids.alarms, ""))
        w:settle()
        local outputs = {}
        for _, id in ipairs(w:ids()) do
            outputs[w:run(id).output] = true
        end
        assert.equal(300, #outputs)
        assert.equal(0, #w.store:keys(w.store.ids.alarms, ""))
    end)

    it("branches that wait for different times are woken at the first", function()
        local w = new [[
            ctx.all {
                function() ctx.sleep(100) ctx.request { url = "http://u/first" } end,
                function() ctx.sleep(500) ctx.request { url = "http://u/second" } end,
            }
            return "both"
        ]]
        w:start "a"
        rest(w)
        pass(w, 6000)
        assert.equal("waiting", w:run().status)
        pass(w, 94000)
        repeat until not (w:commit() or w:next_timer().due <= w.clock.now and (w:advance(0) or true))
        assert.equal("http://u/first", w.calls[1].url)
        w:settle()
        assert.equal("succeeded", w:run().status)
        assert.equal(2, #w.calls)
    end)

    it("can be cancelled while it is parked", function()
        local w = new [[ ctx.sleep(3600) ]]
        w:start "a"
        rest(w)
        pass(w, 6000)
        local request = w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/cancel")
        w:settle()
        assert.equal(202, request.status)
        assert.equal("cancelled", w:run().status)
        assert.equal(0, #w.store:keys(w.store.ids.alarms, ""))
    end)

    --- Something happens between the moment a run is to be parked and the commit of that; then the process dies.
    local function while_parking(text, act)
        local w = new(text, { files = { ["a.lua"] = flow(text), ["b.lua"] = flow([[ ctx.sleep(4.999)
            error { code = "NO", message = "no" } ]], 'on_error = "fail"') } })
        w:start "a"
        rest(w)
        w:advance(5000)
        assert.equal("running", w:run().status)
        act(w)
        local first = w:applied()
        rest(w)
        pass(w, 50)
        pass(w, 50)
        return function(check)
            for count = first + 1, w:applied() do
                local again = w:crash(count)
                again:settle()
                check(again)
                assert.equal(0, again:live_count())
                assert.equal(0, #again.store:keys(again.store.ids.alarms, ""))
            end
        end
    end

    it("and is ended while it is being parked runs its compensations", function()
        while_parking([[ ctx.defer(function() ctx.request { url = "http://u/undo" } end) ctx.wait "x" ]], function(w)
            w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/cancel")
        end)(function(again)
            local run = again:run()
            if run.status == "waiting" then
                assert.equal(world.json.null, run.ending) -- died before the cancel was on disk
            else
                assert.equal("cancelled", run.status)
                assert.equal("http://u/undo", again.calls[1].url)
            end
        end)
    end)

    it("and has to try again while it is being parked does so in time", function()
        while_parking([[ local ok, err = pcall(ctx.call, "b", 1, { retry = { max = 1, base = 100, on = { "NO" } } })
            return err.code ]], function() end)(function(again)
            assert.same({ "succeeded", "NO" }, { again:run().status, again:run().output })
        end)
    end)

    it("too many in memory: they are parked sooner", function()
        local w = new([[ ctx.sleep(3600) ]], { settings = { park_after = "100", hot_runs = "2" } })
        for _ = 1, 5 do
            w:start "a"
        end
        rest(w)
        pass(w, 100)
        rest(w)
        assert.is_true(w:live_count() <= 2)
    end)
end)

describe("a time limit of a run", function()
    it("ends it, parked or not", function()
        for _, seconds in ipairs { 3, 100 } do
            local w = new([[ ctx.sleep(1000) ]], nil, "timeout = " .. seconds)
            local request = w:start "a"
            w:settle()
            assert.equal("timed_out", w:run().status)
            assert.equal(504, request.status)
            assert.equal(1700000000000 + seconds * 1000, w.clock.now)
            assert.is_nil(w:next_timer())
        end
    end)
end)

describe("log lines of compensations", function()
    it("are of the time at which they were written", function()
        local w = new([[ ctx.defer(function() ctx.log.info "undone" end) ctx.sleep(1000) ]], nil, "timeout = 3")
        w:start "a"
        w:settle()
        local line = w:entries()["undo.1.log1"]
        assert.same({ 1700000003000, 1700000003000 }, { line.started, line.ended })
    end)
end)

describe("time limits of steps", function()
    it("interrupt what the step waits for, on record", function()
        local w = new([[
            local ok, err = pcall(ctx.step, "slow", function()
                local inner, e = pcall(ctx.request, { url = "http://u/never" })
                local again, e2 = pcall(ctx.request, { url = "http://u/more" })
                return { inner, e.code, again, e2.code }
            end, { timeout = 2 })
            return { ok, err.code, err.retryable, ctx.request { url = "http://u/after" }.ok }
        ]], { upstream = function(call)
            if not call.url:find "never" then
                return 200, nil, { ok = true }
            end
        end })
        w:start "a"
        w:settle()
        assert.same({ false, "TIMEOUT", true, true }, w:run().output)
        local by_path = w:entries()
        assert.equal("TIMEOUT", by_path["1.1"].value.code)
        assert.equal("TIMEOUT", by_path["1.2"].value.code)
        assert.equal("TIMEOUT", by_path["1"].value.code)
        assert.equal(2, #w.calls)
        assert.is_true(w.calls[1].is_cancelled)
    end)

    it("end groups in them", function()
        local w = new([[
            local ok, err = pcall(ctx.step, "slow", function()
                ctx.all {
                    function() ctx.request { url = "http://u/never" } end,
                    function() ctx.sleep(100) ctx.request { url = "http://u/late" } end,
                }
            end, { timeout = 7 })
            return { ok, err.code }
        ]], { upstream = function() end })
        w:start "a"
        w:settle()
        assert.same({ false, "TIMEOUT" }, w:run().output)
        assert.equal(1, #w.calls)
        assert.is_nil(w:next_timer())
    end)
end)
