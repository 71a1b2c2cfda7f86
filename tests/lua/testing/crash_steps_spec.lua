-- SPDX-License-Identifier: MIT
-- That test.crash_at_each_step notices an engine that forgets or repeats: what flows do cannot be broken from within.
local crash_steps = require "flowhost.testing.crash_steps"
local mock = require "flowhost.testing.mock"
local origin = require "flowhost.testing.origin"

local FLOW = [[return function(ctx)
    local id = ctx.uuid()
    local one = ctx.request { url = "http://u/1", json = { id } }
    local two = ctx.request { url = "http://u/2", json = { id, one } }
    return { one, two }
end]]

--- Plays the flow with `break_it(world)` done to every host.
local function play(break_it)
    local watch, place = origin.watch, origin.place
    function origin.watch(world)
        watch(world)
        if break_it then
            break_it(world)
        end
    end
    local answer = mock.new_request("*", "*", function(request) return { json = request.path } end)
    local ok, deaths, resent = pcall(crash_steps.run, {
        folder = { files = { ["a.lua"] = FLOW }, env = {} }, mocks = { { answer } }, flow = "a",
        start = function(host)
            host.world:start "a"
            host:rest()
            return host.world:ids()[1]
        end,
    })
    origin.watch, origin.place = watch, place
    return ok, deaths, resent
end

describe("crash_at_each_step", function()
    it("is content with the engine as it is", function()
        local ok, deaths, resent = play()
        assert.is_true(ok, tostring(deaths))
        assert.is_true(deaths > 3)
        assert.same({ "step 2 (POST http://u/1, a.lua:3)", "step 3 (POST http://u/2, a.lua:4)" }, resent)
    end)

    it("notices a step that is done again though it was recorded", function()
        local ok, raised = play(function(world)
            local journal = world:module "flowhost.engine.journal"
            local index = journal.index
            journal.index = function(entries)
                local by_path = index(entries)
                by_path["2"] = nil
                return by_path
            end
        end)
        assert.is_false(ok)
        assert.matches("died after batch .* behind step 2, a.lua:3: step 2 %(POST http://u/1, a.lua:3%) was done "
            .. "again though its result was recorded", raised.message)
    end)

    it("notices a request that leaves before what it tells is on disk", function()
        local ok, raised = play(function(world)
            origin.place = function() end
            local commit = world:module "flowhost.engine.commit"
            commit.when_durable = function(run, fn)
                commit.flush(run)
                fn()
            end
        end)
        assert.is_false(ok)
        assert.matches("sent though nothing of the run is on disk", tostring(raised), 1, true)
    end)
end)
