-- SPDX-License-Identifier: MIT
-- Output commit: nothing leaves before everything recorded so far is on disk.
local world = require "support.world"

local flow = world.flow

local function new(text, options, o)
    local given = { files = { ["a.lua"] = flow(text, options) }, upstream = function() return nil end }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

describe("a run", function()
    it("sends no request before the commit that covers all it has recorded", function()
        local w = new [[
            ctx.uuid()
            ctx.request { url = "http://u/1" }
            ctx.uuid()
            ctx.request { url = "http://u/2" }
        ]]
        w:start "a"
        assert.equal(0, #w.calls)
        w:commit()
        assert.equal(1, #w.calls)
        assert.is_truthy(w:entries()["1"])
        w:answer(w.calls[1], 200)
        assert.equal(1, #w.calls)
        w:commit()
        assert.equal(2, #w.calls)
        local entries = w:entries()
        assert.is_truthy(entries["2"] and entries["3"])
    end)

    it("answers only after the commit of its end", function()
        local w = new [[ return ctx.uuid() ]]
        local request = w:start "a"
        assert.is_nil(request.answered)
        w:commit()
        assert.equal(200, request.status)
        assert.equal("succeeded", w:run().status)
        assert.equal(0, w:live_count())
    end)

    it("of pure steps needs one commit in all", function()
        local w = new [[
            for i = 1, 50 do ctx.uuid(); ctx.step("s" .. i, function() return ctx.now() end) end
            ctx.all { ctx.uuid, ctx.uuid }
            ctx.data.store("k", 1)
            ctx.log.info "x"
        ]]
        local before = w:applied()
        local request = w:start "a"
        w:commit()
        assert.equal(200, request.status)
        assert.equal(before + 1, w:applied())
    end)

    it("with n requests in a row costs n + 1 commits", function()
        local w = new([[ for i = 1, 5 do ctx.request { url = "http://u/" .. i } end ]], nil,
            { upstream = function() return 200, nil, {} end })
        local before = w:applied()
        w:play "a"
        assert.equal(before + 6, w:applied())
    end)

    it("has one batch on its way at a time", function()
        local w = new [[
            ctx.all {
                function() ctx.request { url = "http://u/1" } ctx.request { url = "http://u/1b" } end,
                function() ctx.request { url = "http://u/2" } ctx.request { url = "http://u/2b" } end,
                function() ctx.request { url = "http://u/3" } ctx.request { url = "http://u/3b" } end,
            }
        ]]
        w:start "a"
        assert.equal(1, #w.store.queue)
        w:commit()
        assert.equal(3, #w.calls)
        for i = 1, 3 do
            w:answer(w.calls[i], 200)
            assert.equal(1, #w.store.queue)
        end
        -- the first answer's batch is on its way; the two others wait for it and share the next
        w:commit()
        assert.equal(4, #w.calls)
        assert.equal(1, #w.store.queue)
        w:commit()
        assert.equal(6, #w.calls)
        assert.equal(0, #w.store.queue)
    end)

    it("with a branch that has its answer writes it soon, though another branch still waits", function()
        local w = new [[
            return { ctx.all {
                function() return ctx.request { url = "http://u/fast" } end,
                function() return ctx.request { url = "http://u/slow" } end,
            } }
        ]]
        w:start "a"
        w:commit()
        w:answer(w.calls[1], 200, nil, "fast")
        assert.equal(0, #w.store.queue)
        w:advance(50)
        w:advance(50)
        assert.equal(1, #w.store.queue)
        w:commit()
        local sent = {}
        local again = w:crash(nil, { upstream = function(call)
            sent[#sent + 1] = call.url
            return 200, nil, "slow"
        end })
        again:settle()
        assert.same({ "http://u/slow" }, sent)
    end)

    it("that sleeps writes its due time without anybody waiting for it", function()
        local w = new [[ ctx.sleep(10) return 1 ]]
        local request = w:start "a"
        assert.equal(1, #w.store.queue)
        w:advance(10000)
        assert.equal(1, #w.store.queue)
        w:commit()
        assert.is_nil(request.answered)
        w:commit()
        assert.equal(200, request.status)
    end)

    it("with durable = never waits for nothing and writes nothing", function()
        local w = new([[
            ctx.uuid()
            ctx.step("s", function() ctx.log.info "x" end)
            ctx.data.store("k", 1)
            ctx.all { ctx.uuid }
            return ctx.request { url = "http://u/1" }.n + ctx.data.load "k"
        ]], [[ durable = "never" ]])
        local request = w:start "a"
        assert.equal(1, #w.calls)
        w:answer(w.calls[1], 200, nil, { n = 1 })
        assert.equal("2", request.body)
        assert.equal(0, w.store:run_rows())
        assert.equal(0, w:live_count())
    end)

    it("with durable = never is kept all the same when the setting record_all says so", function()
        local w = new([[ return 1 ]], [[ durable = "never" ]], { settings = { record_all = "true" } })
        w:play "a"
        assert.equal("succeeded", w:run().status)
    end)

    it("starts no request after it has ended", function()
        local w = new [[
            ctx.all {
                function() ctx.request { url = "http://u/1" } end,
                function() ctx.stop "enough" end,
            }
        ]]
        local request = w:play "a"
        assert.equal(409, request.status)
        assert.equal(0, #w.calls)
    end)
end)

describe("ctx.response", function()
    it("answers once, after the commit that holds it", function()
        local w = new [[
            ctx.response({ hello = 1 }, { status = 201, headers = { ["X-A"] = "b" } })
            ctx.response({ hello = 2 })
            ctx.request { url = "http://u/1" }
            return "end"
        ]]
        local request = w:start "a"
        assert.is_nil(request.answered)
        w:commit()
        assert.equal(201, request.status)
        assert.equal('{"hello":1}', request.body)
        assert.equal("b", request.answered.headers["x-a"])
        assert.equal("running", w:run().status)
        w:commit()
        w:answer(w.calls[1], 200)
        w:settle()
        assert.equal("end", w:run().output)
    end)

    it("with a content type of its own sends text as it is", function()
        local w = new [[ ctx.response("<p>", { headers = { ["Content-Type"] = "text/html" } }) ]]
        local request = w:play "a"
        assert.equal("<p>", request.body)
        assert.equal("text/html", request.answered.headers["content-type"])
    end)

    it("refuses a status that is none", function()
        local w = new [[ local ok, err = pcall(ctx.response, 1, { status = 99 }) return err.code ]]
        assert.equal('"INVALID"', w:play("a").body)
    end)
end)

describe("a store", function()
    it("whose disk is full refuses the run and nothing of it is left behind", function()
        local w = new [[ ctx.request { url = "http://u/1" } ]]
        w.store.is_full = true
        local request = w:play "a"
        assert.equal(507, request.status)
        assert.equal("DISK_FULL", request:json().code)
        assert.equal("5", request.answered.headers["retry-after"])
        assert.is_nil(request:json().run)
        assert.equal(0, w.store:run_rows())
        assert.equal(0, #w.calls)
        assert.equal(0, w:live_count())
        assert.equal(503, w:request("GET", "/readyz").status)
        w.store.is_full = false
        assert.equal(200, w:request("GET", "/readyz").status)
    end)

    it("whose disk fills up holds a running run until there is space", function()
        local w = new [[ ctx.request { url = "http://u/1" } return 1 ]]
        local request = w:start "a"
        w:commit()
        w.store.is_full = true
        w:answer(w.calls[1], 200)
        w:settle()
        assert.is_nil(request.answered)
        w.store.is_full = false
        w:settle()
        assert.equal(200, request.status)
    end)

    it("whose disk fills up refuses a run that slept meanwhile", function()
        local w = new [[ ctx.sleep(5) ctx.request { url = "http://u/1" } ]]
        w.store.is_full = true
        local request = w:start "a"
        w:advance(6000)
        w:settle()
        assert.equal(507, request.status)
        assert.equal(0, w.store:run_rows())
        assert.equal(0, #w.calls)
        assert.is_nil(w:next_timer())
    end)

    it("that fails for good answers 503 and works on nothing more", function()
        local w = new [[ ctx.all { function() ctx.request { url = "http://u/1" } ctx.request { url = "http://u/2" } end,
            function() ctx.sleep(100) end } ]]
        local request = w:start "a"
        w:commit()
        w.store:fail_next "IO"
        w:answer(w.calls[1], 200)
        w:commit()
        assert.equal(503, request.status)
        assert.equal("IO", request:json().code)
        assert.equal(1, #w.calls)
        assert.is_nil(w:next_timer())
        assert.equal(0, w:live_count())
    end)

    it("that takes no batch any more answers 503", function()
        local w = new [[ return 1 ]]
        w.store.refuses = "CLOSED"
        local request = w:start "a"
        assert.equal(503, request.status)
        assert.equal(0, w:live_count())
    end)
end)
