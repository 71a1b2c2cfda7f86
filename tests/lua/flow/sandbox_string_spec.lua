-- SPDX-License-Identifier: MIT
local H = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "sandbox_helper.lua")

local restore = H.protect_string_metatable()

describe("string", function()
    local host

    before_each(function() host = H.new() end)
    teardown(restore)

    it("functions and methods do what Lua's do", function()
        assert.same({ "abab", 3, 97, "A", "cba", "b", "AB", "ab" }, { host:run([[
            return ("ab"):rep(2), ("abc"):len(), ("abc"):byte(), string.char(65), ("abc"):reverse(),
                ("abc"):sub(2, 2), ("ab"):upper(), ("AB"):lower()]]) })
        assert.equal("a-b-c", host:run("return string.rep('x', 3, '-'):gsub('x', { x = false }) and 'a-b-c'"))
        assert.equal("x-x-x", host:run("return string.rep('x', 3, '-')"))
        assert.same({ 2, 2, "b" }, { host:run("return string.find('abc', '(b)')") })
        assert.same({ 2, 2 }, { host:run("return string.find('a.c', '.', 1, true)") })
        assert.same({ "k", "v" }, { host:run("return ('k=v'):match('(%w+)=(%w+)')") })
        assert.same({ "X-X", 2 }, { host:run("return ('a-a'):gsub('a', 'X')") })
        assert.equal("<a><b>", host:run("return (('ab'):gsub('%a', function(c) return '<' .. c .. '>' end))"))
        assert.equal("a1", host:run(
            "return (('k'):gsub('%a', setmetatable({}, { __index = function() return 'a1' end })))"))
        assert.equal("x2", host:run("return (string.gsub(12, 1, function() return 'x' end))"))
        assert.equal("a,b", host:run(
            "local t = {} for w in ('a b'):gmatch('%a') do t[#t + 1] = w end return table.concat(t, ',')"))
    end)

    it("errors point at the flow", function()
        assert.equal("flow.lua:2: bad argument #1 to 'rep' (string expected, got table)",
            host:error_of("\nlocal x = string.rep({}, 2)"))
        assert.equal("flow.lua:1: bad argument #1 to 'find' (string expected, got nil)",
            host:error_of("local x = string.find(nil, 'x')"))
        assert.equal("flow.lua:1: bad argument #2 to 'format' (number expected, got string)",
            host:error_of("local x = string.format('%d', 'x')"))
        assert.equal("flow.lua:1: malformed pattern (ends with '%')", host:error_of("local x = ('x'):find('x%')"))
    end)

    describe("format", function()
        it("hides addresses", function()
            assert.equal("table: (hidden) function: (hidden) 5 nil true x",
                host:run("return string.format('%s %s %d %s %s %s', {}, print, 5, nil, true, 'x')"))
            assert.equal("|  table: (hidden)|tab|", host:run("return ('|%17s|%.3s|'):format({}, {})"))
            assert.equal('"a\\\nb"', host:run("return ('%q'):format('a\\nb')"))
            assert.equal('"table: (hidden)"', host:run("return ('%q'):format({})"))
            assert.equal("5% table: (hidden)", host:run("return ('%d%% %s'):format(5, {})"))
        end)

        it("honours __tostring and wants a string of it", function()
            assert.equal("[me]",
                host:run("return ('[%s]'):format(setmetatable({}, { __tostring = function() return 'me' end }))"))
            assert.equal("flow.lua:1: 'tostring' must return a string to 'format'", host:error_of(
                "local x = ('%s'):format(setmetatable({}, { __tostring = function() return {} end }))"))
        end)

        it("keeps 64-bit integers", function()
            assert.equal("9223372036854775807LL 1",
                host:run("return ('%s %d'):format(9223372036854775807LL, 1LL)"))
        end)

        it("refuses %p and knows %%p", function()
            for _, text in ipairs { "%p", "%20p", "%-5p", "a %d %p" } do
                assert.matches("would print an address", host:error_of("string.format('" .. text .. "', 1, 1)"))
            end
            assert.equal("%p", host:run("return ('%%p'):format()"))
        end)

        it("misses arguments as Lua's does", function()
            assert.equal("flow.lua:1: bad argument #2 to 'format' (value expected)",
                host:error_of("local x = string.format('%s')"))
        end)
    end)

    describe("rep", function()
        it("is bounded", function()
            assert.equal(67108864, host:run("return #string.rep('x', 67108864)"))
            for _, call in ipairs {
                    "('x', 67108865)", "('xx', 2^40)", "('', 2^40, 'ab')", "('x', '1e12')", "('x', 1/0)",
                    "('', 2^30, 5)" } do
                assert.equal("flow.lua:1: rep: the result would have over 67108864 bytes, build it in pieces",
                    host:error_of("local x = string.rep" .. call))
            end
            assert.equal("", host:run("return ('x'):rep(-5)"))
            assert.equal("", host:run("return (''):rep(2^30)"))
        end)
    end)

    it("patterns that could run for minutes can be stopped", function()
        for _, call in ipairs {
            "('a'):rep(10000):find('.-.-.-.-b')",
            "('a'):rep(10000):match('^.*.*.*b')",
            "('a'):rep(60):find(('a?'):rep(60) .. ('a'):rep(60) .. 'b')",
            "('('):rep(200000):gsub('%b()', '')",
            "(' '):rep(200000):gsub('%s+$', 'x')",
            "('a'):rep(5000):gmatch('.-.-.-b')()",
            "('a'):rep(10000):find('.-.-.-.-b%')",
        } do
            local chunk = "local ok, err = pcall(function() return " .. call .. " end) if ok then error('done') end "
                .. "error(err, 0)"
            debug.sethook(function() error({ fatal = true }) end, "", 1e6)
            local ok, err = pcall(host.run, host, chunk)
            debug.sethook()
            assert.is_false(ok)
            if type(err) ~= "table" then assert.matches("malformed pattern", err) end
        end
    end)
end)

describe("table", function()
    local host

    before_each(function() host = H.new() end)
    teardown(restore)

    it("functions do what Lua's do", function()
        assert.equal("1 2 3", host:run("local t = { 3, 1, 2 } table.sort(t) return table.concat(t, ' ')"))
        assert.equal("3 2 1", host:run(
            "local t = { 3, 1, 2 } table.sort(t, function(a, b) return a > b end) return table.concat(t, ' ')"))
        assert.equal("0 1 9 2", host:run(
            "local t = { 1, 2 } table.insert(t, 2, 9) table.insert(t, 1, 0) return table.concat(t, ' ')"))
        assert.same({ 7, 1 }, { host:run("local t = { 1, 7 } return table.remove(t), #t") })
        assert.equal(9, host:run("return table.maxn { [9] = 1 }"))
        assert.equal("wrong number of arguments to 'insert'",
            (host:error_of("table.insert({}, 1, 2, 3)"):gsub("^flow.lua:1: ", "")))
    end)

    it("sort with a comparator is stable, and may yield", function()
        assert.equal("a1 b1 c1 a2 b2 a3", host:run([[
            local t = { "a3", "a2", "a1", "b1", "b2", "c1" }
            local sort = coroutine.wrap(function()
                table.sort(t, function(x, y) coroutine.yield() return x:sub(2) < y:sub(2) end)
                return "done"
            end)
            repeat local state = sort() until state == "done"
            return table.concat(t, " ")]]))
    end)

    it("sort any number of elements", function()
        assert.is_true(host:run([[
            for n = 0, 70 do
                local t = {}
                for i = 1, n do t[i] = i * 37 % 71 end
                table.sort(t, function(x, y) return x > y end)
                for i = 2, n do if t[i] > t[i - 1] then return n end end
            end
            return true]]))
        assert.equal("1 2 3", host:run([[
            local m = { __lt = function(x, y) return x.n < y.n end }
            local t = {}
            for i = 1, 3 do t[i] = setmetatable({ n = 4 - i }, m) end
            table.sort(t)
            return t[1].n .. " " .. t[2].n .. " " .. t[3].n]]))
        assert.matches("attempt to compare", host:error_of("table.sort { 1, 'x' }"))
        assert.equal("flow.lua:1: bad argument #2 to 'sort' (function expected, got number)",
            host:error_of("table.sort({ 2, 1 }, 5)"))
    end)

    it("sort long lists too", function()
        assert.is_true(host:run([[
            local t = {}
            for i = 1, 10000 do t[i] = i * 7919 % 10007 end
            table.sort(t)
            for i = 2, #t do if t[i] < t[i - 1] then return false end end
            return true]]))
    end)

    it("move as Lua's does", function()
        assert.equal("1 1 2 3", host:run("return table.concat(table.move({ 1, 2, 3 }, 1, 3, 2), ' ')"))
        assert.equal("2 3 3", host:run("return table.concat(table.move({ 1, 2, 3 }, 2, 3, 1), ' ')"))
        assert.equal("9 1 2", host:run("return table.concat(table.move({ 1, 2 }, 1, 2, 2, { 9 }), ' ')"))
        assert.equal("1 2", host:run("return table.concat(table.move({ 1, 2 }, 2, 1, 9), ' ')"))
        assert.matches("bad argument", host:error_of("table.move({}, 1, 2)"))
    end)

    it("calls that could run for minutes can be stopped or are refused", function()
        debug.sethook(function() error({ fatal = true }) end, "", 1e6)
        local ok, err = pcall(host.run, host, "table.move({}, 1, 1e15, 2)")
        debug.sethook()
        assert.is_false(ok)
        assert.is_true(err.fatal)
        assert.equal("flow.lua:1: bad argument #2 to 'insert' (position out of bounds)",
            host:error_of("table.insert({}, -2147483647, 1)"))
    end)
end)
