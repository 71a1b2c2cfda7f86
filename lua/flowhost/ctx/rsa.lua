-- SPDX-License-Identifier: MIT
-- ctx.rsa: encodeToBase64/encodeToHex(secret, text), decodeFromBase64/decodeFromHex(secret, text): PKCS#1 v1.5, as
-- ps-go has it. seal(secret, text), open(secret, sealed): OAEP with SHA-256, base64. sign(secret, text, { padding }),
-- verify(secret, text, signature, { padding }). ctx.ed25519: sign(secret, text), verify(secret, text, signature).
-- Signatures are base64. `secret`: its name, its handle or PEM text.

local core = require "flowhost.core"
local crypto_key = require "flowhost.ctx.crypto_key"

local crypto, system = core.crypto, core.system

local SIGN_OPTIONS = { padding = { pss = true, pkcs1 = true } }

local function encrypter(verb, padding, form)
    local to_text = crypto_key.to[form]
    return function(...)
        crypto_key.check_count(verb, select("#", ...))
        local secret, text = ...
        crypto_key.check_text(verb, "text", text)
        local key, name = crypto_key.pair(verb, secret)
        return crypto_key.record(verb, name, nil, function()
            local bytes, code, detail = crypto.rsa_encrypt(key, padding, text)
            return bytes and to_text(bytes), code, detail
        end)
    end
end

local function decrypter(verb, padding, form)
    return function(...)
        crypto_key.check_count(verb, select("#", ...))
        local secret, text = ...
        crypto_key.check_text(verb, "text", text)
        local key = crypto_key.pair(verb, secret)
        return crypto_key.check(verb, crypto.rsa_decrypt(key, padding, crypto_key.decode(verb, form, text)))
    end
end

local function sign(verb, scheme, secret, text)
    crypto_key.check_text(verb, "text", text)
    local key, name = crypto_key.pair(verb, secret)
    return crypto_key.record(verb, name, text, function()
        local bytes, code, detail = crypto.sign(key, scheme, text)
        return bytes and system.base64_encode(bytes), code, detail
    end)
end

local function verify(verb, scheme, secret, text, signature)
    crypto_key.check_text(verb, "text", text)
    crypto_key.check_text(verb, "signature", signature)
    local key, name = crypto_key.pair(verb, secret)
    local bytes = crypto_key.from.Base64(signature) or ""
    return crypto_key.record_of_secret(verb, name, text .. "\0" .. signature, function()
        return crypto.verify(key, scheme, text, bytes)
    end)
end

local function rsa_sign(secret, text, o)
    o = crypto_key.options("rsa.sign", o, SIGN_OPTIONS)
    return sign("rsa.sign", o.padding or "pss", secret, text)
end

local function rsa_verify(secret, text, signature, o)
    o = crypto_key.options("rsa.verify", o, SIGN_OPTIONS)
    return verify("rsa.verify", o.padding or "pss", secret, text, signature)
end

local function ed25519_sign(secret, text)
    return sign("ed25519.sign", "ed25519", secret, text)
end

local function ed25519_verify(secret, text, signature)
    return verify("ed25519.verify", "ed25519", secret, text, signature)
end

return {
    rsa = {
        encodeToBase64 = encrypter("rsa.encodeToBase64", "pkcs1", "Base64"),
        encodeToHex = encrypter("rsa.encodeToHex", "pkcs1", "Hex"),
        decodeFromBase64 = decrypter("rsa.decodeFromBase64", "pkcs1", "Base64"),
        decodeFromHex = decrypter("rsa.decodeFromHex", "pkcs1", "Hex"),
        seal = encrypter("rsa.seal", "oaep", "Base64"), open = decrypter("rsa.open", "oaep", "Base64"),
        sign = rsa_sign, verify = rsa_verify,
    },
    ed25519 = { sign = ed25519_sign, verify = ed25519_verify },
}
