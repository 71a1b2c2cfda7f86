-- SPDX-License-Identifier: MIT
local world = require "support.world"

local flow = world.flow

local function new(text, o)
    local given = { files = { ["a.lua"] = flow(text) } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

local function result(text, input, o)
    return new(text, o):play("a", input):json()
end

--- What a pcall of each expression tells: "CODE: message".
local function errors(...)
    local list = {}
    for i, expression in ipairs { ... } do
        list[i] = result(("local _, err = pcall(function() %s end) return tostring(err)"):format(expression))
    end
    return list
end

describe("ctx", function()
    it("is a run's own: what one scribbles on it another does not see", function()
        local w = new [[
            local before = { ctx.mine or "clean", type(ctx.json.encode), ctx.run.id == ctx.trx(), ctx.env.A }
            ctx.mine, ctx.json.encode, ctx.run.id, ctx.env.A, ctx.log.info = 1, 2, 3, 4, 5
            ctx.request = nil
            return before
        ]]
        w.options.env = { A = "a" }
        w = w:crash()
        for _ = 1, 2 do
            assert.same({ "clean", "function", true, "a" }, { unpack(w:play("a"):json()) })
        end
    end)

    it("outside of a run has no verbs that work", function()
        local w = world.new { files = { ["a.lua"] = "local f f = ... return function(ctx) kept = ctx return 1 end" } }
        w:play "a"
        local ok, err = pcall(w:module("flowhost.ctx").new().uuid)
        assert.is_false(ok)
        assert.equal("NOT_IN_A_RUN", err.code)
    end)

    it("tells about the run", function()
        local w = new [[ return { ctx.run.flow, ctx.run.attempt == nil, ctx.run.started_at, ctx.run.id == ctx.trx(),
            #ctx.trx(),
            #ctx.logId(), ctx.run.version } ]]
        local run = w:play("a"):json()
        assert.same({ "a", true, w.clock.now / 1000, true, 26, 32 }, { unpack(run, 1, 6) })
        assert.equal(w:run().version, run[7])
    end)
end)

describe("ctx.data", function()
    it("stored in steps, components and branches is there after a replay", function()
        for _, seconds in ipairs { 1, 100 } do -- in memory, parked
            local w = new([[
                ctx.data.store("gone", 1)
                ctx.step("s", function()
                    ctx.data.store("a", 1)
                    ctx.all { function() ctx.data.store("b", false) end }
                end)
                ctx.component "c"
                pcall(ctx.step, "fails", function() ctx.data.store("a", 2) error "no" end)
                ctx.data.store("gone", nil)
                ctx.sleep(input)
                local list = {}
                for i, key in ipairs { "a", "b", "c", "gone" } do
                    list[i] = tostring(ctx.data.load(key))
                end
                return list
            ]], { settings = { park_after = "5" } })
            w.options.files["components/c.lua"] = "return function(ctx) ctx.data.store('c', { 3 }) end"
            w = w:crash()
            w:start("a", seconds)
            w:settle()
            local output = w:run().output
            assert.same({ "2", "false", "nil" }, { output[1], output[2], output[4] })
            assert.matches("^table", output[3])
        end
    end)
end)

describe("options that a verb does not know", function()
    it("are refused, with the option's own name", function()
        assert.same({
            "INVALID: ctx.map: unknown option 'concurency'",
            "INVALID: ctx.map: options must be a table { concurrency = n }",
            "INVALID: ctx.start: takes no options; the run goes its own way",
            "INVALID: ctx.response: unknown option 'staus'",
            "INVALID: ctx.signal_url: expires must be a number of seconds above 0, at most 1e9",
            "INVALID: ctx.wait: unknown option 'timout'", "INVALID: ctx.call: unknown option 'once'",
            "INVALID: ctx.step: unknown option 'concurrency'",
        }, errors("ctx.map({ 1 }, print, { concurency = 1 })", "ctx.map({ 1 }, print, 5)",
            "ctx.start('a', nil, { timeout = 1 })", "ctx.response(1, { staus = 202 })",
            "ctx.signal_url('x', { expires = 0 })", "ctx.wait('x', { timout = 1 })",
            "ctx.call('a', nil, { once = true })", "ctx.step('a', print, { concurrency = 1 })"))
    end)
end)

describe("ctx.uuid and ctx.random", function()
    it("are of their form", function()
        local uuids = result [[ local list = {} for i = 1, 50 do list[i] = ctx.uuid() end return list ]]
        for _, uuid in ipairs(uuids) do
            assert.matches("^%x+$", uuid)
            assert.equal(uuid:upper(), uuid)
            assert.equal("4", uuid:sub(13, 13))
            assert.is_truthy(("89AB"):find(uuid:sub(17, 17), 1, true))
            assert.equal(32, #uuid)
        end
        local seen = {}
        for _, n in ipairs(result [[ local l = {} for i = 1, 200 do l[i] = ctx.random(3, 5) end return l ]]) do
            seen[n] = true
        end
        assert.same({ [3] = true, [4] = true, [5] = true }, seen)
        local fraction = result "return ctx.random()"
        assert.is_true(fraction >= 0 and fraction < 1)
        assert.equal(1, result "return ctx.random(1)")
    end)

    it("refuse what has no numbers between", function()
        local text = "INVALID: ctx.random: whole numbers m <= n are expected"
        assert.same({ text, text, text, text, text }, errors("ctx.random(0)", "ctx.random(2, 1)", "ctx.random(1.5)",
            "ctx.random('x')", "ctx.random(1, 2^60)"))
    end)
end)

describe("ctx.sleep", function()
    it("takes fractions, and 0", function()
        local w = new "ctx.sleep(0) ctx.sleep(0.25) return ctx.now()"
        local began = w.clock.now
        assert.equal((began + 250) / 1000, w:play("a"):json())
    end)

    it("refuses what is no time", function()
        for _, text in ipairs(errors("ctx.sleep(-1)", "ctx.sleep('1')", "ctx.sleep()", "ctx.sleep(0/0)",
            "ctx.sleep(1/0)")) do
            assert.matches("^INVALID: ctx.sleep: a number of seconds", text)
        end
    end)
end)

describe("ctx.json and ctx.base64", function()
    it("encode and decode", function()
        assert.same({ '{"a":[],"b":null,"c":1}', "null", 3, true, "AP8=", "\0\1" }, { unpack(result [[
            local decoded = ctx.json.decode '[1,null,3]'
            local text = ctx.json.encode { a = ctx.json.array {}, b = ctx.json.null, c = 1 }
            return { text, ctx.json.encode(nil), #decoded, decoded[2] == ctx.json.null,
                ctx.base64.encode "\0\255", ctx.base64.decode "AAE=" }
        ]]) })
    end)

    it("refuse what they cannot", function()
        local list = errors("ctx.json.encode(print)", "ctx.json.decode '{'", "ctx.json.decode(5)",
            "ctx.base64.encode {}", "ctx.base64.decode '*'", "ctx.base64.decode()")
        for i, expected in ipairs { "ctx.json.encode: ", "ctx.json.decode: ", "ctx.json.decode: a string is expected",
            "ctx.base64.encode: a string is expected", "ctx.base64.decode: not base64",
            "ctx.base64.decode: not base64" } do
            assert.equal("INVALID: " .. expected, list[i]:sub(1, 9 + #expected))
        end
    end)
end)

describe("verbs that get the wrong arguments", function()
    it("say so", function()
        assert.same({
            "INVALID: ctx.step: a name and a function are expected",
            "INVALID: ctx.step: a name and a function are expected",
            "INVALID: ctx.component: a name is expected", "INVALID: ctx.data.store: the key must be a string",
            "INVALID: ctx.data.load: the key must be a string", "INVALID: ctx.fail: a code is expected",
            "INVALID: ctx.map: a list and a function are expected",
        }, errors("ctx.step(1, print)", "ctx.step('a')", "ctx.component()", "ctx.data.store(1, 2)", "ctx.data.load()",
            "ctx.fail()", "ctx.map({})"))
    end)
end)

describe("ctx.all and ctx.map", function()
    it("refuse a concurrency that is none, and too many branches", function()
        local concurrency = "INVALID: ctx.map: concurrency must be a number of at least 1"
        local size = "branches, at most 100000 can be; call it on parts of the list"
        local texts = errors("ctx.map({ 1 }, print, { concurrency = 0/0 })",
            "ctx.map({ 1 }, print, { concurrency = 0 })",
            "local t = {} for i = 1, 100001 do t[i] = i end ctx.map(t, print)",
            "local t = {} for i = 1, 100001 do t[i] = print end ctx.all(t)")
        assert.same({ concurrency, concurrency, "INVALID: ctx.map: 100001 " .. size,
            "INVALID: ctx.all: 100001 " .. size }, texts)
    end)
end)

describe("ctx.response", function()
    local function respond(arguments)
        local w = new(("ctx.response(%s)"):format(arguments))
        local request = w:play "a"
        return request.status, request.answered.headers, request.body, request
    end

    it("refuses what no answer can have", function()
        for arguments, expected in pairs {
            ["1, { status = 200.5 }"] = "whole number", ["1, { status = 0/0 }"] = "whole number",
            ["1, { status = 205 }"] = "205", ["1, { status = 204 }"] = "has no body", ["1, 5"] = "must be a table",
            ["1, { headers = { ['flowhost-run'] = 1 } }"] = "'flowhost-run' is set by the host",
            ["1, { headers = { Date = 1 } }"] = "set by the host",
            ["1, { headers = { ['Content-Length'] = 1 } }"] = "set by the host",
            ["1, { headers = { ['Transfer-Encoding'] = 'chunked' } }"] = "set by the host",
            ["1, { headers = { CONNECTION = 'close' } }"] = "set by the host",
        } do
            local _, _, _, request = respond(arguments)
            assert.equal("INVALID", request:json().code)
            assert.matches(expected, request:json().detail, 1, true)
        end
    end)

    it("of 204 has no body", function()
        local status, headers, body = respond "nil, { status = 204, headers = { A = 1 } }"
        assert.same({ 204, "", "1" }, { status, body, headers.a })
        assert.is_nil(headers["content-type"])
    end)

    it("sends what it has checked", function()
        local status, headers = respond [[1, setmetatable({ headers = setmetatable({ A = "b" },
            { __index = function() return "x\r\ny" end, __pairs = error }) }, { __index = { status = 1000 } })]]
        assert.same({ 200, "b" }, { status, headers.a })
    end)

    it("takes a body as deep as a run may hold", function()
        local w = new [[
            local deep = {}
            for i = 1, 150 do deep = { deep } end
            ctx.response(deep)
        ]]
        local request = w:play "a"
        assert.same({ 200, ("["):rep(150) .. "{}" .. ("]"):rep(150) }, { request.status, request.body })
    end)
end)

describe("the sandbox in a run", function()
    it("has time and random numbers that a replay finds again", function()
        local w = new [[
            local first = { os.time(), math.random(1e9), os.clock and os.clock() or 0 }
            ctx.sleep(5)
            local second = { os.time(), math.random(1e9) }
            ctx.request { url = "http://u" }
            return { first, second, os.time() - first[1] }
        ]]
        local live = w:play("a").body
        local again = w:crash(w:applied() - 1)
        again:settle()
        assert.equal(live, world.json.encode(again:run().output))
        assert.equal(5, again:run().output[3])
    end)

    it("requires lib once per run, and cjson as a copy", function()
        local w = world.new { files = {
            ["a.lua"] = flow [[
                local lib, again = require "x.counter", require "x.counter"
                lib.n = lib.n + 1
                local cjson = require "cjson"
                local text = cjson.encode and cjson.encode { 1 } or "scribbled"
                cjson.encode = false
                local ok, err = pcall(require, "io")
                return { lib == again, lib.n, text, ok, err }
            ]],
            ["lib/x/counter.lua"] = "return { n = 0 }",
        } }
        for _ = 1, 2 do
            local list = w:play("a"):json()
            assert.same({ true, 1, "[1]", false }, { unpack(list, 1, 4) })
            assert.matches("module 'io' not found: neither lib/io.lua of this folder nor cjson", list[5],
                1, true)
        end
    end)

    it("has a cjson that keeps arrays and raises", function()
        assert.same({ '{"a":[],"b":null,"c":[]}', "null", true, "[]", "[1.5,2]", true, 1 }, { unpack(result [[
            local cjson = require "cjson"
            local text = cjson.encode { a = cjson.decode "[]", b = cjson.null, c = cjson.empty_array }
            return { text, cjson.encode(nil), cjson.decode "null" == cjson.null, cjson.encode(cjson.empty_array),
                cjson.new().encode { 1.5, 2 }, cjson.new() ~= cjson, cjson.decode('{"a":[1]}').a[1] }
        ]]) })
        local texts = errors([[ require "cjson".decode "{" ]], [[ require "cjson".encode(print) ]],
            [[ require "cjson".decode() ]], [[ require "lpeg" ]])
        for i, expected in ipairs { "^a.lua:1: cjson.decode: ", "^a.lua:1: cjson.encode: ",
            "^a.lua:1: cjson.decode: a string is expected, not a nil", "module 'lpeg' not found" } do
            assert.matches(expected, texts[i])
        end
    end)

    it("loads a lib that raised again, and tells one that requires itself", function()
        local w = world.new { files = {
            ["a.lua"] = flow [[
                local texts = {}
                for i, name in ipairs { "bad", "bad", "one", "one" } do
                    local _, err = pcall(require, name)
                    texts[i] = err
                end
                texts[5] = ctx.uuid() ~= nil
                return texts
            ]],
            ["lib/bad.lua"] = "error 'broken lib'", ["lib/one.lua"] = "return require 'two'",
            ["lib/two.lua"] = "return require 'one'",
        } }
        local texts = w:play("a"):json()
        local expected = "module 'one' requires itself: it is still being loaded"
        assert.same({ "lib/bad.lua:1: broken lib", "lib/bad.lua:1: broken lib", expected, expected, true },
            { unpack(texts) })
    end)

    it("does not let a lib stop half-way", function()
        local w = world.new { files = {
            ["a.lua"] = flow [[
                local ok, err = coroutine.wrap(function() return pcall(require, "yields") end)()
                return { ok, err, ctx.uuid() ~= nil }
            ]],
            ["lib/yields.lua"] = "coroutine.yield(1) return 2",
        } }
        assert.same({ false, "a file cannot wait while it is loaded", true }, { unpack(w:play("a"):json()) })
    end)

    it("knows while a file is loaded: a line is printed, but no step then", function()
        local w = world.new { files = {
            ["a.lua"] = flow [[
                verb = ctx.uuid
                local outer = require "outer"
                pcall(require, "bad")
                print "after"
                return { outer, ctx.uuid() ~= nil }
            ]],
            ["lib/outer.lua"] = "print 'outer' local i = require 'inner' print 'outer again' return i",
            ["lib/inner.lua"] = "print 'inner' local ok, err = pcall(verb) return tostring(err)",
            ["lib/bad.lua"] = "print 'bad' error 'x'",
        } }
        local output = w:play("a"):json()
        assert.same({ "NOT_YIELDABLE: ctx.uuid cannot be called while a file is being loaded", true },
            { unpack(output) })
        local by_path = w:entries()
        assert.equal("after", by_path.log1.value)
        assert.is_nil(by_path.log2)
        assert.equal(5, #w.log)
    end)

    it("prints into the log", function()
        local w = new [[ print("said", 1, nil, {}) ]]
        w:play "a"
        assert.equal("info", w.log[1].level)
        assert.matches("^said\t1\tnil\ttable", w.log[1].message)
        assert.equal("a", w.log[1].flow)
    end)
end)

describe("an error that pcall caught", function()
    it("is the same live and replayed", function()
        local w = new([[
            local function tell(err)
                local all = { text = tostring(err) }
                for _, name in ipairs { "code", "message", "retryable", "cause", "step", "status", "data", "stack" } do
                    all[name] = err[name]
                end
                return all
            end
            local list = {}
            for i, fn in ipairs {
                function() ctx.request { url = "http://u/500" } end,
                function() ctx.request { url = "http://u/cut" } end,
                function()
                    ctx.step("s", function() error { code = "MINE", message = "no", data = { a = { 1 } } } end)
                end,
                function() ctx.step("s", function() local x = nil + 1 end) end,
                function() ctx.step("s", function() ctx.step("t", function() error "inner" end) end) end,
                function() ctx.component "c" end,
                function() ctx.all { function() ctx.request { url = "http://u/cut" } end } end,
            } do
                local ok, err = pcall(fn)
                list[i] = tell(err)
            end
            ctx.request { url = "http://u/last" }
            return list
        ]], { upstream = function(call)
            if call.url:find "cut" then return "NETWORK", "cut" end
            return call.url:find "500" and 500 or 200, nil, { why = { 1 } }
        end, files = nil })
        w.options.files["components/c.lua"] = "return function() error 'in the component' end"
        w = w:crash()
        local live = w:play("a").body
        assert.matches("in the component", live, 1, true)
        local again = w:crash(w:applied() - 1)
        again:settle()
        assert.equal(1, #again.calls)
        assert.equal(live, world.json.encode(again:run().output))
    end)
end)
