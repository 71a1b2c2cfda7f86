-- SPDX-License-Identifier: MIT
-- Who wants to know that a run has changed. A run changes on the shard that owns it; those who watch it may be on any.
-- The owner knows the shards to tell, each shard its own watchers. What has changed they read from the store.

local core = require "flowhost.core"
local remote = require "flowhost.engine.remote"

local system = core.system

local M = {}

-- On the owner: run id -> set of shards.
local watched = {}

-- Of this shard: run id -> set of functions.
local watchers = {}

local function ignore() end

--- Called on the owner each time something of the run became durable: its journal, its row.
---@param run { id: string }
function M.notify(run)
    local shards = watched[run.id]
    if shards then
        for shard in pairs(shards) do
            remote.call(shard, "changed", { id = run.id }, ignore)
        end
    end
end

--- Calls fn() after each change from now on; on_ready() once none can be missed any more: what is read then is the
--- state that the changes follow.
function M.start(id, fn, on_ready)
    watchers[id] = watchers[id] or {}
    watchers[id][fn] = true
    remote.call(remote.owner(system.id_bytes(id)), "watch", { id = id, shard = system.shard }, on_ready)
end

function M.stop(id, fn)
    local mine = watchers[id]
    if mine and mine[fn] then
        mine[fn] = nil
        if next(mine) == nil then
            watchers[id] = nil
            remote.call(remote.owner(system.id_bytes(id)), "unwatch", { id = id, shard = system.shard }, ignore)
        end
    end
end

-- Mail of one shard keeps its order, so that the last of these is what counts.
remote.on("watch", function(arguments, reply)
    watched[arguments.id] = watched[arguments.id] or {}
    watched[arguments.id][arguments.shard] = true
    reply {}
end)

remote.on("unwatch", function(arguments, reply)
    local shards = watched[arguments.id]
    if shards then
        shards[arguments.shard] = nil
        watched[arguments.id] = next(shards) ~= nil and shards or nil
    end
    reply {}
end)

--- Watchers may stop, and start others, meanwhile.
remote.on("changed", function(arguments, reply)
    local mine = watchers[arguments.id]
    local list = {}
    for fn in pairs(mine or {}) do
        list[#list + 1] = fn
    end
    for _, fn in ipairs(list) do
        if mine[fn] then
            fn()
        end
    end
    reply {}
end)

--- How many runs have watchers: of this shard's runs, and here.
function M.count()
    local owned, here = 0, 0
    for _ in pairs(watched) do
        owned = owned + 1
    end
    for _ in pairs(watchers) do
        here = here + 1
    end
    return owned, here
end

return M
