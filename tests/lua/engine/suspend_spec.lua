-- SPDX-License-Identifier: MIT
-- Runs that stop for a person, are let go on, or are ended from within or without.
local world = require "support.world"

local flow = world.flow

local function upstream(call)
    if call.url:find "bad" then
        return 503, nil, { down = true }
    end
    return 200, nil, { url = call.url }
end

local function new(text, o, options)
    local given = { files = { ["a.lua"] = flow(text, options) }, upstream = upstream }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

local function recover(w, id)
    local request = w:request("POST", "/v1/runs/" .. (id or w:ids()[1]) .. "/recover")
    w:settle()
    return request
end

--- "METHOD path-of-url" of the calls behind the first `skip`.
local function urls(w, skip)
    local list = {}
    for i = skip + 1, #w.calls do
        list[#list + 1] = w.calls[i].url:gsub("^http://u/", "")
    end
    return list
end

local function healthy()
    return 200, nil, { fine = true }
end

describe("a run whose step fails", function()
    local TEXT = [[
        local user = ctx.request { url = "http://u/one", json = 1 }
        local a, b = ctx.all {
            function() return ctx.request { url = "http://u/ok", json = 1 } end,
            function()
                ctx.request { url = "http://u/before", json = 1 }
                return ctx.step("s", function() return ctx.request { url = "http://u/bad", json = 1 } end)
            end,
        }
        return { a, b, ctx.request { url = "http://u/last", json = 1 } }
    ]]

    it("is suspended, and its caller is told how to go on", function()
        local w = new(TEXT)
        local request = w:play "a"
        assert.equal(502, request.status)
        local problem, id = request:json(), w:ids()[1]
        assert.equal("HTTP_STATUS", problem.code)
        assert.equal("2.2.2.1", problem.step)
        assert.equal(id, problem.run)
        assert.matches("POST /v1/runs/" .. id .. "/recover lets it go on", problem.detail, 1, true)
        local run = w:run()
        assert.equal("suspended", run.status)
        assert.equal(503, run.error.status)
        assert.same({ down = true }, run.error.data)
        assert.is_true(run.error.retryable)
        assert.equal(0, w:live_count())
    end)

    it("goes on with what failed and what follows, under the same keys", function()
        local w = new(TEXT)
        w:play "a"
        local keys = {}
        for _, call in ipairs(w.calls) do
            keys[call.url] = call:header "Idempotency-Key"
        end
        local before = #w.calls
        w.upstream = healthy
        assert.equal(202, recover(w).status)
        assert.same({ "bad", "last" }, urls(w, before))
        assert.equal(keys["http://u/bad"], w.calls[before + 1]:header "Idempotency-Key")
        assert.equal(w:ids()[1] .. "/2.2.2.1", keys["http://u/bad"])
        local run = w:run()
        assert.equal("succeeded", run.status)
        assert.equal(2, run.attempt)
        assert.same({ { url = "http://u/ok" }, { fine = true }, { fine = true } }, run.output)
        assert.same(world.json.null, run.error)
    end)

    it("is suspended again when it fails again, as often as it takes", function()
        local w = new(TEXT)
        w:play "a"
        for attempt = 2, 4 do
            local before = #w.calls
            assert.equal(202, recover(w).status)
            assert.same({ "bad" }, urls(w, before))
            assert.equal("suspended", w:run().status)
            assert.equal(attempt, w:run().attempt)
        end
        w.upstream = healthy
        recover(w)
        assert.equal("succeeded", w:run().status)
    end)

    it("goes on after a restart, and wherever that dies", function()
        local w = new(TEXT)
        w:play "a"
        local suspended_at = w:applied()
        local again = w:crash(nil, { upstream = healthy })
        again:settle()
        assert.equal("suspended", again:run().status)
        recover(again)
        local output = world.json.encode(again:run().output)
        for count = suspended_at, again:applied() do
            local third = again:crash(count)
            third:settle()
            if third:run().status == "suspended" then
                assert.equal(suspended_at, count)
                recover(third)
            end
            assert.equal(output, world.json.encode(third:run().output))
            assert.equal(2, third:run().attempt)
        end
    end)

    it("in several branches goes on with each of them", function()
        local w = new [[
            return { ctx.all {
                function() return ctx.request { url = "http://u/bad/1" } end,
                function() return ctx.request { url = "http://u/ok" } end,
                function()
                    return ctx.map({ 3, 4 }, function(n) return ctx.request { url = "http://u/bad/" .. n } end)
                end,
            } }
        ]]
        w:play "a"
        local before = #w.calls
        w.upstream = healthy
        recover(w)
        assert.same({ "bad/1", "bad/3", "bad/4" }, urls(w, before))
        assert.equal("succeeded", w:run().status)
    end)

    it("does not do again what a pcall caught", function()
        local w = new [[
            local ok, err = pcall(ctx.request, { url = "http://u/bad/caught" })
            ctx.request { url = "http://u/between" }
            return { ok, ctx.request { url = "http://u/bad/raised" } }
        ]]
        w:play "a"
        w.upstream = healthy
        recover(w)
        assert.same({ "bad/raised" }, urls(w, 3))
        assert.same({ false, { fine = true } }, w:run().output)
    end)

    it("does it again when the flow itself raised because of it", function()
        local w = new [[
            local ok = pcall(ctx.request, { url = "http://u/bad" })
            if not ok then error "no answer" end
            return 1
        ]]
        w:play "a"
        assert.equal("LUA_ERROR", w:run().error.code)
        w.upstream = healthy
        recover(w)
        assert.equal("succeeded", w:run().status)
    end)

    it("is failed at once with on_error = fail", function()
        local w = new(TEXT, nil, [[ on_error = "fail" ]])
        w:play "a"
        assert.equal("failed", w:run().status)
        assert.equal(409, recover(w).status)
    end)
end)

describe("recover", function()
    it("of a run that is not suspended is refused", function()
        local w = new [[ return 1 ]]
        w:play "a"
        local request = recover(w)
        assert.equal(409, request.status)
        assert.equal("WRONG_STATE", request:json().code)
        assert.equal(404, recover(w, "nonsense").status)
        assert.equal(404, recover(w, "01HF7YAT00000ARVVACC6GQJQ7").status)
    end)

    it("of a run that is being recovered is refused", function()
        local w = new [[ ctx.request { url = "http://u/bad" } ]]
        w:play "a"
        local path = "/v1/runs/" .. w:ids()[1] .. "/recover"
        local first, second = w:request("POST", path), w:request("POST", path)
        assert.equal(409, second.status)
        w:settle()
        assert.equal(202, first.status)
    end)

    it("answers only once the decision is on disk", function()
        local w = new [[ ctx.request { url = "http://u/bad" } ]]
        w:play "a"
        local calls = #w.calls
        local request = w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/recover")
        assert.is_nil(request.answered)
        assert.equal(calls, #w.calls)
        w:commit()
        assert.equal(202, request.status)
        assert.equal("running", request:json().status)
    end)

    it("that the store refuses leaves the run suspended", function()
        local w = new [[ ctx.request { url = "http://u/bad" } return 1 ]]
        w:play "a"
        w.store:fail_next "DISK_FULL"
        assert.equal(507, recover(w).status)
        assert.equal("suspended", w:run().status)
        assert.equal(0, w:live_count())
        w.upstream = healthy
        assert.equal(202, recover(w).status)
        assert.equal("succeeded", w:run().status)
    end)

    it("answers a cancel that came meanwhile", function()
        local w = new [[ ctx.request { url = "http://u/bad" } ]]
        w:play "a"
        local path = "/v1/runs/" .. w:ids()[1]
        local recovered = w:request("POST", path .. "/recover")
        local cancelled = w:request("POST", path .. "/cancel")
        w:settle()
        assert.same({ 202, 202, "cancelled", 0 }, { recovered.status, cancelled.status, w:run().status,
            w:live_count() })
    end)

    it("takes no option it does not know", function()
        local w = new [[ ctx.request { url = "http://u/bad" } ]]
        w:play "a"
        local request = w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/recover", { body = { walue = 1 } })
        assert.equal(422, request.status)
        assert.equal("/walue", request:json().errors[1].pointer)
    end)
end)

describe("cancel", function()
    local function cancel(w, body)
        local request = w:request("POST", "/v1/runs/" .. w:ids()[1] .. "/cancel", { body = body or "" })
        while w:commit() do end
        return request
    end

    it("ends a run that waits for an answer and for time, in every branch", function()
        local w = new([[
            ctx.all {
                function() ctx.request { url = "http://u/never" } end,
                function() pcall(ctx.sleep, 1000) ctx.request { url = "http://u/after" } end,
                function() ctx.component "slow" end,
            }
        ]], { upstream = function() end, natives = { slow = function() return nil, "1" end } })
        local request = w:start "a"
        w:commit()
        local answer = cancel(w, { reason = "no longer wanted" })
        assert.equal(202, answer.status)
        assert.equal("cancelled", answer:json().status)
        assert.equal("no longer wanted", answer:json().reason)
        assert.equal(409, request.status)
        assert.equal("CANCELLED", request:json().code)
        assert.is_true(w.calls[1].is_cancelled)
        assert.is_nil(w:next_timer())
        w:settle()
        assert.equal(1, #w.calls)
        assert.equal(0, w:live_count())
        assert.equal(409, cancel(w).status)
    end)

    it("before the run's first commit leaves it cancelled and without effect", function()
        local w = new [[ ctx.request { url = "http://u/1" } ]]
        local request = w:start "a"
        local live = next(w:module("flowhost.engine.live").runs)
        w:module("flowhost.engine.run").cancel(w:module("flowhost.engine.live").runs[live], "early")
        w:settle()
        assert.equal(409, request.status)
        assert.equal("cancelled", w:run().status)
        assert.equal(0, #w.calls)
    end)

    it("of a suspended run", function()
        local w = new [[ ctx.request { url = "http://u/bad" } ]]
        w:play "a"
        assert.equal(202, cancel(w).status)
        assert.equal("cancelled", w:run().status)
        assert.equal("the run was cancelled", w:run().error.message)
        assert.equal(409, recover(w).status)
    end)

    it("of a run that has ended is refused", function()
        local w = new [[ return 1 ]]
        w:play "a"
        assert.equal(409, cancel(w).status)
        assert.equal("succeeded", w:run().status)
    end)
end)

describe("ctx.stop, ctx.break and ctx.fail", function()
    it("end the run at once, and no pcall sees them", function()
        for verb, status in pairs { ["stop('why')"] = "broken", ["break('why')"] = "broken",
            ["fail('MINE', 'why')"] = "failed" } do
            local w = new(([[
                pcall(function() ctx.%s end)
                xpcall(function() ctx.%s end, print)
                coroutine.wrap(function() end)()
                ctx.request { url = "http://u/never" }
            ]]):format(verb, verb))
            local request = w:play "a"
            local run = w:run()
            assert.equal(status, run.status)
            assert.equal("why", run.error.message)
            assert.equal(status == "broken" and 409 or 500, request.status)
            assert.equal(status == "broken" and "BROKEN" or "MINE", request:json().code)
            assert.equal(0, #w.calls)
            assert.equal(0, w:live_count())
        end
    end)

    it("in a branch end all of the run", function()
        local w = new [[
            ctx.all { function() ctx.sleep(10) end, function() ctx.sleep(1) ctx.stop() end }
        ]]
        w:play "a"
        assert.equal("broken", w:run().status)
        assert.is_nil(w:next_timer())
    end)

    it("in a branch that begins keep the branches behind it from beginning", function()
        local w = new [[
            ctx.all { function() ctx.stop() end, function() ctx.data.store("begun", true) end }
        ]]
        w:play "a"
        assert.is_nil(w:entries()["1.2.1"])
    end)

    it("inside a step leave it open", function()
        local w = new [[ ctx.step("s", function() ctx.uuid() ctx.fail("X") end) ]]
        w:play "a"
        assert.equal("failed", w:run().status)
        assert.equal("o", w:entries()["1"].state)
    end)
end)

describe("errors", function()
    local function error_of(text)
        local w = new(text)
        w:play "a"
        return w:run().error
    end

    it("of the flow carry their lines", function()
        local err = error_of "local function inner() local x = nil + 1 end\ninner()"
        assert.equal("LUA_ERROR", err.code)
        assert.matches("^a.lua:1: attempt to perform arithmetic on a nil value", err.message)
        assert.matches("^a.lua:1", err.stack[1])
        assert.matches("^a.lua:2", err.stack[#err.stack])
    end)

    it("that are tables of the flow's keep code and message", function()
        local err = error_of [[ error { code = "MINE", message = "no", data = { 1 } } ]]
        assert.equal("MINE", err.code)
        assert.equal("no", err.message)
        assert.same({ 1 }, { unpack(err.data) })
    end)

    it("that are neither say what they are", function()
        assert.equal("error value is a table", error_of [[ error {} ]].message)
        assert.equal("error value is a nil", error_of [[ error() ]].message)
        assert.equal("error value is a boolean", error_of [[ error(true) ]].message)
    end)

    it("that hold what JSON cannot are kept without it", function()
        local err = error_of [[ error { code = "MINE", message = "no", data = { print } } ]]
        assert.equal("MINE", err.code)
        assert.equal("no", err.message)
        err = error_of [[
            local t = {}
            for _ = 1, 140 do t = { t } end
            ctx.step("s", function() error { code = "DEEP", message = "no", data = t } end)
        ]]
        assert.equal("DEEP", err.code)
        assert.equal("1", err.step)
    end)

    it("that a flow has spoilt do no harm", function()
        for _, field in ipairs { "code", "message", "step", "data", "cause", "stack", "redo", "status" } do
            for _, value in ipairs { "nil", "print", "{}", "{ print }", "5", "setmetatable({}, { __index = error })" }
            do
                local w = new(([[
                    local _, err = pcall(ctx.request, { url = "http://u/bad" })
                    err.%s = %s
                    error(err)
                ]]):format(field, value))
                assert.is_true(w:play("a").status >= 500)
                assert.equal("suspended", w:run().status)
                assert.equal("string", type(w:run().error.code))
                assert.equal("string", type(w:run().error.message))
                assert.equal(0, w:live_count())
                assert.equal(202, recover(w).status)
                assert.equal("suspended", w:run().status)
            end
        end
    end)

    it("because of an output that JSON cannot hold", function()
        local err = error_of [[ return { f = print } ]]
        assert.equal("NOT_JSON", err.code)
        assert.matches("the flow returned what JSON cannot hold", err.message, 1, true)
    end)
end)

describe("an error inside the engine", function()
    local TWO = [[ return ctx.request { url = "http://u/" .. input.n } ]]

    it("suspends the run it happened in and lets the others go on", function()
        local w = new(TWO, { upstream = function() return 200, nil, "fine" end })
        local client = w.core.client
        local start = client.start
        client.start = function(o, token)
            if o.url == "http://u/1" then
                error "broken inside"
            end
            return start(o, token)
        end
        local broken, other = w:start("a", { n = 1 }), w:start("a", { n = 2 })
        w:settle()
        assert.equal(500, broken.status)
        assert.equal("INTERNAL", broken:json().code)
        assert.equal("suspended", w:run(broken:json().run).status)
        assert.equal(200, other.status)
        assert.equal(0, w:live_count())
    end)

    it("while a caller is answered leaves the others theirs", function()
        local w = new(TWO, { upstream = function() return 200, nil, "fine" end })
        local first = w:start("a", { n = 1 }, { headers = { ["idempotency-key"] = "k" } })
        local second = w:start("a", { n = 1 }, { headers = { ["idempotency-key"] = "k" } })
        first.respond = function() error "gone" end
        w:settle()
        assert.equal(200, second.status)
        assert.equal(0, w:live_count())
    end)

    it("while a batch is made refuses a run that is not stored, and suspends one that is", function()
        local w = new([[
            if input.n == 2 then ctx.request { url = "http://u/2" } end
            ctx.step("s", function() return 1 end)
            return 1
        ]], { upstream = function() end })
        local rows = w:module "flowhost.engine.rows"
        local stored = w:start("a", { n = 2 })
        w:commit()
        local batch = rows.batch
        rows.batch = function(run)
            if #run.pending > 0 then
                error "not enough memory"
            end
            return batch(run)
        end
        local refused = w:start("a", { n = 1 })
        assert.equal("MEMORY_LIMIT", refused:json().code)
        assert.is_nil(refused:json().run)
        w:answer(w.calls[1], 200)
        w:settle()
        assert.equal("MEMORY_LIMIT", stored:json().code)
        assert.equal("suspended", w:run(stored:json().run).status)
        assert.equal(0, w:live_count())
    end)
end)
