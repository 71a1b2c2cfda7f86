-- SPDX-License-Identifier: MIT
local jit_util = require("jit.util")
local source = require("flowhost.flow.source")

local translate, compile = source.translate, source.compile

describe("translate", function()
    local rewritten = {
        ["ctx.break()"] = 'ctx["break"]()',
        ["ctx.break('x')"] = "ctx[\"break\"]('x')",
        ["ctx . break (1)"] = 'ctx [ "break"] (1)',
        ["ctx.\n  break()"] = 'ctx[\n  "break"]()',
        ["ctx --[[.break]] . --[==[ ]] ]==] break()"] = 'ctx --[[.break]] [ --[==[ ]] ]==] "break"]()',
        ["ctx. -- why\nbreak()"] = 'ctx[ -- why\n"break"]()',
        ["a.b.break.c"] = 'a.b["break"].c',
        ["a.break.break"] = 'a["break"]["break"]',
        ["f().break()"] = 'f()["break"]()',
        ["t[1].break"] = 't[1]["break"]',
        ["f'x'.break"] = "f'x'[\"break\"]",
        ['f"x".break'] = 'f"x"["break"]',
        ["f[[x]].break"] = 'f[[x]]["break"]',
        ["f{1}.break"] = 'f{1}["break"]',
        ["x1.break"] = 'x1["break"]',
        ["t[a.break].break"] = 't[a["break"]]["break"]',
        ["x = 1 ..a.break"] = 'x = 1 ..a["break"]',
        ["x = '\\'' .. ctx.break()"] = "x = '\\'' .. ctx[\"break\"]()",
        ["x = '\\\n' .. ctx.break()"] = "x = '\\\n' .. ctx[\"break\"]()",
        ["x = '\\\r\n' .. ctx.break()"] = "x = '\\\r\n' .. ctx[\"break\"]()",
        ["x = 'a\\z\n  b' .. ctx.break()"] = "x = 'a\\z\n  b' .. ctx[\"break\"]()",
        ["x = 0x1p-3 + a.break"] = 'x = 0x1p-3 + a["break"]',
        ["x = 1e+5 - a.break"] = 'x = 1e+5 - a["break"]',
        ["x = .5 + a.break"] = 'x = .5 + a["break"]',
        ["if ctx.break then break end"] = 'if ctx["break"] then break end',
    }
    for text, expected in pairs(rewritten) do
        it("rewrites " .. text, function()
            assert.equal(expected, translate(text))
        end)
    end

    local kept = {
        "while true do break end",
        "x.breaker()", "x.break_it()", "x.break1", "x.breaké = 1",
        "ctx:break()", "ctx : break()",
        "x = a..break", "x = a ..break", "x = {...break}", "x = ... .break",
        "x = 1.break", "x = 0x1.break", "x = 1e+5.break",
        "return.break", "x = nil.break", "end.break", "x = y and.break",
        "= .break", "+.break",
        "s = 'ctx.break()'", 's = "ctx.break()"', "s = 'it\\'s ctx.break()'", "s = [[ctx.break()]]",
        "s = [==[ ]] ctx.break() ]=] ]==]", "s = 'a\\\nctx.break()'", "s = 'a\\z\n\nctx.break()'",
        "-- ctx.break()", "--[[ ctx.break()\n]]", "--[==[ ]] ctx.break() ]=] ]==]", "---[[ ctx.break()",
        "x = 1 --[[", "s = 'unfinished\nctx.break()", "s = [[unfinished ctx.break()",
        "# it's a header ctx.break()", "",
    }
    for _, text in ipairs(kept) do
        it("keeps " .. text, function()
            assert.equal(text, translate(text))
        end)
    end

    it("keeps comments and strings between rewritten places", function()
        assert.equal('a["break"] "x.break" --x.break\nb["break"]', translate('a.break "x.break" --x.break\nb.break'))
    end)

    it("returns text without a member break as it is", function()
        local text = ("for i = 1, 3 do if i == 2 then break end end -- 1. stop\n"):rep(100)
        assert.equal(text, translate(text))
    end)

    it("makes a leading #! line a comment and keeps the line count", function()
        local text = "#!/usr/bin/env flowhost run\nreturn ctx.break"
        assert.equal('-- /usr/bin/env flowhost run\nreturn ctx["break"]', translate(text))
        assert.equal("-- [[x\nreturn 1", translate("#![[x\nreturn 1"))
        assert.equal("-- it's a.break\nreturn 1", translate("#!it's a.break\nreturn 1"))
    end)

    it("keeps the number of lines whatever the layout", function()
        local text = "local a = {}\r\na\r\n.\r\nbreak = 1 -- a.break\n\n\nreturn a\n.break"
        local _, before = text:gsub("\n", "")
        local _, after = translate(text):gsub("\n", "")
        assert.equal(before, after)
        assert.equal(1, assert(compile(text, "=t"))())
    end)
end)

describe("compile", function()
    it("gives a function", function()
        assert.equal(3, assert(compile("return 1 + 2", "=t"))())
        assert.equal(7, assert(compile("local c = { ['break'] = 7 } return c.break", "=t"))())
        assert.equal(5, assert(compile("#!/bin/x\nreturn 5", "=t"))())
    end)

    it("uses the environment given", function()
        assert.equal(9, assert(compile("return x", "=t", { env = { x = 9 } }))())
    end)

    it("gives the line and the message of an error", function()
        assert.same({ line = 3, message = "unexpected symbol near '='" },
            select(2, compile("local a\n\na = = 1", "@flows/a.lua")))
        assert.same({ line = 2, message = "'=' expected near 'break'" },
            select(2, compile("#!x\nctx break()", "@flows/a.lua")))
    end)

    it("is not confused by colons and digits in names and strings", function()
        local _, err = compile("x = = 'a:7: b'", "@dir:12: x/a.lua")
        assert.same({ line = 1, message = "unexpected symbol near '='" }, err)
        _, err = compile("\n\nx = 'a:7: b", "@a:3: lua")
        assert.equal(3, err.line)
    end)

    it("names the chunk as asked", function()
        local _, err = pcall(assert(compile("\nerror('boom')", "@flows/a.lua")))
        assert.equal("flows/a.lua:2: boom", err)
    end)

    it("refuses precompiled code, also behind a header line", function()
        local code = string.dump(function() return 1 end)
        assert.same({ line = 1, message = "precompiled code is refused, give the text of the script" },
            select(2, compile(code, "=t")))
        for _, header in ipairs { "#!x\n", "#x\n", "\239\187\191" } do
            local fn, err = compile(header .. code, "=t")
            assert.is_nil(fn)
            assert.is_table(err)
        end
    end)

    it("refuses text over the limit and takes text at the limit", function()
        local _, err = compile((" "):rep(source.MAX_BYTES + 1), "=t")
        assert.equal("the script has 4194305 bytes, the limit is 4194304, split it", err.message)
        assert.is_function(compile((" "):rep(source.MAX_BYTES), "=t"))
    end)

    local function is_compiled(fn)
        local traces = 0
        local function watch(what, _, func)
            if what == "start" and jit_util.funcinfo(func).source == "=t" then traces = traces + 1 end
        end
        jit.attach(watch, "trace")
        fn()
        jit.attach(watch)
        return traces > 0
    end

    it("turns the compiler off for the chunk and its functions unless told", function()
        local text = "local function f() local x = 0 for i = 1, 1000 do x = x + i end return x end return f()"
        local was_on = jit.status()
        jit.on()
        jit.flush()
        assert.is_false(is_compiled(assert(compile(text, "=t"))))
        assert.is_true(is_compiled(assert(compile(text, "=t", { jit = true }))))
        if not was_on then jit.off() end
    end)
end)
