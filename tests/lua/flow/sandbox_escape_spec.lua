-- SPDX-License-Identifier: MIT
-- What a hostile flow may try: to reach the host, another run, the machine or bytecode, or to outlive
-- an error that must end its run.
local H = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "sandbox_helper.lua")

local restore = H.protect_string_metatable()

describe("a flow cannot", function()
    local host

    before_each(function() host = H.new() end)
    teardown(restore)

    local function run(text, env) return host:run(text, env) end

    for _, name in ipairs {
        "io", "debug", "ffi", "jit", "package", "dofile", "loadfile", "getfenv", "setfenv", "newproxy",
        "collectgarbage", "module", "gcinfo", "arg", "_ENV", "string.dump", "os.execute", "os.exit", "os.getenv",
        "os.remove", "os.rename", "os.tmpname", "os.setlocale", "string.gfind", "table.foreach", "math.mod",
        "('x').dump", "table.getn",
    } do
        it("see " .. name, function() assert.is_nil(run("return " .. name)) end)
    end

    it("find anything of the host's globals", function()
        _G.host_secret = "secret"
        finally(function() _G.host_secret = nil end)
        assert.is_nil(run("return host_secret"))
        assert.is_nil(run("return _G.host_secret"))
        assert.is_nil(run("return load('return host_secret')()"))
        assert.is_nil(run("return load('return host_secret', 'n', 't', nil)()"))
        assert.is_nil(run("return coroutine.wrap(function() return host_secret end)()"))
    end)

    describe("load", function()
        it("bytecode", function()
            host.modules.code = string.dump(function() return "host" end)
            for _, call in ipairs {
                "load(code)", "loadstring(code)", "load(code, 'n', 'b')", "load(code, 'n', 'bt')",
                "load(code, 'n', 'x')",
                "load('#!x\\n' .. code)", "load('\\239\\187\\191' .. code)",
                "load((function() local c = code return function() local r = c c = nil return r end end)())",
                "load((function() local i = 0 return function() i = i + 1 return code:sub(i, i) end end)())",
            } do
                local fn, message = run("local code = require('code') return " .. call)
                assert.is_nil(fn, call)
                assert.is_string(message)
            end
            assert.is_nil((run("return load('return 1', 'n', 'b')")))
        end)

        it("endless text", function()
            local fn, message = run("local s = ('x'):rep(2^20) return load(function() return s end)")
            assert.is_nil(fn)
            assert.matches("too long", message)
        end)
    end)

    describe("reach others through strings:", function()
        it("their metatable is hidden", function()
            assert.is_false(run("return getmetatable('')"))
            assert.is_false(getmetatable(""))
            assert.matches("attempt to index", host:error_of("getmetatable('').__index.x = 1"))
            assert.matches("table expected", host:error_of("setmetatable('', {})"))
            assert.matches("attempt to index", host:error_of("('x').y = 1"))
            assert.matches("table expected", host:error_of("rawset('x', 'y', 1)"))
            assert.matches("table expected", host:error_of("table.insert('x', 1)"))
        end)

        it("their methods stay when the string table changes", function()
            assert.equal("X", run("string.upper = nil string = nil return ('x'):upper()"))
            assert.equal("X", run("return ('x'):upper()"))
        end)
    end)

    it("change the libraries of another run or of the host", function()
        for _, library in ipairs { "string", "table", "math", "os", "bit", "coroutine", "_G" } do
            run("rawset(" .. library .. ", 'leak', 1) " .. library .. ".leak2 = 2")
            assert.is_true(run("return " .. library .. ".leak == nil and " .. library .. ".leak2 == nil"))
            assert.is_nil(_G[library].leak)
            assert.is_nil(_G[library].leak2)
        end
        run("math.pi = 3 table.insert = nil print = nil pairs = nil pcall = 1")
        assert.equal(math.pi, run("return math.pi"))
        assert.is_function(run("return table.insert"))
        assert.is_function(table.insert)
        assert.is_function(pcall)
    end)

    describe("use metatables:", function()
        it("that of the environment is protected", function()
            assert.is_false(run("return getmetatable(_G)"))
            assert.equal("flow.lua:1: cannot change a protected metatable", (host:error_of("setmetatable(_G, {})")
                :gsub("^.*: ", "flow.lua:1: ")))
        end)

        it("the environment as __index shows no more than the environment", function()
            assert.is_nil(run("return setmetatable({}, { __index = _G }).io"))
            assert.is_true(run("return setmetatable({}, { __index = _G }).string == string"))
            assert.is_true(run("local t = setmetatable({}, { __newindex = _G }) t.zz = 5 return zz == 5"))
        end)

        it("those of host objects are hidden", function()
            host.modules.file = io.stdout
            assert.is_false(run("return getmetatable(require('file'))"))
            assert.equal("ffi", run("return getmetatable(1LL)"))
            assert.is_nil(run("return getmetatable(print)"))
            assert.is_nil(run("return getmetatable(nil)"))
        end)

        it("protected ones stay protected, own ones work", function()
            assert.is_true(run("local m = { __metatable = 5 } local t = setmetatable({}, m) "
                .. "return getmetatable(t) == 5 and not pcall(setmetatable, t, {})"))
            assert.is_true(run("local m = {} return getmetatable(setmetatable({}, m)) == m"))
            assert.is_nil(run("return getmetatable(setmetatable(setmetatable({}, {}), nil))"))
        end)

        it("finalizers are refused", function()
            assert.equal("flow.lua:1: setmetatable: __gc is refused, when it runs differs between replays; "
                .. "use ctx.defer", host:error_of("setmetatable({}, { __gc = print })"))
        end)
    end)

    describe("do harm with 64-bit numbers:", function()
        it("they are plain numbers", function()
            assert.same({ "3LL", "0LL", "-9223372036854775808LL" }, { run("return tostring(1LL + 2), "
                .. "tostring((-0x8000000000000000LL) % -1LL), tostring((-0x8000000000000000LL) / -1LL)") })
            assert.is_false(run("return (pcall(function() return (1LL).x end))"))
            assert.is_false(run("return (pcall(function() return (1LL)() end))"))
            assert.is_false(run("return (pcall(function() local n = 1LL n.x = 1 end))"))
            assert.is_false(run("return (pcall(setmetatable, 1LL, {}))"))
        end)
    end)

    describe("outlive a fatal error with", function()
        local raisers = {
            pcall = "pcall(stop)",
            ["pcall of error"] = "pcall(error, fatal)",
            ["pcall in pcall"] = "pcall(pcall, pcall, stop)",
            ["pcall of tostring"] = "pcall(tostring, setmetatable({}, { __tostring = stop }))",
            ["pcall of a metamethod"] = "pcall(function() return setmetatable({}, { __index = stop }).x end)",
            xpcall = "xpcall(stop, function(e) return 'caught' end)",
            ["an xpcall handler that raises"] = "xpcall(stop, function(e) error('x') end)",
            ["an xpcall handler that stops"] = "xpcall(function() error('x') end, function() stop() end)",
            ["an xpcall handler that calls pcall"] = "xpcall(function() error('x') end, function() pcall(stop) end)",
            ["coroutine.resume"] = "coroutine.resume(coroutine.create(stop))",
            ["coroutine.wrap"] = "pcall(coroutine.wrap(stop))",
            ["resume of pcall"] = "coroutine.resume(coroutine.create(pcall), stop)",
            ["a load reader"] = "load(stop)",
            ["gsub"] = "pcall(string.gsub, 'x', 'x', stop)",
            ["sort"] = "pcall(table.sort, { 1, 2, 3 }, stop)",
        }
        for name, call in pairs(raisers) do
            it(name, function()
                local fatal = { fatal = true }
                host.modules.fatal = fatal
                local err = host:error_of("local fatal = require('fatal') local function stop() error(fatal) end "
                    .. call .. " survived = true")
                assert.equal(fatal, err)
            end)
        end

        it("a handler that looks at it", function()
            host.modules.seen = {}
            host:error_of("local seen = require('seen') xpcall(function() error({ fatal = true }) end, "
                .. "function(e) seen[1] = e end)")
            assert.same({}, host.modules.seen)
        end)

        it("a counting hook", function()
            debug.sethook(function() error({ fatal = true }) end, "", 1e5)
            local ok, err = pcall(host.run, host, "while true do pcall(function() while true do end end) end")
            debug.sethook()
            assert.is_false(ok)
            assert.is_true(err.fatal)
        end)
    end)

    describe("break out with coroutines:", function()
        it("errors and yields stay where they belong", function()
            assert.same({ false, "flow.lua:1: x" },
                { run("return pcall(coroutine.wrap(function() error('x', 1) end))") })
            assert.same({ true, 5 }, { run("return coroutine.resume(coroutine.create(math.abs), -5)") })
            assert.same({ false, "bad argument" }, { run("return pcall(coroutine.wrap(error), 'bad argument', 0)") })
        end)
    end)

    -- Each of these ends a process that runs them with Lua's own functions, or never ends.
    describe("end the process by", function()
        local recursions = {
            ["coroutine.wrap"] = "local function f() return (coroutine.wrap(f)()) end return pcall(f)",
            ["coroutine.resume"] = "local function f() local ok, err = coroutine.resume(coroutine.create(f)) "
                .. "if not ok then error(err, 0) end end return pcall(f)",
            ["gsub"] = "local function f() return (string.gsub('x', 'x', f)) end return pcall(f)",
            ["a gsub table"] = "local t = setmetatable({}, { __index = function(t) return (('x'):gsub('x', t)) end }) "
                .. "return pcall(string.gsub, 'x', 'x', t)",
            ["sort"] = "local function f() table.sort({ 1, 2, 3 }, f) return true end return pcall(f)",
            ["sort of objects"] = "local m = {} function m.__lt() table.sort { setmetatable({}, m), "
                .. "setmetatable({}, m) } return true end return pcall(m.__lt)",
            ["tostring"] = "local t = setmetatable({}, { __tostring = tostring }) return pcall(tostring, t)",
            ["format"] = "local t = setmetatable({}, {}) getmetatable(t).__tostring = function(x) "
                .. "return ('%s'):format(x) end return pcall(tostring, t)",
            ["print"] = "local t = setmetatable({}, { __tostring = print }) return pcall(print, t)",
            ["__index"] = "local t = setmetatable({}, { __index = function(s, k) return (s[k]) end }) "
                .. "return pcall(function() return t.x end)",
            ["load"] = "local function f() return (assert(load(f))) end return pcall(f)",
            ["all of them, nested"] = [[
                local function g(depth, f)
                    return (coroutine.wrap(function()
                        return (("x"):gsub("x", function()
                            local t = { 1, 2 }
                            table.sort(t, function() return f(depth + 1, f) end)
                        end))
                    end)())
                end
                return pcall(g, 1, g)]],
        }
        for name, text in pairs(recursions) do
            it("recursion through " .. name, function()
                local ok, err = run(text)
                assert.is_false(ok)
                assert.is_true(err:find("stack overflow", 1, true) ~= nil
                    or err:find("too many nested coroutines", 1, true) ~= nil)
            end)
        end

        local endless = {
            "table.insert({}, 2 ^ 53, 1)", "table.insert({}, 0 / 0, 1)", "table.insert({}, 2 ^ 31, 1)",
            "table.insert({}, '-2000000000', 1)", "table.concat({}, '', -2 ^ 31, 2 ^ 31 - 1)",
            "string.rep('x', 2 ^ 53)", "unpack({}, 1, 1e8)", "string.byte(('x'):rep(1e6), 1, -1)",
            "('x'):find(('('):rep(1e5))",
        }
        for _, call in ipairs(endless) do
            it(call, function()
                assert.is_string(host:error_of("local x = " .. call))
            end)
        end
    end)
end)
