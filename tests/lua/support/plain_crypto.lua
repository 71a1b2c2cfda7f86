-- SPDX-License-Identifier: MIT
-- core.crypto as far as the examples need it, by the openssl program: specs run without ours.

local M = {}

--- Bytes that openssl dgst prints of a text.
local function digest(options, text)
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    local pipe = assert(io.popen(("openssl dgst %s -r %s"):format(options, path)))
    local hex = pipe:read "*l":match "^%x+"
    pipe:close()
    os.remove(path)
    return (hex:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

--- Bytes of the HMAC of a text.
function M.hmac(key, name, text)
    return digest(("-%s -hmac '%s'"):format(name, key:gsub("'", "'\\''")), text)
end

--- Bytes of the digest of a text.
function M.hash(name, text)
    return digest("-" .. name, text)
end

return M
