-- SPDX-License-Identifier: MIT
-- How many runs an app may start: a bucket that gains `eps` a second and holds 2 * eps (at least one). There is one per
-- host: each app has a home shard, which the others ask. It is not stored: a restart fills it.
--
--   take(app, done)     done(0), or done(ms) until the next start is allowed

local core = require "flowhost.core"
local remote = require "flowhost.engine.remote"

local system, timer = core.system, core.timer

local M = {}

local buckets = {} -- name -> { level, at }

--- The shard that has the app's bucket.
local function home(name)
    local sum = 0
    for i = 1, #name do
        sum = (sum * 31 + name:byte(i)) % 65536
    end
    return sum % system.shards
end

local function take(name, eps)
    local now, size = timer.mono_us() / 1e6, math.max(1, 2 * eps)
    local bucket = buckets[name] or { level = size, at = now }
    buckets[name] = bucket
    bucket.level = math.min(size, bucket.level + (now - bucket.at) * eps)
    bucket.at = now
    -- what a sum of fractions lost
    if bucket.level >= 1 - 1e-9 then
        bucket.level = bucket.level - 1
        return 0
    end
    return math.max(1, (1 - bucket.level) / eps * 1000)
end

remote.on("app_start", function(arguments, reply)
    reply { wait_ms = take(arguments.name, arguments.eps) }
end)

---@param app { name: string, eps: number }   eps 0: no limit
function M.take(app, done)
    if app.eps == 0 then
        return done(0)
    end
    remote.call(home(app.name), "app_start", { name = app.name, eps = app.eps }, function(result)
        done(result.wait_ms or 0)
    end)
end

return M
