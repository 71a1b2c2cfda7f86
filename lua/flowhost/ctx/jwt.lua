-- SPDX-License-Identifier: MIT
-- ctx.jwt.sign(claims, key, { alg, expires_in, header }): a token. Only the time is recorded, so that no token lies on
-- disk; a replay makes it anew.
-- ctx.jwt.verify(token, key, { alg, leeway, issuer, audience }): its claims, recorded.
-- alg: "HS256", "RS256" or "EdDSA", always given. The key: a shared text, PEM text, or the handle of a secret.

local core = require "flowhost.core"
local crypto_key = require "flowhost.ctx.crypto_key"
local jwt_token = require "flowhost.ctx.jwt_token"
local step = require "flowhost.engine.step"

local json, timer = core.json, core.timer

local SIGN_OPTIONS = { alg = jwt_token.ALGORITHMS, expires_in = "number", header = "table" }
local VERIFY_OPTIONS = { alg = jwt_token.ALGORITHMS, leeway = "number", issuer = "string", audience = "string" }

local function check_options(verb, o, known)
    o = crypto_key.options(verb, o, known)
    if not o.alg then
        crypto_key.invalid(verb, "alg must be given: \"HS256\", \"RS256\" or \"EdDSA\"")
    end
    return o
end

local function copy(value)
    local own = {}
    for name, inner in next, value do
        own[name] = inner
    end
    return own
end

local function check_seconds(verb, name, value, least)
    if value and not (value >= least and value <= 1e10) then
        crypto_key.invalid(verb, name .. " must be a number of seconds")
    end
end

--- The claims as JSON, with the times that are not among them.
local function encode_claims(claims, expires_in, now)
    local own = copy(claims)
    if own.iat == nil then
        own.iat = math.floor(now)
    end
    if expires_in then
        own.exp = math.floor(now + expires_in)
    end
    local text, reason = json.encode(own)
    if not text or text:sub(1, 1) ~= "{" then
        crypto_key.invalid("jwt.sign", "the claims must be a JSON object" .. (reason and ": " .. reason or ""))
    end
    return text
end

local function now_s()
    return timer.now_ms() / 1000
end

local function check_sign(claims, o)
    if type(claims) ~= "table" then
        crypto_key.invalid("jwt.sign", "the claims must be a table")
    elseif o.expires_in and claims.exp ~= nil then
        crypto_key.invalid("jwt.sign", "either expires_in or the claim exp, not both")
    elseif o.header and (o.header.alg ~= nil or o.header.crit ~= nil) then
        crypto_key.invalid("jwt.sign", "the header cannot give alg and crit")
    end
    check_seconds("jwt.sign", "expires_in", o.expires_in, 0)
    encode_claims(claims, nil, 0)
end

local function sign(claims, key, o)
    o = check_options("jwt.sign", o, SIGN_OPTIONS)
    check_sign(claims, o)
    local own, name = crypto_key.shared("jwt.sign", key)
    local header = copy(o.header or {})
    header.typ = header.typ or "JWT"
    local now = step.value("jwt.sign", name or "", now_s)
    return crypto_key.check("jwt.sign", jwt_token.make(encode_claims(claims, o.expires_in, now), own, o.alg, header))
end

local function verify(token, key, o)
    o = check_options("jwt.verify", o, VERIFY_OPTIONS)
    crypto_key.check_text("jwt.verify", "token", token)
    check_seconds("jwt.verify", "leeway", o.leeway, 0)
    local own, name = crypto_key.shared("jwt.verify", key)
    return crypto_key.record("jwt.verify", name, token, function()
        return jwt_token.check(token, own, o, now_s())
    end)
end

return { jwt = { sign = sign, verify = verify } }
