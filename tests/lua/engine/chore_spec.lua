-- SPDX-License-Identifier: MIT
local world = require "support.world"

local w, chore, said

local function say(text)
    said[#said + 1] = text
end

before_each(function()
    w = world.new { files = {} }
    w:settle()
    chore, said = w:module "flowhost.engine.chore", {}
end)

describe("chores", function()
    it("of one lane run one after the other, those of others meanwhile", function()
        local go_on
        chore.run("a", "first", function()
            say "first begins"
            say(chore.await(function(done)
                go_on = done
            end))
        end)
        chore.run("a", "second", function()
            say "second"
        end)
        chore.run("b", "other", function()
            say "other"
        end)
        assert.same({ "first begins", "other" }, said)
        go_on "first ends"
        w:settle()
        assert.same({ "first begins", "other", "first ends", "second" }, said)
    end)

    it("get all that done was given, also when it is called at once", function()
        chore.run("a", "one", function()
            say(select("#", chore.await(function(done)
                done(1, nil, nil)
            end)))
        end)
        assert.same({ 3 }, said)
    end)

    it("that fail are logged and hold nobody up", function()
        chore.run("a", "broken", function()
            error "no"
        end)
        chore.run("a", "next", function()
            say "next"
        end)
        w:settle()
        assert.same({ "next" }, said)
        assert.matches("^broken failed: .*no", w.log[#w.log].message)
    end)

    it("pause when a slice is over, and only then", function()
        chore.run("a", "long", function()
            chore.pause()
            say "short"
            w.clock.now = w.clock.now + 3
            chore.pause()
            say "long"
        end)
        assert.same({ "short" }, said)
        w:settle()
        assert.same({ "short", "long" }, said)
    end)
end)
