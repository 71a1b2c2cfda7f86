-- SPDX-License-Identifier: MIT
-- ctx.call and ctx.start.
local fake_store = require "flowhost.testing.fake_store"
local world = require "support.world"

local flow = world.flow

local function new(parent, child, o, parent_options, child_options)
    local given = { files = { ["a.lua"] = flow(parent, parent_options), ["b.lua"] = flow(child, child_options) },
        settings = { park_after = "5" } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

local function rest(w)
    repeat until not w:commit()
end

--- id of the run of a flow
local function run_of(w, name)
    for _, id in ipairs(w:ids()) do
        local run = w:run(id)
        if run.flow == name then
            return run
        end
    end
end

describe("ctx.call", function()
    it("gives the child's output, its error with its code; parent and child name each other", function()
        local w = new([[
            local ok, err = pcall(ctx.call, "b", { fails = true })
            return { ctx.call("b", { n = 2 }), ok, err.code, err.cause:match "flow b failed" }
        ]], [[ if input.fails then ctx.fail("NO_LUCK", "none") end return input.n * 2 ]])
        w:play "a"
        assert.same({ 4, false, "NO_LUCK", "flow b failed" }, run_of(w, "a").output)
        local parent, child = run_of(w, "a"), run_of(w, "b")
        assert.same({ run = parent.id, step = "1" }, child.parent)
        local by_path = w:entries(parent.id)
        assert.equal("b", by_path["2"].name)
        assert.equal(0, #w.store:keys(w.store.ids.alarms, ""))
        assert.is_nil(w:next_timer())
    end)

    it("gives false as it is; what a child could not be reached for is retryable to its parent as well", function()
        local w = new([[ return { ctx.call("b", 1) == false, ctx.call("b", 2) == nil } ]],
            [[ if input == 1 then return false end ]])
        w:play "a"
        assert.same({ true, true }, run_of(w, "a").output)
        local left = 2
        w = new([[ return ctx.call("b", 1, { retry = { max = 5, base = 0 } }) ]],
            [[ return ctx.request { url = "http://u/x" }.ok ]], { upstream = function()
                left = left - 1
                if left >= 0 then
                    return "NETWORK", "cut"
                end
                return 200, nil, { ok = true }
            end }, nil, 'on_error = "fail"')
        w:play "a"
        assert.is_true(run_of(w, "a").output)
        assert.equal(4, #w:ids())
    end)

    it("waits for years in no memory, and learns of the end over a restart", function()
        local w = new([[ return ctx.call("b", 5) ]], [[ ctx.sleep(1000000) return input + 1 ]])
        w:start "a"
        rest(w)
        w:advance(6000)
        rest(w)
        assert.equal(0, w:live_count())
        assert.equal("waiting", run_of(w, "a").status)
        local again = w:crash()
        again:settle()
        assert.equal(6, run_of(again, "a").output)
        assert.equal(0, again:live_count())
        assert.equal(0, #again.store:keys(again.store.ids.alarms, ""))
    end)

    it("of a flow that keeps no journal", function()
        for _, durable in ipairs { "never", "on_error" } do
            local w = new([[ return ctx.call("b", 5) ]], [[ ctx.sleep(1) return input + 1 ]], nil, nil,
                ('durable = "%s"'):format(durable))
            w:play "a"
            assert.equal(6, run_of(w, "a").output)
            assert.equal(1, #w:ids())
        end
    end)

    it("cancels the child with the parent; a child of a cancelled branch, too", function()
        local w = new([[ return ctx.call("b") ]], [[ ctx.wait "never" ]])
        w:start "a"
        rest(w)
        w:request("POST", "/v1/runs/" .. run_of(w, "a").id .. "/cancel", { body = { reason = "stop" } })
        w:settle()
        assert.equal("cancelled", run_of(w, "a").status)
        assert.equal("cancelled", run_of(w, "b").status)
        w = new([[ return { ctx.race { function() return ctx.call("b") end, function() ctx.sleep(1) return 7 end } } ]],
            [[ ctx.wait "never" ]])
        w:start "a"
        w:settle()
        assert.same({ 7, 2 }, run_of(w, "a").output)
        assert.equal("cancelled", run_of(w, "b").status)
        assert.equal(0, #w.store:keys(w.store.ids.alarms, ""))
    end)

    it("ends with TIMEOUT, and the child is cancelled", function()
        local w = new([[ local ok, e = pcall(ctx.call, "b", 1, { timeout = 60 }) return e.code ]], [[ ctx.wait "x" ]])
        w:start "a"
        w:settle()
        assert.equal("TIMEOUT", run_of(w, "a").output)
        assert.equal("cancelled", run_of(w, "b").status)
    end)

    it("is tried again once for each end of a child, and each attempt has its own time", function()
        local w = new([[ local ok, e = pcall(ctx.call, "b", 1, { retry = { max = 2, base = 1, on = { "NO" } } })
            return e.code ]], [[ error { code = "NO", message = "no" } ]], nil, nil, 'on_error = "fail"')
        w:play "a"
        assert.equal("NO", run_of(w, "a").output)
        assert.equal(4, #w:ids())
        local states = {}
        for _, entry in ipairs(select(2, w:entries(run_of(w, "a").id))) do
            states[#states + 1] = entry.state
        end
        assert.equal("ototoe", table.concat(states))
        for _, durable in ipairs { "always", "never" } do
            w = new([[ local began = ctx.now()
                local ok, e = pcall(ctx.call, "b", 1, { timeout = 60, retry = { max = 1, base = 10 } })
                return { e.code, ctx.now() - began } ]], [[ if input == 1 then ctx.wait "x" end ]], nil, nil,
                ('durable = "%s"'):format(durable))
            w:play "a"
            assert.same({ "TIMEOUT", 130 }, run_of(w, "a").output)
        end
        w = new([[ return ctx.call("b", nil, { timeout = 60 }) ]], [[ return 7 ]])
        w:start "a"
        for _ = 1, 10 do
            rest(w)
            w:advance(100)
        end
        assert.equal(7, run_of(w, "a").output)
        assert.is_nil(w:next_timer())
    end)

    it("that a recover takes back or answers by hand cancels the child", function()
        for _, edits in ipairs { { from = "1" }, { steps = { ["1.1.1"] = { output = "by hand" } } } } do
            local w = new([[
                return { ctx.all {
                    function() return ctx.call "b" end,
                    function() ctx.sleep(1) return ctx.suspend "LOOK" end,
                } }
            ]], [[ return ctx.wait "x" ]])
            w:start "a"
            w:pass(1000)
            assert.equal("suspended", run_of(w, "a").status)
            local first = run_of(w, "b").id
            edits.value = not edits.from and 2 or nil
            local request = w:request("POST", "/v1/runs/" .. run_of(w, "a").id .. "/recover", { body = edits })
            w:rest()
            assert.equal(202, request.status)
            assert.equal("cancelled", w:run(first).status)
            if edits.from then
                assert.equal(3, #w:ids())
            else
                assert.same({ "by hand", 2 }, run_of(w, "a").output)
            end
            local again = w:crash()
            again:rest()
            assert.equal("cancelled", again:run(first).status)
        end
    end)

    it("may call itself, but not for ever; unknown flows and wrong input are errors", function()
        local w = new([[ if input > 0 then return ctx.call("a", input - 1) + 1 end return 0 ]], "")
        local request = w:play("a", 20)
        assert.equal(20, request:json())
        w = new([[ return ctx.call("a", 1) ]], "", nil, 'on_error = "fail"')
        request = w:play("a", 1)
        assert.equal("CALL_DEPTH", request:json().code)
        w = new([[
            return select(2, pcall(ctx.call, "nope")).code .. select(2, pcall(ctx.call, "b", {})).code
        ]], "", nil, nil, 'request = { body = { x = { required = true } } }')
        w:play "a"
        assert.equal("NOT_FOUNDINPUT_INVALID", run_of(w, "a").output)
    end)

    it("finds the child's end however late: it is kept for as long as its parent is open", function()
        for _, keep in ipairs { "age = 1", "count = 0" } do
            local w = new([[ return { ctx.all {
                function() return ctx.call("b") end,
                function() ctx.sleep(1) return ctx.suspend "X" end,
            } }]], [[ ctx.sleep(5) return ctx.request { url = "http://u/x" }.ok ]], nil, nil,
                ("retention = { %s }"):format(keep))
            w:start "a"
            w:pass(100000)
            w:request("POST", "/v1/runs/" .. run_of(w, "a").id .. "/recover", { body = { value = 7 } })
            w:pass(1000)
            assert.same({ true, 7 }, run_of(w, "a").output)
            assert.equal(1, #w.calls)
            if keep == "age = 1" then
                w:pass(200000)
                assert.is_nil(run_of(w, "b"))
            end
        end
    end)

    it("of a flow that is recorded: its caller is, too, so that the child has a parent after a crash", function()
        local w = new([[ return ctx.call("b", 5) ]], [[ ctx.sleep(5) return input + 1 ]], nil, 'durable = "on_error"')
        w:start "a"
        w:rest()
        local again = w:crash()
        again:settle()
        assert.equal(2, #again:ids())
        assert.equal(6, run_of(again, "a").output)
    end)

    it("waits for space on a full disk: it neither fails nor is its child forgotten", function()
        local w = new([[ return ctx.call("b", 1) + #ctx.start("b", 2) ]], [[ return input ]])
        w:start "a"
        w:commit()
        w.store.is_full = true
        w:settle()
        assert.equal(1, #w:ids())
        w.store.is_full = false
        w:settle()
        assert.equal(27, run_of(w, "a").output)
        w = new([[ return ctx.call("b") ]], [[ error { code = "NO", message = "no" } ]])
        w:start "a"
        w:settle()
        w:request("POST", "/v1/runs/" .. run_of(w, "a").id .. "/cancel")
        repeat
            w:advance(1)
            w:commit()
        until run_of(w, "a").status == "cancelled"
        w.store.is_full = true
        for _ = 1, 5 do
            rest(w)
            w:advance(1000)
        end
        assert.equal("suspended", run_of(w, "b").status)
        w.store.is_full = false
        w:settle()
        assert.equal("cancelled", run_of(w, "a").status)
        assert.equal("cancelled", run_of(w, "b").status)
        assert.equal(0, #w.store:keys(w.store.ids.alarms, ""))
    end)

    it("starts the child once, wherever the process dies", function()
        local w = new([[ return ctx.call("b", 1) ]], [[ return ctx.request { url = "http://u/x", json = input }.ok ]])
        local before = w:applied()
        w:play "a"
        for count = before + 1, w:applied() do
            local again = w:crash(count)
            again:settle()
            assert.equal(2, #again:ids(), "batch " .. count)
            assert.equal("succeeded", run_of(again, "a").status)
            assert.equal("succeeded", run_of(again, "b").status)
            assert.equal(0, again:live_count())
            assert.equal(0, #again.store:keys(again.store.ids.alarms, ""))
        end
    end)
end)

describe("ctx.start", function()
    it("gives the id once the child is stored; the child goes its own way", function()
        local w = new([[ return ctx.start("b", 3) ]], [[ ctx.sleep(100) return input ]])
        w:start "a"
        w:settle()
        local child = run_of(w, "b")
        assert.equal(child.id, run_of(w, "a").output)
        assert.equal(3, child.output)
        w = new([[ ctx.start("b", 3) ctx.wait "x" ]], [[ ctx.sleep(100) return input ]])
        w:start "a"
        rest(w)
        w:request("POST", "/v1/runs/" .. run_of(w, "a").id .. "/cancel")
        w:settle()
        assert.equal("succeeded", run_of(w, "b").status)
    end)

    it("does not park its parent: nobody would wake it", function()
        local w = new([[ return #ctx.start("b", 3) ]], [[ return input ]])
        w:start "a"
        w:commit()
        local first = w:applied()
        w:advance(6000)
        rest(w)
        for count = first, w:applied() do
            local again = w:crash(count)
            again:settle()
            assert.equal("succeeded", run_of(again, "a").status, "batch " .. count)
        end
    end)
end)

describe("with another number of shards after a restart", function()
    it("a child that was not started yet is one of its parent's shard", function()
        local w = new([[ return { ctx.call("b", 1), #ctx.start("b", 2) } ]], [[ ctx.sleep(1) return input ]])
        for _ = 1, 6 do
            w:start "a"
        end
        w:commit()
        local shards = world.shards(3, { files = w.options.files, store = fake_store.new(w.store.log, w:applied()) })
        shards[0]:commit()
        local taken = 0
        for i = 0, 2 do
            for _, run in pairs(shards[i]:module("flowhost.engine.live").runs) do
                taken = taken + 1
                assert.equal(i, w.core.system.partition(run.bytes) % 3)
            end
        end
        assert.equal(12, taken)
        shards[0]:settle()
        for _, id in ipairs(shards[0]:ids()) do
            assert.equal("succeeded", shards[0]:run(id).status)
        end
        assert.equal(18, #shards[0]:ids())
    end)
end)
