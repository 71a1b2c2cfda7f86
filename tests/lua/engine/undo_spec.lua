-- SPDX-License-Identifier: MIT
-- Compensations (ctx.defer): run in reverse when a run fails, is cancelled or out of time.
local standing = require "support.standing"
local world = require "support.world"

local flow = world.flow

local new, post = standing.new, standing.post

describe("compensations", function()
    local TEXT = [[
        ctx.request { url = "http://u/book/1", json = 1 }
        ctx.defer(function() ctx.request { url = "http://u/undo/1", json = 1 } end)
        ctx.request { url = "http://u/book/2", json = 1 }
        ctx.defer(function() ctx.request { url = "http://u/undo/2", json = 1 } end)
        local how = ctx.wait "go"
        if how == "fail" then ctx.fail("NO", "no") end
        return how
    ]]

    local function urls(w)
        local list = {}
        for i, call in ipairs(w.calls) do
            list[i] = call.url:match "u/(.*)$"
        end
        return list
    end

    local DONE = { "book/1", "book/2", "undo/2", "undo/1" }

    it("run in reverse when the run is cancelled, parked or not, or fails", function()
        for _, ms in ipairs { 0, 6000 } do
            local w = new(TEXT, { settings = { park_after = "5" } })
            w:start "a"
            for _ = 1, 5 do
                while w:commit() do end
                for _, call in ipairs(w:open_calls()) do
                    w:answer(call, 200, nil, {})
                end
            end
            w:advance(ms)
            while w:commit() do end
            post(w, "cancel", { reason = "why" })
            assert.equal("cancelled", w:run().status)
            assert.equal("why", w:run().reason)
            assert.same(DONE, urls(w))
            assert.is_nil(w:next_timer())
        end
        local w = new(TEXT)
        w:start "a"
        for _ = 1, 5 do
            while w:commit() do end
            for _, call in ipairs(w:open_calls()) do
                w:answer(call, 200, nil, {})
            end
        end
        w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/signal/go", { body = '"fail"' })
        w:settle()
        assert.equal("failed", w:run().status)
        assert.equal("NO", w:run().error.code)
        assert.same(DONE, urls(w))
    end)

    it("of a suspended run, when it is cancelled", function()
        local w = new([[
            ctx.defer(function() ctx.request { url = "http://u/undo", json = 1 } end)
            ctx.suspend "LOOK"
        ]])
        w:play "a"
        assert.equal(0, #w.calls)
        w = w:crash()
        assert.equal(202, post(w, "cancel").status)
        assert.equal("cancelled", w:run().status)
        assert.equal(1, #w.calls)
    end)

    it("do not run when the run succeeds", function()
        local w = new [[ ctx.defer(function() ctx.request { url = "http://u/undo" } end) return 1 ]]
        w:play "a"
        assert.equal("succeeded", w:run().status)
        assert.equal(0, #w.calls)
    end)

    it("are refused in steps and components, which a replay does not run again", function()
        local text = [[
            local function code(fn, ...)
                local ok, err = pcall(fn, ...)
                return not ok and err.code
            end
            local function defer() ctx.defer(function() end) end
            return { code(ctx.step, "s", defer), code(ctx.component, "c"),
                code(ctx.step, "t", function() ctx.all { defer } end), code(ctx.all, { defer }) }
        ]]
        local w = world.new { files = { ["a.lua"] = flow(text),
            ["components/c.lua"] = "return function(ctx) ctx.defer(function() end) end" } }
        w:play "a"
        assert.same({ "INVALID", "INVALID", "INVALID", false }, w:run().output)
        assert.matches("call it behind the step 's', not in it", w:entries()["1"].value.message, 1, true)
    end)

    it("one may wait for a person; then the run ends as it was to", function()
        local w = new [[
            ctx.defer(function() ctx.data.store("how", ctx.suspend("BY_HAND", "undo it by hand")) end)
            ctx.fail("NO", "no")
        ]]
        w:play "a"
        assert.same({ "suspended", "BY_HAND" }, { w:run().status, w:run().error.code })
        local refused = post(w, "cancel")
        assert.equal(409, refused.status)
        assert.matches("is being ended (failed)", refused:json().detail, 1, true)
        w = w:crash()
        assert.equal(202, post(w, "recover", { value = "done" }).status)
        assert.same({ "failed", "NO" }, { w:run().status, w:run().error.code })
        assert.equal("done", w:entries()["undo.1.2"].value)
    end)

    it("one that fails is told and keeps the others from nothing", function()
        local w = new [[
            ctx.defer(function() ctx.request { url = "http://u/undo", json = 1 } end)
            ctx.defer(function() error "cannot" end)
            ctx.fail("NO", "no")
        ]]
        w:play "a"
        assert.equal("failed", w:run().status)
        assert.matches("1 compensation failed", w:run().error.cause)
        assert.equal(1, #w.calls)
    end)

    it("wherever the process dies, each runs to its end", function()
        local w = new([[
            for i = 1, 3 do
                ctx.request { url = "http://u/book/" .. i, json = 1 }
                ctx.defer(function() ctx.request { url = "http://u/undo/" .. i, json = 1 } end)
            end
            ctx.fail("NO", "no")
        ]])
        local before = w:applied()
        w:play "a"
        for count = before + 1, w:applied() do
            local again = w:crash(count)
            again:settle()
            assert.equal("failed", again:run().status, "batch " .. count)
            assert.equal("NO", again:run().error.code)
            local by_path = again:entries()
            for i = 1, 3 do
                assert.equal("k", by_path["undo." .. i].state)
            end
            assert.equal(0, again:live_count())
        end
    end)
end)
