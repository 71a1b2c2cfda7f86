-- SPDX-License-Identifier: MIT
-- The contract of core/vm/json.h in plain Lua, for specs that run without the program: strict RFC 8259, json.null, the
-- array metatable, sorted keys, int64 beyond 2^53. The texts of errors differ from those of the program.

local M = {}

local byte, char, find, format = string.byte, string.char, string.find, string.format
local gsub, match, sub, concat = string.gsub, string.match, string.sub, table.concat

local MAX_EXACT = 2 ^ 53
local DEPTH, STORED_DEPTH = 128, 160

M.null = newproxy(false)
M.array_mt = { __metatable = false }

local function fail(message, ...)
    error({ json = format(message, ...) }, 0)
end

--- Runs fn; what `fail` raises comes back as nil, message.
local function guarded(fn, ...)
    local ok, value = pcall(fn, ...)
    if ok then
        return value
    elseif type(value) == "table" and value.json then
        return nil, value.json
    end
    error(value, 0)
end

-- UTF-8 --------------------------------------------------------------------------------------------

local SEQUENCES = {
    "^[%z\1-\127]+()", "^[\194-\223][\128-\191]()", "^\224[\160-\191][\128-\191]()",
    "^[\225-\236\238\239][\128-\191][\128-\191]()",
    "^\237[\128-\159][\128-\191]()", "^\240[\144-\191][\128-\191][\128-\191]()",
    "^[\241-\243][\128-\191][\128-\191][\128-\191]()", "^\244[\128-\143][\128-\191][\128-\191]()",
}

local function skip_sequence(text, at)
    for _, pattern in ipairs(SEQUENCES) do
        local behind = match(text, pattern, at)
        if behind then
            return behind
        end
    end
end

--- The text with each bad byte as U+FFFD, and whether there was one.
local function repair(text)
    if not find(text, "[\128-\255]") then
        return text, false
    end
    local parts, at, is_bad = {}, 1, false
    while at <= #text do
        local behind = skip_sequence(text, at)
        parts[#parts + 1] = behind and sub(text, at, behind - 1) or "\239\191\189"
        is_bad = is_bad or not behind
        at = behind or at + 1
    end
    return concat(parts), is_bad
end

-- encode -------------------------------------------------------------------------------------------

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\",
    ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function encode_string(text, o)
    if not o.any_bytes then
        text = repair(text)
    end
    return '"' .. gsub(text, '[%z\1-\31"\\]', function(c)
        return ESCAPES[c] or format("\\u%04x", byte(c))
    end) .. '"'
end

local function encode_number(value)
    if value ~= value or value == math.huge or value == -math.huge then
        fail("is not a finite number")
    elseif value == math.floor(value) and math.abs(value) <= MAX_EXACT then
        return value == 0 and 1 / value < 0 and "-0" or format("%.0f", value)
    end
    for digits = 15, 17 do
        local text = format("%." .. digits .. "g", value)
        if tonumber(text) == value then
            return find(text, "[.e]") and text or text .. "e0"
        end
    end
end

--- Whether a plain table has exactly the keys 1..n, n > 0.
local function is_sequence(value)
    local count = 0
    for key in next, value do
        if type(key) ~= "number" then
            return false
        end
        count = count + 1
    end
    return count > 0 and count == #value
end

function M.is_array(value)
    return type(value) == "table" and (debug.getmetatable(value) == M.array_mt or is_sequence(value))
end

local encode_any

local function encode_array(value, o, depth)
    local parts = {}
    for key in next, value do
        if type(key) ~= "number" then
            fail("has the key '%s' in an array", tostring(key))
        end
    end
    for i = 1, #value do
        parts[i] = encode_any(rawget(value, i), o, depth)
    end
    return "[" .. concat(parts, ",") .. "]"
end

local function encode_object(value, o, depth)
    local keys = {}
    for key in next, value do
        if type(key) ~= "string" then
            fail("has a %s as key of an object", type(key))
        end
        keys[#keys + 1] = key
    end
    table.sort(keys)
    for i, key in ipairs(keys) do
        keys[i] = encode_string(key, o) .. ":" .. encode_any(rawget(value, key), o, depth)
    end
    return "{" .. concat(keys, ",") .. "}"
end

function encode_any(value, o, depth)
    local kind = type(value)
    if value == nil or value == M.null then
        return "null"
    elseif kind == "boolean" then
        return tostring(value)
    elseif kind == "number" then
        return encode_number(value)
    elseif kind == "string" then
        return encode_string(value, o)
    elseif kind == "cdata" then
        return (gsub(tostring(value), "U?LL$", ""))
    elseif kind ~= "table" then
        fail("is a %s", kind)
    elseif depth >= o.depth then
        fail("is deeper than %d levels", o.depth)
    elseif M.is_array(value) then
        return encode_array(value, o, depth + 1)
    end
    return encode_object(value, o, depth + 1)
end

-- decode -------------------------------------------------------------------------------------------

local decode_any

local function skip_space(s, at)
    return match(s.text, "^[ \t\r\n]*()", at)
end

local function expect(s, at, pattern, wanted)
    local behind = match(s.text, pattern, at)
    return behind or fail("expected %s at byte %d", wanted, at - 1)
end

local function utf8_char(code)
    if code < 0x80 then
        return char(code)
    elseif code < 0x800 then
        return char(0xc0 + math.floor(code / 64), 0x80 + code % 64)
    elseif code < 0x10000 then
        return char(0xe0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
    end
    return char(0xf0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
        0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local UNESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

--- The character of the escape at `at` (behind the backslash) and the position behind it.
local function decode_escape(s, at)
    local simple = UNESCAPES[sub(s.text, at, at)]
    if simple then
        return simple, at + 1
    end
    local high = tonumber(match(s.text, "^u(%x%x%x%x)", at) or fail("bad escape at byte %d", at - 2), 16)
    local low = high >= 0xd800 and high < 0xdc00 and match(s.text, "^\\u([dD][c-fC-F]%x%x)", at + 5)
    if low then
        return utf8_char(0x10000 + (high - 0xd800) * 1024 + tonumber(low, 16) - 0xdc00), at + 11
    elseif high >= 0xd800 and high < 0xe000 and not s.o.any_bytes then
        fail("half a surrogate pair at byte %d", at - 2)
    end
    return utf8_char(high), at + 5
end

local function decode_string(s, at)
    local parts = {}
    at = at + 1
    while true do
        local behind = match(s.text, '^[^%z\1-\31"\\]*()', at)
        parts[#parts + 1] = sub(s.text, at, behind - 1)
        local stop = sub(s.text, behind, behind)
        if stop == '"' then
            return concat(parts), behind + 1
        elseif stop ~= "\\" then
            fail("bad string at byte %d", behind - 1)
        end
        parts[#parts + 1], at = decode_escape(s, behind + 1)
    end
end

local function to_integer(digits)
    local number = tonumber(digits)
    local plain = gsub(digits, "^%-", "")
    if math.abs(number) < MAX_EXACT or plain == "9007199254740992" then
        return number
    end
    local limit = sub(digits, 1, 1) == "-" and "9223372036854775808" or "9223372036854775807"
    if #plain < 19 or (#plain == 19 and plain <= limit) then
        return (loadstring("return " .. digits .. "LL")())
    end
    return number
end

local function decode_number(s, at)
    local behind = match(s.text, "^%-?0()", at) or match(s.text, "^%-?[1-9]%d*()", at)
        or fail("bad value at byte %d", at - 1)
    local rest = match(s.text, "^%.%d+()", behind) or behind
    rest = match(s.text, "^[eE][+-]?%d+()", rest) or rest
    if rest == behind then
        return to_integer(sub(s.text, at, behind - 1)), behind
    end
    local number = tonumber(sub(s.text, at, rest - 1))
    if math.abs(number) == math.huge then
        fail("number out of range at byte %d", at - 1)
    end
    return number, rest
end

local function decode_array(s, at, depth)
    local list = setmetatable({}, M.array_mt)
    at = skip_space(s, at + 1)
    if sub(s.text, at, at) == "]" then
        return list, at + 1
    end
    while true do
        list[#list + 1], at = decode_any(s, at, depth)
        at = skip_space(s, at)
        if sub(s.text, at, at) == "]" then
            return list, at + 1
        end
        at = skip_space(s, expect(s, at, "^,()", "',' or ']'"))
    end
end

local function decode_object(s, at, depth)
    local object = {}
    at = skip_space(s, at + 1)
    if sub(s.text, at, at) == "}" then
        return object, at + 1
    end
    while true do
        local key
        expect(s, at, '^"()', "a key")
        key, at = decode_string(s, at)
        at = skip_space(s, expect(s, skip_space(s, at), "^:()", "':'"))
        object[key], at = decode_any(s, at, depth)
        at = skip_space(s, at)
        if sub(s.text, at, at) == "}" then
            return object, at + 1
        end
        at = skip_space(s, expect(s, at, "^,()", "',' or '}'"))
    end
end

local WORDS = { ["true"] = true, ["false"] = false, null = M.null }

function decode_any(s, at, depth)
    local first = sub(s.text, at, at)
    if first == '"' then
        return decode_string(s, at)
    elseif first == "[" or first == "{" then
        if depth >= s.o.depth then
            fail("deeper than %d levels", s.o.depth)
        end
        return (first == "[" and decode_array or decode_object)(s, at, depth + 1)
    end
    local word = match(s.text, "^%l+", at)
    if WORDS[word] ~= nil then
        return WORDS[word], at + #word
    end
    return decode_number(s, at)
end

local function decode_text(text, o)
    if not o.any_bytes and select(2, repair(text)) then
        fail("invalid UTF-8")
    end
    local s = { text = text, o = o }
    local value, at = decode_any(s, skip_space(s, 1), 0)
    if skip_space(s, at) <= #text then
        fail("more text behind the value at byte %d", at - 1)
    end
    return value
end

local function options(o, depth)
    return { any_bytes = o and o.any_bytes, depth = o and o.max_depth or depth }
end

local STORED = { any_bytes = true, depth = STORED_DEPTH }

function M.encode(value, o)
    return guarded(encode_any, value, options(o, DEPTH), 0)
end

function M.decode(text, o)
    if type(text) ~= "string" then
        return nil, "the JSON to decode must be a string"
    end
    return guarded(decode_text, text, options(o, DEPTH))
end

function M.encode_stored(value)
    return guarded(encode_any, value, STORED, 0)
end

function M.decode_stored(text)
    assert(type(text) == "string", "decode_stored takes a string")
    return guarded(decode_text, text, STORED)
end

--- join(a, b, ..., text): the array of a, b, ... and of what `text` is the JSON of.
function M.join(...)
    local count = select("#", ...)
    local parts = { ... }
    assert(type(parts[count]) == "string", "the last argument of join is JSON text")
    for i = 1, count - 1 do
        parts[i] = assert(M.encode_stored(parts[i]))
    end
    return "[" .. concat(parts, ",") .. "]"
end

--- list(a, b, ...): the array of the arguments, nil among them.
function M.list(...)
    local parts = { ... }
    for i = 1, select("#", ...) do
        parts[i] = assert(M.encode_stored(parts[i]))
    end
    return "[" .. concat(parts, ",") .. "]"
end

function M.array(list)
    if list == nil then
        list = {}
    end
    assert(debug.getmetatable(list) == nil or debug.getmetatable(list) == M.array_mt, "the table has another metatable")
    debug.setmetatable(list, M.array_mt)
    return list
end

return M
