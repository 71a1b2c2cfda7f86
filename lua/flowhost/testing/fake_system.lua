-- SPDX-License-Identifier: MIT
-- core.system for specs: ids, stable hashes that are not the program's, random bytes from a seed, a log that is kept.

local bit = require "bit"
local parts = require "flowhost.testing.parts"

local M = {}

local byte, char, format, sub = string.byte, string.char, string.format, string.sub
local DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

--- 32 bits of a text, one of a family told apart by `lane`.
local function hash32(text, lane)
    local hash = bit.tobit(0x811c9dc5 + lane * 0x9e3779b1)
    for i = 1, #text do
        hash = bit.bxor(hash, byte(text, i))
        hash = bit.tobit(bit.lshift(hash, 24) + bit.lshift(hash, 8) + hash * 0x93)
        hash = bit.bxor(hash, bit.rshift(hash, 15))
    end
    return hash
end

local function be32(number)
    number = number % 2 ^ 32
    return char(math.floor(number / 2 ^ 24), math.floor(number / 2 ^ 16) % 256, math.floor(number / 256) % 256,
        number % 256)
end

local function be64(number)
    assert(number >= 0 and number <= 2 ^ 53 and number % 1 == 0, "a whole number from 0 to 2^53")
    return be32(math.floor(number / 2 ^ 32)) .. be32(number)
end

local function from_be64(bytes)
    assert(#bytes == 8, "not 8 bytes")
    local number = 0
    for i = 1, 8 do
        number = number * 256 + byte(bytes, i)
    end
    return number
end

local function hex(bytes)
    return (string.gsub(bytes, ".", function(c)
        return format("%02x", byte(c))
    end))
end

local function id_text(bytes)
    assert(#bytes == 16, "not the 16 bytes of a run id")
    local chars, bits, have = {}, 0, 2
    for i = 1, 16 do
        bits, have = bits * 256 + byte(bytes, i), have + 8
        while have >= 5 do
            have = have - 5
            local digit = math.floor(bits / 2 ^ have)
            bits = bits - digit * 2 ^ have
            chars[#chars + 1] = sub(DIGITS, digit + 1, digit + 1)
        end
    end
    return table.concat(chars)
end

local function id_bytes(text)
    if #text ~= 26 or sub(text, 1, 1) > "7" then
        return nil
    end
    local chars, bits, have = {}, 0, -2
    for i = 1, 26 do
        local digit = DIGITS:find(sub(text, i, i):upper(), 1, true)
        if not digit then
            return nil
        end
        bits, have = bits * 32 + digit - 1, have + 5
        if have >= 8 then
            have = have - 8
            chars[#chars + 1] = char(math.floor(bits / 2 ^ have))
            bits = bits % 2 ^ have
        end
    end
    return table.concat(chars)
end

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64_encode(bytes)
    return (string.gsub(bytes, "..?.?", function(three)
        local a, b, c = byte(three, 1, 3)
        local bits = a * 65536 + (b or 0) * 256 + (c or 0)
        local text = ""
        for i = 3, 0, -1 do
            local digit = math.floor(bits / 64 ^ i) % 64
            text = text .. (3 - i > #three and "=" or sub(BASE64, digit + 1, digit + 1))
        end
        return text
    end))
end

local function base64url_encode(bytes)
    return (base64_encode(bytes):gsub("=", ""):gsub("+", "-"):gsub("/", "_"))
end

local function base64_decode(text)
    local bits, have, chars = 0, 0, {}
    local plain = text:gsub("[=%s]+$", ""):gsub("-", "+"):gsub("_", "/")
    for c in string.gmatch(plain, "%S") do
        local digit = BASE64:find(c, 1, true)
        if not digit then
            return nil
        end
        bits, have = bits * 64 + digit - 1, have + 6
        if have >= 8 then
            have = have - 8
            chars[#chars + 1] = char(math.floor(bits / 2 ^ have))
            bits = bits % 2 ^ have
        end
    end
    return table.concat(chars)
end

--- What depends on nothing but its arguments and the disk: the program's own, if there is a program.
local OWN = { "sha256", "hash64", "mac", "equal", "hex", "id_text", "id_bytes", "partition", "u32", "u64",
    "from_u64", "base64_encode", "base64url_encode", "base64_decode", "write_file" }

---@param o { seed: integer, shard: integer, shards: integer, clock: table, log: table, on_fault: function }
function M.new(o)
    local state = o.seed % 2147483646 + 1
    local function random(count)
        local bytes, key = {}, o.random_key and o.random_key()
        if key then
            for i = 1, count do
                bytes[i] = char(hash32(key, i) % 256)
            end
            return table.concat(bytes)
        end
        for i = 1, count do
            state = state * 16807 % 2147483647
            bytes[i] = char(math.floor(state / 65536) % 256)
        end
        return table.concat(bytes)
    end
    local system = {
        shard = o.shard, shards = o.shards, version = "0.0.0-spec", id_text = id_text, id_bytes = id_bytes, hex = hex,
        random = random, u32 = be32, u64 = be64, from_u64 = from_be64, base64_encode = base64_encode,
        base64url_encode = base64url_encode, base64_decode = base64_decode,
        log_is_on = function()
            return true
        end,
        fault = o.on_fault,
    }
    function system.run_id(partition)
        local ms = o.clock.now
        local high = char(math.floor(ms / 2 ^ 40) % 256, math.floor(ms / 2 ^ 32) % 256)
        local bytes = high .. be32(ms) .. char(partition) .. random(9)
        return id_text(bytes), bytes
    end
    function system.partition(bytes)
        return byte(bytes, 7) % 64
    end
    function system.sha256(text)
        local lanes = {}
        for lane = 1, 8 do
            lanes[lane] = be32(hash32(text, lane))
        end
        return table.concat(lanes)
    end
    function system.mac(key, bytes)
        assert(#key == 32, "a key has 32 bytes")
        return system.sha256(key .. bytes)
    end
    function system.equal(a, b)
        assert(type(a) == "string" and type(b) == "string", "strings")
        return a == b
    end
    function system.hash64(text)
        return hex(be32(hash32(text, 1)) .. be32(hash32(text, 2)))
    end
    function system.log(level, message, fields)
        local line = { level = level, message = message }
        for i = 1, #(fields or {}), 2 do
            assert(type(fields[i]) == "string" and type(fields[i + 1]) == "string", "log fields are strings")
            line[fields[i]] = fields[i + 1]
        end
        o.log[#o.log + 1] = line
    end
    function system.write_file(path, text)
        os.execute(("mkdir -p '%s'"):format(path:match "^(.*)/":gsub("'", "'\\''")))
        local file, reason = io.open(path, "wb")
        return file and file:write(text) and file:close(), reason
    end
    for _, name in ipairs(OWN) do
        system[name] = parts.system[name] or system[name]
    end
    return system
end

return M
