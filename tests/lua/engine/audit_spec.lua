-- SPDX-License-Identifier: MIT
-- The order of the audit.
local world = require "support.world"

describe("the audit", function()
    it("shows what was changed in one ms newest first", function()
        local w = world.new { files = {} }
        w:enter()
        local audit, store = w:module "flowhost.engine.audit", w:module("flowhost.core").store
        local batch = store.batch()
        for i = 1, 300 do
            audit.put(batch, { actor = "a", action = "change " .. i })
        end
        w:module("flowhost.engine.token").submit(batch, function() end)
        w:settle()
        local entries = audit.list(300)
        assert.equal(300, #entries)
        for i, entry in ipairs(entries) do
            assert.equal("change " .. 301 - i, entry.action)
            assert.equal(entries[1].at, entry.at)
        end
    end)
end)
