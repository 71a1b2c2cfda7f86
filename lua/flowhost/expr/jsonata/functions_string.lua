-- SPDX-License-Identifier: MIT
-- Functions of JSONata on strings.

local letters = require "flowhost.expr.jsonata.letters"
local text = require "flowhost.expr.jsonata.text"

local M = {}

local concat, floor = table.concat, math.floor

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local UNESCAPED = "[^A-Za-z0-9%-_.!~*'()]"
local UNESCAPED_URL = "[^A-Za-z0-9%-_.!~*'();,/?:@&=+$#]"

--- The text as bytes, one a character (of a character its lowest eight bits).
local function to_bytes(str)
    local bytes = {}
    for i, ch in ipairs(text.characters(str)) do
        bytes[i] = string.char(text.decode(ch, 1) % 256)
    end
    return concat(bytes)
end

local function base64_encode(str)
    local bytes = text.is_ascii(str) and str or to_bytes(str)
    local out = {}
    for at = 1, #bytes, 3 do
        local a, b, c = bytes:byte(at, at + 2)
        local number = a * 65536 + (b or 0) * 256 + (c or 0)
        for k = 3, 0, -1 do
            local digit = floor(number / 64 ^ k) % 64
            out[#out + 1] = (k == 0 and not c or k == 1 and not b) and "=" or ALPHABET:sub(digit + 1, digit + 1)
        end
    end
    return concat(out)
end

local VALUES = { [("-"):byte()] = 62, [("_"):byte()] = 63 }
for i = 1, 64 do
    VALUES[ALPHABET:byte(i)] = i - 1
end

local function base64_decode(str)
    local utf8_char = require "flowhost.expr.utf8_char"
    local out, number, bits = {}, 0, 0
    for at = 1, #str do
        local value = VALUES[str:byte(at)]
        if str:sub(at, at) == "=" then
            break
        elseif value then
            number, bits = number * 64 + value, bits + 6
            if bits >= 8 then
                bits = bits - 8
                out[#out + 1] = utf8_char(floor(number / 2 ^ bits))
                number = number % 2 ^ bits
            end
        end
    end
    return concat(out)
end

local function percent(ch)
    return ("%%%02X"):format(ch:byte())
end

local function is_utf8(str)
    local at = 1
    while at <= #str do
        local code, behind = text.decode(str, at)
        if code >= 0x80 and behind == at + 1 or code >= 0xd800 and code <= 0xdfff then
            return false
        end
        at = behind
    end
    return true
end

--- Undoes percent escapes but those of `kept` characters; nil when they are malformed.
local function unescape(str, kept)
    if str:find("%%%X") or str:find("%%%x%X") or str:find("%%%x?$") then
        return nil
    end
    local plain = str:gsub("%%(%x%x)", function(hex)
        local ch = string.char(tonumber(hex, 16))
        return kept:find(ch, 1, true) and "%" .. hex or ch
    end)
    return is_utf8(plain) and plain or nil
end

local function add_urls(rt, define)
    local function encoder(name, pattern)
        define(name, "<s-:s>", 1, function(str)
            if str == nil then
                return nil
            elseif not is_utf8(str) then
                rt.fail("D3140", { value = str, functionName = name })
            end
            return (str:gsub(pattern, percent))
        end)
    end
    encoder("encodeUrlComponent", UNESCAPED)
    encoder("encodeUrl", UNESCAPED_URL)

    local function decoder(name, kept)
        define(name, "<s-:s>", 1, function(str)
            if str == nil then
                return nil
            end
            return unescape(str, kept) or rt.fail("D3140", { value = str, functionName = name })
        end)
    end
    decoder("decodeUrlComponent", "")
    decoder("decodeUrl", ";,/?:@&=+$#")
end

local function trim(str)
    return (str:gsub("[ \t\n\r]+", " "):gsub("^ ", ""):gsub(" $", ""))
end

--- Functions of one string.
local function add_simple(define)
    local function of_one(name, fn, result)
        define(name, "<s-:" .. (result or "s") .. ">", 1, function(str)
            if str ~= nil then
                return fn(str)
            end
        end)
    end
    of_one("length", text.length, "n")
    of_one("uppercase", letters.upper)
    of_one("lowercase", letters.lower)
    of_one("trim", trim)
    of_one("base64encode", base64_encode)
    of_one("base64decode", base64_decode)
end

local function substring(str, start, length)
    if str == nil then
        return nil
    end
    local total = text.length(str)
    start = start or 0
    if total + start < 0 then
        start = 0
    end
    if length == nil then
        return text.slice(str, start)
    elseif length <= 0 then
        return ""
    end
    return text.slice(str, start, start >= 0 and start + length or total + start + length)
end

local function add_parts(rt, define)
    define("substring", "<s-nn?:s>", 3, substring)

    define("substringBefore", "<s-s:s>", 2, function(str, part)
        local at = str and str:find(part or "undefined", 1, true)
        return at and str:sub(1, at - 1) or str
    end)

    define("substringAfter", "<s-s:s>", 2, function(str, part)
        if str == nil or part == "" then
            return str
        end
        local _, stop = str:find(part or "undefined", 1, true)
        return stop and str:sub(stop + 1) or str
    end)

    define("pad", "<s-ns?:s>", 3, function(str, width, filling)
        if str == nil then
            return nil
        end
        width = width or 0
        width = width < 0 and math.ceil(width) or floor(width)
        local missing = math.abs(width) - text.length(str)
        if missing <= 0 then
            return str
        end
        rt.tick_text(missing)
        filling = (filling == nil or filling == "") and " " or filling
        local padding = filling:rep(math.ceil(missing / text.length(filling)))
        padding = text.slice(padding, 0, missing)
        return width > 0 and str .. padding or padding .. str
    end)

    define("join", "<a<s>s?:s>", 2, function(list, separator)
        if list ~= nil then
            local joined = concat(list, separator or "")
            rt.tick_text(#joined + 16 * #list)
            return joined
        end
    end)
end

function M.add(rt, define)
    add_simple(define)
    add_parts(rt, define)
    add_urls(rt, define)
    define("string", "<x-b?:s>", 1, function(value, is_pretty)
        return rt.to_text(value, is_pretty and 2 or nil)
    end)
end

return M
