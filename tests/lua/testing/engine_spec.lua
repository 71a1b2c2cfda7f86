-- SPDX-License-Identifier: MIT
-- Tests of flows that wait, retry, call each other and stop for a person: what `flowhost test` makes of them.
local runner = require "flowhost.testing.runner"

local HEAD = 'local test = require "flowhost.test"\n'

local function play(files)
    local parts, us = {}, 0
    local failed = runner.run(files, {
        dir = "flows", env = {}, settings = { park_after = "5" },
        now_us = function()
            us = us + 1
            return us
        end,
        write = function(...)
            for i = 1, select("#", ...) do
                parts[#parts + 1] = (select(i, ...))
            end
        end,
    })
    return failed, table.concat(parts)
end

local function passes(flow, body, more)
    local files = { ["a.lua"] = flow, ["a_test.lua"] = HEAD .. body }
    for path, text in pairs(more or {}) do
        files[path] = text
    end
    local failed, text = play(files)
    assert.equal(0, failed, text)
    return text
end

local function case(text)
    return ('test.case("c", function() %s end)'):format(text)
end

describe("a flow that waits for a signal", function()
    local FLOW = [[return function(ctx)
        local ok, answer = pcall(ctx.wait, "approve", { timeout = 3600 })
        return ok and answer or answer.code
    end]]

    it("gets it from the test, or its timeout", function()
        passes(FLOW, case [[
            local run = test.run "a"
            test.equal(run.status, "waiting")
            run:signal("other", 1):signal("approve", { ok = true })
            test.equal(run.output, { ok = true })
            test.fails(function() run:signal "approve" end, "WRONG_STATE")
            run = test.run("a"):advance(3599)
            test.equal(run.status, "waiting")
            test.matches(run.why, "approve")
            test.equal(run.waiting_for.name, "approve")
            test.equal(run:advance(1).output, "TIMEOUT")
            test.equal(test.run("a"):finish().output, "TIMEOUT")
        ]])
    end)

    it("takes a signal of one id once, and in order", function()
        passes("return function(ctx) return { ctx.wait 's', ctx.wait 's', ctx.wait 's' } end", case [[
            local run = test.run "a"
            run:signal("s", 1, "x"):signal("s", 1, "x"):signal("s", 2):signal("s", 3)
            test.equal(run.output, { 1, 2, 3 })
        ]])
    end)

    it("is parked for a year and lives", function()
        passes("return function(ctx) return ctx.wait 's' end", case [[
            local run = test.run("a"):advance(365 * 86400)
            test.equal(run.status, "waiting")
            test.equal(run:signal("s", "late").output, "late")
            run = test.run("a"):finish()
            test.equal(run.status, "waiting")
        ]])
    end)

    it("sends it by a link", function()
        passes([[return function(ctx)
            local link = ctx.signal_url("approve", { data = { by = "mail" } })
            ctx.request { url = "http://mail/", json = { link = link } }
            return ctx.wait "approve"
        end]], case [[
            local mail = test.mock_request("POST", "*", {})
            local run = test.run "a"
            local answer = test.http("POST", mail.requests[1].json.link)
            test.equal(answer.status < 300, true)
            test.equal(run.output, { by = "mail" })
        ]])
    end)

    it("ends the same wherever it dies", function()
        local text = passes([[return function(ctx)
            local first = ctx.request { url = "http://u/1", json = 1 }
            local signal = ctx.wait("go", { timeout = 86400 })
            ctx.sleep(86400)
            return { first, signal, ctx.request { url = "http://u/2", json = signal } }
        end]], [[
            test.mock_request("*", "*", function(request) return { json = request.path } end)
            test.crash_at_each_step("a", nil, function(run)
                run:advance(60):signal("go", { n = 1 })
            end)
        ]])
        assert.matches("crashes, the same end", text, 1, true)
    end)
end)

describe("a flow that retries", function()
    it("waits for as long as it says", function()
        passes([[return function(ctx)
            return ctx.request { url = "http://u/", retry = { max = 3, base = 10, factor = 2 }, timeout = 5 }
        end]], case [[
            local u = test.mock_request("*", "*",
                { { status = 503 }, { error = "NETWORK" }, test.never, { json = "at last" } })
            local run = test.run "a"
            test.equal(#u.requests, 1)
            test.equal(#run:advance(9.9).requests, 1)
            test.equal(#run:advance(0.1).requests, 2)
            test.equal(#run:advance(20).requests, 3)
            test.equal(#run:advance(5 + 39.9).requests, 3)
            test.equal(run:advance(0.1).output, "at last")
            test.equal(run.steps[1].attempts, 4)
        ]])
    end)

    it("ends the same wherever it dies", function()
        passes([[return function(ctx)
            local one = ctx.request { url = "http://u/1", json = 1, retry = { max = 3, base = 100 } }
            return { one, ctx.step("s", function()
                return ctx.request { url = "http://u/2", json = 1 }
            end, { retry = 2 }) }
        end]], [[
            test.mock_request("*", "/1", { { status = 503 }, { status = 503 }, { json = 1 } })
            test.mock_request("*", "/2", { { status = 503 }, { json = 2 } })
            test.crash_at_each_step("a")
        ]])
    end)
end)

describe("a flow that calls another", function()
    local CHILD = { ["b.lua"] = "return function(ctx, n) ctx.sleep(60) return n * 2 end" }

    it("gets its output", function()
        passes("return function(ctx, n) return { ctx.call('b', n), ctx.start('b', 7) } end", case [[
            local run = test.run("a", 4)
            test.equal(run.status, "waiting")
            run:finish()
            test.equal(run.output[1], 8)
            local runs = test.runs { flow = "b" }
            test.equal(#runs, 2)
            test.equal(runs[2].id, run.output[2])
            test.equal(runs[2]:finish().output, 14)
        ]], CHILD)
    end)

    it("gets what a mock says instead", function()
        passes([[return function(ctx, n)
            local ok, result = pcall(ctx.call, "b", n)
            return ok and result or result.code
        end]], case [[
            local b = test.mock_flow("b", { { value = "mocked" }, { error = "BAD" } })
            test.equal(test.run("a", 4).output, "mocked")
            test.equal(b.inputs, { 4 })
            test.equal(test.run("a", 4).output, "BAD")
        ]], CHILD)
    end)

    it("ends the same wherever it dies", function()
        passes("return function(ctx, n) return ctx.call('b', 1) + ctx.call('b', 2) end",
            [[test.crash_at_each_step("a", 4)]], CHILD)
    end)
end)

describe("a flow that stops for a person", function()
    it("goes on with what recover gives", function()
        passes([[return function(ctx)
            local answer = ctx.suspend("LOOK", "is it right?")
            return { answer, ctx.data.load "k" }
        end]], case [[
            local run = test.run "a"
            test.equal(run.status, "suspended")
            test.contains(run.error, { code = "LOOK", message = "is it right?" })
            run:recover { value = { yes = true }, data = { k = 5 } }
            test.equal(run.output, { { yes = true }, 5 })
        ]])
    end)

    it("takes edits of its steps and its input", function()
        passes([[return function(ctx, n)
            local a = ctx.step("s", function() return n end)
            local b = ctx.request { url = "http://u/" .. a }
            return { a, b }
        end]], case [[
            test.mock_request("*", "/1", { status = 500 })
            test.mock_request("*", "/2", { json = "two" })
            local run = test.run("a", 1)
            test.equal(run.status, "suspended")
            local forked = run:fork { input = 2, from = "1", allow_effects = true }
            test.equal(forked.output, { 2, "two" })
            run:recover { input = 2, from = "1" }
            test.equal(run.output, { 2, "two" })
        ]])
    end)

    it("ends the same wherever it dies", function()
        passes([[return function(ctx)
            local answer = ctx.suspend("LOOK")
            return { answer, ctx.request { url = "http://u/", json = answer } }
        end]], [[
            test.mock_request("*", "*", { json = 1 })
            test.crash_at_each_step("a", nil, function(run) run:recover { value = "yes" } end)
        ]])
    end)

    it("is not known to have done what may be done once", function()
        passes([[return function(ctx)
            return ctx.request { url = "http://u/", json = 1, once = true }
        end]], [[
            test.mock_request("*", "*", { json = 1 })
            test.crash_at_each_step("a")
        ]])
    end)
end)

describe("a flow that undoes", function()
    it("does so when it fails or is cancelled", function()
        passes([[return { on_error = "fail", run = function(ctx, n)
            ctx.request { url = "http://u/book", json = 1 }
            ctx.defer(function() ctx.request { url = "http://u/unbook", json = 1 } end)
            ctx.sleep(60)
            error { code = "NO", message = "no" }
        end }]], [[
            local undone
            test.case("fails", function()
                test.mock_request("*", "*", {})
                undone = test.mock_request("*", "/unbook", {})
                local run = test.run("a"):finish()
                test.equal(run.status, "failed")
                test.equal(#undone.requests, 1)
            end)
            test.case("is cancelled", function()
                test.mock_request("*", "*", {})
                undone = test.mock_request("*", "/unbook", {})
                local run = test.run("a"):cancel "enough"
                test.equal(run.status, "cancelled")
                test.equal(#undone.requests, 1)
            end)
            test.mock_request("*", "*", {})
            test.crash_at_each_step("a")
        ]])
    end)
end)

describe("a flow with a timeout", function()
    it("is timed out", function()
        passes("return { timeout = 60, run = function(ctx) ctx.sleep(3600) end }", case [[
            test.equal(test.run("a"):advance(60).status, "timed_out")
        ]])
    end)
end)

describe("any and race", function()
    it("end the same wherever they die", function()
        passes([[return function(ctx)
            local won, index = ctx.race {
                function() ctx.sleep(20) return ctx.request { url = "http://u/slow", json = 1 } end,
                function() ctx.sleep(10) return ctx.request { url = "http://u/fast", json = 1 } end,
            }
            local good = ctx.any {
                function() return ctx.request { url = "http://u/bad", json = 1 } end,
                function() ctx.sleep(5) return ctx.request { url = "http://u/good", json = 1 } end,
            }
            return { won, index, good }
        end]], [[
            test.mock_request("*", "*", function(request) return { json = request.path } end)
            test.mock_request("*", "/bad", { status = 500 })
            test.crash_at_each_step("a")
        ]])
    end)
end)

describe("a flow that is stored only when it does not succeed", function()
    it("is seen by a test all the same", function()
        passes([[return { durable = "on_error", run = function(ctx, n)
            return ctx.request { url = "http://u/", json = n }
        end }]], [[
            test.case("good", function()
                test.mock_request("*", "*", { json = 1 })
                local run = test.run "a"
                test.equal(run.output, 1)
                test.equal(#run.steps, 1)
            end)
            test.case("bad", function()
                test.mock_request("*", "*", { { status = 500 }, { json = 2 } })
                test.equal(test.run("a"):recover().output, 2)
            end)
            test.mock_request("*", "*", { json = 1 })
            test.crash_at_each_step("a")
        ]])
    end)
end)

describe("tags and progress", function()
    it("are there", function()
        passes("return function(ctx) ctx.tag('order', 7) ctx.progress(1, 2, 'half') ctx.wait 's' end", case [[
            local run = test.run("a"):advance(10)
            test.equal(run.tags, { order = "7" })
            test.equal(run.progress, { done = 1, total = 2, text = "half" })
            test.equal(test.runs({ tag = "order:7" })[1].id, run.id)
        ]])
    end)
end)

describe("a flow that hands work out", function()
    local FLOW = [[return function(ctx, input)
        local ok, value = pcall(ctx.task, "q", input, { heartbeat = 10 })
        return ok and value or { value.code, value.message }
    end]]

    it("gets it done by the test, which plays the worker", function()
        passes(FLOW, case [[
            local run = test.run("a", { 1 })
            test.matches(run.why, "the task .q.")
            local task = test.task "q"
            test.equal(task.input, { 1 })
            test.equal(test.task "q", nil)
            run:advance(9)
            task:heartbeat():succeed "done"
            test.equal(run.output, "done")
            test.fails(function() task:heartbeat() end, "TaskTimedOut")
            run = test.run "a"
            task = test.task "q"
            test.equal(task.input, nil)
            task:fail("Bad", "luck")
            test.equal(run.output, { "Bad", "luck" })
            run = test.run "a"
            test.task "q"
            test.equal(run:advance(10).output[1], "TIMEOUT")
            test.fails(function() test.task "a b" end)
        ]])
    end)

    it("survives a crash at each of its steps", function()
        passes(FLOW, [[
            test.crash_at_each_step("a", { 1 }, function(run)
                local task = test.task "q"
                if task then
                    task:succeed "done"
                end
            end)
        ]])
    end)
end)
