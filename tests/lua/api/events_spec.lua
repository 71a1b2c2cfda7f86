-- SPDX-License-Identifier: MIT
local world = require "support.world"

local flow, json = world.flow, world.json

local CALLS = [[ for n = 1, input do ctx.request { url = "http://upstream/" .. n } end return "done" ]]

--- The events of a stream so far: { { id, event, data }, ... }; comments are left out.
local function events_of(request)
    local list = {}
    for block in request.body:gmatch "(.-)\n\n" do
        local one = {}
        for line in block:gmatch "[^\n]+" do
            local field, value = line:match "^(%w*): ?(.*)$"
            if field ~= "" then
                assert.is_nil(one[field])
                one[field] = value
            end
        end
        if one.event then
            one.data = assert(json.decode(one.data))
            list[#list + 1] = one
        end
    end
    assert.truthy(request.body == "" or request.body:sub(-2) == "\n\n")
    return list
end

--- "step 1 succeeded", "end succeeded", ...
local function words(request)
    local list = {}
    for i, one in ipairs(events_of(request)) do
        list[i] = ("%s %s%s"):format(one.event, one.data.path and one.data.path .. " " or "", one.data.status)
    end
    return list
end

local function follow(w, id, o)
    o = o or {}
    return w:request("GET", "/v1/runs/" .. id .. "/events", { headers = o.headers, query = o.query })
end

--- Answers the open call, and lets the rest happen.
local function answer_one(w)
    w:answer(w:open_calls()[1], 200, nil, { ok = true })
    while w:commit() or w:deliver() do end
end

local function never() end

--- A run of three calls, the first of which is open.
local function begun()
    local w = world.new { files = { ["a.lua"] = flow(CALLS) }, upstream = never }
    w:start("a", 3, { headers = { prefer = "respond-async" } })
    w:commit()
    return w, w:ids()[1]
end

local function open_streams(w)
    return w:module("flowhost.api.events").count()
end

local function assert_nothing_open(w)
    local owned, here = w:module("flowhost.engine.watch").count()
    assert.same({ 0, 0, 0 }, { open_streams(w), owned, here })
end

describe("the events of a run", function()
    it("come as they become durable", function()
        local w, id = begun()
        local request = follow(w, id)
        assert.same({ 200, "text/event-stream", "no-store" }, { request.status,
            request.answered.headers["content-type"], request.answered.headers["cache-control"] })
        assert.same({ "run running" }, words(request))
        w:answer(w:open_calls()[1], 200, nil, { ok = true })
        assert.same({ "run running" }, words(request))
        while w:commit() do end
        assert.same({ "run running", "step 1 succeeded" }, words(request))
        answer_one(w)
        assert.same({ "run running", "step 1 succeeded", "step 2 succeeded" }, words(request))
        assert.is_true(request.is_streaming)
        answer_one(w)
        assert.same({ "run running", "step 1 succeeded", "step 2 succeeded", "step 3 succeeded", "end succeeded" },
            words(request))
        assert.is_false(request.is_streaming)
        assert_nothing_open(w)
    end)

    it("are the steps and the run as the API shows them elsewhere", function()
        local w, id = begun()
        local request = follow(w, id)
        for _ = 1, 3 do
            answer_one(w)
        end
        local list = events_of(request)
        local steps = w:request("GET", "/v1/runs/" .. id .. "/steps"):json().items
        assert.same(steps, { list[2].data, list[3].data, list[4].data })
        local run = w:run(id)
        run.input, run.output = nil, nil
        assert.same(run, list[5].data)
        assert.same({ "end", nil }, { list[5].id, list[1].id })
        for i = 2, 4 do
            assert.truthy(list[i].id:find "^%d+%-%d+$")
        end
    end)

    it("of a run that has ended come at once, and it is over", function()
        local w, id = begun()
        w.upstream = function() return 200, nil, {} end
        w:settle()
        local request = follow(w, id)
        assert.same({ "step 1 succeeded", "step 2 succeeded", "step 3 succeeded", "end succeeded" }, words(request))
        assert.is_false(request.is_streaming)
        assert_nothing_open(w)
    end)

    it("can be resumed behind each of them", function()
        local w, id = begun()
        w.upstream = function() return 200, nil, {} end
        w:settle()
        local all = events_of(follow(w, id))
        for at = 1, 3 do
            for _, how in ipairs { { headers = { ["last-event-id"] = all[at].id } }, { query = { after = all[at].id } },
                { headers = { ["last-event-id"] = all[at].id }, query = { after = "0-0" } } } do
                local rest = events_of(follow(w, id, how))
                assert.equal(4 - at, #rest)
                for i, one in ipairs(rest) do
                    assert.same(all[at + i], one)
                end
            end
        end
    end)

    it("that are resumed behind the end are none: 204", function()
        local w, id = begun()
        assert.equal(204, follow(w, id, { headers = { ["last-event-id"] = "end" } }).status)
    end)

    it("of one commit can be resumed between them", function()
        local w = world.new { files = { ["a.lua"] = flow [[
            ctx.now() ctx.now() ctx.uuid() ctx.random() ctx.now()
        ]] } }
        w:play "a"
        local id = w:ids()[1]
        local all = events_of(follow(w, id))
        assert.equal(6, #all)
        assert.equal(all[1].id:match "^%d+", all[5].id:match "^%d+")
        for at = 1, 5 do
            local rest = events_of(follow(w, id, { query = { after = all[at].id } }))
            assert.same(all[at + 1], rest[1])
            assert.equal(6 - at, #rest)
        end
    end)

    it("go on through a suspension and a recover", function()
        local w = world.new { files = { ["a.lua"] = flow(CALLS) }, upstream = never }
        w:start("a", 1, { headers = { prefer = "respond-async" } })
        w:commit()
        local id = w:ids()[1]
        local request = follow(w, id)
        w:answer(w:open_calls()[1], 500, nil, {})
        while w:commit() do end
        assert.same({ "run running", "step 1 failed", "run suspended" }, words(request))
        assert.equal("HTTP_STATUS", events_of(request)[3].data.error.code)
        assert.is_true(request.is_streaming)
        w:request("POST", "/v1/runs/" .. id .. "/recover")
        w:commit()
        answer_one(w)
        local said = words(request)
        assert.same({ "run running", "step 1 failed", "run suspended", "redo 1 redo", "run running",
            "step 1 succeeded", "end succeeded" }, said)
    end)

    it("of a cancelled run end with that", function()
        local w, id = begun()
        local request = follow(w, id)
        w:request("POST", "/v1/runs/" .. id .. "/cancel", { body = { reason = "enough" } })
        while w:commit() do end
        local list = events_of(request)
        assert.same({ "end", "cancelled", "enough" }, { list[2].event, list[2].data.status, list[2].data.reason })
    end)

    it("come to each who listens, until it goes away", function()
        local w, id = begun()
        local first, second = follow(w, id), follow(w, id)
        answer_one(w)
        first:hang_up()
        assert.equal(1, open_streams(w))
        answer_one(w)
        assert.same({ "run running", "step 1 succeeded" }, words(first))
        assert.same({ "run running", "step 1 succeeded", "step 2 succeeded" }, words(second))
        second:hang_up()
        assert_nothing_open(w)
        answer_one(w)
        assert.equal("succeeded", w:run(id).status)
    end)

    it("are on their way from one shard to another", function()
        local shards = world.shards(2, { files = { ["a.lua"] = flow(CALLS) }, upstream = never })
        local owner, other = shards[1], shards[0]
        owner:start("a", 2, { headers = { prefer = "respond-async" } })
        owner:commit()
        local id = owner:ids()[1]
        local near, far, second = follow(owner, id), follow(other, id), follow(other, id)
        local function pass()
            while owner:commit() or owner:deliver() or other:deliver() do end
        end
        pass()
        assert.same({ "run running" }, words(far))
        owner:answer(owner:open_calls()[1], 200, nil, { ok = true })
        pass()
        assert.same({ "run running", "step 1 succeeded" }, words(far))
        second:hang_up()
        pass()
        owner:answer(owner:open_calls()[1], 200, nil, { ok = true })
        pass()
        for _, request in ipairs { near, far } do
            assert.same({ "run running", "step 1 succeeded", "step 2 succeeded", "end succeeded" }, words(request))
        end
        assert_nothing_open(owner)
        assert_nothing_open(other)
    end)

    it("miss nothing that happens while the other shard is told of the watcher", function()
        local shards = world.shards(2, { files = { ["a.lua"] = flow(CALLS) }, upstream = never })
        local owner, other = shards[1], shards[0]
        owner:start("a", 1, { headers = { prefer = "respond-async" } })
        owner:commit()
        local request = follow(other, owner:ids()[1])
        owner:answer(owner:open_calls()[1], 200, nil, { ok = true })
        while owner:commit() do end
        while owner:deliver() or other:deliver() do end
        assert.same({ "step 1 succeeded", "end succeeded" }, words(request))
    end)

    it("wait for a slow reader, and are not lost", function()
        local w, id = begun()
        local request = follow(w, id)
        request.is_slow = true
        answer_one(w)
        answer_one(w)
        assert.same({ "run running" }, words(request))
        request:read_on()
        assert.same({ "run running", "step 1 succeeded", "step 2 succeeded" }, words(request))
        request.is_slow = true
        answer_one(w)
        request:hang_up()
        assert_nothing_open(w)
    end)

    it("of a long journal come whole", function()
        local w = world.new { files = { ["a.lua"] = flow(CALLS) } }
        w:play("a", 100)
        local id = w:ids()[1]
        local all = events_of(follow(w, id))
        assert.equal(101, #all)
        for i = 1, 100 do
            assert.equal(tostring(i), all[i].data.path)
        end
        assert.equal(31, #events_of(follow(w, id, { query = { after = all[70].id } })))
    end)

    it("are larger than what is sent at a time", function()
        local w = world.new { files = { ["a.lua"] = flow(CALLS) }, upstream = function()
            return 200, { ["content-type"] = "text/plain" }, ("x"):rep(600 * 1024)
        end }
        w:play("a", 1)
        local list = events_of(follow(w, w:ids()[1]))
        assert.equal(600 * 1024, #list[1].data.output)
    end)

    it("are kept alive by comments while nothing happens, and only then", function()
        local w, id = begun()
        w.upstream = never
        local request = follow(w, id)
        w:advance(14999)
        assert.is_nil(request.body:find(": keep-alive", 1, true))
        w:advance(1)
        assert.truthy(request.body:find ": keep%-alive\n\n$")
        w:advance(30000)
        local _, times = request.body:gsub(": keep%-alive\n\n", "")
        assert.equal(3, times)
        request:hang_up()
        w:advance(15000)
        assert.is_nil(w:next_timer())
    end)

    it("end with the damage of a journal", function()
        local w = world.new { files = { ["a.lua"] = flow(CALLS) } }
        w:play("a", 2)
        local id = w:ids()[1]
        local scan = w.core.store.scan
        w.core.store.scan = function(...)
            local keys, values, count = scan(...)
            values[count] = false
            return keys, values, count
        end
        local request = follow(w, id)
        local list = events_of(request)
        assert.same({ "error", "CORRUPT" }, { list[#list].event, list[#list].data.code })
        assert.is_false(request.is_streaming)
        assert_nothing_open(w)
    end)

    it("end when the engine fails over them, and nothing else does", function()
        local w, id = begun()
        local request = follow(w, id)
        w:module("flowhost.api.view").step = function() error "broken view" end
        answer_one(w)
        assert.is_false(request.is_streaming)
        assert_nothing_open(w)
        answer_one(w)
        answer_one(w)
        assert.equal("succeeded", w:run(id).status)
    end)
end)

describe("the events of a run are refused", function()
    it("when there is no such run", function()
        local w = begun()
        for _, id in ipairs { "x", "01ARZ3NDEKTSV4RRFFQ69G5FAV" } do
            local request = follow(w, id)
            assert.same({ 404, "NO_RUN" }, { request.status, request:json().code })
        end
    end)

    it("behind what is no event", function()
        local w, id = begun()
        for _, after in ipairs { "x", "1", "1-", "-1", "1-x", "1.5-1", "-1-1", "99999999999-1", "1e3-1", "END" } do
            local request = follow(w, id, { query = { after = after } })
            assert.same({ 422, "QUERY_INVALID" }, { request.status, request:json().code })
        end
    end)

    it("when too many are open", function()
        local w, id = begun()
        local last
        for _ = 1, 1000 do
            last = follow(w, id)
            assert.equal(200, last.status)
        end
        local request = follow(w, id)
        assert.same({ 503, "TOO_MANY_STREAMS", "5" },
            { request.status, request:json().code, request.answered.headers["retry-after"] })
        last:hang_up()
        assert.is_true(follow(w, id).is_streaming)
    end)

    it("when the host closes down; open ones end", function()
        local w, id = begun()
        local request = follow(w, id)
        w:emit "drain"
        assert.same({ "run running" }, words(request))
        assert.is_false(request.is_streaming)
        assert_nothing_open(w)
        local refused = follow(w, id)
        assert.same({ 503, "DRAINING" }, { refused.status, refused:json().code })
    end)

    it("with a HEAD, which is told what there would be", function()
        local w, id = begun()
        local request = w:request("HEAD", "/v1/runs/" .. id .. "/events")
        assert.same({ 200, "", "text/event-stream" },
            { request.status, request.body, request.answered.headers["content-type"] })
        assert_nothing_open(w)
    end)
end)
