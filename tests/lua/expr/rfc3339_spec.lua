-- SPDX-License-Identifier: MIT
local base64 = require "flowhost.expr.base64"
local rfc3339 = require "flowhost.expr.rfc3339"

describe("a timestamp", function()
    it("is read", function()
        for text, seconds in pairs { ["1970-01-01T00:00:00Z"] = 0, ["2012-10-09T19:00:55Z"] = 1349809255,
            ["2012-10-09T20:00:55+01:00"] = 1349809255, ["2012-10-09T17:30:55.5-01:30"] = 1349809255.5,
            ["2000-02-29T23:59:59Z"] = 951868799, ["0001-01-01T00:00:00Z"] = -62135596800 } do
            assert.equal(seconds, rfc3339.parse(text), text)
        end
    end)

    it("is refused", function()
        for _, text in ipairs { "", "2012-10-09", "2012-10-09T19:00:55", "2012-10-09 19:00:55Z", "2012-10-09t19:00:55Z",
            "2012-10-09T19:00:55z", "2012-13-09T19:00:55Z", "2012-00-09T19:00:55Z", "2011-02-29T00:00:00Z",
            "2012-10-09T24:00:00Z", "2012-10-09T19:60:55Z", "2012-10-09T19:00:55+0100", "2012-10-09T19:00:55+24:00",
            "2012-10-09T19:00:55.Z", "12-10-09T19:00:55Z", "2012-10-09T19:00Z", "2012-10-09T19:00:55Zx" } do
            assert.is_nil(rfc3339.parse(text), text)
        end
    end)
end)

describe("base64", function()
    it("is written and read: RFC 4648 §10", function()
        for text, encoded in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
            fooba = "Zm9vYmE=", foobar = "Zm9vYmFy", ["\0\255\254"] = "AP/+" } do
            assert.equal(encoded, base64.encode(text))
            assert.equal(text, base64.decode(encoded))
        end
    end)

    it("forgives what has no meaning", function()
        for encoded, text in pairs { ["Zm9v\nYg"] = "foob", ["!Zm9v!"] = "foo", A = "", ["Zm==9v"] = "f" } do
            assert.equal(text, base64.decode(encoded))
        end
    end)
end)
