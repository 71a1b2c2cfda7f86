-- SPDX-License-Identifier: MIT
-- Makes a release of the folder as it is now, on shard 0: compiled, stored, then served by all shards, one after the
-- other. So no run pins a release that is not on disk.
--
-- Documents that were published (engine/documents.lua) lie over the folder: a release has them as files.
--
-- A changed file that does not load is refused: the release has its former text, or nothing. A module (lib/) without
-- which a file that did load would not is refused as well. What is refused is tried again with each reload.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local chore = require "flowhost.engine.chore"
local naming = require "flowhost.flow.naming"
local release_module = require "flowhost.engine.release"
local remote = require "flowhost.engine.remote"

local system = core.system

local M = {
    on_done = function() end, -- called after each release that came into force
}

local HOST_FILE = "host.lua"
local MAX_NAMED = 5

local folder = {
    hashes = {}, -- path -> hex of what lies there
    texts = {},  -- hex -> text, of what the newest release does not have
    unread = {}, -- path -> sentence, of files and folders that cannot be read
}
local published = { hashes = {}, texts = {}, versions = {} } -- path -> hex, hex -> text, path -> version
local host_file = nil -- { read(text) -> values, env | nil, { line, message }; values at the start }
local is_queued = false
local is_asked = false -- somebody wants to read in the log what comes of the next one
local refused = {} -- path -> { file, line, message, was: it stays as it was }

local function sorted_keys(map)
    local keys = {}
    for key in pairs(map) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

--- What should be served if all of it loads. Below what cannot be read everything stays.
local function wanted()
    local hashes = {}
    for path, hash in pairs(folder.hashes) do
        hashes[path] = hash
    end
    for unread in pairs(folder.unread) do
        for path, hash in pairs(catalog.active.hashes) do
            if path == unread or path:sub(1, #unread + 1) == unread .. "/" then
                hashes[path] = hash
            end
        end
    end
    return hashes
end

--- What to make a release of: the folder as it is, with these documents over it.
local function new_plan(documents)
    local hashes, versions = wanted(), {}
    for path, hash in pairs(documents.hashes) do
        hashes[path], versions[path] = hash, documents.versions[path]
    end
    local plan = { hashes = hashes, versions = versions, documents = documents, refused = {} }
    for path, message in pairs(folder.unread) do
        plan.refused[path] = { file = path, line = 1, message = message, was = catalog.active.hashes[path] ~= nil }
    end
    return plan
end

local function new_texts(plan)
    local texts = {}
    for path, hash in pairs(plan.hashes) do
        if catalog.active.hashes[path] ~= hash then
            texts[path] = plan.documents.texts[hash] or folder.texts[hash]
        end
    end
    return texts
end

--- The file stays as it was in the release in force.
---@param faults table[]?  of a document: { pointer, message }
local function revert(plan, path, line, message, faults)
    local was = catalog.active.hashes[path]
    plan.hashes[path], plan.versions[path] = was, catalog.active.versions[path]
    plan.refused[path] = { file = path, line = line, message = message, was = was ~= nil, faults = faults }
end

local function is_changed(plan, path)
    return plan.hashes[path] ~= catalog.active.hashes[path]
end

--- The values of host.lua. A setting other than env is read at the start only.
local function read_host_file(plan)
    plan.env = catalog.active.env
    if not host_file or not is_changed(plan, HOST_FILE) then
        return
    end
    local text = folder.texts[plan.hashes[HOST_FILE]]
    local values, env = host_file.read(text or "return {}")
    if not values then
        return revert(plan, HOST_FILE, env.line, env.message)
    end
    plan.env, plan.values = env, values
end

local function warn_of_settings(values)
    for _, from in ipairs { values, host_file.values } do
        for _, name in ipairs(sorted_keys(from)) do
            if values[name] ~= host_file.values[name] and (from == values or values[name] == nil) then
                system.log("warn", ("host.lua: a change of '%s' takes a restart"):format(name))
            end
        end
    end
end

--- Flows that are served come first: of two that want the same route the new one is refused.
local function order_of(plan)
    local served, rest = {}, {}
    for _, path in ipairs(sorted_keys(plan.hashes)) do
        local list = is_changed(plan, path) and rest or served
        list[#list + 1] = path
    end
    for _, path in ipairs(rest) do
        served[#served + 1] = path
    end
    return served
end

local function changed_modules(plan)
    local paths = {}
    for _, hashes in ipairs { plan.hashes, catalog.active.hashes } do
        for path in pairs(hashes) do
            if path:find "^lib/" and is_changed(plan, path) then
                paths[path] = true
            end
        end
    end
    return sorted_keys(paths)
end

--- Problems that the release in force does not have, those that `matches` the path.
local function new_problems(compiled, matches)
    local known, found = {}, {}
    for _, problem in ipairs(catalog.active.problems) do
        known[problem.file] = problem.message
    end
    for _, problem in ipairs(compiled.problems) do
        if known[problem.file] ~= problem.message and matches(problem.file) then
            found[#found + 1] = problem
        end
    end
    return found
end

--- Takes back what does not load: first modules, since what needs them may be good with the former ones. Whether it
--- took anything back: the rest must be looked at again.
local function take_back(plan, compiled)
    local bad = new_problems(compiled, function(path)
        return path:find "^lib/" and is_changed(plan, path)
    end)
    if not bad[1] then
        local victim = new_problems(compiled, function(path)
            return not is_changed(plan, path)
        end)[1]
        for _, path in ipairs(victim and changed_modules(plan) or {}) do
            bad[#bad + 1] = { file = path, line = 1, message = ("with this change %s does not load: %s:%d: %s"):format(
                victim.file, victim.file, victim.line, victim.message) }
        end
    end
    if not bad[1] then
        bad = new_problems(compiled, function(path)
            return is_changed(plan, path)
        end)
    end
    for _, problem in ipairs(bad) do
        revert(plan, problem.file, problem.line, problem.message, problem.faults)
    end
    return bad[1] ~= nil
end

--- The release of what loads, and the same compiled.
local function settle(plan)
    while true do
        local release = release_module.of(plan.hashes, plan.env, new_texts(plan), plan.versions)
        local compiled = catalog.compile(release, { order = order_of(plan), pause = chore.pause })
        if not take_back(plan, compiled) then
            return release, compiled
        end
    end
end

local function log_refused(plan)
    for _, path in ipairs(sorted_keys(plan.refused)) do
        local now, before = plan.refused[path], refused[path]
        if not before or before.message ~= now.message or before.line ~= now.line then
            system.log("error", ("%s:%d: %s (%s)"):format(path, now.line, now.message,
                now.was and "what it was before stays" or "this file is not served"))
        end
    end
end

local function problems_of(plan)
    local list = {}
    for i, path in ipairs(sorted_keys(plan.refused)) do
        local one = plan.refused[path]
        list[i] = { file = one.file, line = one.line, message = one.message }
    end
    return list
end

--- "a.lua, b.lua and 7 more"
local function describe(before, now)
    local paths = {}
    for _, hashes in ipairs { before, now } do
        for path in pairs(hashes) do
            if before[path] ~= now[path] then
                paths[path] = true
            end
        end
    end
    local list = sorted_keys(paths)
    local text = table.concat(list, ", ", 1, math.min(#list, MAX_NAMED))
    return #list > MAX_NAMED and ("%s and %d more"):format(text, #list - MAX_NAMED) or text
end

--- A flow that is held at a version does not follow its file: said, so that nobody wonders.
local function log_held(before, now)
    for name, override in pairs(catalog.overrides) do
        local file = naming.file_of(now, name)
        if override.release and file and before[file] ~= now[file] then
            system.log("warn", ("flow %s stays at version %s, chosen by hand"):format(name,
                override.flow and override.flow.version or "?"))
        end
    end
end

--- What is hardly meant in files of the folder that are other than before.
---@param before table<string, string>  path -> hash
function M.log_warnings(compiled, before)
    for _, one in ipairs(compiled.warnings) do
        if not published.hashes[one.file] and compiled.hashes[one.file] ~= before[one.file] then
            system.log("warn", ("%s:%d: %s"):format(one.file, one.line, one.message))
        end
    end
end

local function take_release(arguments)
    if catalog.active.hash ~= arguments.hash then
        local release, reason = release_module.read(arguments.hash)
        if not release then
            error(reason, 0)
        end
        catalog.activate(catalog.compile(release, { pause = chore.pause }), arguments.problems)
    else
        catalog.activate(catalog.active, arguments.problems)
    end
end

--- Another shard takes the release that shard 0 has stored.
remote.on("release", function(arguments, reply)
    if system.shard == 0 then
        return reply {} -- it has it
    end
    chore.run("releases", "taking a release", function()
        local ok, raised = xpcall(take_release, debug.traceback, arguments)
        reply {}
        if not ok then
            error(raised, 0)
        end
    end)
end)

--- The others begin with it while this shard does.
local function everywhere(release, compiled, problems)
    chore.await(function(done)
        remote.call_all("release", { hash = release.hash, problems = core.json.array(problems) }, done)
        catalog.activate(compiled, problems)
    end)
end

local function put_in_force(release, compiled, problems)
    local before = catalog.active
    if release.hash ~= before.hash then
        local code = chore.await(function(done)
            release_module.save(release, function()
                return false
            end, done)
        end)
        if code then
            system.log("error", ("the release could not be stored: %s (what was served stays)"):format(code))
            return false
        end
        system.fault "engine.reloaded"
        everywhere(release, compiled, problems)
        local changes = describe(before.hashes, release.hashes)
        system.log("info", ("release %s is served%s"):format(release.hash:sub(1, 12),
            changes ~= "" and ": " .. changes or ": env of host.lua"))
        log_held(before.hashes, release.hashes)
        M.log_warnings(compiled, before.hashes)
    else
        everywhere(release, before, problems)
    end
    return true
end

--- Texts that are stored, or gone, are not needed here.
local function drop_texts()
    local needed = {}
    for path, hash in pairs(folder.hashes) do
        if catalog.active.hashes[path] ~= hash then
            needed[hash] = folder.texts[hash]
        end
    end
    folder.texts = needed
end

local function reload()
    is_queued = false
    local plan = new_plan(published)
    plan.is_asked, is_asked = is_asked, false
    read_host_file(plan)
    local release, compiled = settle(plan)
    log_refused(plan)
    if plan.is_asked and release.hash == catalog.active.hash then
        system.log("info", ("asked to reload: release %s is served as before"):format(release.hash:sub(1, 12)))
    end
    if put_in_force(release, compiled, problems_of(plan)) then
        refused = plan.refused
        if plan.values then
            warn_of_settings(plan.values)
        end
        drop_texts()
        M.on_done()
    end
end

--- The folder has changed. What is said while a reload is at work is taken up by one more.
---@param texts table<string, string>   path -> text, of what is new or changed
---@param removed string[]
---@param unread table<string, string>  path -> sentence, of what cannot be read
---@param asked boolean  by somebody who reads the log
function M.change(texts, removed, unread, asked)
    is_asked = is_asked or asked
    for _, path in ipairs(removed) do
        folder.hashes[path] = nil
    end
    for path, text in pairs(texts) do
        local hash = release_module.hash_of(text)
        folder.hashes[path], folder.texts[hash] = hash, text
    end
    folder.unread = unread
    if not is_queued then
        is_queued = true
        chore.run("releases", "reload", reload)
    end
end

--- The published documents with one more, another or one less.
local function with_change(path, text, version)
    local documents = { hashes = {}, texts = {}, versions = {} }
    for other, hash in pairs(published.hashes) do
        documents.hashes[other], documents.versions[other] = hash, published.versions[other]
    end
    if text then
        local hash = release_module.hash_of(text)
        documents.hashes[path], documents.versions[path], documents.texts[hash] = hash, version, text
    else
        documents.hashes[path], documents.versions[path] = nil, nil
    end
    return documents
end

--- What it takes to serve a document as published; nil, { line, message, faults } when it cannot be. For chores of the
--- lane "releases"; nothing has changed yet.
---@param text string?  nil: it is not published any more
function M.prepare(path, text, version)
    local plan = new_plan(with_change(path, text, version))
    plan.env = catalog.active.env
    plan.release, plan.compiled = settle(plan)
    if plan.refused[path] then
        return nil, plan.refused[path]
    end
    return plan
end

--- Serves what was prepared, on all shards; false when the release could not be stored.
function M.serve(plan)
    published = plan.documents
    if not put_in_force(plan.release, plan.compiled, problems_of(plan)) then
        return false
    end
    published.texts, refused = {}, plan.refused
    M.on_done()
    return true
end

--- What the host has been started with.
---@param release table  of engine/release
---@param folder_hashes table<string, string>  of its files, path -> hex
---@param documents { hashes: table, versions: table }  published ones
---@param read (fun(text: string): table?, table)?  reads host.lua; nil: it is not taken into account
---@param host_text string?
function M.begin(release, folder_hashes, documents, read, host_text)
    folder.hashes = folder_hashes
    for path in pairs(documents.versions) do
        published.hashes[path], published.versions[path] = release.hashes[path], documents.versions[path]
    end
    if read then
        host_file = { read = read, values = read(host_text or "return {}") or {} }
    end
end

return M
