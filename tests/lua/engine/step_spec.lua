-- SPDX-License-Identifier: MIT
local world = require "support.world"

local flow = world.flow

--- "path kind name state" of each entry in the order they were written.
local function journal_of(w, id)
    local _, list = w:entries(id)
    local lines = {}
    for i, entry in ipairs(list) do
        lines[i] = ("%s %s %s %s"):format(entry.path, entry.kind, entry.name, entry.state)
    end
    return lines
end

local function play(text, input, o)
    local options = o or {}
    options.files = { ["a.lua"] = flow(text) }
    for path, body in pairs(options.more or {}) do
        options.files[path] = body
    end
    local w = world.new(options)
    return w, w:play("a", input)
end

describe("steps", function()
    it("are numbered in the order the code asks for them", function()
        local w = play [[
            ctx.uuid(); ctx.now()
            ctx.request { url = "http://u/x" }
            ctx.random(5)
        ]]
        assert.same({ "1 uuid  k", "2 now  k", "3 request GET http://u/x k", "4 random  k" }, journal_of(w))
    end)

    it("inside a step are numbered below it, and it is written as open before the first of them", function()
        local w = play [[
            ctx.now()
            ctx.step("outer", function()
                ctx.uuid()
                ctx.step("inner", function() return ctx.random() end)
                return ctx.uuid()
            end)
            ctx.now()
        ]]
        assert.same({
            "1 now  k", "2 step outer o", "2.1 uuid  k", "2.2 step inner o", "2.2.1 random  k", "2.2 step inner k",
            "2.3 uuid  k", "2 step outer k", "3 now  k",
        }, journal_of(w))
    end)

    it("that hold no others are written once", function()
        local w = play [[ ctx.step("pure", function() return 1 end); ctx.step("twice", function() return 2 end) ]]
        assert.same({ "1 step pure k", "2 step twice k" }, journal_of(w))
    end)

    it("in branches are numbered per branch", function()
        local w = play [[
            ctx.all { function() ctx.uuid(); ctx.uuid() end, function() ctx.now() end }
            ctx.map({ "a", "b" }, function(item) return ctx.step(item, function() return ctx.uuid() end) end)
        ]]
        assert.same({
            "1 all 2 o", "1.1.1 uuid  k", "1.1.2 uuid  k", "1.2.1 now  k",
            "2 map 2 o", "2.1.1 step a o", "2.1.1.1 uuid  k", "2.1.1 step a k",
            "2.2.1 step b o", "2.2.1.1 uuid  k", "2.2.1 step b k",
        }, journal_of(w))
    end)

    it("open their containers before an entry of a branch below them", function()
        local w = play [[
            ctx.step("s", function()
                ctx.all { function() return ctx.uuid() end }
            end)
        ]]
        assert.same({ "1 step s o", "1.1 all 1 o", "1.1.1.1 uuid  k", "1 step s k" }, journal_of(w))
    end)

    it("carry line, times, attempts", function()
        local w = world.new { files = { ["a.lua"] = "return function(ctx)\n    ctx.now()\n    ctx.sleep(2)\nend" } }
        local began = w.clock.now
        w:play "a"
        local entries = w:entries()
        assert.equal("a.lua:2", entries["1"].line)
        assert.equal("a.lua:3", entries["2"].line)
        assert.equal(began, entries["2"].started)
        assert.equal(began + 2000, entries["2"].ended)
        assert.equal(1, entries["1"].attempts)
    end)

    it("outside of the run's own function are refused", function()
        local w, request = play [[
            local co = coroutine.create(function() return ctx.uuid() end)
            local ok, err = coroutine.resume(co)
            return { ok, err.code }
        ]]
        assert.equal('[false,"NOT_IN_A_RUN"]', request.body)
        assert.equal(0, w:live_count())
    end)

    it("may wait inside a gsub callback and a comparison", function()
        local _, request = play [[
            local text = ("x"):gsub("x", function() return ctx.request { url = "http://u" }.ok and "y" end)
            local list = { 2, 1 }
            table.sort(list, function(a, b) ctx.sleep(1) return a < b end)
            return { text, list }
        ]]
        assert.equal('["y",[1,2]]', request.body)
    end)

    it("that would wait inside an error handler say so", function()
        local _, request = play [[
            local codes = {}
            for _, fn in ipairs { function() ctx.request { url = "http://u" } end, function() ctx.sleep(1) end,
                function() ctx.all { print } end, function() ctx.stop() end } do
                xpcall(error, function()
                    local ok, err = pcall(fn)
                    codes[#codes + 1] = ok and "ok" or err.code
                end)
            end
            return codes
        ]]
        assert.equal('["NOT_YIELDABLE","NOT_YIELDABLE","NOT_YIELDABLE","NOT_YIELDABLE"]', request.body)
    end)

    it("refuse what JSON cannot hold", function()
        local _, request = play [[
            local _, a = pcall(ctx.step, "s", function() return print end)
            local _, b = pcall(ctx.data.store, "k", function() end)
            local _, c = pcall(ctx.component, "c", { f = print })
            return { a.code, a.step, b.code, c.code }
        ]]
        assert.equal('["NOT_JSON","1","NOT_JSON","NOT_JSON"]', request.body)
    end)
end)

describe("record and replay", function()
    local VALUES = [[
        local seen = {}
        local function see(value)
            if value == nil then seen[#seen + 1] = "nil"
            elseif value == ctx.json.null then seen[#seen + 1] = "null"
            elseif type(value) == "table" then seen[#seen + 1] = ctx.json.encode(value)
            else seen[#seen + 1] = type(value) .. ":" .. tostring(value) end
        end
        see(ctx.step("nil", function() end))
        see(ctx.step("null", function() return ctx.json.null end))
        see(ctx.step("false", function() return false end))
        see(ctx.step("number", function() return 0.1 end))
        see(ctx.step("big", function() return 2 ^ 60 end))
        see(ctx.step("string", function() return "a\0\255" end))
        see(ctx.step("list", function() return { 1, { x = ctx.json.null }, {} } end))
        see(ctx.step("empty", function() return ctx.json.array {} end))
        see(ctx.uuid()); see(ctx.random()); see(ctx.random(6)); see(ctx.now())
        see(ctx.request { url = "http://u/json" })
        see(ctx.request { url = "http://u/text" })
        see(ctx.request { url = "http://u/full", onlyData = false })
        see(math.random(1000000)); see(os.time()); see(ctx.trx()); see(ctx.logId())
        ctx.data.store("k", { 1, 2 }); see(ctx.data.load("k")); see(ctx.data.load("none"))
        see(ctx.component("c", { n = 1 }))
        for _, bad in ipairs { "fails", "http" } do
            local ok, err = pcall(function()
                if bad == "http" then return ctx.request { url = "http://u/500" } end
                return ctx.step(bad, function() error { code = "MINE", message = "no" } end)
            end)
            see(ok); see(err.code); see(err.message); see(err.step); see(err.retryable); see(err.status); see(err.data)
        end
        ctx.sleep(1)
        see(os.time())
        ctx.request { url = "http://u/last" }
        return seen
    ]]

    local function upstream(call)
        if call.url == "http://u/json" then
            return 200, nil, { list = {}, n = 1 }
        elseif call.url == "http://u/500" then
            return 500, nil, { why = "down" }
        end
        return 200, { ["content-type"] = "text/plain", ["set-cookie"] = "a=b; Path=/\nc=d" }, "plain"
    end

    it("give equal values", function()
        local w, request = play(VALUES, nil, {
            upstream = upstream,
            more = { ["components/c.lua"] = "return function(ctx, i) return { i.n, ctx.uuid() } end" },
        })
        assert.equal(200, request.status)
        local seen = world.json.decode(request.body)
        assert.same({ "nil", "nil", "boolean:false" }, { seen[1], seen[2], seen[3] })
        local last
        for count = 2, w:applied() - 1 do
            last = w:crash(count, { seconds_later = 1000 })
            last:settle()
        end
        -- all but the last step was recorded in the store that the last one found
        assert.equal(request.body, world.json.encode(last:run().output))
        assert.equal(1, #last.calls)
        assert.equal("http://u/last", last.calls[1].url)
    end)

    it("go on behind the last recorded step", function()
        local w = world.new { files = { ["a.lua"] = flow [[
            local a = ctx.request { url = "http://u/1" }
            local b = ctx.request { url = "http://u/2" }
            return { a, b }
        ]] } }
        w:start "a"
        w:commit()
        w:answer(w.calls[1], 200, nil, { one = 1 })
        w:commit()
        local again = w:crash()
        again:settle()
        assert.equal(1, #again.calls)
        assert.equal("http://u/2", again.calls[1].url)
        assert.same({ { one = 1 }, { ok = true } }, again:run().output)
    end)

    it("give the deepest values back that are taken", function()
        local w = world.new {
            files = { ["a.lua"] = flow [[
                local function nest(depth)
                    local t = {}
                    for _ = 2, depth do t = { t } end
                    return t
                end
                local deepest
                for depth = 120, 200 do
                    local ok, err = pcall(ctx.step, "nest", function() return nest(depth) end)
                    if not ok and err.code ~= "NOT_JSON" then error(err) end
                    deepest = ok and depth or deepest
                end
                local ok = pcall(ctx.component, "deep")
                ctx.request { url = "http://u/1" }
                return deepest
            ]] },
            natives = { deep = function() return nil, ("["):rep(150) .. ("]"):rep(150) end },
        }
        local body = w:play("a").body
        assert.is_true(tonumber(body) >= 120)
        local again = w:crash(w:applied() - 1)
        again:settle()
        assert.equal(body, world.json.encode(again:run().output))
        assert.equal(200, again:request("GET", "/v1/runs/" .. again:ids()[1] .. "/steps").status)
    end)

    it("run a step again that had begun and not ended", function()
        local w = world.new { files = { ["a.lua"] = flow [[
            return ctx.step("s", function() return ctx.request { url = "http://u/1" }.n end)
        ]] }, upstream = function() return nil end }
        w:start "a"
        w:commit()
        local again = w:crash(nil, { upstream = function() return 200, nil, { n = 7 } end })
        again:settle()
        assert.equal(7, again:run().output)
        assert.same({ "1 step s o", "1.1 request GET http://u/1 k", "1 step s k" }, journal_of(again))
    end)
end)

describe("a run whose code has changed", function()
    -- The code of a release cannot change: what differs is made by a file of the same release that reads ctx.env,
    -- so these specs put another text under the recorded release.
    local function diverge(before, after)
        local w = world.new { files = { ["a.lua"] = flow(before .. [[ ctx.request { url = "http://u/wait" } ]]) },
            upstream = function(call)
                if not call.url:find "wait" then return 200, nil, {} end
            end }
        w:play "a"
        local again = w:crash(nil, { files = { ["b.lua"] = flow "" }, before_start = function(self)
                local catalog = self:module "flowhost.engine.catalog"
                local find_code = catalog.find_code
                local other = self:module "flowhost.flow.loader"
                catalog.find_code = function(row)
                    local code = assert(find_code(row))
                    local release = other.load({ ["a.lua"] = "\n" .. flow(after) }, {
                        env = {}, new_env = function() return setmetatable({}, { __index = _G }) end,
                        new_ctx = self:module("flowhost.ctx").new, version_of = function() return "v" end,
                        limited = function(fn) fn() return true end, json = world.json,
                        call_chunk = function(chunk, env) return setfenv(chunk, env)() end,
                    })
                    code.main, code.files = release.flows.a.code.main, release.files
                    return code
                end
            end })
        again:settle()
        local run = again:run()
        assert.equal("suspended", run.status)
        assert.equal("DIVERGED", run.error.code)
        assert.equal(0, #again.calls)
        return run.error
    end

    it("is suspended when the kind differs", function()
        local err = diverge("ctx.uuid()", "ctx.now()")
        assert.equal("1", err.step)
        assert.equal("the code asks for another step than the journal holds at step 1: recorded uuid at a.lua:1, "
            .. "asked for now at a.lua:2", err.message)
    end)

    it("is suspended when the name differs", function()
        local err = diverge([[ ctx.step("one", function() end) ]], [[ ctx.step("two", function() end) ]])
        assert.matches("recorded step 'one' at a.lua:1, asked for step 'two' at a.lua:2", err.message, 1, true)
    end)

    it("is suspended when the arguments differ", function()
        local err = diverge([[ ctx.request { url = "http://u", json = { 1 } } ]],
            [[ ctx.request { url = "http://u", json = { 2 } } ]])
        assert.matches("asks for other arguments than the journal holds at step 1", err.message, 1, true)
    end)

    it("is suspended when a group has another size", function()
        local err = diverge([[ ctx.all { function() return ctx.uuid() end } ]],
            [[ ctx.all { function() return ctx.uuid() end, function() end } ]])
        assert.matches("recorded all '1'.*asked for all '2'", err.message)
    end)

    it("does not let a pcall go on", function()
        diverge("ctx.uuid()", [[ pcall(ctx.now); return "caught" ]])
    end)
end)

describe("log lines", function()
    it("are recorded once and not written again by a replay", function()
        local w = world.new { files = { ["a.lua"] = flow [[
            ctx.log.info("before", { a = 1 })
            ctx.request { url = "http://u/1" }
            ctx.log.warn("after")
            ctx.step("s", function() ctx.log.debug("inside") end)
            ctx.request { url = "http://u/2" }
            return 1
        ]] }, upstream = function(call) if call.url == "http://u/1" then return 200, nil, {} end end }
        w:play "a"
        local messages = {}
        for i, line in ipairs(w.log) do
            messages[i] = line.level .. " " .. line.message
            assert.equal("a", line.flow)
            assert.equal(w:ids()[1], line.run)
        end
        assert.same({ 'info before {"a":1}', "warn after", "debug inside" }, messages)
        local again = w:crash(nil, { upstream = function() return 200, nil, {} end })
        again:settle()
        local lines = {}
        for _, line in ipairs(again.log) do
            lines[#lines + 1] = line.message
        end
        assert.same({ "took up 1 unfinished run" }, lines)
        local by_path = again:entries()
        assert.equal("after", by_path.log2.value)
        assert.equal("inside", by_path["2.log1"].value)
    end)

    it("beyond the first 1,000 are not kept, nor written", function()
        local w = play [[ for i = 1, 1005 do ctx.log.info(i) end ]]
        local by_path = w:entries()
        assert.is_truthy(by_path.log1000)
        assert.is_nil(by_path.log1001)
        assert.equal(1001, #w.log)
        assert.equal("1000", w.log[1000].message)
        assert.equal("log of this run is cut", w.log[1001].message)
    end)
end)
