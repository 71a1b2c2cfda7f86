-- SPDX-License-Identifier: MIT
-- JSON Web Tokens (RFC 7519) in the compact form of RFC 7515. Not a verb. Nothing here raises; both functions return
-- nil, code, detail. The algorithm is always the caller's, never the token's: what a token says of itself has to agree.

local core = require "flowhost.core"

local crypto, json, system = core.crypto, core.json, core.system

local M = {}

local MAX_BYTES = 65536

M.ALGORITHMS = { HS256 = true, RS256 = true, EdDSA = true }

local SCHEMES = { RS256 = "pkcs1", EdDSA = "ed25519" }

--- Bytes of base64url as the standard has it: one text for each.
local function decode(text)
    local bytes = text:find "^[%w_-]*$" and system.base64_decode(text)
    return bytes and system.base64url_encode(bytes) == text and bytes or nil
end

local function decode_object(text)
    local bytes = decode(text)
    if not bytes or not bytes:find "^%s*{" then
        return nil
    end
    local value = json.decode(bytes)
    return type(value) == "table" and value or nil
end

---@param claims string  JSON text of an object
---@param header table   without alg
function M.make(claims, key, alg, header)
    header.alg = alg
    local text, reason = json.encode(header)
    if not text then
        return nil, "INVALID", "header: " .. reason
    end
    local signed = system.base64url_encode(text) .. "." .. system.base64url_encode(claims)
    if #signed > MAX_BYTES then
        return nil, "TOO_LARGE", "a token has at most 65536 bytes"
    end
    local bytes, code, detail
    if alg == "HS256" then
        bytes, code, detail = crypto.hmac(key, "sha256", signed, true)
    else
        bytes, code, detail = crypto.sign(key, SCHEMES[alg], signed)
    end
    return bytes and signed .. "." .. system.base64url_encode(bytes), code, detail
end

local function invalid(message)
    return nil, "JWT_INVALID", message
end

local function check_header(text, alg)
    local header = decode_object(text)
    if not header then
        return invalid "the token's header is not JSON in base64url"
    elseif header.alg ~= alg then
        return invalid(("the token is not signed with %s"):format(alg))
    elseif header.crit ~= nil then
        return invalid "the token asks for an extension that is not known (crit)"
    end
    return true
end

local function check_signature(key, alg, signed, signature)
    local bytes = decode(signature)
    if alg == "HS256" then
        local expected, code, detail = crypto.hmac(key, "sha256", signed, true)
        if not expected then
            return nil, code, detail
        end
        return bytes ~= nil and system.equal(expected, bytes)
    end
    return crypto.verify(key, SCHEMES[alg], signed, bytes or "")
end

--- The time of a claim, nil when it has none; false when it is no time.
local function time_of(claims, name)
    local value = claims[name]
    if value == nil then
        return nil
    elseif type(value) == "cdata" then
        value = tonumber(value)
    end
    return type(value) == "number" and value
end

local function check_times(claims, now, leeway)
    local expires, begins, issued = time_of(claims, "exp"), time_of(claims, "nbf"), time_of(claims, "iat")
    if expires == false or begins == false or issued == false then
        return invalid "exp, nbf and iat of the token must be numbers"
    elseif expires and now >= expires + leeway then
        return nil, "JWT_EXPIRED", ("the token expired %d s ago"):format(math.min(now - expires, 1e9))
    elseif begins and now < begins - leeway then
        return invalid "the token is not valid yet (nbf)"
    elseif issued and now < issued - leeway then
        return invalid "the token was issued in the future (iat)"
    end
    return true
end

local function is_for(audience, wanted)
    if type(audience) ~= "table" then
        return audience == wanted
    end
    for _, one in ipairs(audience) do
        if one == wanted then
            return true
        end
    end
    return false
end

local function check_claims(claims, o, now)
    local ok, code, message = check_times(claims, now, o.leeway or 0)
    if not ok then
        return nil, code, message
    elseif o.issuer and claims.iss ~= o.issuer then
        return invalid(("the token was not issued by '%s' (iss)"):format(o.issuer))
    elseif o.audience and not is_for(claims.aud, o.audience) then
        return invalid(("the token is not meant for '%s' (aud)"):format(o.audience))
    end
    return claims
end

--- The claims of a token that holds.
---@param o { alg: string, leeway: number?, issuer: string?, audience: string? }
---@param now number  unix seconds
function M.check(token, key, o, now)
    if #token > MAX_BYTES then
        return invalid "the token is larger than 65536 bytes"
    end
    local header, payload, signature = token:match "^([^.]*)%.([^.]*)%.([^.]*)$"
    if not header then
        return invalid "the token does not have three parts"
    end
    local ok, code, message = check_header(header, o.alg)
    if not ok then
        return nil, code, message
    end
    local is_good
    is_good, code, message = check_signature(key, o.alg, header .. "." .. payload, signature)
    if is_good == nil then
        return nil, code, message
    elseif not is_good then
        return invalid "the signature is not of this token by this key"
    end
    local claims = decode_object(payload)
    if not claims then
        return invalid "the token's claims are not a JSON object in base64url"
    end
    return check_claims(claims, o, now)
end

return M
