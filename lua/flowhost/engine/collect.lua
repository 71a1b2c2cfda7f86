-- SPDX-License-Identifier: MIT
-- Takes releases out of the store that nobody refers to any more, while everything goes on.
--
-- A release stays if it is one of the newest, one that an override or a published version of a state machine names, or
-- one that an unfinished run is pinned to.
-- Shard 0 looks for such runs page by page. Runs change their status meanwhile, so each shard notes what its runs use
-- from `collect_begin` on. `collect_claim` asks for these notes and condemns the rest at the same moment: no run is
-- brought back with a condemned release until `collect_end`.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local chore = require "flowhost.engine.chore"
local live = require "flowhost.engine.live"
local machines = require "flowhost.engine.machines"
local release_module = require "flowhost.engine.release"
local remote = require "flowhost.engine.remote"
local rows = require "flowhost.engine.rows"

local store, system, timer = core.store, core.system, core.timer
local tables = store.tables

local M = {}

local KEPT = 5      -- newest ones, to go back to
local BATCH = 5     -- so many must be without a known run before they are looked for
local PAGE = 200
local REST = 20     -- times as long as the last search took nobody searches again
local UNFINISHED = { "queued", "running", "waiting", "suspended" }

-- On each shard, while shard 0 collects.
local used       -- hash -> true
local condemned  -- hash -> true
local waiting = {} -- functions to be called when nothing is condemned any more

-- On shard 0.
local witnesses = {} -- hash -> run (bytes) that was pinned to it
local not_before = 0

local function on_use(hash)
    if condemned and condemned[hash] then
        return false
    end
    used[hash] = true
    return true
end

--- Runs that are worked on here; a run that was not is brought back with `on_use`.
local function note_live()
    for _, run in pairs(live.runs) do
        used[run.release] = true
    end
end

remote.on("collect_begin", function(_, reply)
    used, condemned, catalog.on_use = {}, nil, on_use
    note_live()
    reply {}
end)

--- Those of the asked ones that runs here use; the others are condemned.
remote.on("collect_claim", function(arguments, reply)
    note_live()
    condemned = {}
    local found = core.json.array {}
    for _, hash in ipairs(arguments.hashes) do
        if used[hash] then
            found[#found + 1] = hash
        else
            condemned[hash] = true
            catalog.forget(hash)
        end
    end
    reply { used = found }
end)

remote.on("collect_end", function(_, reply)
    used, condemned, catalog.on_use = nil, nil, nil
    local fns = waiting
    waiting = {}
    for _, fn in ipairs(fns) do
        fn()
    end
    reply {}
end)

--- Calls fn, which stores a release that comes from elsewhere, and a run of it: not while files are being removed that
--- it may have.
function M.when_idle(hash, fn)
    if condemned then
        waiting[#waiting + 1] = fn
        return
    elseif used then
        used[hash] = true
    end
    fn()
end

local function call_all(verb, arguments)
    return chore.await(function(done)
        remote.call_all(verb, arguments, done)
    end)
end

--- The release of a stored run, nil when it is over or unreadable.
local function release_of(run_bytes)
    local text = store.get(tables.runs, run_bytes)
    local hash, status = (text or ""):match '^%["[^"]*","[^"]*","(%x+)","(%a+)"'
    if text and not hash then
        local row = rows.decode(run_bytes, text)
        hash, status = row.release, row.status
    end
    return status and not rows.TERMINAL[status] and hash or nil
end

local function protected()
    local kept = machines.releases()
    kept[catalog.active.hash] = true
    for _, override in pairs(catalog.overrides) do
        if override.release then
            kept[override.release] = true
        end
        if override.canary then
            kept[override.canary.release] = true
        end
    end
    return kept
end

--- hash -> release of those that could go, and how many.
local function find_candidates()
    local kept, found, count = protected(), {}, 0
    for i, release in ipairs(release_module.list() or {}) do
        local witness = witnesses[release.hash]
        local is_witnessed = witness and release_of(witness) == release.hash
        if i > KEPT and not kept[release.hash] and not is_witnessed then
            found[release.hash], count = release, count + 1
        end
    end
    return found, count
end

--- Takes those out of the candidates that an unfinished run is pinned to. Returns how many are left.
local function search_runs(candidates, count)
    for _, status in ipairs(UNFINISHED) do
        local prefix, after = status .. "\0", nil
        repeat
            local keys, _, found = store.scan(tables.runs_by_status, { prefix = prefix, after = after, limit = PAGE })
            if not keys then
                error("unfinished runs cannot be listed: " .. tostring(found), 0)
            end
            for i = 1, found do
                local run_bytes = keys[i]:sub(#prefix + 1)
                local hash = release_of(run_bytes)
                if hash and candidates[hash] then
                    candidates[hash], witnesses[hash], count = nil, run_bytes, count - 1
                    if count == 0 then
                        return 0
                    end
                end
            end
            after = keys[found]
            chore.pause()
        until found < PAGE
    end
    return count
end

--- The files that only the doomed have.
local HEX = '"(' .. ("%x"):rep(64) .. ')"'

local function find_blobs(doomed)
    local blobs, is_doomed, after = {}, {}, nil
    for _, release in ipairs(doomed) do
        is_doomed[release.root] = true
        for hash in (release_module.read_tree(release.root) or ""):gmatch(HEX) do
            blobs[hash] = true
        end
        chore.pause()
    end
    repeat
        local keys, trees, count = store.scan(tables.releases, { after = after, limit = 10 })
        if not keys then
            error("releases cannot be listed: " .. tostring(count), 0)
        end
        for i = 1, count do
            if not trees[i] then
                error("a release is damaged: no file is removed", 0)
            elseif not is_doomed[keys[i]] then
                for hash in trees[i]:gmatch(HEX) do
                    blobs[hash] = nil
                end
            end
        end
        after = keys[count]
        chore.pause()
    until count < 10
    return blobs
end

--- With no reload or override at work.
local function remove(candidates)
    local kept, hashes, doomed = protected(), core.json.array {}, {}
    for hash in pairs(candidates) do
        if not kept[hash] then
            hashes[#hashes + 1] = hash
        end
    end
    for _, result in pairs(call_all("collect_claim", { hashes = hashes })) do
        for _, hash in ipairs(result.used) do
            candidates[hash] = nil
        end
    end
    for _, hash in ipairs(hashes) do
        doomed[#doomed + 1] = candidates[hash]
    end
    if #doomed == 0 then
        return
    end
    chore.await(release_module.barrier) -- what other shards have stored is seen
    local blobs = find_blobs(doomed)
    local code = chore.await(function(done)
        release_module.remove(doomed, blobs, done)
    end)
    if code then
        return system.log("warn", "unused releases could not be removed: " .. code)
    end
    for _, release in ipairs(doomed) do
        witnesses[release.hash] = nil
    end
    system.log("debug", ("removed %d unused release%s"):format(#doomed, #doomed == 1 and "" or "s"))
end

local function guarded(fn, ...)
    local ok, raised = xpcall(fn, debug.traceback, ...)
    call_all("collect_end", {})
    if not ok then
        error(raised, 0)
    end
end

local function collect(least)
    local candidates, count = find_candidates()
    if count < least or timer.mono_us() < not_before then
        return
    end
    local began = timer.mono_us()
    call_all("collect_begin", {})
    local ok, left = xpcall(search_runs, debug.traceback, candidates, count)
    not_before = timer.mono_us() + REST * (timer.mono_us() - began)
    if not ok or left == 0 then
        call_all("collect_end", {})
        if not ok then
            error(left, 0)
        end
        return
    end
    chore.await(function(done)
        chore.run("releases", "removing unused releases", function()
            local is_done, raised = pcall(guarded, remove, candidates)
            done()
            if not is_done then
                error(raised, 0)
            end
        end)
    end)
end

--- Looks for releases to remove: at the start for any, else when there are some more. On shard 0.
function M.start(is_boot)
    chore.run("collect", "looking for unused releases", function()
        collect(is_boot and 1 or BATCH)
    end)
end

return M
