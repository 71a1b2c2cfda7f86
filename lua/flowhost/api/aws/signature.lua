-- SPDX-License-Identifier: MIT
-- Who calls the Step Functions API: AWS Signature Version 4, or what the gate of the other routes takes (a token as
-- Bearer). While the host is open to its own machine signatures are not looked at.
--
-- An access key is a secret of the keystore, aws.ROLE.ACCESSKEYID, whose value is "AWS4" and the secret access key: the
-- key of the first HMAC. So its bytes never enter Lua.
--
-- Source: "Create a signed AWS API request" (AWS IAM user guide).

local access = require "flowhost.api.access"
local core = require "flowhost.core"

local crypto, keystore, system, timer = core.crypto, core.keystore, core.system, core.timer

local M = {}

local ROLES = { "admin", "operator", "viewer" }
local ALGORITHM = "AWS4-HMAC-SHA256"
local MAX_SKEW_MS = 5 * 60 * 1000

local function fail(code, message)
    return nil, { code = code, message = message }
end

--- The parts of an Authorization header; nil when one is missing.
local function parse(header)
    local id, date, region, service = header:match "Credential=([%w_-]+)/(%d+)/([%w-]+)/(%w+)/aws4_request"
    local names, signature = header:match "SignedHeaders=([%w;_-]+)", header:match "Signature=(%x+)"
    if id and names and signature then
        return { id = id, date = date, region = region, service = service, names = names, signature = signature }
    end
end

--- The secret that an access key is, and its role.
local function find_key(id)
    for _, role in ipairs(ROLES) do
        local name = ("aws.%s.%s"):format(role, id)
        if keystore.has(name) then
            return { secret = name }, role
        end
    end
end

local function canonical_headers(names, headers)
    local lines = {}
    for name in names:gmatch "[^;]+" do
        local value = headers[name]
        if not value then
            return nil
        end
        lines[#lines + 1] = name .. ":" .. value:gsub("^%s+", ""):gsub("%s+$", ""):gsub("%s+", " ") .. "\n"
    end
    return table.concat(lines)
end

local function hmac(key, text)
    return assert(crypto.hmac(key, "sha256", text))
end

local function sha256(text)
    return system.hex(system.sha256(text))
end

--- The signature that a request must have.
local function sign(key, o, given, lines)
    local request = table.concat({ o.method, o.path, "", lines, given.names, sha256(o.body) }, "\n")
    local scope = ("%s/%s/%s/aws4_request"):format(given.date, given.region, given.service)
    local text = table.concat({ ALGORITHM, o.headers["x-amz-date"], scope, sha256(request) }, "\n")
    local signing = key
    for _, part in ipairs { given.date, given.region, given.service, "aws4_request" } do
        signing = hmac(signing, part)
    end
    return system.hex(hmac(signing, text))
end

--- Unix ms of 20261126T131500Z; nil when it is none.
local function time_of(text)
    local year, month, day, hour, minute, second = (text or ""):match "^(%d%d%d%d)(%d%d)(%d%d)T(%d%d)(%d%d)(%d%d)Z$"
    if not year then
        return nil
    end
    local y, m = tonumber(year), tonumber(month)
    if m <= 2 then
        y, m = y - 1, m + 12
    end
    local days = 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400)
        + math.floor((153 * (m - 3) + 2) / 5) + tonumber(day) - 719469
    return ((days * 24 + tonumber(hour)) * 60 + tonumber(minute)) * 60000 + tonumber(second) * 1000
end

M.time_of = time_of

local MUST_SIGN = { "host", "x-amz-date" }

local function signs_enough(names)
    for _, name in ipairs(MUST_SIGN) do
        if not (";" .. names .. ";"):find(";" .. name .. ";", 1, true) then
            return false
        end
    end
    return true
end

--- The caller of a signed request; nil, problem.
---@param o { method: string, path: string, headers: table<string, string>, body: string }
function M.verify(o)
    local given = parse(o.headers.authorization)
    local at = time_of(o.headers["x-amz-date"])
    local lines = given and canonical_headers(given.names, o.headers)
    if not given or not at or not lines or not signs_enough(given.names) or given.service ~= "states" then
        return fail("IncompleteSignatureException", "the signature must be one of version 4 for the service 'states', "
            .. "over host and x-amz-date at least")
    end
    local key, role = find_key(given.id)
    if not key then
        return fail("UnrecognizedClientException", "The security token included in the request is invalid.")
    elseif math.abs(timer.now_ms() - at) > MAX_SKEW_MS or o.headers["x-amz-date"]:sub(1, 8) ~= given.date then
        return fail("InvalidSignatureException", "Signature expired: the request was signed more than 5 minutes ago")
    elseif not system.equal(sign(key, o, given, lines), given.signature:lower()) then
        return fail("InvalidSignatureException", "The request signature we calculated does not match the signature you "
            .. "provided. Check your AWS Secret Access Key and signing method.")
    end
    return { name = "aws:" .. given.id, role = role, kind = "aws" }
end

--- Calls proceed when the caller may do what he asks for, or answers.
---@param o { role: string, method: string, path: string, headers: table<string, string>, body: string }
function M.gate(call, o, proceed)
    local is_signed = (o.headers.authorization or ""):sub(1, #ALGORITHM) == ALGORITHM
    access.gate_with(call.request, {
        role = o.role,
        identify = is_signed and not access.is_open_to(call.request) and function()
            return M.verify(o)
        end or nil,
        refuse = function(problem)
            return call:refuse(problem or { code = "MissingAuthenticationTokenException",
                message = "Missing Authentication Token" })
        end,
        forbid = function(detail)
            return call:fail("AccessDeniedException", detail)
        end,
        method = o.method, path = call.operation,
    }, proceed)
end

return M
