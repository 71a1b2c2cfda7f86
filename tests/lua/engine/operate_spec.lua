-- SPDX-License-Identifier: MIT
-- What operators have: modes of durability, limits, tags, bulk changes, retention, why.
local world = require "support.world"

local flow = world.flow

local function new(text, o, options)
    local given = { files = { ["a.lua"] = flow(text, options) } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

local function get(w, path, query)
    return w:request("GET", path, { query = query }):json()
end

local function rest(w)
    repeat until not w:commit()
end

describe("durable = on_error", function()
    it("writes nothing when all goes well, everything when not", function()
        local w = new([[
            local n = ctx.request { url = "http://u/1", json = 1 }.n
            if input.bad then error "bad" end
            return n
        ]], { upstream = function() return 200, nil, { n = 4 } end }, 'durable = "on_error"')
        local before = w:applied()
        assert.equal(4, w:play("a", {}):json())
        assert.equal(before, w:applied())
        w:play("a", { bad = true })
        assert.equal(1, #w:ids())
        assert.equal("suspended", w:run().status)
        assert.equal("on_error", w:run().durable)
        assert.equal(4, w:entries()["1"].value.n)
        w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/recover")
        w:settle()
        assert.equal("suspended", w:run().status)
        assert.equal(2, #w.calls)
    end)

    it("a signal, an idempotency key or a caller that does not wait make it write", function()
        local w = new([[ ctx.sleep(2) return 1 ]], nil, 'durable = "on_error"')
        w:start("a", nil, { headers = { prefer = "respond-async" } })
        rest(w)
        assert.equal(1, #w:ids())
        w:settle()
        assert.equal("succeeded", w:run().status)
    end)
end)

describe("the account of a run", function()
    it("says where its time went", function()
        local w = new([[ ctx.sleep(3) return ctx.request { url = "http://u/x" }.ok ]], { upstream = function() end })
        w:start "a"
        rest(w)
        w:advance(3000)
        rest(w)
        w:advance(2000)
        w:answer(w.calls[1], 200, nil, { ok = true })
        w:settle()
        local time = w:run().time
        assert.same({ 3000, 2000, 5000 }, { time.waiting_ms, time.network_ms, time.total_ms })
    end)
end)

describe("drain", function()
    it("writes runs whose journal is held back and that only wait", function()
        local w = new([[ ctx.sleep(3) return 1 ]], nil, 'durable = "on_error"')
        w:start "a"
        rest(w)
        assert.equal(0, #w:ids())
        w:emit "drain"
        rest(w)
        assert.equal(0, w:emit "drain")
        local again = w:crash()
        again:settle()
        assert.equal("succeeded", again:run().status)
    end)
end)

describe("record = true", function()
    it("leaves the row of a run that keeps no journal", function()
        for _, durable in ipairs { "never", "on_error" } do
            local w = new([[ ctx.sleep(1) return input.n + 1 ]], nil, ('durable = "%s", record = true'):format(durable))
            local request = w:play("a", { n = 1 })
            assert.equal(2, request:json())
            local run = w:run()
            assert.same({ "succeeded", 2, durable }, { run.status, run.output, run.durable })
            assert.equal(0, #w.store:keys(w.store.ids.journal, ""))
            assert.equal(0, w:live_count())
        end
    end)
end)

describe("max_running", function()
    it("refuses who would wait, queues who would not, in order", function()
        local w = new([[ ctx.request { url = "http://u/" .. input } return input ]],
            { settings = { max_running = "2" }, upstream = function() end })
        w:start("a", 1)
        w:start("a", 2)
        rest(w)
        local refused = w:start("a", 3)
        assert.equal(503, refused.status)
        assert.equal("BUSY", refused:json().code)
        assert.equal("1", refused.answered.headers["retry-after"])
        for n = 4, 6 do
            w:start("a", n, { headers = { prefer = "respond-async" } })
        end
        rest(w)
        assert.equal("queued", w:run(w:ids()[3]).status)
        assert.matches("^queued behind the limit max_running = 2", get(w, "/v1/runs/" .. w:ids()[5] .. "/why").sentence)
        local again = w:crash(nil, { upstream = function() return 200, nil, {} end })
        again:settle()
        local order = {}
        for i, call in ipairs(again.calls) do
            order[i] = call.url:match "%d$"
        end
        assert.same({ "4", "5", "6" }, { unpack(order, 3) })
        for _, id in ipairs(again:ids()) do
            assert.equal("succeeded", again:run(id).status)
        end
    end)

    it("a run whose id is less than one that has begun already gets its turn", function()
        local w = new([[ return ctx.request { url = "http://u/x" } ]], { settings = { max_running = "1" },
            upstream = function() end })
        local function queue()
            w:start("a", nil, { headers = { prefer = "respond-async" } })
            rest(w)
        end
        for _ = 1, 3 do
            queue()
        end
        w:answer(w.calls[1], 200, nil, {})
        for _ = 1, 5 do
            rest(w)
            w:advance(0)
        end
        assert.equal(2, #w.calls)
        w.clock.now = w.clock.now - 3600000
        queue()
        w.upstream = function() return 200, nil, {} end
        w:settle()
        for _, id in ipairs(w:ids()) do
            assert.equal("succeeded", w:run(id).status)
        end
    end)

    it("a queued run can be cancelled", function()
        local w = new([[ ctx.request { url = "http://u/x" } ]], { settings = { max_running = "1" },
            upstream = function() end })
        w:start "a"
        w:start("a", nil, { headers = { prefer = "respond-async" } })
        rest(w)
        local id = w:ids()[2]
        w:request("POST", "/v1/runs/" .. id .. "/cancel")
        rest(w)
        assert.equal("cancelled", w:run(id).status)
    end)
end)

describe("tags and progress", function()
    it("are shown, and runs are found by them", function()
        local w = new [[
            ctx.tag("customer", input.c)
            ctx.progress(1, 2, "half")
            if input.c == 3 then ctx.tag("customer", 4) ctx.suspend "X" end
        ]]
        for c = 1, 3 do
            w:play("a", { c = c })
        end
        assert.same({ customer = "1" }, w:run().tags)
        assert.same({ done = 1, total = 2, text = "half" }, w:run().progress)
        local found = get(w, "/v1/runs", { tag = "customer:2" }).items
        assert.equal(1, #found)
        assert.equal(w:ids()[2], found[1].id)
        assert.equal(0, #get(w, "/v1/runs", { tag = "customer:3" }).items)
        assert.equal(1, #get(w, "/v1/runs", { tag = "customer:4", status = "suspended", flow = "a" }).items)
        assert.equal(0, #get(w, "/v1/runs", { tag = "customer:4", status = "failed" }).items)
        assert.equal(422, w:request("GET", "/v1/runs", { query = { tag = "x" } }).status)
    end)

    it("runs are found by time", function()
        local w = new [[ return 1 ]]
        for _ = 1, 3 do
            w:play "a"
            w.clock.now = w.clock.now + 60000
        end
        assert.equal(2, #get(w, "/v1/runs", { since = "2023-11-14T22:14:00Z" }).items)
        assert.equal(1, #get(w, "/v1/runs", { ["until"] = "2023-11-14T22:14:00.000Z" }).items)
        assert.equal(1, #get(w, "/v1/runs", { since = "2023-11-14T22:14:00Z", ["until"] = "2023-11-14T23:15:00+01:00",
            flow = "a" }).items)
        assert.equal(422, w:request("GET", "/v1/runs", { query = { since = "yesterday" } }).status)
    end)
end)

describe("bulk", function()
    local function bulk(w, verb, body)
        local request = w:request("POST", "/v1/runs/" .. verb, { body = body })
        w:settle()
        return request
    end

    it("recovers everything that a filter finds, as a run", function()
        local w = new([[ return ctx.request { url = "http://u/x", json = 1 }.ok ]],
            { upstream = function() return 500, nil, {} end })
        for _ = 1, 250 do
            w:play "a"
        end
        w.upstream = function() return 200, nil, { ok = true } end
        local request = bulk(w, "recover", { filter = { flow = "a" }, reason = "the service is back" })
        assert.equal(202, request.status)
        local run = w:run(request:json().id)
        assert.equal("flowhost/bulk", run.flow)
        assert.same({ matched = 250, changed = 250, refused = 0, problems = {} }, run.output)
        assert.equal(0, #get(w, "/v1/runs", { status = "suspended" }).items)
    end)

    it("cancels, and goes on after a crash", function()
        local w = new [[ ctx.wait "never" ]]
        for _ = 1, 120 do
            w:start "a"
        end
        rest(w)
        local before = w:applied()
        local request = bulk(w, "cancel", { filter = { flow = "a" } })
        assert.equal(202, request.status)
        local id = request:json().id
        for count = before + 1, w:applied(), 17 do
            local again = w:crash(count)
            again:settle()
            assert.equal("succeeded", again:run(id).status)
            assert.equal(0, #get(again, "/v1/runs", { status = "running" }).items)
            assert.equal(100, #get(again, "/v1/runs", { status = "cancelled", limit = "100" }).items)
        end
    end)

    it("without a filter, or with one that is not understood whole, is refused", function()
        local w = new [[ return 1 ]]
        for _, filter in ipairs { { flwo = "a" }, { flow = "a", more = "x" }, { flow = 5 }, { flow = world.json.null },
            { tag = 5 }, { "a" }, { since = 5 } } do
            local request = bulk(w, "cancel", { filter = filter })
            assert.same({ 422, "QUERY_INVALID" }, { request.status, request:json().code })
        end
        assert.equal(422, bulk(w, "cancel", {}).status)
        assert.equal(422, bulk(w, "cancel", { filter = {} }).status)
        assert.equal(422, bulk(w, "cancel", { filter = { status = "nope" } }).status)
        assert.equal(422, bulk(w, "recover", { filter = { flow = "a" }, nope = 1 }).status)
    end)
end)

describe("retention", function()
    it("by age removes a run and all that is kept of it", function()
        local w = new([[ ctx.tag("x", "y") ctx.sleep(1) return 1 ]], nil, 'retention = { age = "1h" }')
        w:start("a", nil, { headers = { ["idempotency-key"] = "k" } })
        w:settle()
        assert.equal(0, #w:ids())
        assert.equal(1700003601000, w.clock.now)
        assert.equal(0, w.store:run_rows())
        for _, name in ipairs { "alarms", "runs_by_tag" } do
            assert.equal(0, #w.store:keys(w.store.ids[name], ""))
        end
    end)

    it("by number keeps the newest that have ended", function()
        local w = new([[ if input == 0 then ctx.suspend "X" end return input ]], nil, "retention = { count = 2 }")
        for n = 0, 5 do
            w:play("a", n)
        end
        w:settle()
        local kept = {}
        for i, id in ipairs(w:ids()) do
            kept[i] = w:run(id).input
        end
        assert.same({ 0, 4, 5 }, kept)
    end)
end)

describe("why", function()
    local function why(w, id)
        return get(w, "/v1/runs/" .. (id or w:ids()[1]) .. "/why")
    end

    it("says in a sentence what a run waits for", function()
        for text, sentence in pairs {
            ['ctx.sleep(100)'] = "^waiting for a timer until 2023%-11%-14T22:15:00.000Z %(step 1%)",
            ['ctx.wait("approve", { timeout = 60 })'] = "^waiting for the signal 'approve' until 2023%-11%-14T22:14:20",
            ['ctx.request { url = "http://u/x" }'] = "^waiting for the answer to GET http://u/x, sent at 2023",
            ['ctx.suspend("LOOK", "at me")'] = "^suspended at step 1 since it met LOOK: at me; recover lets it go on",
            ['ctx.call("a", { stop = true })'] = "^waiting for run %w+ of flow 'a', which is running",
            ['return 1'] = "^it has ended as succeeded at 2023",
            ['error { code = "E", message = "m" }'] = "^suspended since it met E: m",
        } do
            local w = new("if input and input.stop then ctx.wait 'x' end " .. text, { upstream = function() end })
            w:start "a"
            rest(w)
            local said = why(w)
            assert.matches(sentence, said.sentence)
        end
        local w = new [[ ctx.sleep(9) ]]
        w:start "a"
        rest(w)
        local id = w:ids()[1]
        local said = why(w, id:lower())
        assert.same({ id, "sleep" }, { said.run, said.kind })
        local sent = w:request("POST", "/v1/runs/" .. id:lower() .. "/signal/x")
        rest(w)
        assert.equal(id, sent:json().run)
        assert.equal(id, get(w, "/v1/runs/" .. id:lower() .. "/replay").run)
        assert.equal(404, w:request("GET", "/v1/runs/" .. ("0"):rep(26) .. "/why").status)
        assert.equal(404, w:request("GET", "/v1/runs/x/why").status)
    end)
end)

describe("cursors that no list gave", function()
    it("are refused", function()
        local w = new [[ ctx.suspend "X" ]]
        w:play "a"
        local id = w:ids()[1]
        for path, cursors in pairs {
            ["/v1/runs/" .. id .. "/journal"] = { "-1", "x", "", "1.5", "0x1" },
            ["/v1/audit"] = { "zz", "ab", "", ("g"):rep(32) },
            ["/v1/runs"] = { "x", "" },
        } do
            for _, cursor in ipairs(cursors) do
                local said = get(w, path, { cursor = cursor })
                assert.equal("QUERY_INVALID", said.code, path .. " " .. cursor)
            end
        end
        assert.same({}, get(w, "/v1/runs/" .. id .. "/journal", { cursor = "99999" }).items)
        for _ = 1, 2 do
            w:request("POST", "/v1/runs/" .. id .. "/fork", { body = "" })
            w:settle()
        end
        local first = get(w, "/v1/audit", { limit = "1" })
        local second = get(w, "/v1/audit", { limit = "1", cursor = first.next })
        assert.not_equal(first.items[1].run, second.items[1].run)
    end)
end)

describe("replay", function()
    it("shows the steps with their lines and the flow's locals", function()
        local w = new("\nlocal total = 5\nctx.step('one', function() return 1 end)\ntotal = total + 1\n"
            .. "ctx.sleep(1000)\n")
        w:start "a"
        rest(w)
        local report = get(w, "/v1/runs/" .. w:ids()[1] .. "/replay", { locals = "true" })
        assert.same({ "1", "step", "one", "a.lua:3" }, { report.items[1].path, report.items[1].kind,
            report.items[1].name, report.items[1].line })
        assert.same({ "ok", "open" }, { report.items[1].state, report.items[2].state })
        assert.equal(5, report.items[1].locals.total)
        assert.equal(6, report.items[2].locals.total)
        assert.equal(world.json.null, report.divergence)
        assert.equal("running", w:run().status)
        assert.equal("QUERY_INVALID", get(w, "/v1/runs/" .. w:ids()[1] .. "/replay", { release = "newest" }).code)
    end)

    it("check --against-live lists who would go another way", function()
        local w = new([[
            if input.s then ctx.suspend "X" end
            local a = ctx.step("one", function() return 1 end)
            ctx.sleep(1000)
        ]], { settings = { park_after = "1" } })
        w:start("a", {})
        w:start("a", { s = true })
        rest(w)
        w:advance(2000)
        rest(w)
        local function check(text)
            return w:request("POST", "/v1/releases/check", { body = { files = { ["a.lua"] = text } } }):json()
        end
        assert.same({ 2, 0 }, { check(w.options.files["a.lua"]).runs, #check(w.options.files["a.lua"]).diverging })
        local report = check(flow [[ local a = ctx.step("two", function() return 1 end) ctx.sleep(1000) ]])
        assert.equal(2, #report.diverging)
        report = check(flow [[ if input.s then ctx.suspend "X" end return 1 ]])
        assert.equal(1, #report.diverging)
        assert.equal("waiting", report.diverging[1].status)
        assert.matches("does not ask for", report.diverging[1].divergence.why)
        assert.equal(2, #check("return 5").problems + #check("return 5").diverging - 1)
    end)
end)
