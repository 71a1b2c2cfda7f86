-- SPDX-License-Identifier: MIT
-- `flowhost test` as a whole, on folders in memory.
local runner = require "flowhost.testing.runner"

local HEAD = 'local test = require "flowhost.test"\n'

--- Failures and what was printed, times as "0 ms".
local function play(files, filter, env)
    local parts, us = {}, 0
    local failed = runner.run(files, {
        dir = "flows/", filter = filter, env = env or {},
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
    return failed, (table.concat(parts):gsub(" +%d+%.%d ms", " 0 ms"))
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

local function fails(flow, body)
    local failed, text = play { ["a.lua"] = flow, ["a_test.lua"] = HEAD .. body }
    assert.equal(1, failed, text)
    return text
end

local GET = 'return function(ctx, input) return ctx.request { url = "http://u/" .. (input or "x") } end'

describe("flowhost test", function()
    it("prints a line a case and a sentence at the end", function()
        local failed, text = play {
            ["b_test.lua"] = HEAD .. [[
test.case("fine", function() end)
test.case("bad", function()
    assert(1 == 2)
end)
]],
            ["a/x_test.lua"] = HEAD .. 'test.case("too", function() print("a", 1) end)',
        }
        assert.equal(1, failed)
        assert.equal([[
flows/a/x_test.lua
  ok    too 0 ms
        a	1
flows/b_test.lua
  ok    fine 0 ms
  FAIL  bad 0 ms
        flows/b_test.lua:4: assertion failed: assert(1 == 2)
2 passed, 1 failed in 0 ms
]], text)
    end)

    it("runs those whose file or name contains the filter", function()
        local files = {
            ["a_test.lua"] = HEAD .. 'test.case("one", function() end) test.case("two", function() error "no" end)',
            ["b_test.lua"] = HEAD .. 'test.case("three", function() end)',
        }
        assert.matches("flows/a_test.lua\n  ok    one 0 ms\n1 passed, 0 failed", select(2, play(files, "one")), 1, true)
        assert.matches("2 passed", select(2, play(files, "e")), 1, true)
        local failed, text = play(files, "nothing")
        assert.equal(1, failed)
        assert.equal("no test matches 'nothing'; 2 test files looked at\n", text)
    end)

    it("fails when there are none", function()
        local failed, text = play { ["a.lua"] = GET }
        assert.equal(1, failed)
        assert.matches("no tests found in flows/: the tests of NAME.lua are in NAME_test.lua", text, 1, true)
        failed, text = play { ["a_test.lua"] = HEAD }
        assert.equal(1, failed)
        assert.matches("flows/a_test.lua:1: no cases", text, 1, true)
    end)

    it("goes on behind a file that does not load", function()
        local failed, text = play {
            ["a_test.lua"] = "\nlocal x = = 1", ["b_test.lua"] = "error 'no'", ["c_test.lua"] = HEAD .. case "",
        }
        assert.equal(2, failed)
        assert.matches("FAIL  flows/a_test.lua:2: unexpected symbol near '='", text, 1, true)
        assert.matches("FAIL  flows/b_test.lua:1: no", text, 1, true)
        assert.matches("ok    c ", text, 1, true)
    end)

    it("gives a test no machine, but lib/", function()
        assert.matches("attempt to index global 'io'", fails(GET, case 'io.open("/etc/passwd")'), 1, true)
        assert.matches("module 'socket' not found: neither flowhost.test nor lib/socket.lua",
            fails(GET, case 'require "socket"'), 1, true)
        passes(GET, case 'test.equal(require("money").round(1.26), 1.3)', {
            ["lib/money.lua"] = "return { round = function(x) return math.floor(x * 10 + 0.5) / 10 end }",
        })
    end)
end)

describe("a case", function()
    it("has a world of its own", function()
        passes("return function(ctx) return ctx.uuid() end", [[
            local ids = {}
            for i = 1, 2 do
                test.case("c" .. i, function()
                    local run = test.run "a"
                    ids[i] = run.id
                    test.equal(ids[1], run.id)
                end)
            end
        ]])
    end)

    it("has the mocks of the file, and its own before them", function()
        passes(GET, [[
            local all = test.mock_request("*", "*", { json = "file" })
            test.case("own", function()
                local own = test.mock_request("GET", "/x", { json = "case" })
                test.equal(test.run("a").output, "case")
                test.equal(#own.requests, 1)
                test.equal(#all.requests, 0)
            end)
            test.case("file's", function()
                test.equal(test.run("a").output, "file")
                test.equal(#all.requests, 1)
            end)
            test.case("again", function()
                test.equal(#all.requests, 0)
            end)
        ]])
    end)

    it("fails where it went wrong, with how its runs stand", function()
        local text = fails("return function(ctx) error { code = 'MINE', message = 'no' } end",
            "test.case('c', function()\n local run = test.run 'a'\n test.equal(run.status, 'succeeded')\nend)")
        assert.matches("flows/a_test.lua:4: not equal\n          expected \"succeeded\"\n", text, 1, true)
        assert.matches("(run of a: suspended, MINE: no)", text, 1, true)
        assert.matches("flows/a_test.lua:2: attempt to", fails(GET, case "local x = nil; x.y = 1"), 1, true)
        assert.matches("flows/a_test.lua:2: with a word", fails(GET, case "error 'with a word'"), 1, true)
        assert.matches("NETWORK: cut", fails(GET, case "error { code = 'NETWORK', message = 'cut' }"), 1, true)
    end)

    it("may not define cases, nor runs be outside of it", function()
        assert.matches("a case is not defined inside of another", fails(GET, case [[test.case("d", print)]]), 1, true)
        assert.matches("flows/a_test.lua:2: test.run is for cases", fails(GET, [[test.run "a"]]), 1, true)
    end)

    it("reads env as host.lua has it, or the test", function()
        local failed, text = play({
            ["a.lua"] = "return function(ctx) return ctx.env.A .. ctx.env.B end",
            ["a_test.lua"] = HEAD .. [[
                test.env { B = "file" }
                test.case("file", function() test.equal(test.run("a").output, "hostfile") end)
                test.case("case", function()
                    test.env { B = "case" }
                    test.equal(test.run("a").output, "hostcase")
                end)
            ]],
        }, nil, { A = "host", B = "host" })
        assert.equal(0, failed, text)
    end)
end)

describe("a run in a test", function()
    it("shows what the API shows", function()
        passes([[
            return function(ctx, input)
                ctx.log.warn("look", input)
                ctx.response({ fine = true }, { status = 201 })
                return { got = input, here = ctx.step("s", function() return 1 end) }
            end
        ]], case [[
            local run = test.run("a", 5)
            test.equal(run.status, "succeeded")
            test.equal(run.output, { got = 5, here = 1 })
            test.equal(run.error, nil)
            test.equal(run.input, 5)
            test.equal(run.response.status, 201)
            test.equal(run.logs, { { level = "warn", message = "look 5" } })
            test.equal(#run.steps, 2)
            test.contains(run.steps[2], { path = "2", kind = "step", name = "s", output = 1, line = "a.lua:4" })
            test.equal(run.flow, "a")
        ]])
    end)

    it("waits until time passes", function()
        passes("return function(ctx) ctx.sleep(3600) return ctx.now() end", case [[
            local start = test.now()
            local run = test.run "a"
            test.equal(run.status, "waiting")
            run:advance(3599)
            test.equal(run.status, "waiting")
            test.equal(run:advance(1).output, start + 3600)
            test.equal(test.now(), start + 3600)
            test.equal(os.time(), start + 3600)
            test.equal(test.run("a"):finish().status, "succeeded")
        ]])
    end)

    it("begins when the test says", function()
        passes("return function(ctx) return ctx.now() end", [[
            test.clock(1000000000)
            test.case("file", function() test.equal(test.run("a").output, 1000000000) end)
            test.case("case", function()
                test.clock(2000000000)
                test.equal(test.run("a").output, 2000000000)
            end)
        ]])
    end)

    it("does not finish when nothing will happen", function()
        passes(GET, case [[
            test.mock_request("*", "*", test.never)
            local run = test.run "a"
            test.equal(run.status, "waiting")
            run:finish()
            test.equal(run.error.code, "TIMEOUT")
        ]])
    end)

    it("is recovered and cancelled", function()
        passes(GET, case [[
            test.mock_request("*", "*", { { status = 500 }, { status = 500 }, { json = 1 } })
            local run = test.run "a"
            test.equal(run.status, "suspended")
            test.equal(run:recover().status, "suspended")
            test.equal(run:recover().output, 1)
            local err = test.fails(function() run:recover() end, "WRONG_STATE")
            test.matches(err.message, "is succeeded")
            test.mock_request("*", "*", { status = 500 })
            run = test.run("a"):cancel "enough"
            test.equal(run.status, "cancelled")
            test.equal(run.error.message, "enough")
        ]])
    end)

    it("is kept even of a flow that keeps nothing", function()
        passes("return { durable = 'never', run = function(ctx) ctx.sleep(1) return ctx.random(1, 1) end }", case [[
            local run = test.run "a"
            test.equal(run.status, "waiting")
            test.equal(run:finish().output, 1)
            test.equal(run.steps[2].kind, "random")
        ]])
    end)

    it("is refused with the host's own words", function()
        local text = fails(GET, case [[test.run "b"]])
        assert.matches("b was not started: NO_FLOW: no flow 'b'", text, 1, true)
        text = fails("return { run = 1 }", case [[test.run "a"]])
        assert.matches("field 'run' must be a function", text, 1, true)
        passes("return { request = { body = { n = { type = 'int', required = true } } }, run = print }", case [[
            test.fails(function() test.run("a", {}) end, "INPUT_INVALID")
        ]])
    end)

    it("is started once by a key", function()
        passes("return function(ctx) return ctx.uuid() end", case [[
            test.equal(test.run("a", nil, { key = "k" }).id, test.run("a", nil, { key = "k" }).id)
        ]])
    end)
end)

describe("a request in a test", function()
    it("fails it when nothing answers, even if the flow catches that", function()
        local text = fails("return function(ctx)\n pcall(ctx.request, { url = 'http://u/q?a=1' })\nend",
            case [[pcall(test.run, "a")]])
        assert.matches("GET http://u/q?a=1, asked for at a.lua:2 (step 1 of a), is not mocked; add", text, 1, true)
        assert.matches('test.mock_request("GET", "/q", { json = { ... } })', text, 1, true)
    end)

    it("is seen as it was sent", function()
        passes([[return function(ctx)
            local answer = ctx.request { method = "PUT", url = "http://u/users/7", query = { a = "b c" },
                json = { x = 1 }, headers = { ["X-Y"] = "z" } }
            return answer
        end]], case [[
            local run
            local users = test.mock_request("PUT", "/users/{id}", function(request)
                test.contains(request, { method = "PUT", path = "/users/7", query = { a = "b c" }, json = { x = 1 },
                    headers = { ["x-y"] = "z" }, params = { id = "7" }, flow = "a", step = "1", line = "a.lua:2" })
                return { json = request.json }
            end)
            run = test.run "a"
            test.equal(run.output, { x = 1 })
            test.equal(run.requests, users.requests)
            test.equal(run.requests, test.requests())
            test.equal(run.requests[1].idempotency_key, run.id .. "/1")
        ]])
    end)

    it("fails as a connection does, takes its time, or too long", function()
        passes([[return function(ctx, o)
            local ok, err = pcall(ctx.request, { url = "http://u/", timeout = o.timeout, max_bytes = 5 })
            return ok and err or err.code
        end]], case [[
            test.mock_request("*", "*", { error = "TLS" })
            test.equal(test.run("a", {}).output, "TLS")
            test.mock_request("*", "*", { body = "hello" , delay = 10 })
            local run = test.run("a", {})
            test.equal(run.status, "waiting")
            test.equal(run:advance(10).output, "hello")
            run = test.run("a", { timeout = 5 }):advance(5)
            test.equal(run.output, "TIMEOUT")
            test.mock_request("*", "*", { body = "too much" })
            test.equal(test.run("a", {}).output, "TOO_LARGE")
        ]])
    end)

    it("is answered by a flow of the folder", function()
        passes(GET, case [[
            test.mock_request("*", "*", test.served)
            test.equal(test.run("a", "b").output, { hello = "b" })
            test.equal(test.run("a", "none").status, "suspended")
        ]], { ["b.lua"] = [[return { http = "GET /b", run = function() return { hello = "b" } end }]] })
    end)

    it("shows a mistake in a mock as the test's", function()
        local text = fails(GET, case [[test.mock_request("*", "*", function() return { id = 1 } end) test.run "a"]])
        assert.matches("the function of test.mock_request: an answer has no field 'id'", text, 1, true)
        text = fails(GET, case [[test.mock_request("*", "*", function(r) return r.no.way end) test.run "a"]])
        assert.matches("flows/a_test.lua:2: attempt to index field 'no'", text, 1, true)
    end)
end)

describe("a flow's own route in a test", function()
    it("is called as from outside", function()
        passes("return { http = 'POST /a/{id}', run = function(_, input) return input.params.id .. input.body end }",
            case [[
                local answer = test.http("POST", "/a/7", { json = "x", headers = { ["X-Y"] = 1 } })
                test.equal({ answer.status, answer.json, answer.run.output }, { 200, "7x", "7x" })
                test.equal(test.http("GET", "/nowhere").status, 404)
            ]])
    end)
end)

describe("the runs of a case", function()
    it("are found, also those that a flow's request started", function()
        passes(GET, case [[
            test.mock_request("*", "*", test.served)
            local run = test.run("a", "b")
            local names = {}
            for i, one in ipairs(test.runs()) do names[i] = one.flow end
            test.equal(names, { "a", "b" })
            test.equal(test.runs({ flow = "b" })[1].output, "from b")
            test.equal(test.http("GET", "http://127.0.0.1:8080/b?x=1").json, "from b")
        ]], { ["b.lua"] = "return { http = 'GET /b', run = function() return 'from b' end }" })
    end)
end)

describe("a component in a test", function()
    local FLOW = [[return function(ctx, input)
        local ok, result = pcall(ctx.component, "c", input)
        return ok and { result } or result.code
    end]]
    local COMPONENT = { ["components/c.lua"] = "return function(ctx, input) return ctx.request { url = input } end" }

    it("is replaced by a function, a value or an error", function()
        passes(FLOW, [[
            test.case("function", function()
                local c = test.mock_component("c", function(input) return input.n * 2 end)
                test.equal(test.run("a", { n = 4 }).output, { 8 })
                test.equal(c.inputs, { { n = 4 } })
            end)
            test.case("values", function()
                test.mock_component("c", { { value = 1 }, { error = "NO" }, { value = 3, delay = 60 } })
                test.equal(test.run("a").output, { 1 })
                test.equal(test.run("a").output, "NO")
                local run = test.run "a"
                test.equal(run.status, "waiting")
                test.equal(run:finish().output, { 3 })
            end)
            test.case("error", function()
                test.mock_component("c", function() error { code = "DECLINED", message = "no" } end)
                test.equal(test.run("a").output, "DECLINED")
            end)
            test.case("none", function()
                test.mock_request("*", "*", { json = 5 })
                test.equal(test.run("a", "http://u/").output, { 5 })
            end)
        ]], COMPONENT)
    end)

    it("may be one of the program, that is in no file", function()
        passes(FLOW, case [[
            test.mock_component("c", { value = "native" })
            test.equal(test.run("a").output, { "native" })
        ]])
    end)

    it("shows a mistake as the test's", function()
        local text = fails(FLOW, case [[test.mock_component("c", function(x) return x.no.way end) test.run("a", {})]])
        assert.matches("flows/a_test.lua:2: attempt to index field 'no'", text, 1, true)
        text = fails(FLOW, case [[test.run("a") test.mock_component("c", {})]])
        assert.matches("test.mock_component comes before the first test.run", text, 1, true)
    end)
end)

describe("crash_at_each_step", function()
    local function crash(flow, body)
        local failed, text = play { ["a.lua"] = flow, ["a_test.lua"] = HEAD .. (body or [[
            test.mock_request("*", "*", function(request) return { json = request.path } end)
            test.crash_at_each_step("a")
        ]]) }
        return failed, text
    end

    it("says how often it died, and what may be asked for twice", function()
        local failed, text = crash [[return function(ctx)
            local id = ctx.uuid()
            ctx.request { url = "http://u/1", json = { id } }
            ctx.sleep(60)
            return { id, ctx.now(), ctx.request { url = "http://u/2", json = 1 } }
        end]]
        assert.equal(0, failed, text)
        assert.matches("ok    a: crash at each step 0 ms\n        %d+ crashes, the same end after each\n"
            .. "        may be asked for twice: step 2 %(POST http://u/1, a.lua:3%)\n", text)
    end)

    it("does so inside of a case, with its mocks", function()
        assert.equal(0, (crash(GET, case [[
            test.mock_request("*", "*", { json = 1 })
            test.crash_at_each_step("a")
        ]])))
    end)

    it("plays a script anew after each crash", function()
        local failed, text = crash([[return function(ctx)
            return ctx.request { url = "http://u/1", json = 1 }
        end]], [[
            test.mock_request("*", "*", { { status = 500 }, { json = "late" } })
            test.crash_at_each_step("a", nil, function(run)
                run:recover()
            end)
        ]])
        assert.equal(0, failed, text)
    end)

    it("holds for components that are mocked", function()
        local failed, text = crash([[return function(ctx)
            return { ctx.component("c", 1), ctx.component("c", 2) }
        end]], [[
            test.mock_component("c", function(n) return n * 10 end)
            test.crash_at_each_step("a")
        ]])
        assert.equal(0, failed, text)
        assert.matches("may be asked for twice: step 1 (component c, a.lua:2)", text, 1, true)
    end)
end)
