-- SPDX-License-Identifier: MIT
local fake_store = require "support.fake_store"
local world = require "support.world"

local flow = world.flow

local function answer(text, options)
    return flow("return '" .. text .. "'", options)
end

--- What has changed in the folder since.
local function reload(w, files, o)
    o = o or {}
    w:emit("reload", files, o.removed or {}, o.unread or {}, o.asked or false)
    w:settle()
end

local function served(w, name)
    return world.json.decode(w:play(name).body)
end

local function problems(w)
    local list = {}
    for i, one in ipairs(w:request("GET", "/v1/flows"):json().problems) do
        list[i] = ("%s:%d: %s"):format(one.file, one.line, one.message)
    end
    return list
end

local function messages(w, level)
    local list = {}
    for _, line in ipairs(w.log) do
        if line.level == level then
            list[#list + 1] = line.message
        end
    end
    return list
end

describe("a reload", function()
    it("serves what has changed, to new runs", function()
        local w = world.new { files = { ["a.lua"] = answer "one", ["b.lua"] = answer "b" } }
        local before = w:request("GET", "/v1/flows"):json()
        assert.equal("one", served(w, "a"))
        reload(w, { ["a.lua"] = answer "two", ["c.lua"] = answer("c", "http = 'GET /c'") })
        assert.equal("two", served(w, "a"))
        assert.equal("b", served(w, "b"))
        assert.equal("c", served(w, "c"))
        local route = w:request("GET", "/c")
        w:settle()
        assert.equal('"c"', route.body)
        local after = w:request("GET", "/v1/flows"):json()
        assert.equal(before.items[2].version, after.items[2].version)
        assert.not_equal(before.items[1].version, after.items[1].version)
        assert.not_equal(before.release, after.release)
        assert.equal(after.release, after.items[2].release)
        assert.matches("^release %x+ is served: a.lua, c.lua$", messages(w, "info")[1])
    end)

    it("makes the same release as a start does", function()
        local files = { ["a.lua"] = answer "one", ["lib/x.lua"] = "return 1" }
        local w = world.new { files = files }
        reload(w, { ["a.lua"] = answer "two", ["b.lua"] = answer "b" }, { removed = { "lib/x.lua" } })
        local other = world.new { files = { ["a.lua"] = answer "two", ["b.lua"] = answer "b" } }
        local hash = other:request("GET", "/v1/flows"):json().release
        assert.equal(hash, w:request("GET", "/v1/flows"):json().release)
    end)

    it("takes a deleted flow away; its unfinished runs end", function()
        local w = world.new { files = { ["a.lua"] = flow [[ return ctx.request { url = "http://u/1" } ]],
            ["b.lua"] = answer "b" } }
        local request = w:start "a"
        w:commit()
        reload(w, {}, { removed = { "a.lua" } })
        assert.equal(200, request.status)
        assert.equal(404, w:start("a").status)
        assert.equal("b", served(w, "b"))
    end)

    it("leaves a run with the code it began with, over a crash", function()
        local w = world.new { files = { ["a.lua"] = flow [[ ctx.request { url = "http://u/1" } return require "x" ]],
            ["lib/x.lua"] = "return 'old'" }, upstream = function() end }
        w:start "a"
        w:commit()
        reload(w, { ["lib/x.lua"] = "return 'new'", ["a.lua"] = flow [[ return require "x" ]] })
        assert.equal("new", served(w, "a"))
        local again = w:crash(nil, { upstream = function() return 200, nil, {} end, files = {} })
        again:settle()
        assert.equal("old", again:run(again:ids()[1]).output)
    end)

    it("pins no run to a release that is not stored", function()
        local w = world.new { files = { ["a.lua"] = answer "one" } }
        w:emit("reload", { ["a.lua"] = answer "two" }, {}, {}, false)
        assert.equal("one", world.json.decode((function()
            local request = w:start "a"
            w:commit() -- the release and the run
            return request.body
        end)()))
        assert.equal("two", served(w, "a"))
    end)

    it("that cannot be stored changes nothing", function()
        local store = fake_store.new()
        local w = world.new { files = { ["a.lua"] = answer "one" }, store = store }
        store:fail_next "IO"
        reload(w, { ["a.lua"] = answer "two" })
        assert.matches("could not be stored: IO %(what was served stays%)$", messages(w, "error")[1])
        assert.equal("one", served(w, "a"))
        reload(w, {}, { asked = true })
        assert.equal("two", served(w, "a"))
    end)

    it("writes nothing when nothing has changed", function()
        local w = world.new { files = { ["a.lua"] = answer "one" } }
        local count = w:applied()
        reload(w, { ["a.lua"] = answer "one" })
        assert.equal(count, w:applied())
        assert.same({}, messages(w, "info"))
        reload(w, {}, { asked = true })
        assert.matches("^asked to reload: release %x+ is served as before$", messages(w, "info")[1])
    end)

    it("goes back to what was before", function()
        local w = world.new { files = { ["a.lua"] = answer "one" } }
        local first = w:request("GET", "/v1/flows"):json().release
        reload(w, { ["a.lua"] = answer "two" })
        reload(w, { ["a.lua"] = answer "one" })
        assert.equal(first, w:request("GET", "/v1/flows"):json().release)
        assert.equal("one", served(w, "a"))
        assert.equal(first, w:crash():request("GET", "/v1/flows"):json().release)
    end)

    it("takes up what changed while it was at work", function()
        local w = world.new { files = { ["a.lua"] = answer "one" } }
        for i = 1, 3 do
            w:emit("reload", { ["a.lua"] = answer("text " .. i) }, {}, {}, false)
        end
        w:settle()
        assert.equal("text 3", served(w, "a"))
        assert.equal(2, #messages(w, "info"))
    end)

    it("makes a release of a changed env", function()
        local w = world.new {
            files = { ["a.lua"] = flow "return ctx.env.WHO", ["host.lua"] = "return { env = { WHO = 'old' } }" },
            env = { WHO = "old" }, settings = { has_host_file = "true" },
        }
        assert.equal("old", served(w, "a"))
        reload(w, { ["host.lua"] = "return { env = { WHO = 'new' }, cpu_limit = 3, max_body = '1m' }" })
        assert.equal("new", served(w, "a"))
        assert.same({ "host.lua: a change of 'cpu_limit' takes a restart",
            "host.lua: a change of 'max_body' takes a restart" }, messages(w, "warn"))
        reload(w, { ["host.lua"] = "return { env = { WHO = 3" })
        assert.equal("new", served(w, "a"))
        assert.same({ "host.lua:1: '}' expected near '<eof>'" }, problems(w))
        reload(w, {}, { removed = { "host.lua" } })
        assert.equal("null", w:play("a").body)
        assert.same({}, problems(w))
    end)

    it("takes no host.lua into account that the start did not", function()
        local w = world.new { files = { ["a.lua"] = flow "return ctx.env.WHO" } }
        reload(w, { ["host.lua"] = "return { env = { WHO = 'new' } }" })
        assert.equal("null", w:play("a").body)
    end)
end)

describe("a file that does not load", function()
    local files = { ["a.lua"] = answer "one", ["b.lua"] = answer "b" }

    it("is refused: what it was before stays, all else is served", function()
        local w = world.new { files = files }
        reload(w, { ["a.lua"] = "return function() return 1 en", ["b.lua"] = answer "new b" })
        assert.equal("one", served(w, "a"))
        assert.equal("new b", served(w, "b"))
        assert.same({ "a.lua:1: 'end' expected near 'en'" }, problems(w))
        assert.same({ "a.lua:1: 'end' expected near 'en' (what it was before stays)" }, messages(w, "error"))
        reload(w, { ["b.lua"] = answer "newer b" })
        assert.equal(1, #messages(w, "error"))
        assert.equal(1, #problems(w))
        reload(w, { ["a.lua"] = answer "three" })
        assert.equal("three", served(w, "a"))
        assert.same({}, problems(w))
    end)

    it("is said anew when it is broken in another way", function()
        local w = world.new { files = files }
        reload(w, { ["a.lua"] = "\n return 1" })
        reload(w, { ["a.lua"] = "\n error 'x'" })
        assert.equal(2, #messages(w, "error"))
        assert.same({ "a.lua:2: x" }, problems(w))
    end)

    it("is not served when it is new", function()
        local w = world.new { files = files }
        reload(w, { ["c.lua"] = "return 5" })
        assert.equal(404, w:start("c").status)
        assert.equal(1, #problems(w))
        assert.matches("(this file is not served)", messages(w, "error")[1], 1, true)
        reload(w, {}, { removed = { "c.lua" } })
        assert.same({}, problems(w))
    end)

    it("is left out at the start and served when it is mended", function()
        local w = world.new { files = { ["a.lua"] = "return 5", ["b.lua"] = answer "b" } }
        assert.equal(404, w:start("a").status)
        reload(w, { ["b.lua"] = answer "new b" })
        assert.equal(1, #problems(w))
        reload(w, { ["a.lua"] = "return" })
        assert.equal(1, #problems(w))
        reload(w, { ["a.lua"] = answer "mended" })
        assert.equal("mended", served(w, "a"))
        assert.same({}, problems(w))
    end)

    it("stays as it was when it cannot be read, and so does all below a folder", function()
        local w = world.new { files = { ["a.lua"] = answer "one", ["x/b.lua"] = answer "b", ["x.lua"] = answer "x" } }
        reload(w, {}, { unread = { ["a.lua"] = "the file cannot be read: EACCES" } })
        assert.equal("one", served(w, "a"))
        reload(w, {}, { removed = { "x/b.lua", "x.lua" }, unread = { x = "the folder cannot be read: EACCES" } })
        assert.equal("b", served(w, "x/b"))
        assert.equal(404, w:start("x").status)
        assert.same({ "x:1: the folder cannot be read: EACCES" }, problems(w))
        reload(w, { ["x/b.lua"] = answer "b" })
        assert.same({}, problems(w))
        assert.equal("b", served(w, "x/b"))
    end)

    it("may be a component", function()
        local w = world.new { files = { ["a.lua"] = flow [[ return ctx.component "c" ]],
            ["components/c.lua"] = "return function() return 'good' end" } }
        reload(w, { ["components/c.lua"] = "return 7" })
        assert.equal("good", served(w, "a"))
        assert.equal(1, #problems(w))
        reload(w, { ["components/c.lua"] = "return function() return 'better' end" })
        assert.equal("better", served(w, "a"))
    end)

    it("is the new one of two that want a route", function()
        local route = "http = 'GET /r'"
        local w = world.new { files = { ["m.lua"] = answer("m", route) } }
        reload(w, { ["a.lua"] = answer("a", route) })
        assert.same({ "a.lua:1: http = 'GET /r' is taken by m.lua" }, problems(w))
        local request = w:request("GET", "/r")
        w:settle()
        assert.equal('"m"', request.body)
        reload(w, { ["m.lua"] = answer "m" })
        request = w:request("GET", "/r")
        w:settle()
        assert.equal('"a"', request.body)
    end)
end)

describe("a module", function()
    local function new()
        return world.new { files = {
            ["a.lua"] = "local x = require 'x' return function() return x.word end",
            ["lib/x.lua"] = "return { word = 'old' }",
        } }
    end

    it("that has changed is used", function()
        local w = new()
        reload(w, { ["lib/x.lua"] = "return { word = 'new' }" })
        assert.equal("new", served(w, "a"))
    end)

    it("that does not compile stays as it was", function()
        local w = new()
        reload(w, { ["lib/x.lua"] = "return {", ["b.lua"] = answer "b" })
        assert.equal("old", served(w, "a"))
        assert.equal("b", served(w, "b"))
        assert.same({ "lib/x.lua:1: unexpected symbol near '<eof>'" }, problems(w))
    end)

    it("with which a flow would not load stays as it was, also when it is removed", function()
        local w = new()
        reload(w, { ["lib/x.lua"] = "error 'no'" })
        assert.equal("old", served(w, "a"))
        assert.matches("^lib/x.lua:1: with this change a.lua does not load: a.lua:1: ", problems(w)[1])
        reload(w, { }, { removed = { "lib/x.lua" } })
        assert.equal("old", served(w, "a"))
        assert.matches("a.lua does not load: a.lua:1: module .x. not found", problems(w)[1])
        reload(w, { ["a.lua"] = answer "without" })
        assert.equal("without", served(w, "a"))
        assert.same({}, problems(w))
    end)

    it("does not drag along a changed flow that is good with the former one", function()
        local w = new()
        reload(w, { ["lib/x.lua"] = "error 'no'",
            ["b.lua"] = "local x = require 'x' return function() return x.word end" })
        assert.equal("old", served(w, "b"))
        assert.equal(1, #problems(w))
    end)
end)

describe("shards", function()
    it("all serve the release, and show what was refused", function()
        local shards = world.shards(3, { files = { ["a.lua"] = answer "one", ["b.lua"] = answer "b" } })
        reload(shards[0], { ["a.lua"] = answer "two", ["b.lua"] = "nonsense" })
        for i = 0, 2 do
            assert.equal("two", served(shards[i], "a"))
            assert.equal("b", served(shards[i], "b"))
            assert.same({ "b.lua:1: '=' expected near '<eof>'" }, problems(shards[i]))
        end
        reload(shards[0], { ["b.lua"] = answer "b" })
        for i = 0, 2 do
            assert.same({}, problems(shards[i]))
        end
        assert.equal(2, #shards[0].store:keys(shards[0].store.ids.releases, ""))
    end)
end)
