-- SPDX-License-Identifier: MIT
local pattern = require("flowhost.flow.pattern")
local random = require("flowhost.flow.random")

--- All results as one comparable text.
local function pack(ok, ...)
    local parts = { tostring(ok) }
    for i = 1, select("#", ...) do parts[i + 1] = tostring((select(i, ...))) end
    return table.concat(parts, "|")
end

local function all_matches(gmatch, text, pat)
    local found = {}
    for first, second in gmatch(text, pat) do
        found[#found + 1] = tostring(first) .. "," .. tostring(second)
    end
    return table.concat(found, ";")
end

local find, match, gmatch, gsub = string.find, string.match, string.gmatch, string.gsub

local function assert_same_results(text, pat, init)
    local where = ("%q ~ %s"):format(text, pat)
    assert.equal(pack(pcall(find, text, pat, init)), pack(pcall(pattern.find, text, pat, init)), where)
    assert.equal(pack(pcall(match, text, pat, init)), pack(pcall(pattern.match, text, pat, init)), where)
    assert.equal(all_matches(gmatch, text, pat), all_matches(pattern.gmatch, text, pat), where)
    local function mark(c) return c == "a" and "<>" end
    for _, replacement in ipairs { "[%0]", "%%%1.", mark, { a = "A", [""] = "_" } } do
        for limit = 0, 3 do
            local expected = pack(pcall(gsub, text, pat, replacement, limit))
            for _, finder in ipairs { find, pattern.find } do
                assert.equal(expected, pack(pcall(pattern.gsub, text, pat, replacement, limit, finder)), where)
            end
        end
    end
end

describe("matching in Lua", function()
    local cases = {
        { "hello world", "o w" }, { "hello", "l+" }, { "hello", "^h(.-)o$" }, { "", "" }, { "abc", "" },
        { "  x  ", "^%s*(.-)%s*$" }, { "k = v", "(%w+)%s*=%s*(%w+)" }, { "a.b", "%." }, { "f(a(b)c)d", "%b()" },
        { "THE (quick) fox", "%f[%a]%a+" }, { "abab", "(ab)%1" }, { "abc", "()b()" }, { "aXb", "[A-Z]" },
        { "a]b", "[]]" }, { "a^b", "[%^]" }, { "a-b", "[a%-]" }, { "a$b", "a$b" }, { "ab$", "$$" },
        { "x\0y", "[%z]" }, { "x\0y", "%Z+" }, { "aaa", "a-$" }, { "aaa", "a?a?a?a?" }, { "abc", "^" }, { "abc", "$" },
        { "a,b,,c", "([^,]*)" }, { "((a)(b))", "(%((%w)%))" }, { "abc", "^b" }, { "éa", "[\128-\255]+" },
    }
    for _, case in ipairs(cases) do
        it("is as Lua's: " .. case[2], function()
            for init = -4, 5 do assert_same_results(case[1], case[2], init) end
        end)
    end

    local state = random.seed("patterns")

    local function pick(list) return list[random.random(state, #list)] end

    local ATOMS = { "a", "b", ".", "%a", "%s", "[ab]", "[^a]", "%d", "=", "%%", "[%w_]", " ", "%." }
    local SUFFIXES = { "", "", "", "*", "+", "-", "?" }
    local CHARACTERS = { "a", "b", " ", "=", "1", "(", ")", "%", ".", "_", "\0" }

    local function made_up_pattern()
        local parts, open, closed = { pick { "", "", "", "^" } }, 0, 0
        for _ = 1, random.random(state, 6) do
            local kind = random.random(state, 14)
            local part
            if kind == 1 then
                part, open = "(", open + 1
            elseif kind == 2 and open > 0 then
                part, open, closed = ")", open - 1, closed + 1
            elseif kind == 3 and closed > 0 and open == 0 then
                part = "%1"
            elseif kind <= 6 then
                part = pick { "%b()", "%f[%w]", "()" }
                closed = part == "()" and closed + 1 or closed
            else
                part = pick(ATOMS) .. pick(SUFFIXES)
            end
            parts[#parts + 1] = part
        end
        return table.concat(parts) .. (")"):rep(open) .. pick { "", "", "", "$" }
    end

    it("is as Lua's for made-up patterns", function()
        for _ = 1, 3000 do
            local characters = {}
            for i = 1, random.random(state, 0, 12) do characters[i] = pick(CHARACTERS) end
            assert_same_results(table.concat(characters), made_up_pattern(), random.random(state, -14, 14))
        end
    end)

    it("refuses what is malformed", function()
        for pat, message in pairs {
            ["a%"] = "malformed pattern (ends with '%')", ["[a"] = "malformed pattern (missing ']')",
            ["(a"] = "unfinished capture", ["a)"] = "invalid pattern capture", ["%1"] = "invalid capture index",
            ["%f"] = "missing '[' after '%f' in pattern", ["%bx"] = "unbalanced pattern",
            [("()"):rep(33)] = "too many captures",
        } do
            assert.same({ false, message }, { pcall(pattern.find, "aaa", pat) })
        end
        assert.same({ false, "invalid replacement value (a table)" },
            { pcall(pattern.gsub, "a", "a", function() return {} end, nil, find) })
    end)
end)

describe("is_slow", function()
    local body = ("GET /foo HTTP/1.1 key = value; other=thing\n"):rep(2500)

    local quick = {
        "plain text", "%s+", "%s+$", "^%s*", "^%s*(%S+)", "(%w+)%s*=%s*(%w+)", "([^\n]*)\n", "[^;]*;",
        "^%s*(.-)%s*$", "[^,]*,?", "^([^,]*),([^,]*),([^,]*)",
        "%%(%x%x)", "^(%w+)://([^/]+)(/[^?]*)%??(.*)$",
    }
    for _, pat in ipairs(quick) do
        it("lets Lua do " .. pat, function() assert.is_false(pattern.is_slow(body, pat)) end)
    end

    it("lets Lua do all that is short", function()
        assert.is_false(pattern.is_slow("  some words  ", "^%s*(.-)%s*$"))
        assert.is_false(pattern.is_slow(("x"):rep(300), ".-=.-"))
        assert.is_false(pattern.is_slow(5, "x"))
        assert.is_false(pattern.is_slow("x", nil))
    end)

    it("finds what may backtrack for long", function()
        local as = ("a"):rep(10000)
        for _, pat in ipairs {
            ".-b", ".*.*b", "a*a*a*b", "%a-%w-x", "(.-)b", "a*$b", "%b()", "[^b]*%w+b", "^.-.-.-b", "a-%f[b]",
            "(a*)%1b", "[^,]*,", ("a?"):rep(40) .. "b",
        } do
            assert.is_true(pattern.is_slow(as, pat), pat)
        end
        assert.is_true(pattern.is_slow((" "):rep(20000), "%s+$"))
        assert.is_false(pattern.is_slow(("a "):rep(10000), "%s+$"))
    end)
end)
