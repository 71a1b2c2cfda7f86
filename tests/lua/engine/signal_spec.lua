-- SPDX-License-Identifier: MIT
-- ctx.wait, signals, links.
local world = require "support.world"

local flow = world.flow

local function new(text, o, options)
    local given = { files = { ["a.lua"] = flow(text, options) }, settings = { park_after = "5" } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

local function rest(w)
    repeat until not w:commit()
end

local function signal(w, name, data, key, id)
    local request = w:request("POST", ("/v1/runs/%s/signal/%s"):format(id or w:ids()[1], name), {
        body = data ~= nil and world.json.encode(data) or "", headers = key and { ["idempotency-key"] = key } or nil })
    for _ = 1, 20 do
        rest(w)
        if w:next_timer() and w:next_timer().due <= w.clock.now then
            w:advance(0)
        end
    end
    return request
end

describe("a signal", function()
    it("wakes a run that waits for it, in memory or parked", function()
        for _, ms in ipairs { 0, 6000 } do
            local w = new [[ return { ctx.wait "approve", ctx.wait "approve" } ]]
            w:start "a"
            rest(w)
            w:advance(ms)
            rest(w)
            assert.equal(202, signal(w, "approve", { by = "Ada" }).status)
            assert.equal(202, signal(w, "approve", 2).status)
            assert.equal("succeeded", w:run().status)
            assert.same({ { by = "Ada" }, 2 }, w:run().output)
            assert.is_nil(w:next_timer())
        end
    end)

    it("that comes before the wait is kept; they are taken in order, by name", function()
        local w = new [[
            ctx.sleep(100)
            return { ctx.wait "b", ctx.wait "a", ctx.wait "b" }
        ]]
        w:start "a"
        rest(w)
        signal(w, "b", 1)
        w:advance(6000)
        rest(w)
        signal(w, "a", 2)
        signal(w, "b", 3)
        w:settle()
        assert.same({ 1, 2, 3 }, w:run().output)
    end)

    it("may carry false and null", function()
        local w = new [[
            local link = ctx.signal_url("x", { data = false })
            ctx.data.store("link", link)
            local a, b, c = ctx.wait "x", ctx.wait "x", ctx.wait "x"
            return { a == false, b == nil, c == false }
        ]]
        w:start "a"
        rest(w)
        local link = w:entries()["1"].value:match "8080(/.*)$"
        signal(w, "x", false)
        signal(w, "x", world.json.null)
        w:request("POST", link)
        w:settle()
        assert.same({ true, true, true }, w:run().output)
    end)

    it("is durable before it is acknowledged", function()
        local w = new [[ return ctx.wait "x" ]]
        w:start "a"
        rest(w)
        local request = w:request("POST", ("/v1/runs/%s/signal/x"):format(w:ids()[1]), { body = "7" })
        assert.is_nil(request.status)
        local before = w:applied()
        w:commit()
        assert.equal(202, request.status)
        local again = w:crash(before + 1)
        again:settle()
        assert.equal(7, again:run().output)
    end)

    it("is refused on a full disk, and nothing of it is left", function()
        local w = new [[ return ctx.wait "x" ]]
        w:start "a"
        rest(w)
        w.store.is_full = true
        local request = signal(w, "x", 1)
        assert.equal(507, request.status)
        w.store.is_full = false
        assert.equal(202, signal(w, "x", 2).status)
        assert.equal(2, w:run().output)
    end)

    it("with the same id counts once, over restarts, too", function()
        local w = new [[ ctx.wait "x" return ctx.wait("x", { timeout = 10 }) ]]
        w:start "a"
        rest(w)
        assert.is_false(signal(w, "x", 1, "k"):json().repeated)
        assert.is_true(signal(w, "x", 1, "k"):json().repeated)
        local again = w:crash()
        again:advance(0)
        assert.is_true(signal(again, "x", 1, "k"):json().repeated)
        again:settle()
        assert.equal("TIMEOUT", again:run().error.code)
    end)

    it("that ended the run may be sent again with its id: it was taken", function()
        local w = new [[ return ctx.wait "x" ]]
        w:start "a"
        rest(w)
        assert.is_false(signal(w, "x", 1, "k"):json().repeated)
        assert.equal("succeeded", w:run().status)
        local again = signal(w, "x", 1, "k")
        assert.same({ 202, true }, { again.status, again:json().repeated })
        assert.equal(409, signal(w, "x", 1, "other").status)
        assert.equal(409, signal(w, "y", 1, "k").status)
    end)

    it("to a run that is suspended is kept until it goes on", function()
        local w = new [[ if ctx.suspend("CHECK", "look") then return ctx.wait "x" end ]]
        w:play "a"
        assert.equal("suspended", w:run().status)
        assert.equal(202, signal(w, "x", 5).status)
        assert.equal(0, w:live_count())
        w:request("POST", ("/v1/runs/%s/recover"):format(w:ids()[1]), { body = { value = true } })
        w:settle()
        assert.equal(5, w:run().output)
    end)

    it("to one that has ended is refused with its state; to none with 404", function()
        local w = new [[ return 1 ]]
        w:play "a"
        local request = signal(w, "x", 1)
        assert.equal(409, request.status)
        assert.matches("is succeeded", request:json().detail)
        assert.equal(404, signal(w, "x", 1, nil, ("0"):rep(26)).status)
        assert.equal(404, signal(w, "x", 1, nil, "nonsense").status)
    end)

    it("that does not fit the schema of the wait is refused, the wait goes on", function()
        local w = new [[ return ctx.wait("x", { schema = { ok = { type = "bool", required = true } } }) ]]
        w:start "a"
        rest(w)
        local request = signal(w, "x", { ok = "perhaps" })
        assert.equal(422, request.status)
        assert.equal("/ok", request:json().errors[1].pointer)
        assert.equal("running", w:run().status)
        assert.equal(202, signal(w, "x", { ok = true }).status)
        assert.same({ ok = true }, w:run().output)
    end)

    it("wait's timeout raises TIMEOUT; a timeout of 0 or less is an error at the line", function()
        local w = new [[ local ok, e = pcall(ctx.wait, "x", { timeout = 100 }) return { ok, e.code } ]]
        w:start "a"
        w:settle()
        assert.same({ false, "TIMEOUT" }, w:run().output)
        w = new "\n ctx.wait('x', { timeout = 0 })"
        w:play "a"
        assert.equal("INVALID", w:run().error.code)
        assert.equal("a.lua:2", w:run().error.stack[1]:match "^a.lua:%d+")
    end)
end)

describe("a link", function()
    local TEXT = [[
        local url = ctx.signal_url("approve", { data = { approved = true }, expires = 3600, title = "Approve <it>" })
        ctx.data.store("url", url)
        return ctx.wait "approve"
    ]]

    local function url_of(w)
        local by_path = w:entries()
        return by_path["1"].value:match "^http://127.0.0.1:8080(/v1/signals/.*)$"
    end

    it("shows a page, sends the signal once, for everybody who has it", function()
        local w = new(TEXT)
        w:start "a"
        rest(w)
        local path = url_of(w)
        local page = w:request("GET", path, { headers = { accept = "text/html", host = "mail.example" } })
        assert.equal(200, page.status)
        assert.matches("Approve &lt;it&gt;", page.body)
        assert.equal("running", w:run().status)
        local used = w:request("POST", path, { headers = { host = "mail.example" } })
        rest(w)
        assert.equal(202, used.status)
        assert.same({ approved = true }, w:run().output)
    end)

    it("used twice, changed or too old is refused", function()
        local w = new(TEXT .. ", ctx.wait 'approve'")
        w:start "a"
        rest(w)
        local path = url_of(w)
        w:request("POST", path)
        rest(w)
        local again = w:request("POST", path)
        rest(w)
        assert.equal(410, again.status)
        assert.equal("LINK_USED", again:json().code)
        assert.equal(404, w:request("POST", path:sub(1, -2) .. (path:sub(-1) == "A" and "B" or "A")).status)
        assert.equal(404, w:request("GET", "/v1/signals/x.y").status)
        w.clock.now = w.clock.now + 3600001
        assert.equal("LINK_EXPIRED", w:request("GET", path):json().code)
    end)

    it("of a run that has ended says so, to people as well", function()
        local w = new [[
            ctx.data.store("links", { ctx.signal_url "yes", ctx.signal_url "no" })
            return ctx.wait "yes"
        ]]
        w:start "a"
        rest(w)
        local links = w:entries()["3"].value
        local yes, no = links[1]:match "8080(/.*)$", links[2]:match "8080(/.*)$"
        w:request("POST", yes)
        w:settle()
        assert.equal("succeeded", w:run().status)
        assert.equal("LINK_USED", w:request("POST", yes):json().code)
        local refused = w:request("POST", no)
        assert.same({ 409, "WRONG_STATE" }, { refused.status, refused:json().code })
        local page = w:request("POST", no, { headers = { accept = "text/html" } }).body
        assert.matches("nobody waits for this any more", page)
    end)

    it("can be made by the first run of a new data folder, on every shard", function()
        local shards = world.shards(2, {
            files = { ["a.lua"] = flow [[ return ctx.signal_url "x" ]] },
            prepare = function(w)
                w.commit = function() -- nothing is on disk before the first run begins
                    return false
                end
            end,
            before_start = function(w)
                w.commit = nil
            end,
        })
        for _ = 1, 4 do
            for shard = 0, 1 do
                shards[shard]:deliver()
            end
        end
        for shard = 0, 1 do
            local request = shards[shard]:start "a"
            shards[0]:settle()
            assert.equal(200, request.status)
            local link = request:json():match "^http://127.0.0.1:8080(/.*)$"
            assert.equal(200, shards[1 - shard]:request("GET", link).status)
        end
    end)
end)
