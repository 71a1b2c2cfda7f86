-- SPDX-License-Identifier: MIT
-- What an evaluation may take, what it leaves alone, what it gives besides values.
local json = require "support.json"
local jsonata = require "flowhost.expr.jsonata"

local engine = jsonata.new { null = json.null, array = json.array, is_array = json.is_array }

local function run(text, input, bindings, env)
    return assert(engine.compile(text)).evaluate(input, bindings, env)
end

local function fails(text, env, input)
    local ok, err = pcall(run, text, input, nil, env)
    assert.is_false(ok)
    return err
end

describe("jsonata", function()
    it("ends loops by ticks", function()
        for _, text in ipairs { "($f:=function(){$f()};$f())", "$map([1..100000],function($x){$sum([1..1000])})",
            "$match('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab',/(a+)+c/)", "$replace($pad('',100000),' ','ab') ~> $f",
            "($x:=[1..9999999]; $y:=[1..9999999]; $z:=[1..9999999])" } do
            local err = fails(text, { max_ticks = 100000 })
            assert.equal("U1001", err.code)
            assert.is_string(err.message)
        end
    end)

    it("ends texts that grow", function()
        local text = "($f:=function($s,$n){$n=0?$length($s):$f($s&$s,$n-1)};$f('abcdefgh',60))"
        assert.equal("U1001", fails(text).code)
        assert.equal("U1001", fails("$pad('',1e12)").code)
    end)

    it("ends loops by time", function()
        local now = 0
        local err = fails("($f:=function(){$f()};$f())", { max_ms = 50, clock = function()
            now = now + 10
            return now
        end })
        assert.equal("U1001", err.code)
        assert.truthy(err.message:find "50 ms")
    end)

    it("ends recursion by depth or when the stack is full", function()
        local deep = "($f:=function($n){1+$f($n+1)};$f(0))"
        assert.equal("U1001", fails(deep, { max_depth = 100 }).code)
        assert.equal("U1001", fails(deep).code)
        assert.equal("U1001", fails("($f:=function($n){$map([1],function($x){1+$f($x)})};$f(0))").code)
        assert.equal(3, run("1+2"))
    end)

    it("needs no stack for calls in tail position", function()
        assert.equal(500000500000, run "($f:=function($n,$a){$n=0?$a:$f($n-1,$a+$n)};$f(1000000,0))")
    end)

    it("refuses nesting without end", function()
        local _, err = engine.compile(("("):rep(1000))
        assert.equal("S0500", err.code)
        _, err = engine.compile(("a."):rep(100000) .. "a")
        assert.equal("S0500", err.code)
        _, err = engine.compile(("["):rep(100000))
        assert.equal("S0500", err.code)
    end)

    it("leaves its input alone", function()
        local input = json.decode '{"a":[{"b":[3,1]},{"b":2}],"c":{"d":1}}'
        local before = json.encode(input)
        for _, text in ipairs { "$ ~> |a|{\"x\":1},\"b\"|", "$sort(a.b)", "a^(b[0])", "$append(a,1)", "a[]", "a.b[]",
            "$reverse(a)", "$merge(a)", "$distinct(a)", "($x:=a;$x[0])", "$map(a,function($v){$v})", "{\"k\":a}" } do
            pcall(run, text, input)
            assert.equal(before, json.encode(input))
        end
    end)

    it("makes no value that holds itself", function()
        assert.equal('{"a":1,"v":{"a":1},"w":{"a":1}}', json.encode(run("$ ~> |$|{\"v\":$,\"w\":$}|", { a = 1 })))
    end)

    it("gives arrays of the host", function()
        local result = run("{\"a\":x.y,\"b\":[[1],x.y],\"c\":$map([1,2],function($v){[$v]})}",
            json.decode '{"x":[{"y":1},{"y":2}]}')
        assert.equal('{"a":[1,2],"b":[[1],1,2],"c":[[1],[2]]}', json.encode(result))
        assert.is_true(json.is_array(run "[]"))
    end)

    it("tells functions", function()
        assert.is_true(engine.is_function(run "function($x){$x}"))
        assert.is_true(engine.is_function(run "$sum"))
        assert.is_false(engine.is_function(run "{}"))
    end)

    it("takes time and random numbers from its host", function()
        local env = { now = function() return 1000 end, random = function() return 0.5 end }
        assert.equal("1970-01-01T00:00:01.000Z", run("$now()", nil, nil, env))
        assert.equal(0.5, run("$random()", nil, nil, env))
        assert.equal("[1,3,2]", json.encode(run("$shuffle([1,2,3])", nil, nil, env)))
    end)

    it("takes integers of 64 bits as numbers", function()
        assert.equal("12345678901234567 ", run("$string(n) & ' '", { n = 12345678901234567LL }))
        assert.equal(3, run("n + 1", { n = 2LL }))
        assert.equal(true, run("n > 1 and n in [n]", { n = 2LL }))
        assert.equal(2, run("$sum([n])", { n = 2LL }))
    end)

    it("takes functions of its host", function()
        assert.equal(7, run("$twice(3) + 1", nil, { twice = function(x) return x * 2 end }))
        local err = fails("$bad()", nil)
        assert.equal("T1006", err.code)
        local ok, raised = pcall(run, "1 + $bad()", nil, { bad = function()
            error({ code = "X1", message = "m" }, 0)
        end })
        assert.is_false(ok)
        assert.same({ code = "X1", message = "m", position = 9, token = "bad" }, raised)
    end)

    it("runs one evaluation inside another", function()
        local inner = assert(engine.compile "$now() & n")
        assert.equal("1970-01-01T00:00:00.000Z21", run("$f() & n", { n = 1 }, { f = function()
            return inner.evaluate({ n = 2 }, nil, { now = function() return 0 end })
        end }))
    end)

    it("works without marked arrays", function()
        local plain = jsonata.new { null = json.null, array = function(list) return list end,
            is_array = function(value) return type(value) == "table" and (value[1] ~= nil or next(value) == nil) end }
        local expression = assert(plain.compile "{\"s\":$sum(a.b),\"l\":a.b,\"m\":[a]}")
        local value = expression.evaluate { a = { { b = 1 }, { b = 2 } } }
        assert.same({ s = 3, l = { 1, 2 }, m = { { b = 1 }, { b = 2 } } }, value)
        assert.is_nil(getmetatable(value.l))
    end)
end)
