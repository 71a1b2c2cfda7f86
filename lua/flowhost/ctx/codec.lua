-- SPDX-License-Identifier: MIT
-- ctx.json.encode(value) / decode(text) / array(t) / null, ctx.base64.encode(bytes) / decode(text), encode_url (no
-- padding) / decode_url (its alphabet only). Errors raise INVALID.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"

local json, system = core.json, core.system

local function encode_json(value)
    if value == nil then
        return "null"
    end
    local text, reason = json.encode(value)
    if not text then
        error_object.raise("INVALID", "ctx.json.encode: " .. reason)
    end
    return text
end

local function decode_json(text)
    if type(text) ~= "string" then
        error_object.raise("INVALID", "ctx.json.decode: a string is expected")
    end
    local value, reason = json.decode(text)
    if value == nil then
        error_object.raise("INVALID", "ctx.json.decode: " .. reason)
    end
    return value
end

local function encode_base64(bytes)
    if type(bytes) ~= "string" then
        error_object.raise("INVALID", "ctx.base64.encode: a string is expected")
    end
    return system.base64_encode(bytes)
end

local function encode_url(bytes)
    if type(bytes) ~= "string" then
        error_object.raise("INVALID", "ctx.base64.encode_url: a string is expected")
    end
    return system.base64url_encode(bytes)
end

local function decode_url(text)
    local bytes = type(text) == "string" and text:find "^[%w_-]*$" and system.base64_decode(text)
    if not bytes then
        error_object.raise("INVALID", "ctx.base64.decode_url: not base64url without padding")
    end
    return bytes
end

local function decode_base64(text)
    local bytes = type(text) == "string" and system.base64_decode(text)
    if not bytes then
        error_object.raise("INVALID", "ctx.base64.decode: not base64")
    end
    return bytes
end

return {
    json = { encode = encode_json, decode = decode_json, array = json.array, null = json.null },
    base64 = { encode = encode_base64, decode = decode_base64, encode_url = encode_url, decode_url = decode_url },
}
