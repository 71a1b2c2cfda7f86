-- SPDX-License-Identifier: MIT
local H = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "sandbox_helper.lua")

local restore = H.protect_string_metatable()

local WALKERS = {
    pairs = "for k, v in pairs(t) do",
    next = "for k, v in next, t do",
}

for name, head in pairs(WALKERS) do
    describe(name, function()
        local host

        before_each(function() host = H.new() end)
        teardown(restore)

        --- The keys a walk gives, as text.
        local function walk(setup, body)
            return host:run(setup .. " local keys = {} " .. head .. " keys[#keys + 1] = tostring(k) "
                .. (body or "") .. " end return table.concat(keys, ' ')")
        end

        it("gives numbers ascending, strings by bytes, false, true", function()
            assert.equal("-inf -1 0 0.5 1 2 10 inf 10 2 A B a b é false true", walk([[
                local t = { [true] = 1, b = 1, [10] = 1, a = 1, [false] = 1, [-1] = 1, ["é"] = 1, [0.5] = 1, B = 1,
                    [2] = 1, A = 1, [1] = 1, [0] = 1, ["10"] = 1, ["2"] = 1, [1/0] = 1, [-1/0] = 1 }]]))
        end)

        it("gives values with their keys", function()
            assert.equal("1=x;2=y;a=z;", host:run("local s, t = '', { 'x', 'y', a = 'z' } " .. head
                .. " s = s .. k .. '=' .. v .. ';' end return s"))
        end)

        it("walks arrays, holes and nothing", function()
            assert.equal("1 2 3 4", walk("local t = { 1, 2, 3, 4 }"))
            assert.equal("", walk("local t = {}"))
            assert.equal("1 3", walk("local t = { 1, nil, 3 }"))
            assert.equal("1 2 3", walk("local t = {} t[3] = 1 t[2] = 1 t[1] = 1"))
            assert.equal("0 1 2", walk("local t = { [0] = 1, 1, 2 }"))
            assert.equal("1 2 x", walk("local t = { 1, 2, x = 3 }"))
        end)

        it("is the same for many orders of insertion", function()
            local keys = {}
            for i = 1, 40 do
                keys[i] = i % 3 == 0 and i or i % 3 == 1 and "key" .. i or -i / 2
            end
            local seen = {}
            for shift = 0, 39 do
                local t = {}
                for i = 0, 39 do t["junk" .. i * shift] = true end
                for i = 0, 39 do t["junk" .. i * shift] = nil end
                for i = 0, 39 do t[keys[(i * 7 + shift) % 40 + 1]] = i end
                host.modules.t = t
                seen[walk("local t = require('t')")] = true
            end
            local _, first = next(seen), next(seen)
            assert.is_nil(next(seen, first))
        end)

        it("skips what is cleared and sees what is changed", function()
            assert.equal("a c", walk("local t = { a = 1, b = 2, c = 3 }", "t.b = nil t.a = nil"))
            assert.equal("1 3", walk("local t = { 1, 2, 3 }", "t[2] = nil t[1] = nil"))
            assert.equal("a b", walk("local t = { a = 1, b = 2 }", "t[k] = nil"))
            assert.equal("9 9", host:run("local out, t = {}, { a = 1, b = 1 } " .. head
                .. " t.a = 9 t.b = 9 out[#out + 1] = t[k] end return table.concat(out, ' ')"))
        end)

        it("skips what is cleared in large tables", function()
            assert.equal(50, host:run([[
                local t, n = {}, 0
                for i = 1, 100 do t["k" .. i] = i end
                ]] .. head .. [[ n = n + 1 t[k] = nil for i = 1, 100 do
                    if t["k" .. i] then t["k" .. i] = nil break end end end return n]]))
        end)

        it("ends although fields are added", function()
            assert.is_true(host:run("local t = { 1, 2, 3, a = 1 } local n = 0 " .. head
                .. " n = n + 1 if n < 100 then t[#t + 1] = n end end return n <= 103"))
        end)

        it("refuses keys without order", function()
            for key, kind in pairs { ["{}"] = "table", ["print"] = "function", ["1LL"] = "cdata",
                    ["coroutine.create(print)"] = "thread" } do
                assert.equal("flow.lua:1: " .. name .. ": a key of type " .. kind
                    .. " has no fixed order; use an array or string keys",
                    host:error_of("local t = { [" .. key .. "] = 1 } " .. head .. " end"))
            end
        end)

        it("ignores metamethods", function()
            assert.equal("a", walk("local t = setmetatable({ a = 1 }, { __index = { b = 1 } })"))
        end)

        it("wants a table", function()
            assert.matches("^flow.lua:1: bad argument #1 to '" .. name .. "' %(table expected, got string%)",
                host:error_of(name .. "('x')"))
        end)

        it("takes walks inside walks and walks broken off", function()
            assert.equal(12 * 12, host:run([[
                local t, n = {}, 0
                for i = 1, 12 do t["k" .. i] = i end
                ]] .. head .. " break end " .. head .. [[
                    ]] .. head .. " n = n + 1 end end return n"))
        end)

        it("may yield inside", function()
            assert.equal("a b c", host:run([[
                local t, out = { a = 1, b = 2, c = 3 }, {}
                for key in coroutine.wrap(function() ]] .. head .. [[ coroutine.yield(k) end end) do
                    out[#out + 1] = key
                end
                return table.concat(out, " ")]]))
        end)
    end)
end

describe("next", function()
    local host

    before_each(function() host = H.new() end)
    teardown(restore)

    it("tells whether a table is empty", function()
        assert.is_true(host:run("return next({}) == nil and next({ 1 }) == 1 and next({ a = 1 }) == 'a'"))
        assert.equal(0, host:run("return select('#', next({})) - 1"))
    end)

    it("gives the key behind any value, there or not", function()
        assert.same({ "c", 3 }, { host:run("return next({ a = 1, c = 3 }, 'b')") })
        assert.same({ "c", 3 }, { host:run("return next({ a = 1, c = 3 }, 'a')") })
        assert.is_nil(host:run("return next({ a = 1, c = 3 }, 'c')"))
    end)

    it("sees a table that changed since the last walk", function()
        assert.equal("b", host:run([[
            local t = {}
            for i = 1, 100 do t["k" .. i] = i end
            for k in next, t do if k == "k50" then break end end
            t.b = 1
            return (next(t))]]))
        assert.equal("k500", host:run([[
            local t = {}
            for i = 1, 100 do t["k" .. i] = i end
            for k in next, t do end
            t.k500 = 1
            return (next(t, "k50"))]]))
    end)

    it("empties a queue", function()
        assert.equal(100, host:run([[
            local t, n = {}, 0
            for i = 1, 100 do t["k" .. i] = i end
            while next(t) do t[next(t)] = nil n = n + 1 end
            return n]]))
    end)

    it("is not quadratic", function()
        host.modules.t = {}
        for i = 1, 20000 do host.modules.t["k" .. i] = i end
        local steps = 0
        debug.sethook(function() steps = steps + 1 end, "", 1000)
        host:run("local n = 0 for k, v in next, require('t') do n = n + v end return n")
        debug.sethook()
        assert.is_true(steps < 5000)
    end)
end)
