-- SPDX-License-Identifier: MIT
-- Releases: the content-addressed tree of a flows folder, kept in the store so that a run finds its code for as long
-- as it lives. Tables:
--
--   blobs     SHA-256 -> file
--   releases  root -> tree { files = { path = hex }, env = { name = value } }. The root is the SHA-256 of the tree's
--             JSON (keys sorted). host.lua's env is part of it: a replay sees the same values. Files that were
--             published as documents (engine/documents.lua) have their versions in `versions` { path = version }
--   active    "flows" -> root of the newest one; "release:" root -> { activated = ms }, when it last became that
--
--   release: hash (hex), root (bytes), tree_json, hashes (path -> hex), env, versions, texts (path -> text, of what may
--            not be stored)

local core = require "flowhost.core"
local naming = require "flowhost.flow.naming"
local token = require "flowhost.engine.token"

local json, store, system, timer = core.json, core.store, core.system, core.timer
local tables = store.tables

local M = {}

local NEWEST = "flows"
local ACTIVATED = "release:"

local BYTES = {}
for i = 0, 255 do
    BYTES[("%02x"):format(i)] = string.char(i)
end

local function from_hex(hex)
    return (hex:gsub("%x%x", BYTES))
end

function M.hash_of(text)
    return system.hex(system.sha256(text))
end

---@param hashes table<string, string>  path -> hex
---@param env table<string, any>
---@param texts table<string, string>   of the files that may not be stored yet
---@param versions table<string, string>?  of published documents, path -> version
function M.of(hashes, env, texts, versions)
    versions = versions or {}
    local tree_json = assert(json.encode { files = hashes, env = env, versions = next(versions) and versions or nil })
    local root = system.sha256(tree_json)
    return { hash = system.hex(root), root = root, tree_json = tree_json, hashes = hashes, env = env, texts = texts,
        versions = versions }
end

--- Of files, path -> text.
function M.make(files, env, versions)
    local hashes = {}
    for path, text in pairs(files) do
        hashes[path] = M.hash_of(text)
    end
    return M.of(hashes, env, files, versions)
end

local VERSION_DIGITS = 12

--- What a file of a release is called: the version it was published as, else the beginning of its hash.
---@param release table  with hashes and versions
function M.version_of(release, path)
    local hash = path and release.hashes[path]
    return hash and (release.versions[path] or hash:sub(1, VERSION_DIGITS))
end

local function is_newest(release)
    return store.get(tables.active, NEWEST) == release.root and store.get(tables.releases, release.root) ~= nil
        and store.get(tables.active, ACTIVATED .. release.root) ~= nil
end

--- Writes it as the newest, and its texts. done(error code or nil) once it is durable; at once when it is there.
---@param is_stored fun(hash: string): boolean  whether a file need not be written
function M.save(release, is_stored, done)
    if is_newest(release) then
        return done()
    end
    local batch = store.batch()
    for path, text in pairs(release.texts) do
        if path:find "%.asl%.json$" and not release.versions[path] then
            -- histories of executions are made of it long after the release is gone (machine_code.lua)
            batch:put(tables.documents, "definition\0" .. M.version_of(release, path), text)
        end
        if not is_stored(release.hashes[path]) then
            batch:put(tables.blobs, from_hex(release.hashes[path]), text)
        end
    end
    batch:put(tables.releases, release.root, release.tree_json)
    batch:put(tables.active, NEWEST, release.root)
    batch:put(tables.active, ACTIVATED .. release.root, json.encode { activated = timer.now_ms() })
    system.fault "engine.release"
    token.submit(batch, function(code)
        system.fault "engine.released"
        done(code)
    end)
end

function M.has_blob(hash)
    return store.get(tables.blobs, from_hex(hash)) ~= nil
end

--- Text of a stored file; nil, reason.
function M.read_blob(hash)
    local text, _, reason = store.get(tables.blobs, from_hex(hash))
    return text, reason
end

--- The tree's JSON; nil when it is missing or damaged.
function M.read_tree(root)
    return (store.get(tables.releases, root))
end

--- A stored release without texts; nil, reason when it is missing or damaged.
function M.read(hash)
    local root = from_hex(hash)
    local tree_json, _, detail = store.get(tables.releases, root)
    if not tree_json then
        return nil, ("release %s is not in the store%s"):format(hash:sub(1, 12), detail and ": " .. detail or "")
    end
    local tree = json.decode(tree_json)
    return { hash = hash, root = root, tree_json = tree_json, hashes = tree.files, env = tree.env, texts = {},
        versions = tree.versions or {} }
end

--- files (path -> text), env of a stored release; nil, reason when it, or a file of it, is missing or damaged.
function M.read_files(hash)
    local release, reason = M.read(hash)
    if not release then
        return nil, reason
    end
    local files = {}
    for path, file_hash in pairs(release.hashes) do
        local text, detail = M.read_blob(file_hash)
        if not text then
            return nil, ("file %s of release %s is not in the store%s"):format(path, hash:sub(1, 12),
                detail and ": " .. detail or "")
        end
        files[path] = text
    end
    return files, release.env
end

--- Adds a release with all its texts to a batch, not as the newest: it stays for good.
function M.put(batch, release)
    for path, text in pairs(release.texts) do
        batch:put(tables.blobs, from_hex(release.hashes[path]), text)
    end
    batch:put(tables.releases, release.root, release.tree_json)
end

--- done() once all that was submitted before is committed.
function M.barrier(done)
    local batch = store.batch()
    batch:del(tables.active, "barrier")
    token.submit(batch, done)
end

--- When each stored release became the newest: list of { hash, root, activated (ms) }, newest first.
function M.list()
    local found, after = {}, nil
    repeat
        local keys, values, count = store.scan(tables.active, { prefix = ACTIVATED, after = after, limit = 1000 })
        if not keys then
            return nil, values, count
        end
        for i = 1, count do
            local row = values[i] and json.decode(values[i])
            local root = keys[i]:sub(#ACTIVATED + 1)
            found[#found + 1] = { root = root, hash = system.hex(root), activated = row and row.activated or 0 }
        end
        after = keys[count]
    until count < 1000
    table.sort(found, function(a, b)
        if a.activated ~= b.activated then
            return a.activated > b.activated
        end
        return a.hash < b.hash
    end)
    return found
end

--- The text behind a key of an object in a stored tree's JSON, without decoding all of it.
local function find_text(tree_json, object, key)
    local _, at = tree_json:find(('"%s":{'):format(object), 1, true)
    local _, last = tree_json:find(json.encode(key) .. ':"', at or #tree_json, true)
    return last and tree_json:match('^[^"]*', last + 1)
end

--- The version of a flow in a stored tree's JSON; nil when it has none of that name.
function M.find_version(tree_json, name)
    for _, kind in ipairs(naming.KINDS) do
        local hash = find_text(tree_json, "files", name .. kind.suffix)
        if hash then
            return find_text(tree_json, "versions", name .. kind.suffix) or hash:sub(1, VERSION_DIGITS)
        end
    end
end

--- Takes releases that nobody refers to out of the store, and the files that only they have. done(error code or nil)
---@param doomed table[]  { root }
---@param blobs table<string, boolean>  hex of the files
function M.remove(doomed, blobs, done)
    local batch = store.batch()
    for _, release in ipairs(doomed) do
        batch:del(tables.releases, release.root)
        batch:del(tables.active, ACTIVATED .. release.root)
    end
    for hash in pairs(blobs) do
        batch:del(tables.blobs, from_hex(hash))
    end
    system.fault "engine.collect"
    token.submit(batch, done)
end

return M
