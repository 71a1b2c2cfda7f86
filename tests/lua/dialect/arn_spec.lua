-- SPDX-License-Identifier: MIT
-- ARNs are made and read back.

local arn_module = require "flowhost.dialect.asl.arn"

local arn = arn_module.new { account = "123456789012", region = "us-east-1" }
local PREFIX = "arn:aws:states:us-east-1:123456789012:"

local function parsed(text)
    local found = arn_module.parse(text)
    assert.equal("123456789012", found.account)
    assert.equal("us-east-1", found.region)
    found.account, found.region, found.type = nil, nil, nil
    return found
end

describe("names of Step Functions", function()
    it("are made", function()
        assert.equal(PREFIX .. "stateMachine:a", arn.machine "a")
        assert.equal(PREFIX .. "stateMachine:a:7", arn.version("a", 7))
        assert.equal(PREFIX .. "stateMachine:a:live", arn.alias("a", "live"))
        assert.equal(PREFIX .. "execution:a:e", arn.execution("a", "e"))
        assert.equal(PREFIX .. "express:a:e:u", arn.express_execution("a", "e", "u"))
        assert.equal(PREFIX .. "activity:a", arn.activity "a")
        assert.equal(PREFIX .. "mapRun:a/Map:u", arn.map_run("a", "Map", "u"))
    end)

    it("are read back", function()
        assert.same({ kind = "stateMachine", name = "a" }, parsed(arn.machine "a"))
        assert.same({ kind = "stateMachine", name = "a", qualifier = "7" }, parsed(arn.version("a", 7)))
        assert.same({ kind = "execution", name = "a", execution = "e (1)" }, parsed(arn.execution("a", "e (1)")))
        assert.same({ kind = "execution", name = "a", label = "Map", execution = "e" },
            parsed(arn.execution("a/Map", "e")))
        assert.same({ kind = "express", name = "a", execution = "e", uuid = "u" },
            parsed(arn.express_execution("a", "e", "u")))
        assert.same({ kind = "activity", name = "a" }, parsed(arn.activity "a"))
        assert.same({ kind = "mapRun", name = "a", label = "Map", uuid = "u" }, parsed(arn.map_run("a", "Map", "u")))
    end)

    it("may be of another service", function()
        assert.equal("other", arn_module.parse("arn:aws:lambda:us-east-1:123456789012:function:f").kind)
        assert.equal("other", arn_module.parse(PREFIX .. "thing:f").kind)
    end)

    it("must be whole", function()
        for _, text in ipairs { "", "a", "arn:", "arn:aws:states:us-east-1:123456789012:stateMachine",
            PREFIX .. "stateMachine:", PREFIX .. "stateMachine:a:1:2", PREFIX .. "execution:a",
            PREFIX .. "execution:a:", PREFIX .. "express:a:b", PREFIX .. "activity:a:b" } do
            assert.is_nil(arn_module.parse(text))
        end
        assert.is_nil(arn_module.parse(nil))
    end)
end)
