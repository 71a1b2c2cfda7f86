-- SPDX-License-Identifier: MIT
-- ctx.aes: encodeToBase64/encodeToHex(key, text), decodeFromBase64/decodeFromHex(key, text): AES-CBC with PKCS#7
-- padding and the key's first 16 bytes as IV, as ps-go has it. seal(key, text, aad), open(key, sealed, aad): AES-GCM,
-- base64 of nonce, ciphertext and tag.

local core = require "flowhost.core"
local crypto_key = require "flowhost.ctx.crypto_key"

local crypto, system = core.crypto, core.system

local NONCE_BYTES = 12

local function encoder(form)
    local verb, to_text = "aes.encodeTo" .. form, crypto_key.to[form]
    return function(...)
        crypto_key.check_count(verb, select("#", ...))
        local key, text = ...
        local own, name = crypto_key.shared(verb, key)
        crypto_key.check_text(verb, "text", text)
        return crypto_key.record_of_secret(verb, name, nil, function()
            local bytes, code, detail = crypto.aes_encrypt(own, text)
            return bytes and to_text(bytes), code, detail
        end)
    end
end

local function decoder(form)
    local verb = "aes.decodeFrom" .. form
    return function(...)
        crypto_key.check_count(verb, select("#", ...))
        local key, text = ...
        local own = crypto_key.shared(verb, key)
        crypto_key.check_text(verb, "text", text)
        return crypto_key.check(verb, crypto.aes_decrypt(own, crypto_key.decode(verb, form, text)))
    end
end

local function check_sealing(verb, key, text, aad)
    local own, name = crypto_key.shared(verb, key)
    crypto_key.check_text(verb, "text", text)
    if aad ~= nil then
        crypto_key.check_text(verb, "additional data", aad)
    end
    return own, name, aad or ""
end

local function seal(key, text, aad)
    local own, name, bound = check_sealing("aes.seal", key, text, aad)
    return crypto_key.record("aes.seal", name, nil, function()
        local bytes, code, detail = crypto.aes_seal(own, system.random(NONCE_BYTES), text, bound)
        return bytes and system.base64_encode(bytes), code, detail
    end)
end

local function open(key, sealed, aad)
    local own, _, bound = check_sealing("aes.open", key, sealed, aad)
    local bytes = crypto_key.decode("aes.open", "Base64", sealed)
    return crypto_key.check("aes.open", crypto.aes_open(own, bytes, bound))
end

return {
    aes = {
        encodeToBase64 = encoder "Base64", encodeToHex = encoder "Hex",
        decodeFromBase64 = decoder "Base64", decodeFromHex = decoder "Hex",
        seal = seal, open = open,
    },
}
