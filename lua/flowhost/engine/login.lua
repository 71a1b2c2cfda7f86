-- SPDX-License-Identifier: MIT
-- Names and passwords. All tries are judged by shard 0, which counts failures by name and by address: more
-- shards do not mean more guesses. The hash is computed on the worker (core.access); what fails takes as long for a
-- name that nobody has.
--
--   remote verb "login" { name, password, address } -> { secret, name, role } | { status, code, detail, retry_s }

local access = require "flowhost.engine.access"
local core = require "flowhost.core"
local limit = require "flowhost.engine.access_limit"
local remote = require "flowhost.engine.remote"
local token = require "flowhost.engine.token"

local store, system, timer = core.store, core.system, core.timer
local tables = store.tables

local M = {}

--- Of no password; as strong as those that core.access makes.
local NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$wZoBzN2xOnBqzDGqQGTWFQ$l8xL1VvXNLHq3dyIYTcVEnEN0UZIwP6c5C1Rr0Iua6o"

local MINUTE = 60 * 1000
local by_name = limit.new { threshold = 5, base_ms = 1000, max_ms = MINUTE, forget_ms = 60 * MINUTE, max_keys = 4096 }
local by_address = limit.new { threshold = 50, base_ms = 1000, max_ms = MINUTE, forget_ms = 60 * MINUTE,
    max_keys = 4096 }

local WRONG = { status = 401, code = "UNAUTHORIZED", detail = "name or password is wrong" }

local function busy(reply)
    return reply { status = 503, code = "BUSY", detail = "too many passwords are being checked; come again",
        retry_s = 1 }
end

--- Failures in the audit, at most one a second; the log has the sum.
local last_noted = 0

local function note_failure(arguments, user, now, done)
    by_name:fail(arguments.name, now)
    by_address:fail(arguments.address, now)
    if now - last_noted < 1000 and now >= last_noted then
        return done()
    end
    last_noted = now
    -- what is not a name may be a password in the wrong field
    local name = user and user.name or "unknown"
    system.log("warn", "a login failed", { "user", name, "address", arguments.address, "failures",
        tostring(by_name.total) })
    access.record(store.batch(), { actor = name, action = "log in failed",
        after = { address = arguments.address, failures = by_name.total } }, done)
end

local function open_session(user, raw, reply)
    local batch = store.batch()
    batch:expect_value(tables.users, user.name, raw) -- nothing has changed since his hash was read
    access.sweep(batch)
    local _, secret = access.add_token(batch, { kind = "session", name = user.name, user = user.name,
        role = user.role, expires = timer.now_ms() + access.SESSION_MS })
    access.record(batch, { actor = user.name, action = "log in" }, function(code)
        if code == "CONFLICT" then
            return reply(WRONG)
        elseif code then
            return reply { status = code == "DISK_FULL" and 507 or 503, code = code,
                detail = "the session could not be stored: " .. code }
        end
        reply { secret = secret, name = user.name, role = user.role }
    end)
end

remote.on("login", function(arguments, reply)
    local now = timer.now_ms()
    local wait = math.max(by_name:wait_ms(arguments.name, now), by_address:wait_ms(arguments.address, now))
    if wait > 0 then
        return reply { status = 429, code = "TOO_MANY_ATTEMPTS", retry_s = math.ceil(wait / 1000),
            detail = ("too many logins failed; the next try is in %d s"):format(math.ceil(wait / 1000)) }
    end
    local user, raw = access.user(arguments.name)
    local hash = user and not user.disabled and user.hash or NOBODY
    local number = token.new(function(code, is_equal)
        if code then
            return reply { status = 503, code = code, detail = "the password could not be checked" }
        elseif not is_equal or hash == NOBODY then
            return note_failure(arguments, user, timer.now_ms(), function()
                reply(WRONG)
            end)
        end
        by_name:clear(arguments.name)
        open_session(user, raw, reply)
    end)
    if not core.access.verify_password(hash, arguments.password, number) then
        token.drop(number)
        return busy(reply)
    end
end)

--- done(hash), or done(nil, code).
function M.hash(password, done)
    local number = token.new(function(code, hash)
        done(hash, code)
    end)
    local ok, code = core.access.hash_password(password, number)
    if not ok then
        token.drop(number)
        done(nil, code)
    end
end

return M
