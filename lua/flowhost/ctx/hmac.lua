-- SPDX-License-Identifier: MIT
-- ctx.hmac.sha256(key, text, { encoding }), sha384, sha512; ctx.hmac.equal(a, b) in a time that tells nothing of where
-- they differ. ctx.hash.sha256(text, { encoding }), sha384, sha512, and md5 and sha1 for partners that ask for them.
-- encoding: "hex" (default), "base64", "raw".

local core = require "flowhost.core"
local crypto_key = require "flowhost.ctx.crypto_key"

local crypto, system = core.crypto, core.system

local ENCODINGS = {
    hex = system.hex, base64 = system.base64_encode,
    raw = function(bytes)
        return bytes
    end,
}
local OPTIONS = { encoding = ENCODINGS }

local function encoder_of(verb, o)
    return ENCODINGS[crypto_key.options(verb, o, OPTIONS).encoding or "hex"]
end

local function maker(digest)
    local verb = "hmac." .. digest
    return function(key, text, o)
        local own, name = crypto_key.shared(verb, key)
        crypto_key.check_text(verb, "text", text)
        local encode = encoder_of(verb, o)
        return crypto_key.record_of_secret(verb, name, text, function()
            local bytes, code, detail = crypto.hmac(own, digest, text)
            return bytes and encode(bytes), code, detail
        end)
    end
end

local function hasher(digest)
    local verb = "hash." .. digest
    return function(text, o)
        crypto_key.check_text(verb, "text", text)
        local encode = encoder_of(verb, o)
        return encode(crypto_key.check(verb, crypto.hash(digest, text)))
    end
end

local function equal(a, b)
    if type(a) ~= "string" or type(b) ~= "string" then
        crypto_key.invalid("hmac.equal", "two strings are expected")
    end
    return system.equal(a, b)
end

return {
    hmac = { sha256 = maker "sha256", sha384 = maker "sha384", sha512 = maker "sha512", equal = equal },
    hash = { sha256 = hasher "sha256", sha384 = hasher "sha384", sha512 = hasher "sha512", sha1 = hasher "sha1",
        md5 = hasher "md5" },
}
