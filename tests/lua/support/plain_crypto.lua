-- SPDX-License-Identifier: MIT
-- core.crypto as far as the examples need it, by the openssl program: specs run without ours.

local M = {}

--- Bytes of the HMAC of a text.
function M.hmac(key, digest, text)
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    local quoted = "'" .. key:gsub("'", "'\\''") .. "'"
    local pipe = assert(io.popen(("openssl dgst -%s -hmac %s -r %s"):format(digest, quoted, path)))
    local hex = pipe:read "*l":match "^%x+"
    pipe:close()
    os.remove(path)
    return (hex:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

return M
