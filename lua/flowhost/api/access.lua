-- SPDX-License-Identifier: MIT
-- Who a caller is, and what it may: asked before each of the host's own routes is served.
--
--   Authorization: Bearer TOKEN · cookie flowhost_session · a caller of this machine while there is no token or user
--
-- A route has a role: "none", "viewer", "operator", "admin", or "start" (an operator, or an app).

local core = require "flowhost.core"
local access = require "flowhost.engine.access"
local audit = require "flowhost.engine.audit"
local problem = require "flowhost.api.problem"
local token = require "flowhost.engine.token"

local store, system, timer = core.store, core.system, core.timer

local M = {}

local COOKIE = "flowhost_session"
local INTERNAL = { name = "admin", role = "admin", is_internal = true }
local MAX_DELAYED = 200

M.COOKIE = COOKIE

-- other origins ------------------------------------------------------------------------------------

--- The name in a Host header, without its port.
local function is_loopback_name(host)
    local name = host:match "^(%[.*%])$" or host:match "^(%[.*%]):%d*$" or host:match "^([^:]*)$"
        or host:match "^([^:]*):%d*$" or ""
    return name == "localhost" or name == "[::1]" or name:find "^127%.[%d.]*%d$" ~= nil
end

local function is_foreign_origin(headers)
    local host, origin = headers.host and headers.host:lower(), headers.origin and headers.origin:lower()
    return origin ~= nil and not (host and (origin == "http://" .. host or origin == "https://" .. host))
end

--- While callers of this machine are admin, so would be any web page in a browser on it: one of another origin, or one
--- whose name was made to point here, is refused. true when it was.
local function refuse_foreign(request, headers, is_host_checked)
    local host = headers.host and headers.host:lower()
    if is_host_checked and host and not is_loopback_name(host) then
        problem.send(request, 403, "FOREIGN_HOST",
            "the Host header must name this machine: localhost, 127.0.0.1 or [::1]")
        return true
    elseif is_foreign_origin(headers) then
        problem.send(request, 403, "FOREIGN_ORIGIN", "a page of another origin may not call the API")
        return true
    end
    return false
end

-- who ----------------------------------------------------------------------------------------------

--- The session's text in a Cookie header.
function M.session_of(headers)
    return headers.cookie and ("; " .. headers.cookie):match("; " .. COOKIE .. "=([%w_-]+)")
end

local callers = setmetatable({}, { __mode = "k" }) -- request -> principal

local function to_principal(row)
    return { name = row.user or row.name or row.app or row.id, role = row.role, app = row.app, token = row.id }
end

--- A known caller; nil; nil, true when what it showed is not known here.
local function identify(headers)
    local bearer = headers.authorization and headers.authorization:match "^[Bb]earer%s+(%S+)%s*$"
    if bearer then
        local row = access.find(bearer, "token")
        return row and to_principal(row), row == nil
    end
    local session = M.session_of(headers)
    local row = session and access.find(session, "session")
    if row then
        local principal = to_principal(row)
        principal.is_session = true
        return principal
    end
    return nil, headers.authorization ~= nil
end

--- Name of who made a request, for the audit.
function M.actor(request)
    local caller = callers[request]
    return caller and caller.name or "admin"
end

--- { name, role, app } of who made a request.
function M.caller(request)
    return callers[request] or INTERNAL
end

-- refusals -----------------------------------------------------------------------------------------

local failures = { count = 0, since = 0 }
local delayed = 0

--- Failures of the last minute on this shard: the more, the longer the next one waits for its answer.
local function delay_ms()
    local now = timer.now_ms()
    if now - failures.since > 60000 then
        failures.count, failures.since = 0, now
    end
    failures.count = failures.count + 1
    return failures.count <= 5 and 0 or math.min(2000, 50 * 2 ^ (failures.count - 6))
end

--- Answers now, or after a while when there were many failures.
function M.slow_down(answer)
    local ms = delay_ms()
    if ms == 0 or delayed >= MAX_DELAYED then
        return answer()
    end
    delayed = delayed + 1
    timer.start(ms, token.new(function()
        delayed = delayed - 1
        answer()
    end))
end

function M.send_unauthorized(request, detail)
    problem.send(request, 401, "UNAUTHORIZED", detail, { headers = { "WWW-Authenticate", "Bearer" } })
end

local function refuse_unknown(request, has_shown)
    if not has_shown then
        return M.send_unauthorized(request, "a token is needed: Authorization: Bearer TOKEN")
    end
    system.log("warn", "a token that is not known was shown")
    M.slow_down(function()
        M.send_unauthorized(request, "the token is not known, or its time is over")
    end)
end

local function note_refusal(caller, method, path)
    local batch = store.batch()
    audit.put(batch, { actor = caller.name, action = "refused", after = { method = method, path = path,
        role = caller.role } })
    batch:submit(token.new(function() end))
end

local READS = { GET = true, HEAD = true }

local function may(caller, role)
    if role == "start" then
        return caller.app ~= nil or (access.ROLES[caller.role] or 0) >= access.ROLES.operator
    end
    return (access.ROLES[caller.role] or 0) >= access.ROLES[role]
end

local function refuse_role(request, caller, role, method, path)
    if not READS[method] then
        note_refusal(caller, method, path)
    end
    problem.send(request, 403, "FORBIDDEN", ("%s has the role %s; this takes %s"):format(caller.name, caller.role,
        role == "start" and "operator" or role))
end

-- the gate -----------------------------------------------------------------------------------------

local function find_caller(request, headers)
    if request:is_internal() then
        return INTERNAL
    elseif access.is_open() then
        if not request:is_loopback() then
            M.send_unauthorized(request, "there is no token yet: only callers of this machine are served")
            return nil
        end
        return not refuse_foreign(request, headers, true) and INTERNAL or nil
    end
    local caller, has_shown = identify(headers)
    if not caller then
        refuse_unknown(request, has_shown)
        return nil
    elseif caller.is_session and refuse_foreign(request, headers, false) then
        return nil
    end
    return caller
end

--- Whether the request may go to a route with this role; when not, it was answered.
function M.admits(request, role, method, path)
    if role == "none" then
        return true
    end
    local caller = find_caller(request, request:headers())
    if not caller then
        return false
    elseif not may(caller, role) then
        refuse_role(request, caller, role, method, path)
        return false
    end
    callers[request] = caller
    return true
end

--- Whether a caller that is an app may start one more run now; when not, it was answered.
function M.admits_start(request)
    local caller = callers[request]
    if not caller or not caller.app then
        return true
    end
    local app = access.app(caller.app)
    if not app or app.state ~= "accepted" then
        problem.send(request, 403, "APP_NOT_ACCEPTED", ("app %s is %s"):format(caller.app,
            app and app.state or "not there any more"))
        return false
    elseif not access.take_start(app) then
        problem.send(request, 429, "RATE_LIMITED", ("eps limitation is: %.14g"):format(app.eps),
            { headers = { "Retry-After", "1" } })
        return false
    end
    return true
end

return M
