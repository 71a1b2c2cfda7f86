-- SPDX-License-Identifier: MIT
local world = require "support.world"

local flow = world.flow

local function get(w, path, query, headers)
    local request = w:request("GET", path, { query = query, headers = headers })
    assert.is_truthy(request.answered)
    return request.status, request
end

--- 12 runs, one a second: a and b in turn, every third suspended.
local function dozen()
    local w = world.new { files = {
        ["a.lua"] = flow [[ if input % 3 == 0 then error "third" end return input ]],
        ["b.lua"] = flow [[ if input % 3 == 0 then error "third" end return input ]],
    } }
    for n = 1, 12 do
        w:play(n % 2 == 0 and "a" or "b", n)
        w:advance(1000)
    end
    return w
end

--- The inputs of the runs a query lists, page by page: { {12, 11}, {10}, ... }.
local function pages(w, query)
    local all, guard = {}, 0
    repeat
        local status, request = get(w, "/v1/runs", query)
        assert.equal(200, status)
        local page = {}
        for i, item in ipairs(request:json().items) do
            assert.is_nil(item.input)
            page[i] = w:run(item.id).input
        end
        all[#all + 1] = page
        query.cursor = request:json().next
        guard = guard + 1
    until query.cursor == world.json.null or guard > 100
    return all
end

describe("the list of runs", function()
    local w = dozen()

    it("has the newest first", function()
        assert.same({ { 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 } }, pages(w, {}))
    end)

    it("comes in pages, each run once", function()
        assert.same({ { 12, 11, 10, 9, 8 }, { 7, 6, 5, 4, 3 }, { 2, 1 } }, pages(w, { limit = "5" }))
        assert.same({ { 12, 11, 10, 9, 8, 7 }, { 6, 5, 4, 3, 2, 1 }, {} }, pages(w, { limit = "6" }))
        assert.equal(13, #pages(w, { limit = "1" }))
    end)

    it("of a flow, of a status, of both", function()
        assert.same({ { 12, 10, 8, 6, 4, 2 } }, pages(w, { flow = "a" }))
        assert.same({ { 12, 9, 6, 3 } }, pages(w, { status = "suspended" }))
        assert.same({ { 12, 6 } }, pages(w, { status = "suspended", flow = "a" }))
        assert.same({ { 11, 7 }, { 5, 1 }, {} }, pages(w, { status = "succeeded", flow = "b", limit = "2" }))
        assert.same({ {} }, pages(w, { status = "running" }))
        assert.same({ {} }, pages(w, { flow = "nobody" }))
    end)

    it("says that the store cannot be read", function()
        local broken = world.new { files = { ["a.lua"] = flow "" } }
        broken.core.store.scan = function() return nil, "IO", "cannot read" end
        local status, request = get(broken, "/v1/runs")
        assert.same({ 500, "IO", "cannot read" }, { status, request:json().code, request:json().detail })
    end)

    it("refuses a flow's name that is too long", function()
        assert.equal(200, (get(w, "/v1/runs", { flow = ("x"):rep(200) })))
        local status, request = get(w, "/v1/runs", { flow = ("x"):rep(600) })
        assert.same({ 422, "QUERY_INVALID" }, { status, request:json().code })
    end)

    it("refuses what it does not know", function()
        for name, values in pairs { limit = { "0", "1001", "x", "1.5", "-1", "nan" }, status = { "done", "" },
            cursor = { "x", "" }, statsu = { "failed" } } do
            for _, value in ipairs(values) do
                local status, request = get(w, "/v1/runs", { [name] = value })
                assert.equal(422, status)
                assert.equal("QUERY_INVALID", request:json().code)
            end
        end
    end)

    it("is never stale: a run stands under its own status only", function()
        local live = world.new { files = { ["a.lua"] = flow [[ ctx.request { url = "http://u/bad" } ]] } }
        local function statuses()
            local found = {}
            for _, key in ipairs(live.store:keys(live.store.ids.runs_by_status, "")) do
                found[#found + 1] = key:match "^%a+"
            end
            return found
        end
        live.upstream = function() return 500 end
        live:start "a"
        live:commit()
        assert.same({ "running" }, statuses())
        live:settle()
        assert.same({ "suspended" }, statuses())
        live.upstream = function() return 200 end
        live:request("POST", "/v1/runs/" .. live:ids()[1] .. "/recover")
        live:commit()
        assert.same({ "running" }, statuses())
        live:settle()
        assert.same({ "succeeded" }, statuses())
        local by_flow = live.store.tables[live.store.ids.runs_by_flow]
        assert.equal("succeeded", by_flow[next(by_flow)])
    end)

    it("looks at so many rows and says where to go on", function()
        local many = world.new { files = { ["a.lua"] = flow "return 1" } }
        local rows = many.store.tables[many.store.ids.runs_by_flow]
        for _ = 1, 21000 do
            local _, bytes = many.core.system.run_id(0)
            rows["a\0" .. bytes] = "failed"
        end
        many:play "a"
        local oldest = many.core.system.id_bytes(("0"):rep(26))
        rows["a\0" .. oldest] = "succeeded"
        local seen, guard, query = 0, 0, { flow = "a", status = "succeeded", limit = "500" }
        repeat
            local _, request = get(many, "/v1/runs", query)
            seen = seen + #request:json().items
            query.cursor = request:json().next
            guard = guard + 1
        until query.cursor == world.json.null
        assert.equal(2, seen)
        assert.equal(2, guard)
    end)
end)

describe("a run", function()
    it("is shown with times in UTC, absent values as null", function()
        local w = world.new { files = { ["a.lua"] = flow "ctx.sleep(1.5) return false" } }
        w:play "a"
        local id = w:ids()[1]
        local _, request = get(w, "/v1/runs/" .. id)
        local run = request:json()
        local null = world.json.null
        assert.equal("2023-11-14T22:13:20.000Z", run.created_at)
        assert.equal("2023-11-14T22:13:21.500Z", run.ended_at)
        assert.equal(id, run.id)
        assert.equal("a", run.flow)
        assert.equal("always", run.durable)
        assert.equal(12, #run.version)
        assert.equal(1, run.attempt)
        assert.same({ null, null, null, false }, { run.error, run.input, run.reason, run.output })
        assert.equal(200, (get(w, "/v1/runs/" .. id:lower())))
    end)

    it("that nobody knows is 404", function()
        local w = world.new { files = {} }
        for _, id in ipairs { "x", ("0"):rep(26), ("0"):rep(27) } do
            for _, tail in ipairs { "", "/steps" } do
                local status, request = get(w, "/v1/runs/" .. id .. tail)
                assert.equal(404, status)
                assert.equal("NO_RUN", request:json().code)
            end
        end
    end)

    it("at the depth limit can be shown", function()
        local w = world.new { files = { ["a.lua"] = flow "return input" } }
        local deep = ("["):rep(128) .. ("]"):rep(128)
        local request = w:request("POST", "/v1/flows/a/runs", { body = deep })
        w:settle()
        assert.equal(deep, request.body)
        assert.equal(200, (get(w, "/v1/runs/" .. w:ids()[1])))
    end)
end)

describe("the steps of a run", function()
    local TEXT = [[
        ctx.step("s", function() ctx.uuid() return false end)
        ctx.all { function() return ctx.step("two", function() return { 1 } end) end }
        pcall(ctx.request, { url = "http://u/bad" })
        for _ = 1, 8 do ctx.now() end
        ctx.log.info "said"
        return ctx.request { url = "http://u/wait" }
    ]]

    local function new()
        local w = world.new { files = { ["a.lua"] = flow(TEXT) }, upstream = function(call)
            if call.url:find "bad" then return 500 end
        end }
        w:play "a"
        return w, w:ids()[1]
    end

    it("stand in their order, by number at each level", function()
        local w, id = new()
        local _, request = get(w, "/v1/runs/" .. id .. "/steps")
        local lines = {}
        for i, step in ipairs(request:json().items) do
            lines[i] = ("%s %s %s %s"):format(step.path, step.kind, step.status, world.json.encode(step.output))
        end
        local now = w.clock.now / 1000
        assert.equal("1 step succeeded false", lines[1])
        assert.matches("^1.1 uuid succeeded", lines[2])
        assert.equal("2 all running null", lines[3])
        assert.equal("2.1.1 step succeeded [1]", lines[4])
        assert.equal("3 request failed null", lines[5])
        for i = 6, 13 do
            assert.equal(("%d now succeeded %d"):format(i - 2, now), lines[i])
        end
        assert.equal('log1 log succeeded "said"', lines[14])
        assert.equal(14, #lines)
    end)

    it("of a run that has ended show its groups as ended", function()
        local w, id = new()
        w:answer(w:open_calls()[1], 200)
        w:settle()
        local _, request = get(w, "/v1/runs/" .. id .. "/steps")
        assert.equal("succeeded", request:json().items[3].status)
        assert.same({ code = "HTTP_STATUS", message = "http://u/bad answered 500", retryable = true, status = 500,
            step = "3" }, (function(err)
                err.stack, err.data = nil, nil
                return err
            end)(request:json().items[5].error))
    end)

    it("that are open wait, run, or have ended with the run", function()
        local w = world.new { files = { ["a.lua"] = flow [[
            ctx.all {
                function() ctx.sleep(100) end,
                function() ctx.step("s", function() ctx.wait "x" end) end,
                function() ctx.request { url = "http://u/never" } end,
                function() ctx.request { url = "http://u/cut", retry = { max = 9, base = 50 } } end,
            }
        ]] }, upstream = function(call)
            if call.url:find "cut" then
                return "NETWORK", "cut"
            end
        end }
        w:start "a"
        w:rest()
        local id = w:ids()[1]
        local function statuses()
            local found = {}
            for _, step in ipairs(select(2, get(w, "/v1/runs/" .. id .. "/steps")):json().items) do
                found[step.path] = step.status
            end
            return found
        end
        assert.same({ ["1"] = "running", ["1.1.1"] = "waiting", ["1.2.1"] = "running", ["1.2.1.1"] = "waiting",
            ["1.4.1"] = "waiting" }, statuses())
        local text = select(2, get(w, "/v1/runs/" .. id .. "/steps", { format = "text" })).body
        assert.matches("\n1.4.1 +request +GET http://u/cut +%-  waiting  NETWORK: cut\n", text)
        w:pass(50000)
        text = select(2, get(w, "/v1/runs/" .. id .. "/steps", { format = "text" })).body
        assert.matches("waiting  NETWORK: cut  %(2 attempts%)\n", text)
        w:request("POST", "/v1/runs/" .. id .. "/cancel")
        w:rest()
        local after = statuses()
        for _, path in ipairs { "1", "1.1.1", "1.2.1", "1.2.1.1", "1.4.1" } do
            assert.equal("cancelled", after[path])
        end
    end)

    it("are text for people", function()
        local w, id = new()
        for _, ask in ipairs { { { format = "text" } }, { {}, { accept = "text/plain" } } } do
            local status, request = get(w, "/v1/runs/" .. id .. "/steps", ask[1], ask[2])
            assert.equal(200, status)
            assert.matches("^text/plain", request.answered.headers["content-type"])
            assert.matches("\n3 +request +GET http://u/bad +0  no  HTTP_STATUS: http://u/bad answered 500\n",
                request.body)
            assert.matches("\n2 +all +1 +%-  running\n", request.body)
        end
    end)
end)

describe("the flows", function()
    it("are listed with what could not be loaded", function()
        local w = world.new { files = {
            ["b/c.lua"] = flow("", [[ description = "d", http = "GET /c", durable = "never", on_error = "fail" ]]),
            ["a.lua"] = flow "", ["bad.lua"] = "return 1 +",
        } }
        local _, request = get(w, "/v1/flows")
        local list = request:json()
        assert.equal(2, #list.items)
        assert.equal("a", list.items[1].name)
        local c = list.items[2]
        assert.same({ "b/c", "b/c.lua", "lua", "d", "never", "fail", "GET /c" },
            { c.name, c.file, c.dialect, c.description, c.durable, c.on_error, c.http })
        assert.equal(1, #list.problems)
        assert.equal("bad.lua", list.problems[1].file)
        assert.equal(1, list.problems[1].line)
        _, request = get(w, "/v1/flows/b/c")
        assert.same(c, request:json())
        assert.equal(404, (get(w, "/v1/flows/bad")))
    end)

    it("start by name, folders and all", function()
        local w = world.new { files = { ["b/c.lua"] = flow "return input" } }
        assert.equal("[1]", w:play("b/c", { 1 }).body)
        assert.equal("NO_FLOW", w:play("b", { 1 }):json().code)
    end)
end)

describe("Prefer", function()
    local function new()
        return world.new { files = { ["a.lua"] = flow "ctx.sleep(input) return input" } }
    end

    it("respond-async is answered once the run is stored", function()
        local w = new()
        local request = w:start("a", 5, { headers = { prefer = "respond-async" } })
        assert.is_nil(request.answered)
        while w:commit() do end
        assert.equal(202, request.status)
        local id = w:ids()[1]
        assert.equal("/v1/runs/" .. id, request.answered.headers.location)
        assert.equal("running", request:json().status)
        w:settle()
        assert.equal("succeeded", w:run(id).status)
    end)

    it("wait=N is answered when the run ends, or after so long", function()
        local w = new()
        local slow = w:start("a", 5, { headers = { prefer = "wait=3" } })
        local quick = w:start("a", 1, { headers = { prefer = "wait=3" } })
        while w:commit() do end
        w:advance(1000)
        while w:commit() do end
        assert.equal("1", quick.body)
        w:advance(1999)
        assert.is_nil(slow.answered)
        w:advance(1)
        assert.equal(202, slow.status)
        w:settle()
        assert.equal(0, w:live_count())
        assert.is_nil(w:next_timer())
    end)

    it("wait=N leaves no timer and no token behind", function()
        local w = new()
        local token, dropped = w:module "flowhost.engine.token", {}
        local drop = token.drop
        function token.drop(one)
            dropped[one] = true
            return drop(one)
        end
        local request = w:start("a", 1, { headers = { prefer = "wait=" .. ("9"):rep(400) } })
        while w:commit() do end
        local timers = {}
        for timer in pairs(w.timers) do
            timers[#timers + 1] = timer
        end
        table.sort(timers, function(a, b)
            return a.due < b.due
        end)
        assert.equal(3, #timers) -- the flow's, the caller's, that of parking
        w:advance(1000)
        while w:commit() do end
        assert.equal(200, request.status)
        assert.is_nil(w:next_timer())
        local longest = timers[2]
        assert.is_true(dropped[longest.token])
    end)

    it("of a flow that is not kept is not heard", function()
        local w = world.new { files = { ["a.lua"] = flow("return 1", [[ durable = "never" ]]) } }
        assert.equal("1", w:play("a", nil, { headers = { prefer = "respond-async, wait=1" } }).body)
    end)

    it("respond-async of a run that is refused tells so", function()
        local w = new()
        w.store.is_full = true
        local request = w:play("a", 0, { headers = { prefer = "respond-async" } })
        assert.equal(507, request.status)
    end)
end)
