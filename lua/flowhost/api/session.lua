-- SPDX-License-Identifier: MIT
-- /v1/session, /v1/me: logging in with name and password for a cookie, logging out, who one is.

local access = require "flowhost.engine.access"
local api_access = require "flowhost.api.access"
local core = require "flowhost.core"
local problem = require "flowhost.api.problem"
local remote = require "flowhost.engine.remote"

require "flowhost.engine.login"

local json = core.json

local M = {}

local MAX_NAME, MAX_PASSWORD = 200, 1024

--- Only over TLS if that is how it came.
local function cookie(request, value, seconds)
    local is_tls = (api_access.public_url or ""):find "^https:" ~= nil
        or request:headers()["x-forwarded-proto"] == "https"
    return ("%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s"):format(api_access.COOKIE, value, seconds,
        is_tls and "; Secure" or "")
end

local function send(request, status, value, set_cookie)
    request:respond(status, { "Content-Type", "application/json", "Cache-Control", "no-store", "Set-Cookie",
        set_cookie or "" }, json.encode(value) .. "\n")
end

local function is_text(value, max)
    return type(value) == "string" and value ~= "" and #value <= max
end

--- POST /v1/session { name, password }: the cookie holds for seven days.
function M.login(request, _, _, _, body)
    local o = json.decode(body)
    if type(o) ~= "table" or not is_text(o.name, MAX_NAME) or not is_text(o.password, MAX_PASSWORD) then
        return problem.send(request, 400, "BODY_INVALID", "the body must be { \"name\": ..., \"password\": ... }")
    end
    local arguments = { name = o.name, password = o.password, address = api_access.address(request) }
    remote.call(0, "login", arguments, function(result)
        if result.status then
            local headers = result.status == 401 and { "WWW-Authenticate", "Bearer" }
                or result.retry_s and { "Retry-After", tostring(result.retry_s) } or nil
            return problem.send(request, result.status, result.code, result.detail, { headers = headers })
        end
        send(request, 200, { name = result.name, role = result.role },
            cookie(request, result.secret, access.SESSION_MS / 1000))
    end)
end

--- DELETE /v1/session: it holds nowhere any more.
function M.logout(request)
    local caller = api_access.caller(request)
    if caller.kind ~= "session" then
        return problem.send(request, 409, "NO_SESSION", "this request has no session")
    end
    access.end_session(caller.secret, caller.name, function(code)
        if code then
            return problem.send(request, 503, code, "the session could not be ended: " .. code)
        end
        request:respond(204, { "Set-Cookie", cookie(request, "", 0) }, "")
    end)
end

function M.me(request)
    local caller = api_access.caller(request)
    send(request, 200, { name = caller.name, role = caller.role, kind = caller.kind or "local",
        app = caller.app or json.null })
end

return M
