-- SPDX-License-Identifier: MIT
local world = require "support.world"

local flow = world.flow

local function answer(text, options)
    return flow("return '" .. text .. "'", options)
end

local function reload(w, files, removed)
    w:emit("reload", files, removed or {}, {}, false)
    w:settle()
end

local function ask(w, method, path, body)
    local request = w:request(method, path, { body = body })
    w:settle()
    return request
end

local function activate(w, name, o)
    return ask(w, "POST", "/v1/flows/" .. name .. "/activate", o)
end

local function versions(w, name, query)
    local request = w:request("GET", "/v1/flows/" .. name .. "/versions", { query = query })
    w:settle()
    return request:json()
end

local function shown(w, name)
    return ask(w, "GET", "/v1/flows/" .. name):json()
end

local function served(w, name)
    return world.json.decode(w:play(name).body)
end

--- How many of a hundred runs answer so.
local function share(w, name, text)
    local count = 0
    for _ = 1, 100 do
        count = count + (served(w, name) == text and 1 or 0)
    end
    return count
end

--- a.lua as "one", then "two", then "three"; time passes in between.
local function three()
    local w = world.new { files = { ["a.lua"] = answer("one", "http = 'GET /a'"), ["b.lua"] = answer "b" } }
    for _, text in ipairs { "two", "three" } do
        w:advance(1000)
        reload(w, { ["a.lua"] = answer(text, "http = 'GET /a'") })
    end
    return w, versions(w, "a").items
end

describe("versions", function()
    it("are listed newest first, each once, with the share of new runs", function()
        local w, items = three()
        assert.equal(3, #items)
        assert.equal("2023-11-14T22:13:22.000Z", items[1].activated_at)
        assert.equal("2023-11-14T22:13:20.000Z", items[3].activated_at)
        assert.same({ true, false, false }, { items[1].active, items[2].active, items[3].active })
        assert.equal(100, items[1].weight)
        assert.equal(shown(w, "a").version, items[1].version)
        assert.equal(1, #versions(w, "b").items)
        assert.equal(shown(w, "a").release, versions(w, "b").items[1].release)
    end)

    it("name the one in force before it is stored", function()
        local store = require("support.fake_store").new()
        store.is_full = true
        local w = world.new { files = { ["a.lua"] = answer "one" }, store = store }
        local items = versions(w, "a").items
        assert.same({ shown(w, "a").version }, { items[1].version })
        assert.equal(world.json.null, items[1].activated_at)
    end)

    it("are given in pages", function()
        local w, items = three()
        local first = versions(w, "a", { limit = "2" })
        assert.equal(2, #first.items)
        local rest = versions(w, "a", { limit = "2", cursor = first.next })
        assert.same({ items[3].version }, { rest.items[1].version })
        assert.equal(1, #rest.items)
        assert.equal(world.json.null, rest.next)
        local bad = w:request("GET", "/v1/flows/a/versions", { query = { limit = "0" } })
        assert.equal("QUERY_INVALID", bad:json().code)
        assert.equal(404, ask(w, "GET", "/v1/flows/none/versions").status)
    end)
end)

describe("activate", function()
    it("lets new runs take an older version, over a save and a start", function()
        local w, items = three()
        local answered = activate(w, "a", { version = items[3].version })
        assert.equal(200, answered.status)
        local view = answered:json()
        assert.same({ items[3].version, items[3].release, true, items[1].version },
            { view.version, view.release, view.pinned, view.newest_version })
        assert.equal("one", served(w, "a"))
        reload(w, { ["a.lua"] = answer("four", "http = 'GET /a'") })
        assert.equal("one", served(w, "a"))
        assert.equal("flow a stays at version " .. items[3].version .. ", chosen by hand", w.log[#w.log].message)
        local route = w:request("GET", "/a")
        w:settle()
        assert.equal('"one"', route.body)
        local again = w:crash(nil, { files = { ["a.lua"] = answer "four" } })
        assert.equal("one", served(again, "a"))
        assert.is_true(shown(again, "a").pinned)
        assert.equal("four", (activate(again, "a", { release = "newest" }) and served(again, "a")))
        assert.is_false(shown(again, "a").pinned)
        assert.equal(0, #again.store:keys(again.store.ids.active, "flow:"))
    end)

    it("takes a release by its hash or the beginning of it", function()
        local w, items = three()
        activate(w, "a", { release = items[2].release:sub(1, 8) })
        assert.equal("two", served(w, "a"))
        activate(w, "a", { release = items[3].release })
        assert.equal("one", served(w, "a"))
    end)

    it("of the newest version is no override", function()
        local w, items = three()
        activate(w, "a", { version = items[2].version })
        activate(w, "a", { version = items[1].version })
        assert.equal("three", served(w, "a"))
        assert.is_false(shown(w, "a").pinned)
    end)

    it("with a weight gives a share of new runs to it", function()
        local w, items = three()
        activate(w, "a", { version = items[3].version })
        local view = activate(w, "a", { release = "newest", weight = 20 }):json()
        assert.same({ release = items[1].release, version = items[1].version, weight = 20 }, view.canary)
        assert.equal(20, share(w, "a", "three"))
        assert.equal(80, share(w, "a", "one"))
        local listed = versions(w, "a").items
        assert.same({ 20, 0, 80 }, { listed[1].weight, listed[2].weight, listed[3].weight })
        local again = w:crash(nil, { files = { ["a.lua"] = answer("three", "http = 'GET /a'") } })
        assert.equal(20, share(again, "a", "three"))
        activate(again, "a", { release = "newest" })
        assert.equal(100, share(again, "a", "three"))
    end)

    it("pins a run to what it took", function()
        local w, items = three()
        activate(w, "a", { version = items[3].version })
        w:play "a"
        assert.equal(items[3].release, w:run(w:ids()[1]).release)
        assert.equal(items[3].version, w:run(w:ids()[1]).version)
    end)

    it("refuses what cannot be", function()
        local w, items = three()
        for body, code in pairs {
            ["{"] = "BODY_NOT_JSON", ["[]"] = "BODY_NOT_OBJECT", ["{}"] = "FIELD_INVALID",
            ['{"release":"newest","version":"111111111111"}'] = "FIELD_INVALID",
            ['{"release":"latest"}'] = "FIELD_INVALID", ['{"release":"abc"}'] = "FIELD_INVALID",
            ['{"version":7}'] = "FIELD_INVALID", ['{"version":false}'] = "FIELD_INVALID",
            ['{"release":false}'] = "FIELD_INVALID", ['{"release":"newest","weight":0}'] = "FIELD_INVALID",
            ['{"release":"newest","weight":100}'] = "FIELD_INVALID",
            ['{"release":"newest","weight":1.5}'] = "FIELD_INVALID",
            ['{"release":"newest","more":1}'] = "FIELD_INVALID",
            ['{"version":"111111111111"}'] = "NO_VERSION", ['{"release":"11111111"}'] = "NO_VERSION",
        } do
            assert.equal(code, activate(w, "a", body):json().code, body)
        end
        assert.equal(404, activate(w, "none", { release = "newest" }).status)
        assert.equal("NO_VERSION", activate(w, "b", { version = items[1].version }):json().code)
        assert.equal("three", served(w, "a"))
    end)

    it("refuses a version that does not load", function()
        local w = world.new { files = { ["a.lua"] = "return 1" } }
        local bad = w:request("GET", "/v1/flows"):json().release
        reload(w, { ["a.lua"] = answer "good" })
        local refused = activate(w, "a", { release = bad }):json()
        assert.equal("VERSION_UNUSABLE", refused.code)
        assert.matches("a.lua:1: no handler", refused.detail, 1, true)
    end)

    it("leaves the route to the version in force", function()
        local w = world.new { files = { ["a.lua"] = answer("old a", "http = 'GET /r'") } }
        local old = shown(w, "a").version
        reload(w, { ["a.lua"] = answer "new a", ["b.lua"] = answer("b", "http = 'GET /r'") })
        assert.equal('"b"', ask(w, "GET", "/r").body)
        activate(w, "a", { version = old })
        assert.equal('"old a"', ask(w, "GET", "/r").body)
        assert.equal(world.json.null, shown(w, "b").http)
        assert.equal("b", served(w, "b"))
        assert.matches("is taken by the version of a in force", ask(w, "GET", "/v1/flows"):json().problems[1].message)
        activate(w, "a", { release = "newest" })
        assert.equal('"b"', ask(w, "GET", "/r").body)
        assert.same({}, { unpack(ask(w, "GET", "/v1/flows"):json().problems) })
    end)

    it("serves a version in force though its file is broken, and none when the file is gone", function()
        local w, items = three()
        activate(w, "a", { version = items[3].version })
        local again = w:crash(nil, { files = { ["a.lua"] = "nonsense" } })
        assert.equal("one", served(again, "a"))
        reload(again, {}, { "a.lua" })
        assert.equal(404, again:start("a").status)
        reload(again, { ["a.lua"] = answer "back" })
        assert.equal("one", served(again, "a"))
    end)

    it("starts no run when the version in force is gone from the store, and says so", function()
        local w, items = three()
        activate(w, "a", { version = items[3].version })
        w.store.tables[w.store.ids.blobs] = {}
        local again = world.new { files = { ["a.lua"] = answer "three" }, store = w.store }
        assert.equal("RELEASE_MISSING", again:start("a"):json().code)
        local problem = again:request("GET", "/v1/flows"):json().problems[1]
        assert.matches("^the version chosen by hand: file a.lua of release %x+ is not in the store$", problem.message)
        activate(again, "a", { release = "newest" })
        assert.equal("three", served(again, "a"))
    end)
end)

describe("disable", function()
    it("lets no run start, over a start, until enable", function()
        local w = three()
        local view = ask(w, "POST", "/v1/flows/a/disable"):json()
        assert.is_false(view.enabled)
        local refused = w:start "a"
        assert.equal(409, refused.status)
        assert.equal("FLOW_DISABLED", refused:json().code)
        assert.equal(409, ask(w, "GET", "/a").status)
        assert.equal("b", served(w, "b"))
        local again = w:crash()
        assert.equal(409, again:start("a").status)
        assert.is_true(ask(again, "POST", "/v1/flows/a/enable"):json().enabled)
        assert.equal("one", served(again, "a"))
        assert.equal(404, ask(again, "POST", "/v1/flows/none/disable").status)
    end)

    it("lets what runs go on, and keeps the version chosen by hand", function()
        local w = world.new { files = { ["a.lua"] = flow [[ return ctx.request { url = "http://u/1" } ]] } }
        local version = shown(w, "a").version
        reload(w, { ["a.lua"] = flow [[ return ctx.request { url = "http://u/2" } ]] })
        activate(w, "a", { version = version })
        local request = w:start "a"
        w:commit()
        ask(w, "POST", "/v1/flows/a/disable")
        assert.equal(200, request.status)
        ask(w, "POST", "/v1/flows/a/enable")
        assert.equal(version, shown(w, "a").version)
    end)

    it("is answered once it is stored; a full disk changes nothing", function()
        local w = three()
        local request = w:request("POST", "/v1/flows/a/disable")
        assert.is_nil(request.status)
        assert.equal("three", world.json.decode((function()
            local run = w:start "a"
            w:commit()
            return run.body
        end)()))
        w:settle()
        assert.equal(200, request.status)
        w.store.is_full = true
        local refused = ask(w, "POST", "/v1/flows/a/enable")
        assert.equal(507, refused.status)
        assert.equal("DISK_FULL", refused:json().code)
        w.store.is_full = false
        assert.equal(409, w:start("a").status)
    end)

    it("is kept in the audit", function()
        local w, items = three()
        ask(w, "POST", "/v1/flows/a/disable")
        activate(w, "a", { version = items[3].version })
        local entries = ask(w, "GET", "/v1/audit"):json().items
        assert.same({ "activate", "a" }, { entries[1].action, entries[1].flow })
        assert.same({ disabled = true }, entries[1].before)
        assert.same({ disabled = true, release = items[3].release }, entries[1].after)
        assert.equal("disable", entries[2].action)
    end)

    it("is in force on all shards, whichever was asked", function()
        local shards = world.shards(3, { files = { ["a.lua"] = answer "one" } })
        local version = shown(shards[0], "a").version
        reload(shards[0], { ["a.lua"] = answer "two" })
        assert.equal(200, ask(shards[1], "POST", "/v1/flows/a/disable").status)
        for i = 0, 2 do
            assert.equal(409, shards[i]:start("a").status)
        end
        ask(shards[2], "POST", "/v1/flows/a/enable")
        activate(shards[1], "a", { version = version })
        for i = 0, 2 do
            assert.equal("one", served(shards[i], "a"))
        end
    end)
end)
