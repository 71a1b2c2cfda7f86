-- SPDX-License-Identifier: MIT
local xml = require "flowhost.codec.xml"

local function decoded(text)
    local value, root = xml.decode(text)
    assert(value ~= nil, root)
    return value, root
end

--- Why a document cannot be read.
local function refused(text)
    local value, reason = xml.decode(text)
    assert.is_nil(value)
    return reason
end

--- Why a value cannot be written.
local function unwritable(value, root)
    local text, reason = xml.encode(root or "a", value)
    assert.is_nil(text)
    return reason
end

describe("xml.decode", function()
    it("takes the root off and gives its name", function()
        local value, root = decoded "<a><b>1</b><c><d>x</d></c></a>"
        assert.same({ b = "1", c = { d = "x" } }, value)
        assert.equal("a", root)
        assert.equal("plain", (decoded "<a>plain</a>"))
        assert.equal("", (decoded "<a/>"))
    end)

    it("makes elements of one name an array, two or more", function()
        assert.same({ b = { "1", "2", "3" }, c = "4" }, (decoded "<a><b>1</b><b>2</b><c>4</c><b>3</b></a>"))
        assert.same({ b = { { c = "1" }, "" } }, (decoded "<a><b><c>1</c></b><b/></a>"))
    end)

    it("hands lists to whoever marks them", function()
        local marked = {}
        xml.decode("<a><b>1</b><b>2</b></a>", { array = function(list)
            marked[#marked + 1] = list
            return list
        end })
        assert.same({ { "1", "2" } }, marked)
    end)

    it("keeps attributes and the text beside them", function()
        assert.same({ b = { ["-k"] = "v", ["#text"] = "1" } }, (decoded '<a><b k="v">1</b></a>'))
        assert.same({ ["-k"] = "v" }, (decoded '<a k="v"> </a>'))
        assert.same({ ["#text"] = "x  y", b = "" }, (decoded "<a>x <b/> y</a>"))
    end)

    it("reads escapes, CDATA, comments and a declaration", function()
        assert.equal('<&>"\'ä', (decoded '<?xml version="1.0"?><!-- c --><a>&lt;&amp;&gt;&quot;&apos;&#228;</a>'))
        assert.equal("<b>", (decoded "<a><![CDATA[<b>]]></a>"))
        assert.equal("\195\164", (decoded '<?xml version="1.0" encoding="ISO-8859-1"?><a>\228</a>'))
    end)

    it("keeps blanks of a leaf, not those around elements", function()
        assert.equal(" x ", (decoded "<a> x </a>"))
        assert.same({ b = "1" }, (decoded "<a>\n  <b>1</b>\n</a>"))
    end)

    it("refuses a document type, so also its entities", function()
        for _, text in ipairs {
            '<!DOCTYPE a><a/>',
            '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
            '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
            '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
            '<!DOCTYPE a [<!ENTITY a "1234567890"><!ENTITY b "&a;&a;&a;&a;">]><a>&b;&b;&b;</a>',
        } do
            assert.matches("document type", refused(text))
        end
        assert.matches("undefined entity", refused "<a>&e;</a>")
    end)

    it("refuses what is nested too deep or too long", function()
        assert.equal("x", (function()
            local value = decoded(("<a>"):rep(100) .. "x" .. ("</a>"):rep(100))
            for _ = 1, 99 do value = value.a end
            return value
        end)())
        assert.matches("deeper than 100", refused(("<a>"):rep(101) .. ("</a>"):rep(101)))
        assert.matches("longer than", refused(("x"):rep(64 * 1024 * 1024 + 1)))
    end)

    it("says where a broken document breaks", function()
        for text, message in pairs {
            [""] = "no element", ["<a>"] = "line 1", ["<a></b>"] = "mismatched tag at line 1",
            ["<a>\n<b></a>"] = "line 2", ["<a/><b/>"] = "junk", ["x"] = "line 1", ["<a k=1/>"] = "line 1",
            ["<a>\0</a>"] = "line 1", ["<a>\255</a>"] = "line 1", ['<a k="1" k="2"/>'] = "duplicate attribute",
        } do
            assert.matches(message, refused(text))
        end
    end)
end)

describe("xml.encode", function()
    it("writes names in order, lists as repeated elements, attributes", function()
        assert.equal("<a><b>1</b><c><d>x</d></c></a>", xml.encode("a", { c = { d = "x" }, b = 1 }))
        assert.equal("<a><b>1</b><b>2</b></a>", xml.encode("a", { b = { 1, 2 } }))
        assert.equal('<a k="v">x</a>', xml.encode("a", { ["-k"] = "v", ["#text"] = "x" }))
        assert.equal("<a><item>1</item><item>2</item></a>", xml.encode("a", { 1, 2 }))
        assert.equal("<a></a>", xml.encode("a", {}))
        assert.equal("<a>x</a>", xml.encode("a", "x"))
    end)

    it("writes numbers exactly and booleans", function()
        assert.equal("<a>0.1</a>", xml.encode("a", 0.1))
        assert.equal("<a>0.30000000000000004</a>", xml.encode("a", 0.1 + 0.2))
        assert.equal("<a>-12</a>", xml.encode("a", -12))
        assert.equal("<a>9007199254740993</a>", xml.encode("a", 9007199254740993LL))
        assert.equal("<a>true</a>", xml.encode("a", true))
    end)

    it("escapes what would be markup, in text and attributes", function()
        assert.equal("<a>&lt;b&gt;&amp;&quot;</a>", xml.encode("a", '<b>&"'))
        assert.equal('<a k="&quot;&gt;&lt;&#10;&#9;"></a>', xml.encode("a", { ["-k"] = '"><\n\t' }))
    end)

    it("replaces what XML cannot hold", function()
        local mark = "\239\191\189"
        for _, bad in ipairs { "\0", "\1", "\31", "\255", "\192\128", "\237\160\128", "\239\191\191", "\195",
            "\244\144\128\128" } do
            local text = xml.encode("a", "x" .. bad)
            assert.matches("^<a>x" .. mark, text)
            assert.equal("x" .. mark, (decoded(text):sub(1, 4)))
        end
        assert.equal("<a>ä€😀</a>", xml.encode("a", "ä€😀"))
    end)

    it("refuses names that are none, and what is no data", function()
        for _, name in ipairs { "", "1a", "a b", "a>", "a/", "<a", "\255" } do
            assert.matches("cannot be the name of an element", unwritable("x", name))
            assert.matches("cannot be the name of an", unwritable { [name == "" and "1" or name] = "x" })
        end
        assert.matches("name of an attribute", unwritable { ["-"] = "x" })
        assert.matches("name of an attribute", unwritable { ['-a b'] = "x" })
        assert.matches("must be a text, not a table", unwritable { ["-a"] = {} })
        assert.matches("must be a text, not a table", unwritable { ["#text"] = {} })
        assert.matches("must be a text, not a function", unwritable { b = print })
        assert.matches("'1.5' cannot be the name of an element", unwritable { b = { [1.5] = "x" } })
        assert.matches("'true' cannot be the name of an element", unwritable { [true] = "x" })
        local endless = {}
        endless.a = endless
        assert.matches("deeper than 100", unwritable(endless))
    end)
end)

--- A random value that XML holds as it is: texts, objects, lists of two and more.
local function random_value(random, depth)
    local kind = depth > 4 and 1 or random(1, 3)
    if kind == 1 then
        local chars = { "a", "<", "&", ">", '"', "'", "\n", "\t", " ", "]]>", "ä", "€", "\r", "1" }
        local text = {}
        for i = 1, random(0, 6) do text[i] = chars[random(#chars)] end
        return table.concat(text)
    end
    local object = {}
    for _ = 1, random(1, 4) do
        local name = ("n%d"):format(random(1, 9))
        object[name] = random_value(random, depth + 1)
        if random(1, 3) == 1 then
            local list = {}
            for i = 1, random(2, 4) do list[i] = random_value(random, depth + 2) end
            object[name .. "s"] = list
        elseif random(1, 3) == 1 then
            object["-" .. name] = random_value(random, 9)
        end
    end
    return object
end

describe("xml", function()
    it("decodes what it encodes to the same", function()
        math.randomseed(7)
        for _ = 1, 500 do
            local value = random_value(math.random, 1)
            local text = assert(xml.encode("root", value))
            local again, root = decoded(text)
            assert.equal("root", root)
            assert.same(value, again)
        end
    end)
end)
