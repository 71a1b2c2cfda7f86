-- SPDX-License-Identifier: MIT
-- Executions that have ended badly go on: what succeeded stays, what failed is tried anew.
local executions = require "support.executions"
local standing = require "support.standing"

local json, post = executions.json, standing.post

local CALL = 'return function(ctx, input) return ctx.request { url = "http://u/" .. input.at }.n end'

local function task(at, more)
    local state = { Type = "Task", Resource = "arn:aws:lambda:us-east-1:1:function:call", Parameters = { at = at },
        End = true }
    for name, value in pairs(more or {}) do
        state[name] = value
    end
    state.End = not state.Next or nil
    return state
end

local function retry(most)
    return json.array { { ErrorEquals = json.array { "States.ALL" }, MaxAttempts = most, IntervalSeconds = 1 } }
end

--- A world in which the service is down until is_up.
local function new(states, more)
    local service = { is_up = false }
    local definition = { StartAt = "A", States = states }
    for name, value in pairs(more or {}) do
        definition[name] = value
    end
    service.world = executions.new({ m = definition }, { files = { ["components/call.lua"] = CALL },
        upstream = function(call)
            if service.is_up or not call.url:find "/down" then
                return 200, nil, { n = call.url:match "[^/]+$" }
            end
            return 500
        end })
    return service
end

local function calls(w, path)
    local count = 0
    for _, call in ipairs(w.calls) do
        count = count + (call.url:find(path, 1, true) and 1 or 0)
    end
    return count
end

describe("a redrive", function()
    it("lets attempts be counted anew, each time", function()
        local service = new { A = task("down", { Retry = retry(2) }) }
        local w = service.world
        w:play("m", {})
        assert.equal("failed", w:run().status)
        assert.equal(3, calls(w, "down"))
        for _ = 1, 2 do
            w = w:crash()
            w:pass(1000)
            assert.equal(202, post(w, "redrive").status)
            assert.equal("failed", w:run().status)
            assert.equal(3, calls(w, "down"))
        end
        service.is_up = true
        post(w, "redrive")
        assert.equal("down", w:run().output)
        assert.equal(4, calls(w, "down"))
        local kinds = {} -- the last failure before each redrive is taken back
        local events = executions.history(w, w:run().id)
        assert.same(events, executions.history(w:crash(), w:run().id))
        for _, event in ipairs(events) do
            kinds[event.type] = (kinds[event.type] or 0) + 1
        end
        assert.same({ 6, 1 }, { kinds.LambdaFunctionFailed, kinds.LambdaFunctionSucceeded })
    end)

    it("is there or not after a death at any moment of it, and then ends as it would have", function()
        local service = new { A = task("down", { Retry = retry(1), Next = "B", ResultPath = "$.a" }), B = task "up" }
        service.world:play("m", {})
        local w = service.world:crash()
        local failed = w:applied()
        service.is_up = true
        post(w, "redrive")
        assert.equal("up", w:run().output)
        local events = #executions.history(w, w:run().id)
        for count = failed, w:applied() do
            local again = w:crash(count)
            again:settle()
            if again:run().status == "failed" then
                assert.equal(failed, count)
                assert.equal(202, post(again, "redrive").status)
            end
            assert.equal("up", again:run().output)
            assert.equal(events, #executions.history(again, again:run().id))
        end
        assert.is_true(w:applied() > failed + 1)
    end)

    it("does only the branch that failed again", function()
        local service = new { A = { Type = "Parallel", End = true, Branches = json.array {
            { StartAt = "B", States = { B = task "up" } }, { StartAt = "C", States = { C = task "down" } } } } }
        local w = service.world
        w:play("m", {})
        assert.equal("failed", w:run().status)
        service.is_up = true
        post(w, "redrive")
        assert.same({ "up", "down" }, w:run().output)
        assert.same({ 1, 2 }, { calls(w, "/up"), calls(w, "/down") })
    end)

    it("gives one that ran out of time its time again, for what is left", function()
        local w = new({ A = { Type = "Wait", Seconds = 2, Next = "B" }, B = { Type = "Wait", Seconds = 2, Next = "C" },
            C = task "up" }, { TimeoutSeconds = 3 }).world
        w:play("m", {})
        assert.equal("timed_out", w:run().status)
        post(w, "redrive")
        assert.equal("up", w:run().output)
    end)

    it("is refused for one that has succeeded", function()
        local w = new { A = task "up" }.world
        w:play("m", {})
        assert.equal(409, post(w, "redrive").status)
    end)
end)
