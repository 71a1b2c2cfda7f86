-- SPDX-License-Identifier: MIT
local regex = require "flowhost.expr.jsonpath_regex"

local function matches(pattern, text, flags)
    return assert(regex.compile(pattern, flags or ""))(text)
end

describe("a regular expression", function()
    it("matches a whole text", function()
        for _, row in ipairs { { "a.*b", "axxb", "axxbc" }, { "(foo|bar)+", "foobarfoo", "foobarfo" },
            { "[^x]{2,3}", "äbc", "äbcd" }, { "\\d+-\\w*", "12-ab_1", "-ab" }, { "^\\bword\\b.*$", "word x", "words" },
            { "a{2}", "aa", "aaa" }, { "a{2,}", "aaaa", "a" }, { "a+?b", "aab", "b" }, { "[a-c-]+", "a-b", "d" },
            { "(?:ab)*", "abab", "aba" }, { "\\.\\/", "./", "x/" }, { "", "", "x" },
            { "a|", "", "b" }, { "\\S\\D\\W", "ab!", " b!" }, { "a\\Bb", "ab", "a b" }, { ".", "ä", "ab" },
            { "[\\d.]+", "1.5", "1,5" }, { "a??b", "b", "aab" }, { "(a*)*", "aaa", "aab" } } do
            assert.is_true(matches(row[1], row[2]), row[1])
            assert.is_false(matches(row[1], row[3]), row[1])
        end
    end)

    it("takes flags", function()
        assert.is_true(matches("HE[l]+O", "heLLo", "i"))
        assert.is_false(matches("a.b", "a\nb"))
        assert.is_true(matches("a.b", "a\nb", "s"))
    end)

    it("gives up rather than run for ever", function()
        assert.is_false(matches("(a*)*b", ("a"):rep(40)))
        assert.is_false(matches("(a|a)*b", ("a"):rep(40)))
        assert.is_true(matches(".*x", ("x"):rep(20000)))
    end)

    it("is refused", function()
        for _, pattern in ipairs { "(", "[a", "a)", "*a", "\\", "a{5,2}", "[z-a]", ")(",
            ("("):rep(200) .. (")"):rep(200) } do
            local match, message = regex.compile(pattern, "")
            assert.is_nil(match)
            assert.is_string(message)
        end
    end)
end)
