-- SPDX-License-Identifier: MIT
-- Who may call what: route by role by what the caller shows; logins; apps; what the audit keeps.
local world = require "support.world"

local FLOWS = { ["a.lua"] = world.flow("return 'ran'"), ["own.lua"] = world.flow("return 1", 'http = "GET /own"') }

local function new(o)
    local w = world.new { files = FLOWS, settings = o }
    assert.same({}, w.problems)
    return w
end

--- Each at a time of its own: the audit is in order.
local function ask(w, method, path, o)
    w.clock.now = w.clock.now + 1
    local request = w:request(method, path, o)
    w:settle()
    return request
end

local function bearer(secret, more)
    local headers = { authorization = "Bearer " .. secret }
    for name, value in pairs(more or {}) do
        headers[name] = value
    end
    return headers
end

--- Makes a token by the one of an admin, or as the first.
local function make_token(w, role, o)
    local body = { role = role, name = o and o.name, expires = o and o.expires }
    local request = ask(w, "POST", "/v1/tokens", { body = body, headers = o and o.by and bearer(o.by) })
    assert.equal(201, request.status, request.body)
    return request:json().token, request:json().id
end

local function tokens(w)
    local admin = make_token(w, "admin", { name = "root" })
    return { admin = admin, operator = make_token(w, "operator", { by = admin, name = "op" }),
        viewer = make_token(w, "viewer", { by = admin, name = "eye" }) }
end

local function make_user(w, admin, name, role)
    local request = ask(w, "POST", "/v1/users", { headers = bearer(admin),
        body = { name = name, password = "secret of " .. name, role = role or "operator" } })
    assert.equal(201, request.status, request.body)
end

local function log_in(w, name, password, o)
    return ask(w, "POST", "/v1/session", { body = { name = name, password = password or "secret of " .. name },
        address = o and o.address, headers = o and o.headers })
end

local function cookie_of(request)
    return request.answered.headers["set-cookie"]:match "^(flowhost_session=[^;]+)"
end

local function code_of(request)
    return request.status >= 400 and request:json().code or request.status
end

local function actions(w, admin)
    local found = {}
    for i, item in ipairs(ask(w, "GET", "/v1/audit", { headers = bearer(admin) }):json().items) do
        found[i] = item.action .. " by " .. item.actor
    end
    return found
end

-- what each state of the caller gets: 0 is "let through" (whatever the handler says)
local NEEDS = {
    { "GET", "/healthz", "none" }, { "GET", "/readyz", "none" }, { "GET", "/own", "none" },
    { "POST", "/v1/signals/x", "none" }, { "GET", "/v1/signals/x", "none" },
    { "GET", "/v1/flows", "viewer" }, { "GET", "/v1/runs", "viewer" }, { "GET", "/v1/audit", "viewer" },
    { "GET", "/v1/me", "viewer" }, { "GET", "/v1/apps", "viewer" }, { "GET", "/v1/nowhere", "viewer" },
    { "POST", "/v1/flows/a/runs", "operator" }, { "POST", "/v1/flows/a/disable", "operator" },
    { "POST", "/v1/runs/cancel", "operator" }, { "POST", "/v1/apps", "operator" },
    { "POST", "/v1/releases/check", "operator" },
    { "GET", "/v1/users", "admin" }, { "POST", "/v1/users", "admin" }, { "PATCH", "/v1/users/x", "admin" },
    { "DELETE", "/v1/users/x", "admin" }, { "GET", "/v1/tokens", "admin" }, { "POST", "/v1/tokens", "admin" },
    { "DELETE", "/v1/tokens/x", "admin" },
}
local RANK = { none = 0, viewer = 1, operator = 2, admin = 3 }

describe("a route", function()
    it("is for those whose role is high enough", function()
        local w = new()
        local secrets = tokens(w)
        for _, row in ipairs(NEEDS) do
            local method, path, needs = row[1], row[2], row[3]
            for _, role in ipairs { "viewer", "operator", "admin" } do
                local code = code_of(ask(w, method, path, { headers = bearer(secrets[role]) }))
                local is_refused = code == "FORBIDDEN" or code == "UNAUTHORIZED"
                assert.equal(RANK[role] < RANK[needs], is_refused, method .. " " .. path .. " as " .. role)
            end
            local code = code_of(ask(w, method, path))
            assert.equal(needs ~= "none", code == "UNAUTHORIZED", method .. " " .. path .. " by nobody")
        end
    end)

    it("asks nothing of this machine while there is nobody, and everything of others", function()
        local w = new()
        for _, row in ipairs(NEEDS) do
            local here = code_of(ask(w, row[1], row[2]))
            assert.is_true(here ~= "UNAUTHORIZED" and here ~= "FORBIDDEN", row[2])
            local there = code_of(ask(w, row[1], row[2], { address = "10.0.0.9" }))
            assert.equal(row[3] ~= "none", there == "UNAUTHORIZED", row[2])
        end
    end)

    it("takes a token from any page and host, a wrong one from nobody", function()
        local w = new()
        local secret = make_token(w, "viewer")
        local from_afar = { host = "flows.example.com", origin = "https://console.example.com" }
        assert.equal(200, ask(w, "GET", "/v1/runs", { headers = bearer(secret, from_afar),
            address = "10.0.0.9" }).status)
        for _, wrong in ipairs { secret .. "x", secret:sub(1, -2), "fh_", "", "x", secret:upper(), ("fh_x"):rep(50) } do
            local request = ask(w, "GET", "/v1/runs", { headers = bearer(wrong) })
            assert.equal("UNAUTHORIZED", code_of(request))
            assert.equal("Bearer", request.answered.headers["www-authenticate"])
        end
        assert.equal(401, ask(w, "GET", "/v1/runs", { headers = { authorization = "Basic " .. secret } }).status)
    end)
end)

describe("a token", function()
    it("is shown once, and stored as a hash", function()
        local w = new()
        local secret = make_token(w, "admin", { name = "ci" })
        local listed = ask(w, "GET", "/v1/tokens", { headers = bearer(secret) })
        assert.is_nil(listed.body:find(secret, 1, true))
        assert.same({ "ci", "admin" }, { listed:json().items[1].name, listed:json().items[1].role })
        for key, value in pairs(w.store.tables[w.store.ids.tokens]) do
            assert.is_nil((key .. value):find(secret, 1, true))
        end
    end)

    it("holds until it expires or is removed", function()
        local w = new()
        local admin = make_token(w, "admin")
        local short = make_token(w, "viewer", { by = admin, expires = "1h" })
        local _, id = make_token(w, "viewer", { by = admin, name = "gone" })
        w.clock.now = w.clock.now + 3600 * 1000 - 10
        assert.equal(200, ask(w, "GET", "/v1/runs", { headers = bearer(short) }).status)
        w.clock.now = w.clock.now + 10
        assert.equal(401, ask(w, "GET", "/v1/runs", { headers = bearer(short) }).status)
        assert.equal(204, ask(w, "DELETE", "/v1/tokens/" .. id, { headers = bearer(admin) }).status)
        assert.equal("NO_TOKEN", code_of(ask(w, "DELETE", "/v1/tokens/" .. id, { headers = bearer(admin) })))
    end)

    it("that is removed is wrong at once, kept in memory or not", function()
        local w = new()
        local admin = make_token(w, "admin")
        local secret, id = make_token(w, "viewer", { by = admin })
        assert.equal(200, ask(w, "GET", "/v1/runs", { headers = bearer(secret) }).status)
        ask(w, "DELETE", "/v1/tokens/" .. id, { headers = bearer(admin) })
        assert.equal(401, ask(w, "GET", "/v1/runs", { headers = bearer(secret) }).status)
    end)

    it("is looked up in the store once, then in memory", function()
        local w = new()
        local secret = make_token(w, "viewer")
        local get, reads = w.core.store.get, 0
        w.core.store.get = function(table_id, ...)
            reads = reads + (table_id == w.store.ids.tokens and 1 or 0)
            return get(table_id, ...)
        end
        for _ = 1, 5 do
            assert.equal(200, ask(w, "GET", "/v1/me", { headers = bearer(secret) }).status)
        end
        assert.equal(1, reads)
    end)

    it("tells when it was last used, about to the hour", function()
        local w = new()
        local admin = make_token(w, "admin")
        local function last_used()
            return ask(w, "GET", "/v1/tokens", { headers = bearer(admin) }):json().items[1].last_used_at
        end
        assert.equal(world.json.null, last_used())
        local first = last_used()
        w.clock.now = w.clock.now + 1000
        assert.equal(first, last_used())
        w.clock.now = w.clock.now + 3600 * 1000
        last_used()
        assert.is_true(last_used() > first)
    end)

    it("survives a restart", function()
        local w = new()
        local secret = make_token(w, "viewer")
        local after = w:crash()
        assert.equal(200, ask(after, "GET", "/v1/runs", { headers = bearer(secret) }).status)
        assert.equal(401, ask(after, "GET", "/v1/runs").status)
    end)

    it("of the data folder's owner is admin and is not stored", function()
        local w = new { owner_token = "fh_owner" }
        make_token(w, "viewer")
        assert.same({ "owner", "admin" }, (function()
            local me = ask(w, "GET", "/v1/me", { headers = bearer "fh_owner" }):json()
            return { me.name, me.role }
        end)())
    end)

    it("is refused what it cannot be", function()
        local w = new()
        for _, body in ipairs { {}, { role = "root" }, { role = "admin", name = "a b" }, { role = "admin",
            expires = 0 }, { role = "admin", expires = "soon" }, { role = "admin", expires = -5 } } do
            assert.equal("FIELD_INVALID", code_of(ask(w, "POST", "/v1/tokens", { body = body })))
        end
        assert.equal("UNKNOWN_FIELD", code_of(ask(w, "POST", "/v1/tokens",
            { body = { role = "admin", secret = "x" } })))
    end)
end)

describe("a session", function()
    local w, admin

    before_each(function()
        w = new()
        admin = make_token(w, "admin")
        make_user(w, admin, "ada")
    end)

    it("is a cookie that scripts do not see, for the own pages", function()
        local request = log_in(w, "ada")
        assert.equal(200, request.status)
        local set = request.answered.headers["set-cookie"]
        assert.is_truthy(set:find("; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800", 1, true))
        assert.is_nil(set:find "Secure")
        assert.is_truthy(log_in(w, "ada", nil, { headers = { ["x-forwarded-proto"] = "https" } })
            .answered.headers["set-cookie"]:find "; Secure$")
        local cookie = cookie_of(request)
        local function try(headers)
            headers.cookie = "x=1; " .. cookie .. "; y=2"
            return code_of(ask(w, "POST", "/v1/flows/a/runs", { headers = headers }))
        end
        assert.equal(200, try {})
        assert.equal(200, try { host = "flows.example.com", origin = "https://flows.example.com" })
        assert.equal("FOREIGN_ORIGIN", try { host = "flows.example.com", origin = "https://evil.example" })
        assert.equal("FOREIGN_ORIGIN", try { host = "flows.example.com", origin = "null" })
    end)

    it("is not taken for a token, nor a token for it", function()
        local secret = cookie_of(log_in(w, "ada")):match "=(.*)"
        assert.equal(401, ask(w, "GET", "/v1/runs", { headers = bearer(secret) }).status)
        assert.equal(401, ask(w, "GET", "/v1/runs", { headers = { cookie = "flowhost_session=" .. admin } }).status)
    end)

    it("ends by logout, after seven days, and with any change of its user", function()
        local function is_in(cookie)
            return ask(w, "GET", "/v1/me", { headers = { cookie = cookie } }).status == 200
        end
        local first = cookie_of(log_in(w, "ada"))
        assert.is_true(is_in(first))
        assert.equal(204, ask(w, "DELETE", "/v1/session", { headers = { cookie = first } }).status)
        assert.is_false(is_in(first))
        local late = cookie_of(log_in(w, "ada"))
        w.clock.now = w.clock.now + 7 * 86400 * 1000
        assert.is_false(is_in(late))
        for _, change in ipairs { { "PATCH", { role = "viewer" } }, { "PATCH", { password = "another secret" } },
            { "PATCH", { disabled = true } }, { "DELETE" } } do
            make_user(w, admin, "bob")
            local cookie = cookie_of(log_in(w, "bob"))
            assert.is_true(is_in(cookie))
            ask(w, change[1], "/v1/users/bob", { headers = bearer(admin), body = change[2] })
            assert.is_false(is_in(cookie))
            ask(w, "DELETE", "/v1/users/bob", { headers = bearer(admin) })
        end
    end)

    it("needs the right password, of a user who is there and may", function()
        assert.equal("UNAUTHORIZED", code_of(log_in(w, "ada", "wrong")))
        local nobody = log_in(w, "nobody", "x")
        assert.same({ "UNAUTHORIZED", "name or password is wrong" }, { code_of(nobody), nobody:json().detail })
        ask(w, "PATCH", "/v1/users/ada", { headers = bearer(admin), body = { disabled = true } })
        assert.equal("UNAUTHORIZED", code_of(log_in(w, "ada")))
        for _, body in ipairs { {}, { name = "ada" }, { name = "ada", password = 1 }, { name = "", password = "x" } } do
            assert.equal("BODY_INVALID", code_of(ask(w, "POST", "/v1/session", { body = body })))
        end
        assert.equal("FOREIGN_ORIGIN", code_of(log_in(w, "ada", nil,
            { headers = { origin = "https://evil.example" } })))
    end)

    it("says so when the worker has too much to do", function()
        w.is_worker_busy = true
        local request = log_in(w, "ada")
        assert.same({ 503, "BUSY", "1" }, { request.status, code_of(request), request.answered.headers["retry-after"] })
    end)

    it("is not for a user who was changed while his password was checked", function()
        local request = w:request("POST", "/v1/session", { body = { name = "ada", password = "secret of ada" } })
        w:request("PATCH", "/v1/users/ada", { headers = bearer(admin), body = { role = "viewer" } })
        w:settle()
        assert.equal(401, request.status)
    end)

    it("slows down who guesses a name, from wherever", function()
        for i = 1, 5 do
            assert.equal("UNAUTHORIZED", code_of(log_in(w, "ada", "wrong" .. i, { address = "10.0.0." .. i })))
        end
        local request = log_in(w, "ada", nil, { address = "10.0.0.9" })
        assert.equal("TOO_MANY_ATTEMPTS", code_of(request))
        assert.equal("1", request.answered.headers["retry-after"])
        make_user(w, admin, "bob")
        assert.equal(200, log_in(w, "bob").status)
        w.clock.now = w.clock.now + 1000
        assert.equal(200, log_in(w, "ada").status)
        assert.equal("UNAUTHORIZED", code_of(log_in(w, "ada", "wrong again")))
    end)

    it("and its failures are in log and audit, without what was tried", function()
        log_in(w, "ada", "guess one")
        log_in(w, "ada", "guess two")
        assert.same({ "log in failed by ada", "create user by token:admin", "create token by admin" },
            actions(w, admin))
        local text = ask(w, "GET", "/v1/audit", { headers = bearer(admin) }).body
        for _, line in ipairs(w.log) do
            text = text .. line.message
        end
        assert.is_nil(text:find "guess")
        assert.is_nil(text:find "hash of")
    end)
end)

describe("a secret that is none", function()
    it("is answered later and later, and does not stop one that is", function()
        local w = new()
        local secret = make_token(w, "viewer")
        for _ = 1, 10 do
            local request = w:request("GET", "/v1/runs", { headers = bearer "fh_x" })
            assert.equal(401, request.answered and request.status or 401)
            w:settle()
        end
        local request = w:request("GET", "/v1/runs", { headers = bearer "fh_x" })
        assert.is_nil(request.answered)
        assert.equal(200, ask(w, "GET", "/v1/me", { headers = bearer(secret) }).status)
        w:advance(3000)
        assert.equal(401, request.status)
    end)
end)

describe("a refusal", function()
    it("of a change is in the audit, with who wanted what", function()
        local w = new()
        local secrets = tokens(w)
        assert.equal(403, ask(w, "POST", "/v1/flows/a/disable", { headers = bearer(secrets.viewer) }).status)
        assert.equal(403, ask(w, "GET", "/v1/users", { headers = bearer(secrets.viewer) }).status)
        local entry = ask(w, "GET", "/v1/audit", { headers = bearer(secrets.admin) }):json().items[1]
        assert.same({ "refused", "token:eye" }, { entry.action, entry.actor })
        assert.same({ method = "POST", path = "/v1/flows/a/disable", role = "viewer", needs = "operator" }, entry.after)
    end)

    it("does not fill the audit", function()
        local w = new()
        local secrets = tokens(w)
        for _ = 1, 30 do
            w:request("POST", "/v1/flows/a/disable", { headers = bearer(secrets.viewer) })
        end
        w:settle()
        local count = 0
        for _, action in ipairs(actions(w, secrets.admin)) do
            count = count + (action == "refused by token:eye" and 1 or 0)
        end
        assert.equal(10, count)
    end)
end)

describe("what is done", function()
    it("is kept with who did it", function()
        local w = new()
        local secrets = tokens(w)
        ask(w, "POST", "/v1/flows/a/disable", { headers = bearer(secrets.operator) })
        assert.equal("disable by token:op", actions(w, secrets.admin)[1])
    end)

    it("changes nothing when the store cannot take it", function()
        local w = new()
        w.store.failures = { "IO" }
        assert.equal("IO", code_of(ask(w, "POST", "/v1/tokens", { body = { role = "admin" } })))
        assert.equal(200, ask(w, "GET", "/v1/tokens").status)
    end)
end)

describe("an app", function()
    local w, secrets, app

    local function start()
        return ask(w, "POST", "/v1/flows/a/runs", { headers = bearer(app) })
    end

    local function patch(body, by)
        return ask(w, "PATCH", "/v1/apps/shop", { headers = bearer(by or secrets.admin), body = body })
    end

    before_each(function()
        w = new()
        secrets = tokens(w)
        local request = ask(w, "POST", "/v1/apps", { headers = bearer(secrets.operator),
            body = { name = "shop", eps = 2 } })
        assert.equal(201, request.status, request.body)
        assert.same({ "pending", "token:op" }, { request:json().state, request:json().owner })
        request = ask(w, "POST", "/v1/apps/shop/tokens", { headers = bearer(secrets.operator) })
        assert.equal(201, request.status, request.body)
        app = request:json().token
    end)

    it("may start runs once an admin has accepted it", function()
        assert.equal("APP_NOT_ACCEPTED", code_of(start()))
        assert.equal("FORBIDDEN", code_of(patch({ state = "accepted" }, secrets.operator)))
        assert.equal(200, patch({ state = "accepted" }).status)
        assert.equal(200, start().status)
        patch { state = "rejected" }
        assert.equal("APP_NOT_ACCEPTED", code_of(start()))
    end)

    it("starts so many a second, with a burst of twice that", function()
        patch { state = "accepted" }
        for _ = 1, 4 do
            assert.equal(200, start().status)
        end
        local request = start()
        assert.equal("RATE_LIMITED", code_of(request))
        assert.is_truthy(request:json().detail:find "eps limitation is: 2")
        assert.equal("1", request.answered.headers["retry-after"])
        w.clock.now = w.clock.now + 500
        assert.equal(200, start().status)
        assert.equal(429, start().status)
        patch { eps = 100 }
        w.clock.now = w.clock.now + 1000
        for _ = 1, 20 do
            assert.equal(200, start().status)
        end
    end)

    it("tags its runs, sees them and no others, and does nothing else", function()
        patch { state = "accepted" }
        local own = start().answered.headers["flowhost-run"]
        local other = ask(w, "POST", "/v1/flows/a/runs", { headers = bearer(secrets.operator) })
            .answered.headers["flowhost-run"]
        assert.equal("shop", ask(w, "GET", "/v1/runs/" .. own, { headers = bearer(app) }):json().tags.app)
        assert.equal(1, #ask(w, "GET", "/v1/runs", { headers = bearer(secrets.viewer), query = { tag = "app:shop" } })
            :json().items)
        for _, row in ipairs { { "GET", "/v1/runs/" .. other }, { "GET", "/v1/runs" }, { "GET", "/v1/apps" },
            { "POST", "/v1/runs/" .. own .. "/cancel" }, { "POST", "/v1/flows/a/disable" } } do
            assert.equal("FORBIDDEN", code_of(ask(w, row[1], row[2], { headers = bearer(app) })), row[2])
        end
        assert.equal("app:shop", ask(w, "GET", "/v1/me", { headers = bearer(app) }):json().name)
    end)

    it("is for its owner, its members and admins", function()
        local function look(by)
            return code_of(ask(w, "GET", "/v1/apps/shop", { headers = by }))
        end
        make_user(w, secrets.admin, "ada")
        local ada = { cookie = cookie_of(log_in(w, "ada")) }
        assert.equal("FORBIDDEN", look(ada))
        assert.equal(0, #ask(w, "GET", "/v1/apps", { headers = ada }):json().items)
        assert.equal(200, look(bearer(secrets.operator)))
        assert.equal(200, patch({ members = { "ada" } }, secrets.operator).status)
        assert.equal(200, look(ada))
        assert.equal(1, #ask(w, "GET", "/v1/apps", { headers = ada }):json().items)
        assert.equal("FORBIDDEN", look(bearer(secrets.viewer)))
    end)

    it("gets another token, and with rotate the one before is none", function()
        patch { state = "accepted" }
        local request = ask(w, "POST", "/v1/apps/shop/tokens", { headers = bearer(secrets.operator),
            body = { rotate = true } })
        assert.equal(401, start().status)
        app = request:json().token
        assert.equal(200, start().status)
        assert.equal(204, ask(w, "DELETE", "/v1/apps/shop", { headers = bearer(secrets.operator) }).status)
        assert.equal(401, start().status)
        assert.equal("NO_APP", code_of(patch { eps = 1 }))
    end)

    it("is refused what it cannot be, and a name that is taken", function()
        for _, body in ipairs { { eps = 0 }, { eps = "1" }, { state = "yes" }, { members = "ada" },
            { members = { "a b" } }, { owner = "" } } do
            assert.equal("FIELD_INVALID", code_of(patch(body)))
        end
        assert.equal("EXISTS", code_of(ask(w, "POST", "/v1/apps", { headers = bearer(secrets.admin),
            body = { name = "shop" } })))
        assert.equal("FIELD_INVALID", code_of(ask(w, "POST", "/v1/apps", { headers = bearer(secrets.admin),
            body = { name = "a/b" } })))
    end)
end)
