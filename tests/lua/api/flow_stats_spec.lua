-- SPDX-License-Identifier: MIT
-- GET /v1/flows/{name}/stats.
local world = require "support.world"

local FLOW = [[return { on_error = "fail", run = function(ctx, input)
    if input == "wait" then ctx.sleep(3600) elseif input then ctx.sleep(input) else error "no" end
end }]]

local function stats(w, query)
    local request = w:request("GET", "/v1/flows/a/stats", { query = query })
    return request.status, request:json()
end

describe("statistics of a flow", function()
    it("count its newest runs by status and tell how long ended ones took", function()
        local w = world.new { files = { ["a.lua"] = FLOW, ["b.lua"] = "return function() end" } }
        for _, input in ipairs { 1, 2, 3, 4 } do
            w:start("a", input)
        end
        w:start "a"
        w:start "b"
        w:pass(5000)
        w:start("a", "wait")
        w:rest()
        local status, body = stats(w)
        assert.equal(200, status)
        assert.same({ flow = "a", runs = 6, is_all = true, by_status = { succeeded = 4, failed = 1, running = 1 },
            durations = { count = 5, p50_ms = 2000, p95_ms = 4000, max_ms = 4000 } }, body)
    end)

    it("say when there are more", function()
        local w = world.new { files = { ["a.lua"] = FLOW } }
        w:play "a"
        w:play "a"
        local _, body = stats(w, { last = "1" })
        assert.equal(1, body.runs)
        assert.is_false(body.is_all)
    end)

    it("are refused for what there is not", function()
        local w = world.new { files = { ["a.lua"] = FLOW } }
        assert.equal(404, (w:request("GET", "/v1/flows/z/stats")).status)
        for _, last in ipairs { "0", "x", "1.5", "20001" } do
            assert.equal(422, (stats(w, { last = last })))
        end
        assert.equal(0, select(2, stats(w)).durations.count)
    end)
end)
