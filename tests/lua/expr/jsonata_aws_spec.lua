-- SPDX-License-Identifier: MIT
local json = require "support.json"
local jsonata = require "flowhost.expr.jsonata"
local jsonata_aws = require "flowhost.expr.jsonata_aws"

local O = { null = json.null, array = json.array, is_array = json.is_array, decode = json.decode }
local engine = jsonata.new(O)
local bindings = jsonata_aws.bindings(O, {
    random = function() return 0.25 end,
    uuid = function() return "id" end,
    hash = function(text, algorithm) return algorithm .. ":" .. text end,
})

local function run(text, input)
    return assert(engine.compile(text)).evaluate(input, bindings)
end

local function fails(text)
    local ok, err = pcall(run, text)
    assert.is_false(ok)
    return err
end

describe("jsonata of AWS", function()
    it("partitions", function()
        assert.equal("[[0,1],[2]]", json.encode(run "$partition([0,1,2],2)"))
        assert.equal("[[0,1,2]]", json.encode(run "$partition([0,1,2],5)"))
        assert.equal("[]", json.encode(run "$partition([],5)"))
        assert.is_nil(run "$partition(missing,5)")
        assert.equal("T0410", fails("$partition([1],0)").code)
        local err = fails "$partition([1],'x')"
        assert.equal("partition", err.token)
        assert.equal(11, err.position)
    end)

    it("makes ranges", function()
        assert.equal("[1,3,5,7,9]", json.encode(run "$range(1,9,2)"))
        assert.equal("[3,2,1]", json.encode(run "$range(3,1,-1)"))
        assert.equal("T0410", fails("$range(1,2,0)").code)
        assert.equal("T0410", fails("$range(1,1e9,1)").code)
    end)

    it("hashes, makes ids and random numbers with what it is given", function()
        assert.equal("SHA-256:a", run "$hash('a','SHA-256')")
        assert.equal("T0410", fails("$hash('a','CRC')").code)
        assert.equal("id", run "$uuid()")
        assert.equal(0.25, run "$random()")
        assert.equal(run "$random(42)", run "$random(42)")
        assert.is_true(run "$random(42) >= 0 and $random(42) < 1 and $random(42) != $random(43)")
    end)

    it("parses JSON", function()
        assert.equal('{"a":[1,null]}', json.encode(run [[$parse('{"a":[1,null]}')]]))
        assert.equal("T0410", fails("$parse('{')").code)
    end)

    it("has no $eval", function()
        assert.equal("T1006", fails("$eval('1')").code)
    end)
end)
