-- SPDX-License-Identifier: MIT
local fake_core = require "support.fake_core"

local function load_fresh(name)
    package.loaded["flowhost.core"] = fake_core.new().core
    package.loaded[name] = nil
    return require(name)
end

describe("the command line", function()
    local arguments = load_fresh "flowhost.cli.arguments"

    local function parse(...)
        return arguments.parse { ... }
    end

    local function usage(...)
        local options, stop = parse(...)
        assert.is_nil(options)
        assert.is_string(stop.usage)
        return stop.usage
    end

    it("serves the folder it is given", function()
        for _, words in ipairs { { "flows" }, { "serve", "flows" } } do
            local options = arguments.parse(words)
            assert.equal("serve", options.command)
            assert.equal("flows", options.dir)
        end
    end)

    it("takes settings as options, checked", function()
        local options = parse("serve", "flows", "--listen", "0.0.0.0:1", "--max-body=1m", "--log-level", "debug")
        assert.equal("0.0.0.0:1", options.listen)
        assert.equal("1048576", options.max_body)
        assert.equal("debug", options.log_level)
        assert.is_nil(options.data)
        assert.matches("flowhost: option --max-body = 'x' must be a size", usage("flows", "--max-body", "x"), 1, true)
        assert.matches("unknown option '--lisen'", usage("flows", "--lisen", "x"), 1, true)
    end)

    it("checks a folder", function()
        local options = parse("check", "flows")
        assert.equal("check", options.command)
        assert.equal("flows", options.dir)
    end)

    it("shows machines in the spelling of Amazon States Language", function()
        local options = parse("check", "flows/a.asl.json", "--canonical")
        assert.equal("check-canonical", options.command)
        assert.matches('"dir":"flows/a.asl.json"', options.arguments, 1, true)
    end)

    it("tests a folder", function()
        local options = parse("test", "flows")
        assert.same({ "test", "flows" }, { options.command, options.dir })
        assert.is_nil(options.filter)
        assert.equal("register", parse("test", "flows", "register").filter)
        assert.matches("missing argument 'dir'", usage "test", 1, true)
    end)

    it("runs a flow of its folder", function()
        for given, expected in pairs {
            ["flows/hello.lua"] = { "flows", "hello" }, ["./flows/hello.lua"] = { "flows", "hello" },
            ["hello.lua"] = { ".", "hello" }, ["/x/y/hello.lua"] = { "/x/y", "hello" }, hello = { ".", "hello" },
            ["flows/a.asl.json"] = { "flows", "a" }, ["flows/a.rule.json"] = { "flows", "a" },
        } do
            local options = parse("run", given)
            assert.same(expected, { options.dir, options.flow })
            assert.equal("null", options.input)
        end
        local options = parse("run", "flows/a/b.lua", "--dir", "flows/", "--input", '{"x":1}')
        assert.same({ "run", "flows", "a/b", '{"x":1}' },
            { options.command, options.dir, options.flow, options.input })
        assert.matches("the file other/a.lua does not lie in flows", usage("run", "other/a.lua", "--dir", "flows"),
            1, true)
    end)

    it("says how it is used when it is used otherwise", function()
        for name, words in pairs { ["flowhost"] = { "--unknown" }, ["flowhost serve"] = { "serve" },
            ["flowhost check"] = { "check" }, ["flowhost run"] = { "run" },
            ["flowhost token create"] = { "token", "create" } } do
            assert.matches("try '" .. name .. " --help'", usage(unpack(words)), 1, true)
        end
        assert.matches("Usage: flowhost check", usage "check", 1, true)
        assert.equal("flowhost: unknown option '--lisen'\nDid you mean '--listen'?\ntry 'flowhost serve --help'\n",
            usage("flows", "--lisen", "x"), "the usage would be all settings")
    end)

    it("says that a folder to serve may have been meant as a command", function()
        assert.matches("too many arguments: 'chek' is no command, so it is the folder to serve\nDid you mean 'check'?",
            usage("chek", "flows"), 1, true)
        assert.matches("'flows' is no command", usage("flows", "more"), 1, true)
    end)

    it("runs a flow with an input that is JSON", function()
        assert.matches("flowhost: --input is not JSON: ", usage("run", "a.lua", "--input", "{a"), 1, true)
        assert.equal("", parse("run", "a.lua", "--input", "").input)
    end)

    it("says in its help what settings take", function()
        local _, stop = parse("serve", "--help")
        for _, text in ipairs { "--max-body BYTES", "--idle-timeout SECONDS", "--shards COUNT", "--watch FLAG" } do
            assert.matches(text, stop.text, 1, true)
        end
        assert.is_nil(stop.text:find(" ()", 1, true))
    end)

    it("prints help and version, and leaves os.exit and print as they were", function()
        local exit, printer = os.exit, print
        for _, words in ipairs { { "--help" }, { "help" }, { "-h" }, { "serve", "--help" } } do
            local options, stop = arguments.parse(words)
            assert.is_nil(options)
            assert.matches("Usage: flowhost", stop.text, 1, true)
        end
        local _, stop = parse "--version"
        assert.equal("flowhost 0.0.0-spec\n", stop.text)
        assert.equal("version", parse("version").command)
        assert.equal(exit, os.exit)
        assert.equal(printer, print)
    end)
end)

describe("settings of a host", function()
    local fake = fake_core.new()
    package.loaded["flowhost.core"] = fake.core
    package.loaded["flowhost.cli.setup"] = nil
    require "flowhost.cli.setup"

    local function ask(o)
        o.given, o.environment = o.given or {}, o.environment or {}
        return fake.handlers.setup("settings", o)
    end

    it("win over each other: defaults, host.lua, environment, options", function()
        assert.equal("127.0.0.1:8080", ask({}).listen)
        assert.equal("file", ask({ host_file = "return { data = 'file' }" }).data)
        assert.equal("environment", ask({ host_file = "return { data = 'file' }",
            environment = { FLOWHOST_DATA = "environment" } }).data)
        assert.equal("option", ask({ host_file = "return { data = 'file' }", given = { data = "option" },
            environment = { FLOWHOST_DATA = "environment" } }).data)
    end)

    it("carry env as JSON", function()
        assert.equal("{}", ask({}).env)
        assert.equal('{"A":"x","B":5}', ask({ host_file = "return { env = { A = os.getenv 'X', B = 5 } }",
            environment = { X = "x" } }).env)
    end)

    it("that are wrong are a problem with its place", function()
        assert.equal("host.lua:1: there is no setting 'lisen'", ask({ host_file = "return { lisen = 1 }" }).problem)
        assert.matches("^environment variable FLOWHOST_LOG: log = 'x': use one of json, text",
            ask({ environment = { FLOWHOST_LOG = "x" } }).problem)
        assert.equal("there is no setting 'x'", ask({ given = { x = "1" } }).problem)
    end)
end)
