-- SPDX-License-Identifier: MIT
local H = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "sandbox_helper.lua")
local json = require("support.json")
local loader = require("flowhost.flow.loader")

local restore = H.protect_string_metatable()

local function load(files, taken)
    local host = H.new {}
    return loader.load(files, {
        hash = "release", env = { A = 1 }, taken = taken,
        new_env = function() return host:env() end,
        new_ctx = function() return { name = "ctx" } end,
        limited = function(fn) return pcall(fn) end,
        call_chunk = function(chunk, env) return setfenv(chunk, env)() end,
        json = json,
        version_of = function(file) return "version of " .. file end,
    })
end

--- "file:line: message" of the only problem that the file has.
local function problem(text, file)
    file = file or "a.lua"
    local release = load { [file] = text }
    assert.equal(1, #release.problems)
    local found = release.problems[1]
    assert.is_nil(release.flows[file:gsub("%.lua$", "")])
    return ("%s:%d: %s"):format(found.file, found.line, found.message)
end

describe("loader", function()
    it("takes a function, a table, and the seeds' handler", function()
        local release = load {
            ["a.lua"] = "return function(ctx, input) return { 'a', input, ctx.name } end",
            ["b.lua"] = "return { run = function(ctx, input) return { 'b', input, ctx.name } end }",
            ["c.lua"] = "function handler(ctx, input) return { 'c', input, ctx.name } end",
        }
        assert.same({}, release.problems)
        for _, name in ipairs { "a", "b", "c" } do
            assert.same({ name, 5, "ctx" }, release.flows[name].code.main { input = 5 })
        end
    end)

    it("fills in what a flow leaves out", function()
        local flow = load({ ["x/a.lua"] = "return function() end" }).flows["x/a"]
        assert.equal("x/a", flow.name)
        assert.equal("x/a.lua", flow.file)
        assert.equal("version of x/a.lua", flow.version)
        assert.equal("release", flow.release)
        assert.equal("always", flow.durable)
        assert.equal("suspend", flow.on_error)
        assert.is_nil(flow.http)
        assert.same({ A = 1 }, flow.code.env)
    end)

    it("takes all fields", function()
        local flow = load({ ["a.lua"] = [[ return { description = "d", http = "PATCH /a/{id}", durable = "never",
            on_error = "fail", request = { query = { n = { type = "int" } } }, run = function() end } ]] }).flows.a
        assert.equal("d", flow.description)
        assert.same({ method = "PATCH", path = "/a/{id}" }, flow.http)
        assert.equal("never", flow.durable)
        assert.equal("fail", flow.on_error)
        assert.equal("fail", flow.code.on_error)
        assert.same({ query = { n = { type = "int" } } }, flow.request)
    end)

    it("gives each run globals and file-level values of its own", function()
        local flow = load({ ["a.lua"] = [[
            local count = 0
            return function() count = count + 1 n = (n or 0) + 1 return { count, n } end
        ]] }).flows.a
        assert.same({ 1, 1 }, flow.code.main {})
        assert.same({ 1, 1 }, flow.code.main {})
    end)

    it("knows flows, components and modules by their place", function()
        local text = "return function() return 1 end"
        local release = load {
            ["a.lua"] = text, ["x/b.lua"] = text, ["components/c.lua"] = text, ["components/x/d.lua"] = text,
            ["lib/e.lua"] = "return 'not a flow'", ["_f.lua"] = "nonsense", [".g.lua"] = "nonsense",
            ["x/_y/h.lua"] = "nonsense", ["i_test.lua"] = "nonsense", ["components/j_test.lua"] = "nonsense",
            ["host.lua"] = "nonsense", ["k.json"] = "{", ["l.txt"] = "nonsense", ["x/host.lua"] = text,
        }
        assert.same({}, release.problems)
        local names = {}
        for name in pairs(release.flows) do names[#names + 1] = name end
        table.sort(names)
        assert.same({ "a", "x/b", "x/host" }, names)
        assert.equal(1, release.flows.a.code.component({}, "c")())
        assert.equal(1, release.flows.a.code.component({}, "x/d")())
        assert.is_nil(release.flows.a.code.component({}, "nobody"))
    end)

    it("serves the others when one is broken", function()
        local release = load { ["a.lua"] = "return 1 +", ["b.lua"] = "return function() end", ["lib/c.lua"] = "=" }
        assert.equal(2, #release.problems)
        assert.is_truthy(release.flows.b)
    end)
end)

describe("loader problems", function()
    it("name file and line of what does not compile or raises", function()
        assert.matches("^a.lua:2: .*near '<eof>'", problem "local x =\n")
        assert.matches("^a.lua:3: boom$", problem "\n\nerror 'boom'")
        assert.matches("^a.lua:2: attempt to index global 'nobody' %(a nil value%)$", problem "local a\nnobody.x = 1")
        assert.equal("a.lua:1: error value is a table", problem "error {}")
        assert.equal("a.lua:1: mine", problem "error { message = 'mine' }")
        assert.matches("^lib/a.lua:1: ", problem("return (", "lib/a.lua"))
        assert.matches("^components/a.lua:1: ", problem("return (", "components/a.lua"))
    end)

    it("tell a file without a handler", function()
        local expected = "a.lua:1: no handler: return function(ctx, input) ... end, or a table with `run`, "
            .. "or define `handler`"
        for _, text in ipairs { "", "return 5", "return {}", "handler = 5" } do
            assert.equal(expected, problem(text))
        end
        assert.matches("^components/a.lua:1: no handler", problem("", "components/a.lua"))
    end)

    it("tell fields of flows in components", function()
        assert.equal("components/a.lua:1: field 'timeout' is one of flows: a component has none",
            problem("return { run = function() end, timeout = 5 }", "components/a.lua"))
        local release = load { ["components/a.lua"] = "return { description = 'x', run = function() end }" }
        assert.same({}, release.problems)
    end)

    it("tell fields that are unknown or of another type", function()
        local function field(text)
            return problem("return { run = function() end, " .. text .. " }"):match "^a.lua:1: (.*)$"
        end
        assert.equal("unknown field 'htpp'", field "htpp = 'GET /'")
        assert.equal("unknown field '1'", field "5")
        assert.equal("field 'http' must be a string", field "http = {}")
        assert.equal("field 'request' must be a table", field "request = 1")
        assert.equal("durable = 'maybe': use \"always\", \"on_error\" or \"never\"", field "durable = 'maybe'")
        assert.equal("on_error = 'retry': use \"suspend\" or \"fail\"", field "on_error = 'retry'")
        assert.equal("request has the unknown part 'cookie': use query, header, body",
            field "request = { cookie = {} }")
        assert.equal("field 'run' must be a function", problem("return { run = 5 }"):match "^a.lua:1: (.*)$")
    end)

    it("tell routes that cannot be", function()
        local function route(text)
            return problem(("return { http = %q, run = function() end }"):format(text)):match "^a.lua:1: (.*)$"
        end
        for _, text in ipairs { "", "/a", "GET", "get /a", "GET a", "GET /a b", "TRACE /a", "GET  /a", "GET /a " } do
            assert.equal(("http = '%s': write it as \"POST /path\""):format(text), route(text))
        end
        for _, path in ipairs { "/", "/v1", "/console", "/ps", "/healthz", "/readyz", "/metrics" } do
            assert.equal(("http = 'GET %s': the path %s is the host's own, choose another"):format(path, path),
                route("GET " .. path))
        end
        for _, prefix in ipairs { "/v1/", "/console/", "/ps/" } do
            assert.equal(("http = 'GET %sx': paths under %s are the host's own, choose another"):format(prefix, prefix),
                route("GET " .. prefix .. "x"))
        end
    end)

    it("tell routes that two files have, whatever their parameters are called", function()
        local function both(first, second)
            local text = "return { http = %q, run = function() end }"
            local release = load { ["a.lua"] = text:format(first), ["b.lua"] = text:format(second) }
            assert.is_truthy(release.flows.a)
            return release.problems[1] and release.problems[1].file .. ": " .. release.problems[1].message
        end
        assert.equal("b.lua: http = 'GET /x' is taken by a.lua", both("GET /x", "GET /x"))
        assert.equal("b.lua: http = 'GET /x/{user_id}' is taken by a.lua", both("GET /x/{id}", "GET /x/{user_id}"))
        assert.is_nil(both("GET /x", "POST /x"))
        assert.is_nil(both("GET /x/{id}", "GET /x/{id}/y"))
    end)

    it("tell names that cannot be", function()
        local text = "return function() end"
        local expected = ":1: a flow's name has letters, digits and / _ . - only, at most 240"
        assert.equal("a b.lua" .. expected, problem(text, "a b.lua"))
        assert.equal("ä.lua" .. expected, problem(text, "ä.lua"))
        local long = ("x"):rep(241) .. ".lua"
        assert.equal(long .. expected, problem(text, long))
        assert.equal("flowhost/a.lua:1: the folder name flowhost/ is the host's own, choose another",
            problem(text, "flowhost/a.lua"))
    end)

    it("tell defaults that are not JSON", function()
        for _, default in ipairs { "print", "0/0", "{ 1, x = 2 }", "{ [2] = 1 }", "{ [1.5] = 1 }", "{ a = { print } }",
            "{ 1, nil, 3 }" } do
            assert.equal("a.lua:1: request.body.x.default must be a value that JSON can hold",
                problem(("return { run = print, request = { body = { x = { default = %s } } } }"):format(default)))
        end
        for _, default in ipairs { "{}", "{ 1, { a = 'b' } }", "'x'", "false" } do
            assert.same({}, load({ ["a.lua"] = ("return { run = print, request = { body = { x = { default = %s } } } }")
                :format(default) }).problems)
        end
    end)

    it("look past the metatables of what was returned", function()
        local flow = load({ ["a.lua"] = [[
            local touchy = { __index = function() error "touched" end, __len = function() error "touched" end }
            local function wrap(t) return setmetatable(t, touchy) end
            return wrap { run = function() return 5 end,
                request = wrap { body = wrap { x = wrap { default = wrap { 1 } } } } }
        ]] }).flows.a
        assert.equal(5, flow.code.main { input = 1 })
        assert.is_nil(getmetatable(flow.request.body.x))
        assert.same({ 1 }, flow.request.body.x.default)
        assert.matches("no handler", problem "return setmetatable({}, { __index = { run = print } })")
        assert.matches("nested deeper than 50",
            problem "local t = { run = print } t.request = t return t")
    end)

    it("tell components that the program has too", function()
        local release = load({ ["components/c.lua"] = "return function() end" }, { c = true })
        assert.equal("component 'c' is registered by the program as well", release.problems[1].message)
    end)
end)

restore()
