-- SPDX-License-Identifier: MIT
local fake_core = require "support.fake_core"

local fake = fake_core.new()
fake.core.command = { is_local = false }

local function load_fresh(name)
    package.loaded["flowhost.core"] = fake.core
    package.loaded[name] = nil
    return require(name)
end

describe("options of commands", function()
    local options = load_fresh "flowhost.cli.options"

    local function refused(check, text)
        local value, reason = check(text)
        assert.is_nil(value)
        assert.is_string(reason)
        assert.truthy(reason:find(text, 1, true))
    end

    it("are JSON that stays text", function()
        assert.equal('{"n":9007199254740993}', options.json '{"n":9007199254740993}')
        assert.equal("null", options.json "null")
        refused(options.json, "paid")
        refused(options.json, "{")
    end)

    it("are results of steps", function()
        assert.same({ "2.1", '{"a=b":1}' }, options.step '2.1={"a=b":1}')
        for _, text in ipairs { "2.1", "x=1", "1=" } do
            assert.is_nil((options.step(text)))
        end
    end)

    it("are tags", function()
        assert.equal("city:Bergen=1", options.tag "city=Bergen=1")
        refused(options.tag, "city")
        refused(options.tag, "=x")
    end)

    it("are times, or how long ago", function()
        fake.clock.now = 1795265813034
        assert.equal("2026-11-21T10:56:53Z", options.time "2h")
        assert.equal("2026-11-21T12:55:23Z", options.time "90s")
        assert.equal("2026-11-20T12:56:53Z", options.time "1d")
        assert.equal("2026-11-21T00:00:00Z", options.time "2026-11-21")
        assert.equal("2026-11-21T09:30:00.5+01:00", options.time "2026-11-21T09:30:00.5+01:00")
        for _, text in ipairs { "yesterday", "2 h", "-1h", "2026-11", "" } do
            refused(options.time, text)
        end
    end)

    it("are limits", function()
        assert.equal(7, options.limit "7")
        for _, text in ipairs { "0", "1.5", "-1", "many", "100001" } do
            refused(options.limit, text)
        end
    end)
end)

describe("the address of a host", function()
    local client = load_fresh "flowhost.cli.client"

    it("may leave out http://", function()
        for given, expected in pairs {
            ["localhost:8080"] = "http://localhost:8080", ["http://h:1/"] = "http://h:1",
            ["https://h/x//"] = "https://h/x", ["127.0.0.1:1"] = "http://127.0.0.1:1",
        } do
            assert.equal(expected, (client.address(given)))
        end
        for _, text in ipairs { "ftp://h", "http://", "a b", "h?x", "http://h#x" } do
            local address, reason = client.address(text)
            assert.is_nil(address)
            assert.is_string(reason)
        end
    end)

    it("is followed by paths whose values are escaped", function()
        assert.equal("/v1/runs/a%2Fb%20%25/signal/%C3%A9", client.path("/v1/runs/{}/signal/{}", "a/b %", "é"))
        assert.equal("/v1/flows/a/b%3F/enable", client.path("/v1/flows/{+}/enable", "a/b?"))
        assert.equal("?a=1&b=x%26y", client.query { b = "x&y", a = 1 })
        assert.equal("", client.query {})
    end)
end)

describe("output", function()
    local output = load_fresh "flowhost.cli.output"

    it("shows nothing that a terminal would obey", function()
        assert.equal("a?[31mb c?d", output.clean "a\27[31mb\n  c\0d")
        assert.equal("é?", output.clean "é\194\155")
    end)

    it("is short without breaking characters", function()
        assert.equal("abc", output.short("abc", 3))
        assert.equal("ab...", output.short("abcdef", 5))
        assert.equal("a...", output.short("aéxyz", 5))
    end)

    it("says how long something took", function()
        for ms, text in pairs { [0] = "0 ms", [999] = "999 ms", [1500] = "1.5 s", [61000] = "1 min 01 s",
            [7500000] = "2 h 05 min" } do
            assert.equal(text, output.duration(ms))
        end
    end)
end)

describe("commands", function()
    local commands = load_fresh "flowhost.cli.commands"

    it("are complete, each in one group", function()
        local count = 0
        for _, group in ipairs(commands.GROUPS) do
            for i = 2, #group do
                count = count + 1
                local command = commands.by_name[group[i]]
                assert.equal(group[i], command.name)
                assert.matches("%.$", command.summary:gsub(" > FILE%.", "."))
                assert.is_function(command.declare)
                assert.is_function(command.run)
            end
        end
        for _ in pairs(commands.by_name) do
            count = count - 1
        end
        assert.equal(0, count)
    end)
end)
