-- SPDX-License-Identifier: MIT
local world = require "support.world"

local flow = world.flow

local KEYED = { headers = { ["idempotency-key"] = "k" } }
local ASYNC = { headers = { ["idempotency-key"] = "k", prefer = "respond-async" } }

local function new(text, o, options)
    local given = { files = { ["a.lua"] = flow(text, options), ["b.lua"] = flow(text, options) } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

local TEXT = [[ return { ctx.request { url = "http://u/1" }, input } ]]

describe("an Idempotency-Key", function()
    it("joins a run that goes on", function()
        local w = new(TEXT)
        local first = w:start("a", { 1 }, KEYED)
        local second = w:start("a", { 1 }, KEYED)
        w:commit()
        local third = w:start("a", { 1 }, KEYED)
        w:settle()
        assert.equal(200, first.status)
        for _, other in ipairs { second, third } do
            assert.equal(200, other.status)
            assert.equal(first.body, other.body)
            assert.equal(first.answered.headers["flowhost-run"], other.answered.headers["flowhost-run"])
        end
        assert.equal(1, #w.calls)
        assert.equal(1, #w:ids())
    end)

    it("gives the answer of a run that has ended again, after a restart too", function()
        local w = new(TEXT)
        local first = w:play("a", { 1 }, KEYED)
        assert.equal(first.body, w:play("a", { 1 }, KEYED).body)
        local again = w:crash()
        assert.equal(first.body, again:play("a", { 1 }, KEYED).body)
        assert.equal(0, #again.calls)
    end)

    it("gives the problem of a run that failed again", function()
        local w = new([[ error { code = "MINE", message = "no" } ]], nil, [[ on_error = "fail" ]])
        local first = w:play("a", nil, KEYED)
        local second = w:play("a", nil, KEYED)
        assert.equal(500, second.status)
        assert.same(first:json(), second:json())
    end)

    it("gives what ctx.response gave again", function()
        local w = new [[ ctx.response({ early = true }, { status = 201 }) ctx.sleep(10) return "late" ]]
        local first = w:start("a", nil, KEYED)
        w:commit()
        assert.equal(201, first.status)
        local second = w:start("a", nil, KEYED)
        while w:commit() do end
        assert.equal(201, second.status)
        assert.equal("running", w:run().status)
        w:settle()
        local third = w:play("a", nil, KEYED)
        assert.equal(201, third.status)
        assert.equal(first.body, third.body)
        assert.equal("late", w:run().output)
    end)

    it("with another input is a conflict", function()
        local w = new(TEXT)
        local first = w:play("a", { 1 }, KEYED)
        local other = w:play("a", { 2 }, KEYED)
        assert.equal(409, other.status)
        assert.equal("IDEMPOTENCY_CONFLICT", other:json().code)
        assert.equal(first.answered.headers["flowhost-run"], other:json().run)
    end)

    it("of another flow is another key", function()
        local w = new(TEXT)
        w:play("a", { 1 }, KEYED)
        assert.equal(200, w:play("b", { 2 }, KEYED).status)
        assert.equal(2, #w:ids())
    end)

    it("with respond-async is told the first run", function()
        local w = new(TEXT)
        local first = w:start("a", { 1 }, ASYNC)
        assert.is_nil(first.answered)
        local second = w:start("a", { 1 }, ASYNC)
        w:commit()
        assert.equal(202, first.status)
        assert.equal(202, second.status)
        assert.equal(first.answered.headers.location, second.answered.headers.location)
        w:settle()
        assert.equal(202, w:play("a", { 1 }, ASYNC).status)
    end)

    it("is free again when its run was refused", function()
        local w = new(TEXT)
        w.store:fail_next "DISK_FULL"
        local first, second = w:start("a", { 1 }, KEYED), w:start("a", { 1 }, KEYED)
        w:settle()
        assert.equal(507, first.status)
        assert.equal(200, second.status)
        assert.equal(1, #w:ids())
    end)

    it("survives a death before the answer", function()
        local w = new(TEXT, { upstream = function() end })
        w:start("a", { 1 }, KEYED)
        w:commit()
        local again = w:crash(nil, { upstream = function() return 200, nil, {} end })
        local joined = again:start("a", { 1 }, KEYED)
        again:settle()
        assert.equal(200, joined.status)
        assert.equal(1, #again.calls)
    end)

    it("is refused where it cannot hold", function()
        local w = new("return 1", nil, [[ durable = "never" ]])
        assert.equal("NOT_DURABLE", w:play("a", nil, KEYED):json().code)
        w = new "return 1"
        local long = { headers = { ["idempotency-key"] = ("x"):rep(256) } }
        assert.equal("KEY_TOO_LONG", w:play("a", nil, long):json().code)
        long.headers["idempotency-key"] = ("x"):rep(255)
        assert.equal(200, w:play("a", nil, long).status)
    end)
end)

describe("a key that two shards take at the same time", function()
    local function race(order, text)
        local shards = world.shards(2, { files = { ["a.lua"] = flow(text or TEXT) } })
        local requests = {}
        for _, i in ipairs(order) do
            requests[i] = shards[i]:start("a", { 1 }, KEYED)
        end
        shards[0]:settle()
        return shards, requests
    end

    it("is of the one whose batch is first, the other joins it", function()
        for _, order in ipairs { { 0, 1 }, { 1, 0 } } do
            local shards, requests = race(order)
            assert.equal(200, requests[0].status)
            assert.equal(requests[0].body, requests[1].body)
            assert.equal(1, #shards[0]:ids())
            local winner = shards[0].core.system.partition(shards[0].core.system.id_bytes(shards[0]:ids()[1])) % 2
            assert.equal(order[1], winner)
            assert.equal(1, #shards[winner].calls)
            assert.equal(0, #shards[1 - winner].calls)
            assert.equal(0, shards[0]:live_count() + shards[1]:live_count())
        end
    end)

    it("tells the other the problem too", function()
        local _, requests = race({ 1, 0 }, [[ ctx.request { url = 1 } ]])
        assert.equal("INVALID", requests[0]:json().code)
        assert.same(requests[0]:json(), requests[1]:json())
    end)

    it("with another input is a conflict", function()
        local shards = world.shards(2, { files = { ["a.lua"] = flow(TEXT) } })
        local first, second = shards[0]:start("a", { 1 }, KEYED), shards[1]:start("a", { 2 }, KEYED)
        shards[0]:settle()
        assert.equal(200, first.status)
        assert.equal(409, second.status)
    end)
end)

describe("a request that arrives at another shard", function()
    it("recovers and cancels there", function()
        local shards = world.shards(2, {
            files = { ["a.lua"] = flow [[ ctx.request { url = "http://u/bad" } return 1 ]] },
            upstream = function() return 500 end,
        })
        shards[0]:play "a"
        local id = shards[0]:ids()[1]
        assert.equal("suspended", shards[1]:run(id).status)
        local recovered = shards[1]:request("POST", "/v1/runs/" .. id .. "/recover")
        shards[0]:settle()
        assert.equal(202, recovered.status)
        assert.equal(2, #shards[0].calls)
        assert.equal(0, #shards[1].calls)
        local cancelled = shards[1]:request("POST", "/v1/runs/" .. id .. "/cancel", { body = { reason = "enough" } })
        shards[0]:settle()
        assert.equal(202, cancelled.status)
        assert.equal("cancelled", shards[0]:run(id).status)
        local again = shards[1]:request("POST", "/v1/runs/" .. id .. "/cancel")
        shards[0]:settle()
        assert.equal(409, again.status)
    end)
end)
