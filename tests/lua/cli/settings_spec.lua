-- SPDX-License-Identifier: MIT
local fake_core = require "support.fake_core"

package.loaded["flowhost.core"] = fake_core.new().core
package.loaded["flowhost.cli.host_file"] = nil

local host_file = require "flowhost.cli.host_file"
local settings = require "flowhost.cli.settings"

describe("a setting", function()
    local function check(name, value)
        return settings.check(name, value)
    end

    it("that nobody knows is refused", function()
        assert.equal("there is no setting 'lisen'", select(2, check("lisen", "x")))
    end)

    it("has a default that is valid", function()
        local defaults = settings.defaults()
        for _, row in ipairs(settings.LIST) do
            assert.is_truthy(defaults[row[1]])
            assert.equal(defaults[row[1]], (check(row[1], defaults[row[1]])))
        end
    end)

    it("that is a folder must not be empty", function()
        assert.equal("some where", (check("data", "some where")))
        assert.equal("data = '' must not be empty", select(2, check("data", "")))
    end)

    it("that is an address has a port", function()
        for _, address in ipairs { "0.0.0.0:80", "[::]:0", ":8080", "localhost:1", "none" } do
            assert.equal(address, (check("listen", address)))
        end
        for _, wrong in ipairs { "", "8080", "localhost", "127.0.0.1:", "a b:1" } do
            assert.equal(("listen = '%s' must be ADDRESS:PORT, [IPV6-ADDRESS]:PORT, :PORT or none"):format(wrong),
                select(2, check("listen", wrong)))
        end
    end)

    it("that is a count is a whole number", function()
        assert.equal("4", (check("shards", "4")))
        assert.equal("4", (check("shards", 4)))
        for _, wrong in ipairs { "-1", "1.5", "x", "", "4 " } do
            assert.is_nil((check("shards", wrong)))
        end
    end)

    it("that is a size takes units", function()
        for text, bytes in pairs { ["0"] = "0", ["100"] = "100", ["1k"] = "1024", ["1K"] = "1024", ["8m"] = "8388608",
            ["8MB"] = "8388608", ["2g"] = "2147483648", ["1t"] = "1099511627776", ["5b"] = "5" } do
            assert.equal(bytes, (check("max_body", text)))
        end
        for _, wrong in ipairs { "", "k", "1.5m", "-1", "1x", "1 m" } do
            assert.equal(("max_body = '%s' must be a size such as 512k or 8m"):format(wrong),
                select(2, check("max_body", wrong)))
        end
    end)

    it("that is a time is a number of seconds that is not negative", function()
        for _, good in ipairs { "0", "1.5", "60" } do
            assert.equal(tonumber(good), tonumber((check("idle_timeout", good))))
        end
        for _, wrong in ipairs { "-1", "x", "", "nan", "inf" } do
            assert.is_nil((check("idle_timeout", wrong)))
        end
    end)

    it("without which no flow runs has a least value", function()
        for name, wrong in pairs { cpu_limit = "0", memory_limit = "0" } do
            assert.truthy(select(2, check(name, wrong)):find(name .. " = '0' is too little: at least ", 1, true))
        end
        assert.is_nil((check("memory_limit", "1m")))
        assert.is_nil((check("cpu_limit", "0.0001")))
        assert.equal("0.001", (check("cpu_limit", "0.001")))
        assert.equal("16777216", (check("memory_limit", "16m")))
    end)

    it("that is a flag is true or false", function()
        assert.equal("true", (check("jit", true)))
        assert.equal("false", (check("jit", "false")))
        for _, wrong in ipairs { "1", "yes", "" } do
            assert.is_nil((check("jit", wrong)))
        end
    end)

    it("that is a choice names the others", function()
        assert.equal("json", (check("log", "json")))
        assert.equal("log = 'xml': use one of json, text", select(2, check("log", "xml")))
    end)

    it("comes from the environment", function()
        assert.same({ max_body = "1048576", jit = "true" }, settings.from_environment {
            FLOWHOST_MAX_BODY = "1m", FLOWHOST_JIT = "true", FLOWHOST_LISTEN = "", MAX_BODY = "5", FLOWHOST_OTHER = "x",
        })
        local values, reason = settings.from_environment { FLOWHOST_SHARDS = "many" }
        assert.is_nil(values)
        assert.matches("^environment variable FLOWHOST_SHARDS: shards = 'many' must be a whole number", reason)
    end)
end)

describe("host.lua", function()
    local function read(text, environment)
        return host_file.read(text, environment or {})
    end

    local function problem(text)
        local values, why = read(text)
        assert.is_nil(values)
        return why.line .. ": " .. why.message
    end

    it("gives settings and env", function()
        local values, env = read([[
            return { listen = "127.0.0.1:1", shards = 2, jit = true, max_body = "1k",
                env = { URL = os.getenv "URL" or "none", OTHER = os.getenv "OTHER" or "none", N = 5, B = false } }
        ]], { URL = "http://u" })
        assert.same({ listen = "127.0.0.1:1", shards = "2", jit = "true", max_body = "1024" }, values)
        assert.same({ URL = "http://u", OTHER = "none", N = 5, B = false }, env)
    end)

    it("may be empty of both", function()
        local values, env = read "return {}"
        assert.same({}, values)
        assert.same({}, env)
    end)

    it("reaches nothing but os.getenv", function()
        for _, name in ipairs { "io", "require", "load", "loadstring", "dofile", "package", "debug", "jit",
            "os.execute", "os.exit", "setfenv", "getfenv", "_G" } do
            assert.same({ X = true }, select(2, read(("return { env = { X = %s == nil } }"):format(name))))
        end
    end)

    it("cannot change the libraries of the host", function()
        local values = read "string.formats = 1 table.inserts = 1 math.floors = 1 return {}"
        assert.same({}, values)
        assert.is_nil(rawget(string, "formats") or rawget(table, "inserts") or rawget(math, "floors"))
    end)

    it("says what is wrong, and where", function()
        assert.matches("^2: ", problem "return {\n  a b }")
        assert.equal("2: attempt to index global 'io' (a nil value)", problem "\nio.open 'x'")
        assert.equal("1: it must return a table of settings", problem "return 5")
        assert.equal("1: there is no setting 'lisen'", problem "return { lisen = 1 }")
        assert.equal("1: there is no setting '1'", problem "return { 1 }")
        assert.equal("1: shards = 'x' must be a whole number", (problem "return { shards = 'x' }"):sub(1, 43))
        assert.equal("1: env must be a table", problem "return { env = 5 }")
        assert.equal("1: env.X must be a string, a number or a boolean", problem "return { env = { X = {} } }")
        assert.equal("1: env.1 must be a string, a number or a boolean", problem "return { env = { 'x' } }")
    end)

    it("takes networks as a list or as one text", function()
        assert.equal("10.0.0.0/8, ::1", read("return { net_deny = { '10.0.0.0/8', '::1' } }").net_deny)
        assert.equal("10.0.0.0/8,::1", read("return { net_allow = '10.0.0.0/8,::1' }").net_allow)
        assert.equal("", read("return { net_allow = {} }").net_allow)
        for _, list in ipairs { "'intranet'", "{ 'intranet' }", "{ {} }", "5 == 5" } do
            assert.matches("^1: net_deny = '.*' must be a list of networks",
                problem("return { net_deny = " .. list .. " }"))
        end
    end)

    it("takes no number that JSON cannot hold", function()
        assert.matches("^1: env.X must be", problem "return { env = { X = 0/0 } }")
        assert.matches("^1: env.X must be", problem "return { env = { X = 1/0 } }")
    end)
end)
