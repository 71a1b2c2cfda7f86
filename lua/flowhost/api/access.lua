-- SPDX-License-Identifier: MIT
-- The gate before every route of the host itself: who calls, and may he? (Routes of flows are not asked.)
--
--   from within the process                        admin
--   Authorization: Bearer fh_...                   the token's role, from any Host and Origin
--   cookie flowhost_session, of the own origin     the role of the user who logged in
--   no users and no tokens yet, of this machine    admin, unless a page of another origin sends it
--
-- 401 UNAUTHORIZED: nobody we know, and later and later when an address keeps trying; 403 FORBIDDEN: his role is too
-- low or his token's scopes have no such request, which goes into the audit when he would have changed something.

local access = require "flowhost.engine.access"
local app_rate = require "flowhost.engine.app_rate"
local core = require "flowhost.core"
local limit = require "flowhost.engine.access_limit"
local problem = require "flowhost.api.problem"
local rows = require "flowhost.engine.rows"
local token = require "flowhost.engine.token"

local store, system, timer = core.store, core.system, core.timer

local M = {
    public_url = nil, -- pages of this origin are ours, too
    COOKIE = "flowhost_session",
}

local callers = setmetatable({}, { __mode = "k" }) -- request -> { name, role, app, secret, scopes }
local NOBODY = { name = "nobody" }
local LOCAL = { name = "admin", role = "admin" }

--- Who sent a request that the gate let through: { name, role, kind, app }.
function M.caller(request)
    return callers[request] or NOBODY
end

--- His name for audit entries.
function M.actor(request)
    return M.caller(request).name
end

--- Tags of the runs he starts; nil for none.
function M.tags(request)
    local app = M.caller(request).app
    return app and { app = app } or nil
end

-- pages of others -----------------------------------------------------------------------------------

--- The name in a Host header, without its port.
local function is_loopback_name(host)
    local name = host:match "^(%[.*%])$" or host:match "^(%[.*%]):%d*$" or host:match "^([^:]*)$"
        or host:match "^([^:]*):%d*$" or ""
    return name == "localhost" or name == "[::1]" or name:find "^127%.[%d.]*%d$" ~= nil
end

local function is_own_origin(headers)
    local host, origin = headers.host and headers.host:lower(), headers.origin and headers.origin:lower()
    return not origin or (M.public_url and origin == M.public_url:lower():match "^%w+://[^/]+")
        or (host ~= nil and (origin == "http://" .. host or origin == "https://" .. host))
end

--- Callers of this machine are admin while there is no user, and so would be any web page in a browser on it: one of
--- another origin, or one whose name was made to point here, is refused. true when it was.
local function refuse_foreign(request, headers)
    local host = headers.host and headers.host:lower()
    if access.is_open() and host and not is_loopback_name(host) then
        problem.send(request, 403, "FOREIGN_HOST",
            "the Host header must name this machine: localhost, 127.0.0.1 or [::1]")
        return true
    elseif not is_own_origin(headers) then
        problem.send(request, 403, "FOREIGN_ORIGIN", "a page of another origin may not call the API")
        return true
    end
    return false
end

-- who -----------------------------------------------------------------------------------------------

--- The secret of the session, out of the Cookie header.
local function cookie_of(headers)
    for name, value in (headers.cookie or ""):gmatch "([^=;%s]+)=([^;%s]*)" do
        if name == M.COOKIE then
            return value
        end
    end
end

local function named(row, secret)
    local prefix = row.kind == "token" and "token:" or row.kind == "app" and "app:" or ""
    return { name = prefix .. row.name, role = row.role, kind = row.kind, app = row.app, user = row.user,
        secret = secret, scopes = row.scopes }
end

--- The caller; nil and whether a secret was given that is none.
local function identify(request, headers)
    if request:is_internal() then
        return LOCAL
    end
    local bearer = (headers.authorization or ""):match "^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+)%s*$"
    local row = bearer and access.find(bearer)
    if row and row.kind ~= "session" then
        return named(row, bearer)
    end
    local cookie = cookie_of(headers)
    row = cookie and access.find(cookie)
    if row and row.kind == "session" then
        return named(row, cookie)
    end
    return nil, bearer ~= nil or cookie ~= nil
end

--- As the proxy of this machine says, else as the connection does.
function M.address(request)
    local address = request:address()
    local forwarded = request:is_loopback() and request:headers()["x-forwarded-for"]
    return forwarded and forwarded:match "([%x.:]+)%s*$" or address
end

-- refusals ------------------------------------------------------------------------------------------

local SLOW_AFTER, HELD_MAX, HOUR_MS = 10, 200, 3600 * 1000
local failures = limit.new { threshold = SLOW_AFTER, base_ms = 100, max_ms = 3000, forget_ms = HOUR_MS,
    max_keys = 4096 }
local held = 0 -- answers that wait
local CHALLENGE = { "WWW-Authenticate", "Bearer" }

local function send_unauthorized(request)
    local detail = "who are you? send a token as Authorization: Bearer (flowhost token create makes one), or log in"
    if access.is_open() then
        detail = "there is no token yet: make one on the host's machine (flowhost token create)"
    end
    problem.send(request, 401, "UNAUTHORIZED", detail, { headers = { CHALLENGE[1], CHALLENGE[2] } })
end

--- Answers at once, or later when the address has sent many secrets that are none.
---@param send fun()
local function refuse_secret(request, send)
    local address, now = M.address(request), timer.now_ms()
    failures:fail(address, now)
    local wait = failures:wait_ms(address, now)
    if failures.total % 100 == 1 then
        system.log("warn", "a token or session that is none", { "address", address, "failures",
            tostring(failures.total) })
    end
    if wait == 0 then
        return send()
    elseif held >= HELD_MAX then
        return problem.send(request, 429, "TOO_MANY_ATTEMPTS", "too many tokens that are none",
            { headers = { "Retry-After", "3" } })
    end
    held = held + 1
    timer.start(wait, token.new(function()
        held = held - 1
        send()
    end))
end

--- Refused changes in the audit, at most ten a second and shard.
local second, noted = 0, 0

local function note_refusal(caller, method, path, role, done)
    local now = math.floor(timer.now_ms() / 1000)
    if method == "GET" or method == "HEAD" then
        return done()
    elseif now ~= second then
        second, noted = now, 0
    end
    noted = noted + 1
    if noted > 10 then
        return done()
    end
    access.record(store.batch(), { actor = caller.name, action = "refused",
        after = { method = method, path = path:sub(1, 200), role = caller.role, needs = role } }, done)
end

--- 403, once the audit has it.
---@param role string?  that would be high enough
function M.forbid(request, method, path, detail, role)
    note_refusal(M.caller(request), method, path, role, function()
        problem.send(request, 403, "FORBIDDEN", detail)
    end)
end

-- scopes --------------------------------------------------------------------------------------------

--- "GET /v1/runs/*" as a Lua pattern: * is anything, also several segments.
local function pattern_of(scope)
    return "^" .. scope:gsub("%p", "%%%0"):gsub("%%%*", ".*") .. "$"
end

--- Whether a token may send the request at all; its role must do, too.
local function is_in_scope(caller, method, path)
    if not caller.scopes then
        return true
    end
    local asked = (method == "HEAD" and "GET" or method) .. " " .. path
    for _, scope in ipairs(caller.scopes) do
        if asked:find(pattern_of(scope)) then
            return true
        end
    end
    return false
end

-- apps ----------------------------------------------------------------------------------------------

local function is_own_run(app, id)
    local bytes = id and system.id_bytes(id)
    local row = bytes and rows.read(bytes)
    return row and row.tags and row.tags.app == app
end

local function take_start(request, app, proceed)
    app_rate.take(app, function(wait_ms)
        if wait_ms > 0 then
            return problem.send(request, 429, "RATE_LIMITED",
                ("eps limitation is: %.14g (of app %s, with bursts of twice that)"):format(app.eps, app.name),
                { headers = { "Retry-After", tostring(math.ceil(wait_ms / 1000)) } })
        end
        proceed()
    end)
end

--- What a token of an app may do: start runs at its rate, and see what became of them.
local function gate_app(request, route, captures, method, path, proceed)
    local caller = M.caller(request)
    local app = access.apps[caller.app]
    if not app or app.state ~= "accepted" then
        return problem.send(request, 403, "APP_NOT_ACCEPTED", ("app %s is %s"):format(caller.app,
            app and app.state or "not there any more"))
    elseif route.for_apps == "start" then
        return take_start(request, app, proceed)
    elseif route.for_apps == "any" or (route.for_apps == "run" and is_own_run(caller.app, captures.id)) then
        return proceed()
    end
    return M.forbid(request, method, path, "the token of an app may start runs and look at those it has started")
end

-- the gate ------------------------------------------------------------------------------------------

--- Calls proceed, now or later, or answers. `route.role` as in router.lua.
function M.gate(request, route, captures, method, path, proceed)
    if route.role == "none" then
        return proceed()
    end
    local headers = request:headers()
    local caller, is_wrong = identify(request, headers)
    local is_by_bearer = caller and caller.kind ~= "session"
    if not is_by_bearer and refuse_foreign(request, headers) then
        return
    elseif not caller and access.is_open() and request:is_loopback() then
        caller = LOCAL
    elseif route.role == "open" then
        return proceed()
    elseif not caller and is_wrong then
        return refuse_secret(request, function()
            send_unauthorized(request)
        end)
    elseif not caller then
        return send_unauthorized(request)
    end
    callers[request] = caller
    if caller.app then
        return gate_app(request, route, captures, method, path, proceed)
    elseif access.RANK[caller.role] < (access.RANK[route.role] or 0) then
        return M.forbid(request, method, path, ("this needs the role %s, %s has %s"):format(route.role, caller.name,
            caller.role), route.role)
    elseif not is_in_scope(caller, method, path) then
        return M.forbid(request, method, path, ("the scopes of %s have no %s %s"):format(caller.name, method, path))
    end
    return proceed()
end

--- Whether a request without proof comes from this machine while there is no user and no token.
function M.is_open_to(request)
    return request:is_internal() or (access.is_open() and request:is_loopback())
end

--- The gate of an API that proves callers and answers in its own way; apps' tokens are for /v1.
---@param o { role: string, identify: (fun(): table?, table?)?, refuse: fun(problem: table?),
--- forbid: fun(detail: string), method: string, path: string }  identify: the caller, or nil and what refuse is told
function M.gate_with(request, o, proceed)
    local caller, why, is_wrong
    if o.identify then
        caller, why = o.identify()
        is_wrong = why ~= nil
    else
        local headers = request:headers()
        caller, is_wrong = identify(request, headers)
        if (not caller or caller.kind == "session") and refuse_foreign(request, headers) then
            return
        elseif not caller and M.is_open_to(request) then
            caller = LOCAL
        end
    end
    if not caller and is_wrong then
        return refuse_secret(request, function()
            o.refuse(why)
        end)
    elseif not caller then
        return o.refuse()
    end
    callers[request] = caller
    if caller.app or access.RANK[caller.role] < access.RANK[o.role] then
        return note_refusal(caller, o.method, o.path, o.role, function()
            local role = caller.role or "that of an app"
            o.forbid(("this needs the role %s, %s has %s"):format(o.role, caller.name, role))
        end)
    elseif not is_in_scope(caller, o.method, o.path) then
        return note_refusal(caller, o.method, o.path, o.role, function()
            o.forbid(("the scopes of %s have no %s %s"):format(caller.name, o.method, o.path))
        end)
    end
    return proceed()
end

return M
