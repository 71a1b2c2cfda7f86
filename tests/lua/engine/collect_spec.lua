-- SPDX-License-Identifier: MIT
local world = require "support.world"

local flow = world.flow

local function answer(text)
    return flow("return '" .. text .. "'")
end

local WAITS = flow [[ ctx.request { url = "http://u/wait" } return "old" ]]

local function reload(w, files)
    w:advance(1000)
    w:emit("reload", files, {}, {}, false)
    w:settle()
end

local saves = 0

--- Saves b.lua so many times, each time another text.
local function save(w, count)
    for _ = 1, count do
        saves = saves + 1
        reload(w, { ["b.lua"] = answer("text " .. saves) })
    end
end

local function count_of(w, name)
    return #w.store:keys(w.store.ids[name], "")
end

local function new(o)
    o = o or {}
    o.files = o.files or { ["a.lua"] = WAITS, ["b.lua"] = answer "b" }
    o.upstream = o.upstream or function(call)
        if not call.url:find "wait" then return 200, nil, {} end
    end
    return world.new(o)
end

local function healthy()
    return 200, nil, {}
end

describe("releases that nobody refers to", function()
    it("are removed, but for the newest; files with them", function()
        local w = new()
        save(w, 8)
        assert.equal(9, count_of(w, "releases"))
        save(w, 1)
        assert.equal(5, count_of(w, "releases"))
        assert.equal(6, count_of(w, "blobs")) -- a.lua, and five of b.lua
        assert.equal(1 + 5, count_of(w, "active"))
        assert.equal(('"text %d"'):format(saves), (w:play "b").body)
    end)

    it("are removed at the start", function()
        local w = new()
        save(w, 7)
        local again = w:crash()
        again:settle()
        assert.equal(5, count_of(again, "releases"))
        again:crash():settle()
    end)

    it("stay as long as a run is pinned to them", function()
        local w = new()
        w:start "a"
        w:settle()
        local release = w:run().release
        save(w, 20)
        assert.is_not_nil(w.store.tables[w.store.ids.releases][(release:gsub("%x%x", function(hex)
            return string.char(tonumber(hex, 16))
        end))])
        local again = w:crash(nil, { upstream = healthy })
        again:settle()
        assert.equal("old", again:run().output)
        assert.equal(release, again:run().release)
        save(again, 12)
        local last = again:crash()
        last:settle()
        assert.equal(5, count_of(last, "releases"))
    end)

    it("stay as long as a suspended run is pinned to them", function()
        local w = new { files = { ["a.lua"] = flow "error 'no'", ["b.lua"] = answer "b" } }
        w:play "a"
        assert.equal("suspended", w:run().status)
        local release = w:run().release
        save(w, 20)
        assert.is_true(count_of(w, "releases") <= 10)
        local again = w:crash()
        again:settle()
        assert.equal(202, (function()
            local request = again:request("POST", "/v1/runs/" .. again:ids()[1] .. "/recover")
            again:settle()
            return request.status
        end)())
        assert.equal(release, again:run().release)
        assert.equal("LUA_ERROR", again:run().error.code)
    end)

    it("stay as long as an override names them", function()
        local w = new()
        reload(w, { ["a.lua"] = answer "new" })
        local items = (function()
            local request = w:request("GET", "/v1/flows/a/versions")
            w:settle()
            return request:json().items
        end)()
        w:request("POST", "/v1/flows/a/activate", { body = { version = items[2].version } })
        w:settle()
        save(w, 20)
        assert.equal(items[2].version, w:request("GET", "/v1/flows/a"):json().version)
        w:crash():settle()
        w:request("POST", "/v1/flows/a/activate", { body = { release = "newest" } })
        w:settle()
        save(w, 20)
        assert.equal(0, #(function()
            local found = {}
            local request = w:request("GET", "/v1/flows/a/versions")
            w:settle()
            for _, item in ipairs(request:json().items) do
                if item.version == items[2].version then
                    found[1] = item
                end
            end
            return found
        end)())
    end)

    it("are kept when the store does not take the removal", function()
        local w = new()
        save(w, 8)
        w:advance(1000)
        w:emit("reload", { ["b.lua"] = answer "last" }, {}, {}, false)
        w.store:fail_next(false, false, "IO") -- the release, what was stored before, the removal
        w:settle()
        assert.equal(10, count_of(w, "releases"))
        save(w, 1)
        assert.equal(5, count_of(w, "releases"))
    end)
end)

describe("a run that is worked on while releases are looked for", function()
    --- Saves once more, so that releases are looked for, and lets the search see no run; `meanwhile` happens in it.
    local function search_blindly(w, meanwhile)
        local store = w.core.store
        local scan, is_done = store.scan, false
        store.scan = function(table_id, o)
            if table_id ~= store.tables.runs_by_status then
                return scan(table_id, o)
            elseif not is_done then
                is_done = true
                meanwhile()
                w:enter()
            end
            return {}, {}, 0
        end
        save(w, 1)
        store.scan = scan
        assert.is_true(is_done)
    end

    it("keeps its release when it is brought back and gone again meanwhile", function()
        local shards = world.shards(2, { files = { ["a.lua"] = flow "error 'no'", ["b.lua"] = answer "b" } })
        local w = shards[0]
        for _ = 1, 2 do
            shards[1]:play "a"
        end
        local ids = w:ids()
        save(w, 8)
        search_blindly(w, function()
            for i = 1, 2 do
                shards[1]:request("POST", "/v1/runs/" .. ids[i] .. "/recover")
            end
            shards[0]:deliver()
            shards[1]:deliver()
        end)
        assert.equal(6, count_of(w, "releases"))
        w:settle()
        assert.equal("suspended", w:run(ids[1]).status)
        assert.equal("LUA_ERROR", w:run(ids[1]).error.code)
    end)

    it("keeps its release when it is left alone meanwhile", function()
        local w = new { files = { ["a.lua"] = flow [[ ctx.request { url = "http://u/wait" } error "no" ]],
            ["b.lua"] = answer "b" } }
        w:start "a"
        w:settle()
        save(w, 8)
        search_blindly(w, function()
            w:answer(w:open_calls()[1], 200)
            while w:commit() do end
            assert.equal("suspended", w:run().status)
            assert.equal(0, w:live_count())
        end)
        assert.equal(6, count_of(w, "releases"))
    end)

    it("keeps nothing when it is over", function()
        local w = new()
        w:start "a"
        w:settle()
        save(w, 8)
        w:answer(w:open_calls()[1], 200)
        w:settle()
        search_blindly(w, function() end)
        assert.equal(5, count_of(w, "releases"))
    end)
end)

describe("releases in memory", function()
    it("are bounded", function()
        local w = new()
        for i = 1, 30 do
            w:start "a"
            w:commit()
            reload(w, { ["a.lua"] = WAITS .. "-- " .. i })
        end
        local again = w:crash(nil, { upstream = healthy })
        again:settle()
        for _, id in ipairs(again:ids()) do
            assert.equal("old", again:run(id).output)
        end
    end)
end)
