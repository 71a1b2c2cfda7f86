-- SPDX-License-Identifier: MIT
-- What a start finds on disk.
local world = require "support.world"

local flow = world.flow

local function nobody() end

local function new(text, o)
    local given = { files = { ["a.lua"] = flow(text) }, upstream = nobody }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

local function healthy()
    return 200, nil, { fine = true }
end

describe("at boot", function()
    it("every running run is taken up, and no other", function()
        local w = new [[
            if input.n == 1 then return "ended" elseif input.n == 2 then error "suspended" end
            return ctx.request { url = "http://u/" .. input.n, json = input }
        ]]
        for n = 1, 5 do
            w:start("a", { n = n })
        end
        w:commit()
        local again = w:crash(nil, { upstream = healthy })
        assert.equal("took up 3 unfinished runs", again.log[1].message)
        assert.equal(3, again:live_count())
        again:settle()
        assert.equal(3, #again.calls)
        local count = {}
        for _, id in ipairs(again:ids()) do
            local status = again:run(id).status
            count[status] = (count[status] or 0) + 1
        end
        assert.same({ succeeded = 4, suspended = 1 }, count)
    end)

    it("more than a scan's length of them", function()
        local w = new [[ return ctx.request { url = "http://u/x" } ]]
        for _ = 1, 1003 do
            w:start "a"
        end
        w:commit()
        local again = w:crash(nil, { upstream = healthy, answers_together = true })
        assert.equal(1003, again:live_count())
        again:settle()
        assert.equal(1003, #again.calls)
        assert.equal(0, again:live_count())
    end)

    it("each shard takes up its own", function()
        local w = new [[ return ctx.request { url = "http://u/x" } ]]
        for _ = 1, 8 do
            w:start "a"
        end
        w:commit()
        local shards = world.shards(3, { files = w.options.files, store = require("support.fake_store").new(w.store.log,
            w:applied()), upstream = healthy })
        local taken = 0
        for i = 0, 2 do
            for _, run in pairs(shards[i]:module("flowhost.engine.live").runs) do
                taken = taken + 1
                assert.equal(i, w.core.system.partition(run.bytes) % 3)
            end
        end
        assert.equal(8, taken)
    end)

    it("a sleep goes on for the time that is left", function()
        local w = new [[ ctx.sleep(100) return ctx.now() ]]
        w:start "a"
        w:commit()
        local due = w.clock.now + 100000
        local again = w:crash(nil, { seconds_later = 30 })
        assert.equal(due, again:next_timer().due)
        again:advance(69999)
        assert.equal("running", again:run().status)
        again:advance(1)
        again:settle()
        assert.equal(due / 1000, again:run().output)
        local step = again:entries()["1"]
        assert.equal(due, step.ended)
        assert.equal(due - 100000, step.started)
    end)

    it("a sleep that is over ends at once", function()
        local w = new [[ ctx.sleep(100) return 1 ]]
        w:start "a"
        w:commit()
        local again = w:crash(nil, { seconds_later = 200 })
        assert.is_true(again:next_timer().due <= again.clock.now)
        again:settle()
        assert.equal("succeeded", again:run().status)
    end)

    it("a run goes on with the code it began with", function()
        local w = new([[ local a = ctx.request { url = "http://u/1" }
            return { ctx.env.WHO, require "words", ctx.component "c" } ]], {
            env = { WHO = "old" },
            files = {
                ["a.lua"] = flow [[ ctx.request { url = "http://u/1" }
                    return { ctx.env.WHO, require "words", ctx.component "c" } ]],
                ["lib/words.lua"] = "return 'old words'",
                ["components/c.lua"] = "return function() return 'old component' end",
            },
        })
        w:start "a"
        w:commit()
        local release = w:run().release
        local again = w:crash(nil, { upstream = healthy, env = { WHO = "new" }, files = {
            ["a.lua"] = flow [[ return "new code" ]],
            ["lib/words.lua"] = "return 'new words'",
            ["components/c.lua"] = "return function() return 'new component' end",
        } })
        again:settle()
        assert.same({ "old", "old words", "old component" }, { unpack(again:run().output) })
        assert.equal(release, again:run().release)
        assert.equal('"new code"', again:play("a").body)
    end)

    it("a run goes on though its flow is gone", function()
        local w = new [[ return ctx.request { url = "http://u/1" }.fine ]]
        w:start "a"
        w:commit()
        local again = w:crash(nil, { upstream = healthy, files = { ["b.lua"] = flow "" } })
        again:settle()
        assert.is_true(again:run().output)
        assert.equal(404, again:start("a").status)
    end)

    local function suspended_as(w, code, spoil)
        local again = w:crash(nil, { upstream = healthy, files = { ["b.lua"] = flow "" }, before_start = function(self)
            spoil(self.store, self.store.ids)
        end })
        again:settle()
        local run = again:run(w:ids()[1])
        assert.equal("suspended", run.status)
        assert.equal(code, run.error.code)
        assert.equal(0, again:live_count())
        assert.equal(0, #again.calls)
        return again, run.error.message
    end

    local function half_way()
        local w = new [[ ctx.request { url = "http://u/1" } return ctx.request { url = "http://u/2" } ]]
        w:start "a"
        w:commit()
        w:answer(w.calls[1], 200)
        w:commit()
        return w
    end

    it("a run whose release is gone is suspended", function()
        local _, message = suspended_as(half_way(), "RELEASE_MISSING", function(store, ids)
            store.tables[ids.releases] = {}
        end)
        assert.matches("^release %x+ is not in the store$", message)
    end)

    it("a run whose file is gone or damaged is suspended", function()
        local _, message = suspended_as(half_way(), "RELEASE_MISSING", function(store, ids)
            store.tables[ids.blobs] = {}
        end)
        assert.matches("^file a.lua of release %x+ is not in the store$", message)
        _, message = suspended_as(half_way(), "RELEASE_MISSING", function(store, ids)
            for key in pairs(store.tables[ids.blobs]) do
                store:damage("blobs", key)
            end
        end)
        assert.matches("table blobs: damaged", message, 1, true)
    end)

    it("a run whose journal is damaged is suspended, and can be cancelled", function()
        local w = half_way()
        local again, message = suspended_as(w, "CORRUPT", function(store, ids)
            store:damage("journal", store:keys(ids.journal, "")[1])
        end)
        assert.matches("^table journal, key %x+ is damaged$", message)
        assert.equal(500, again:request("POST", "/v1/runs/" .. w:ids()[1] .. "/recover").status)
        assert.equal(500, again:request("GET", "/v1/runs/" .. w:ids()[1] .. "/steps").status)
        local cancelled = again:request("POST", "/v1/runs/" .. w:ids()[1] .. "/cancel")
        again:settle()
        assert.equal(202, cancelled.status)
        assert.equal("cancelled", again:run().status)
    end)

    it("a run whose journal is not JSON is suspended", function()
        suspended_as(half_way(), "CORRUPT", function(store, ids)
            store.tables[ids.journal][store:keys(ids.journal, "")[1]] = "[[1,"
        end)
    end)

    it("a run whose row is damaged stops that run only", function()
        local w = half_way()
        w:start "a"
        w:commit()
        local again = w:crash(nil, { upstream = healthy, before_start = function(self)
            self.store:damage("runs", self.store:keys(self.store.ids.runs, "")[1])
        end })
        again:settle()
        local id = w:ids()[1]
        assert.equal("a run cannot be read back", again.log[1].message)
        assert.equal(id, again.log[1].run)
        assert.equal("CORRUPT", again.log[1].code)
        assert.equal("succeeded", again:run(w:ids()[2]).status)
        local shown = again:request("GET", "/v1/runs/" .. id)
        assert.equal(500, shown.status)
        assert.equal("CORRUPT", shown:json().code)
        local items = again:request("GET", "/v1/runs"):json().items
        assert.equal("corrupt", items[2].status)
    end)
end)

describe("the release", function()
    it("is stored once, with each file once", function()
        local files = { ["a.lua"] = flow "return 1", ["b.lua"] = flow "return 1", ["lib/x.lua"] = "return 2" }
        local w = world.new { files = files }
        assert.equal(2, #w.store:keys(w.store.ids.blobs, ""))
        local before = w:applied()
        local again = w:crash()
        assert.equal(before, again:applied())
        files["lib/x.lua"] = "return 3"
        local third = again:crash(nil, { files = files })
        assert.equal(3, #third.store:keys(third.store.ids.blobs, ""))
        assert.equal(2, #third.store:keys(third.store.ids.releases, ""))
        assert.equal(3, #third.store:keys(third.store.ids.active, ""))
    end)

    it("that cannot be stored is logged", function()
        local fake_store = require "support.fake_store"
        local store = fake_store.new()
        store:fail_next "DISK_FULL"
        local w = world.new { files = { ["a.lua"] = flow "return 1" }, store = store }
        assert.equal("the release could not be stored: DISK_FULL", w.log[1].message)
        store = fake_store.new()
        store.refuses = "CLOSED"
        w = world.new { files = { ["a.lua"] = flow "return 1" }, store = store }
        assert.equal("the release could not be stored: CLOSED", w.log[1].message)
    end)
end)

describe("drain", function()
    it("takes no new runs and counts those that go on; one that only sleeps is left to the next start", function()
        local w = new [[
            if input then ctx.sleep(100) end
            return ctx.request { url = "http://u/1" }
        ]]
        w:start "a"
        w:start("a", { sleeps = true })
        while w:commit() do end
        assert.equal(1, w:emit "drain")
        local refused = w:start "a"
        assert.equal(503, refused.status)
        assert.equal("DRAINING", refused:json().code)
        assert.equal(503, w:request("GET", "/readyz").status)
        assert.equal(200, w:request("GET", "/healthz").status)
        w:answer(w.calls[1], 200)
        while w:commit() do end
        assert.equal(0, w:emit "drain")
    end)
end)

describe("a replay", function()
    local function replayed(text)
        local w = new(text, { upstream = function() end })
        w:start "a"
        w:commit()
        for _, name in ipairs { "fast", "slow" } do
            w:advance(500)
            for _, call in ipairs(w:open_calls()) do
                if call.url == "http://u/" .. name then
                    w:answer(call, 200, nil, name)
                end
            end
            w:commit()
        end
        w:advance(50)
        w:advance(50)
        w:commit()
        local id = w:ids()[1]
        assert.equal("running", w:run(id).status)
        local again = w:crash()
        again:settle()
        return again:run(id)
    end

    local TWO = [[
        local seen = {}
        ctx.all {
            function() ctx.request { url = "http://u/slow" } seen[#seen + 1] = "slow" end,
            function() ctx.request { url = "http://u/fast" } seen[#seen + 1] = "fast" end,
        }
    ]]

    it("lets branches go on in the order in which they did", function()
        local run = replayed(TWO .. [[
            local name = ctx.step(table.concat(seen, " then "), function() return 1 end)
            ctx.sleep(60)
            return seen
        ]])
        assert.equal("succeeded", run.status)
        assert.same({ "fast", "slow" }, run.output)
    end)

    it("finds the same recorded time in branches that begin late and behind log lines", function()
        local run = replayed [[
            local at = {}
            ctx.map({ "fast", "slow", "none" }, function(name)
                ctx.log.info("begins", name)
                at[#at + 1] = os.clock()
                if name ~= "none" then ctx.request { url = "http://u/" .. name } end
                ctx.log.info("ends", name)
                at[#at + 1] = os.clock()
            end, { concurrency = 1 })
            ctx.step(table.concat(at, " "), function() return 1 end)
            ctx.sleep(60)
            return #at
        ]]
        assert.equal("succeeded", run.status)
    end)

    it("draws the same random numbers behind a step that drew some itself", function()
        local run = replayed [[
            ctx.step("draws", function() return math.random(1e9) end)
            ctx.step("x" .. math.random(1e9), function() return 1 end)
            ctx.sleep(60)
            return 1
        ]]
        assert.equal("succeeded", run.status)
    end)
end)
