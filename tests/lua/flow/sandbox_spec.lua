-- SPDX-License-Identifier: MIT
local H = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "sandbox_helper.lua")

local restore = H.protect_string_metatable()

describe("the sandbox", function()
    local host

    before_each(function() host = H.new() end)
    teardown(restore)

    local function run(text, env) return host:run(text, env) end

    describe("globals", function()
        it("are exactly these", function()
            local names = {}
            for name in run("return pairs(_G)") do names[#names + 1] = name end
            assert.equal("_G _VERSION assert bit coroutine error getmetatable ipairs load loadstring math next os "
                .. "pairs pcall print rawequal rawget rawset require select setmetatable string table tonumber "
                .. "tostring type unpack xpcall", table.concat(names, " "))
        end)

        local libraries = {
            bit = "arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex",
            coroutine = "create isyieldable resume running status wrap yield",
            math = "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max min "
                .. "modf pi pow rad random randomseed sin sinh sqrt tan tanh",
            os = "clock date difftime time",
            string = "byte char find format gmatch gsub len lower match rep reverse sub upper",
            table = "concat insert maxn move remove sort",
        }
        for name, members in pairs(libraries) do
            it("of " .. name .. " are exactly these", function()
                assert.equal(members, run("local names = {} for name in pairs(" .. name
                    .. ") do names[#names + 1] = name end return table.concat(names, ' ')"))
            end)
        end

        it("hold Lua's constants", function()
            assert.equal("Lua 5.1", run("return _VERSION"))
            assert.equal(math.pi, run("return math.pi"))
            assert.equal(math.huge, run("return math.huge"))
        end)

        it("that are undefined are nil, those assigned stay in the run", function()
            assert.is_nil(run("return nothing"))
            local env = host:env()
            assert.equal(1, run("x = 1 return _G.x", env))
            assert.equal(1, run("return x", env))
            assert.is_nil(run("return x"))
            assert.is_nil(rawget(_G, "x"))
        end)

        it("can be replaced and removed", function()
            assert.is_nil(run("print = nil return print"))
            assert.is_nil(run("local p = print print = nil return print"))
            assert.is_nil(run("print = nil return rawget(_G, 'print')"))
            assert.equal(4, run("print = 4 return print"))
            assert.is_function(run("print = nil return true", host:env()) and run("return print"))
        end)

        it("are seen by rawget before they are touched", function()
            assert.is_true(run("return rawget(_G, 'string') == string"))
            assert.is_nil(run("return rawget(_G, 'io')"))
        end)

        it("include the environment itself", function()
            local env = host:env()
            assert.equal(env, run("return _G", env))
            assert.is_true(run("return _G._G == _G and _ENV == nil"))
        end)
    end)

    describe("tostring", function()
        it("hides addresses", function()
            assert.equal("table: (hidden)", run("return tostring({})"))
            assert.equal("function: (hidden)", run("return tostring(print)"))
            assert.equal("function: (hidden)", run("return tostring(string.len)"))
            assert.equal("thread: (hidden)", run("return tostring(coroutine.create(print))"))
            host.modules.file = io.stdout
            assert.equal("file (hidden)", (run("return tostring(require('file'))"):gsub("0x%x+", "hidden")
                :gsub("userdata: ", "file ")))
        end)

        it("leaves values without address as they are", function()
            assert.same({ "nil", "true", "1.5", "x", "7LL", "7ULL", "0+2i" },
                { run("return tostring(nil), tostring(true), tostring(1.5), tostring('x'), tostring(7LL), "
                    .. "tostring(7ULL), tostring(2i)") })
        end)

        it("honours __tostring and __name", function()
            assert.equal("me", run("return tostring(setmetatable({}, { __tostring = function() return 'me' end }))"))
            assert.equal("point: (hidden)", run("return tostring(setmetatable({}, { __name = 'point' }))"))
            assert.equal("me", run("return tostring(setmetatable({}, { __metatable = false, "
                .. "__tostring = function() return 'me' end }))"))
        end)

        it("lets an error of __tostring be an error", function()
            assert.equal("flow.lua:1: no", host:error_of(
                "tostring(setmetatable({}, { __tostring = function() error('no') end }))"))
        end)

        it("wants an argument", function()
            assert.matches("value expected", host:error_of("tostring()"))
        end)

        it("is what print uses, joined by tabs", function()
            run("print('a', nil, {}, 1LL) print()")
            assert.same({ "a\tnil\ttable: (hidden)\t1LL", "" }, host.printed)
        end)
    end)

    describe("time", function()
        it("is the recorded one", function()
            assert.equal(1700000000, run("return os.time()"))
            assert.equal(1700000000.75, run("return os.clock()"))
            assert.equal("2023-11-14 22:13:20", run("return os.date('%Y-%m-%d %H:%M:%S')"))
            assert.equal("2023-11-14", run("return os.date('!%Y-%m-%d')"))
            assert.equal(4, run("return os.difftime(7, 3)"))
        end)

        it("is UTC both ways", function()
            assert.equal(951782400, run("return os.time { year = 2000, month = 2, day = 29, hour = 0 }"))
            assert.equal(951825600, run("return os.time { year = '2000', month = 2, day = 29 }"))
            assert.equal(-86400, run("return os.time { year = 1969, month = 12, day = 31, hour = 0 }"))
            assert.equal(1, run([[
                for t = -5e9, 2e10, 86399 * 41 do
                    if os.time(os.date("*t", t)) ~= t then return t end
                end
                return 1]]))
        end)

        it("carries fields beyond their range over", function()
            assert.equal("2024-02-01 01:00:00", run([[return os.date("%Y-%m-%d %H:%M:%S",
                os.time { year = 2023, month = 14, day = 0, hour = 25 })]]))
        end)

        it("names a missing field", function()
            assert.equal("flow.lua:1: field 'day' missing in date table", host:error_of("os.time { year = 2000 }"))
        end)
    end)

    describe("protected calls", function()
        it("return as Lua's do", function()
            assert.equal(1, run("return select('#', pcall(function() end))"))
            assert.equal(4, run("return select('#', pcall(function() return nil, nil, nil end))"))
            assert.same({ false, "flow.lua:1: x" }, { run("return pcall(error, 'flow.lua:1: x', 0)") })
            assert.same({ true, 1, 2 }, { run("return xpcall(function(...) return ... end, print, 1, 2)") })
            assert.same({ false, "[e]" },
                { run("return xpcall(error, function(e) return '[' .. e .. ']' end, 'e', 0)") })
        end)

        it("catch a stack overflow", function()
            local ok, err = run("local function f() return 1 + f() end return pcall(f)")
            assert.is_false(ok)
            assert.matches("stack overflow", err)
        end)

        it("check the handler", function()
            assert.equal("flow.lua:1: bad argument #2 to 'xpcall' (function expected, got nil)",
                host:error_of("xpcall(print)"))
        end)

        it("may yield inside", function()
            assert.same({ 1, "back" }, { run([[
                local co = coroutine.create(function() return pcall(coroutine.yield, 1) end)
                local _, one = coroutine.resume(co)
                local _, _, back = coroutine.resume(co, "back")
                return one, back]]) })
        end)
    end)

    describe("require", function()
        it("asks the host, with the state of the run", function()
            local asked
            host = H.new { require = function(name, state) asked = { name, state } return 7 end }
            local state = {}
            assert.equal(7, run("return require('lib.x')", host:env(state)))
            assert.same({ "lib.x", state }, asked)
            assert.equal(state, asked[2])
        end)

        it("takes strings only", function()
            assert.matches("^flow.lua:1: bad argument #1 to 'require' %(string expected, got table%)",
                host:error_of("require { 'io' }"))
            assert.equal("no module io", host:error_of("require 'io'"))
        end)
    end)

    describe("load", function()
        it("compiles into the environment of the run", function()
            local env = host:env()
            assert.equal(3, run("x = 3 return load('return x')()", env))
            assert.equal(3, run("return loadstring('return x')()", env))
            assert.equal(4, run("load('y = 4')() return y"))
            assert.equal(5, run("return load('return x', 'n', 't', { x = 5 })()"))
            assert.is_true(run("return load('return _G')() == _G"))
            assert.is_true(run("return load('return _G', 'n', 't', nil)() == _G"))
        end)

        it("takes pieces from a function", function()
            assert.equal(12, run([[
                local pieces = { "return ", "1", "2" }
                local i = 0
                return load(function() i = i + 1 return pieces[i] end)()]]))
            assert.same({ [2] = "oops" }, { run("return load(function() error('oops', 0) end)") })
        end)

        it("translates ctx.break", function()
            assert.equal(8, run("return load('local c = { [\"break\"] = 8 } return c.break')()"))
        end)

        it("returns errors with a name that is no file of the host", function()
            assert.same({ [2] = "(load):2: unexpected symbol near '='" }, { run("return load('\\nx = = 1')") })
            assert.equal("(load) flow.lua:1: x", host:error_of("load('error(\"x\")', '@flow.lua')()"))
            assert.equal("(load) core.lua:1: x", host:error_of("load('error(\"x\")', '=core.lua')()"))
        end)

        it("refuses other arguments", function()
            assert.matches("string or function expected, got nil", host:error_of("load()"))
            assert.matches("string expected, got function", host:error_of("loadstring(print)"))
            assert.matches("table expected, got number", host:error_of("load('', '', 't', 1)"))
        end)
    end)

    describe("coroutines", function()
        it("generate", function()
            assert.equal("1 2 3", run([[
                local out = {}
                for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do out[i] = i end
                return table.concat(out, " ")]]))
            assert.equal("dead", run("local co = coroutine.create(function() end) coroutine.resume(co) "
                .. "return coroutine.status(co)"))
        end)

        it("report errors", function()
            assert.same({ false, "flow.lua:1: x" },
                { run("return coroutine.resume(coroutine.create(function() error('x') end))") })
            assert.same({ false, "cannot resume dead coroutine" }, { run(
                "local co = coroutine.create(function() end) coroutine.resume(co) return coroutine.resume(co)") })
        end)

        it("cannot resume a thread of the engine", function()
            local ok, err = run([[
                local engine = coroutine.running()
                return coroutine.resume(coroutine.create(function() return coroutine.resume(engine) end))]])
            assert.is_true(ok)
            assert.is_false(err)
            host.modules.thread = coroutine.create(function() return "host" end)
            assert.same({ false, "cannot resume a coroutine that coroutine.create did not make" },
                { run("return coroutine.resume(require('thread'))") })
            assert.equal("suspended", coroutine.status(host.modules.thread))
        end)
    end)
end)
