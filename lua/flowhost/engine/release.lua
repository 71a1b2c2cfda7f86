-- SPDX-License-Identifier: MIT
-- Releases: the content-addressed tree of a flows folder, kept in the store so that a run finds its code for as long
-- as it lives. blobs: SHA-256 -> file; releases: root -> tree { files = { path = hex }, env = { name = value } }. The
-- root is the SHA-256 of the tree's JSON (keys sorted). host.lua's env is part of it: a replay sees the same values.

local core = require "flowhost.core"
local token = require "flowhost.engine.token"

local json, store, system = core.json, core.store, core.system
local tables = store.tables

local M = {}

---@param files table<string, string>
---@param env table<string, any>
---@return table release { hash (hex), root (bytes), tree_json, hashes (path -> bytes), files, env }
function M.make(files, env)
    local tree, hashes = { files = {}, env = env }, {}
    for path, text in pairs(files) do
        hashes[path] = system.sha256(text)
        tree.files[path] = system.hex(hashes[path])
    end
    local tree_json = assert(json.encode(tree))
    local root = system.sha256(tree_json)
    return { hash = system.hex(root), root = root, tree_json = tree_json, hashes = hashes, files = files, env = env }
end

--- Writes what the store does not have yet. done(error code or nil) once it is durable; at once when nothing is new.
function M.save(release, name, done)
    if store.get(tables.active, name) == release.root and store.get(tables.releases, release.root) then
        return done()
    end
    local batch = store.batch()
    for path, text in pairs(release.files) do
        if not store.get(tables.blobs, release.hashes[path]) then
            batch:put(tables.blobs, release.hashes[path], text)
        end
    end
    batch:put(tables.releases, release.root, release.tree_json)
    batch:put(tables.active, name, release.root)
    system.fault "engine.release"
    local ok, code = batch:submit(token.new(function(failure)
        system.fault "engine.released"
        done(failure)
    end))
    if not ok then
        done(code)
    end
end

local function from_hex(hex)
    return (hex:gsub("..", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

--- files, env of a stored release; nil, reason when it, or a file of it, is missing or damaged.
function M.read(hash)
    local tree_json, _, detail = store.get(tables.releases, from_hex(hash))
    if not tree_json then
        return nil, ("release %s is not in the store%s"):format(hash:sub(1, 12), detail and ": " .. detail or "")
    end
    local tree = json.decode(tree_json)
    local files = {}
    for path, hex in pairs(tree.files) do
        local text, _, reason = store.get(tables.blobs, from_hex(hex))
        if not text then
            return nil, ("file %s of release %s is not in the store%s"):format(path, hash:sub(1, 12),
                reason and ": " .. reason or "")
        end
        files[path] = text
    end
    return files, tree.env
end

return M
