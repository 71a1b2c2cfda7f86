-- SPDX-License-Identifier: MIT
-- ctx.xml.decode(text) -> value, name of the root; ctx.xml.encode(value, root) -> text. Errors raise INVALID.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local xml = require "flowhost.codec.xml"

local ARRAYS = { array = core.json.array }

local function decode(text)
    if type(text) ~= "string" then
        error_object.raise("INVALID", "ctx.xml.decode: a string is expected")
    end
    local value, root = xml.decode(text, ARRAYS)
    if value == nil then
        error_object.raise("INVALID", "ctx.xml.decode: " .. root)
    end
    return value, root
end

local function encode(value, root)
    if type(root) ~= "string" then
        error_object.raise("INVALID", "ctx.xml.encode: the name of the root is expected")
    end
    local text, reason = xml.encode(root, value == nil and "" or value)
    if not text then
        error_object.raise("INVALID", "ctx.xml.encode: " .. reason)
    end
    return text
end

return { xml = { decode = decode, encode = encode } }
