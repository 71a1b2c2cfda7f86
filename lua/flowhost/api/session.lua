-- SPDX-License-Identifier: MIT
-- POST /v1/session: a user logs in and gets a cookie. DELETE: logs out. GET /v1/me: who the caller is.

local core = require "flowhost.core"
local access = require "flowhost.engine.access"
local gate = require "flowhost.api.access"
local problem = require "flowhost.api.problem"
local signal_link = require "flowhost.engine.signal_link"
local token = require "flowhost.engine.token"

local json, system = core.json, core.system

local M = {}

local JSON = "application/json"
--- Checked when there is no such user: a wrong name takes as long as a wrong password.
local NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

local function cookie(value, max_age_s)
    local base = signal_link.base_url or ""
    local secure = base:find "^https:" and "; Secure" or ""
    return ("%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s"):format(gate.COOKIE, value, max_age_s, secure)
end

local function read(request, body)
    local o = json.decode(body)
    if type(o) ~= "table" or type(o.name) ~= "string" or type(o.password) ~= "string" then
        problem.send(request, 400, "BODY_INVALID", "the body must be { \"name\": ..., \"password\": ... }")
        return nil
    end
    return o
end

local function refuse(request, name)
    system.log("warn", "a login failed", { "user", name })
    gate.slow_down(function()
        gate.send_unauthorized(request, "name or password is wrong")
    end)
end

local function begin_session(request, user)
    access.create_session(user, function(text, row)
        if not text then
            return problem.send(request, 503, row, "the session could not be stored")
        end
        request:respond(200, { "Content-Type", JSON, "Set-Cookie", cookie(text, access.SESSION_S) },
            json.encode { name = user.name, role = user.role } .. "\n")
    end)
end

function M.create(request, _, _, _, body)
    local o = read(request, body)
    if not o then
        return
    end
    local user = access.user(o.name)
    local waiting = token.new(function(code, result)
        if code or result ~= "true" or not user or user.disabled then
            return refuse(request, o.name)
        end
        begin_session(request, user)
    end)
    local ok, code, detail = core.access.verify(o.password, user and user.password or NOBODY, waiting)
    if not ok then
        token.drop(waiting)
        problem.send(request, 503, code, detail, { headers = { "Retry-After", "1" } })
    end
end

function M.remove(request)
    local text = gate.session_of(request:headers())
    if not text or not access.find(text, "session") then
        return gate.send_unauthorized(request, "there is no session")
    end
    access.end_session(text, access.find(text, "session").user, function(ok, code)
        if not ok then
            return problem.send(request, 503, code, "the session could not be ended")
        end
        request:respond(204, { "Set-Cookie", cookie("", 0) }, "")
    end)
end

function M.me(request)
    local caller = gate.caller(request)
    request:respond(200, { "Content-Type", JSON }, json.encode { name = caller.name, role = caller.role,
        app = caller.app or json.null } .. "\n")
end

return M
