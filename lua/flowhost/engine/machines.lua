-- SPDX-License-Identifier: MIT
-- State machines that were made by API, with their revisions, published versions, aliases and tags. Each lies as a file
-- NAME.asl.json over the flows folder (reload.lua), so a run pins it as it pins any file; a published version names the
-- release that has it. Machines that are files of the folder are shown beside them (machine_files.lua).
--
--   machine: name, type ("STANDARD" | "EXPRESS"), generation (of this name: a machine that is made anew has another),
--            created, updated (unix ms), what makes a revision: definition (SHA-256, hex), role, logging, tracing;
--            revision (UUID; nil until the first update), encryption, tags { key = value },
--            published ({ description } when making it made version 1), last_version,
--            versions { { number, created, description, revision..., release } } oldest first,
--            aliases { { name, description, created, updated, routing { { version, weight } } } } by name,
--            definitions (all that it has had)
--
-- Table `documents`: "machine" 00 name -> machine; "definition" 00 SHA-256 hex -> text. Shard 0 decides
-- (machine_changes.lua), one change after the other: it is in the store, then served by all shards, then answered.

local core = require "flowhost.core"
local arn = require "flowhost.dialect.asl.arn"
local naming = require "flowhost.flow.naming"

local json, store, system = core.json, core.store, core.system
local DOCUMENTS = store.tables.documents

local M = {
    arns = arn.new { account = "123456789012", region = "us-east-1" },
}

local MACHINE, DEFINITION = "machine\0", "definition\0"
local PAGE = 1000

local kept = {} -- name -> { raw, row }: rows are shared, nobody changes them

--- What the flow of a machine is called.
M.flow_name = naming.to_path

--- The file that a machine is in a release.
function M.path_of(name)
    return naming.to_path(name) .. ".asl.json"
end

function M.machine_key(name)
    return MACHINE .. name
end

function M.definition_key(hash)
    return DEFINITION .. hash
end

local function decode(name, raw)
    local entry = kept[name]
    if not entry or entry.raw ~= raw then
        local row = json.decode_stored(raw)
        if not row then
            system.log("error", "a state machine is damaged: it is left out", { "machine", name })
            return nil
        end
        entry = { raw = raw, row = row }
        kept[name] = entry
    end
    return entry.row
end

--- A machine by its name, to be read only; nil when there is none.
function M.get(name)
    local raw = store.get(DOCUMENTS, MACHINE .. name)
    if raw then
        return decode(name, raw)
    end
    kept[name] = nil
end

--- Calls fn(machine) for each, by name, until it returns true.
function M.each(fn)
    local after
    repeat
        local keys, values, count = store.scan(DOCUMENTS, { prefix = MACHINE, after = after, limit = PAGE })
        if not keys then
            error("state machines cannot be read: " .. tostring(count), 0)
        end
        for i = 1, count do
            local row = values[i] and decode(keys[i]:sub(#MACHINE + 1), values[i])
            if row and fn(row) then
                return
            end
        end
        after = keys[count]
    until count < PAGE
end

--- The text of a definition; nil when it is not there (any more).
function M.definition(hash)
    return (store.get(DOCUMENTS, DEFINITION .. hash))
end

--- What lies in the release for a definition: the type of a machine is given beside it.
function M.file_text(text, type)
    if type ~= "EXPRESS" then
        return text
    end
    return (text:gsub("^%s*{", '%0"Type":"EXPRESS",', 1))
end

--- Adds the machines to the documents that lie over the folder (documents.published).
function M.add_published(published)
    M.each(function(row)
        local text = M.definition(row.definition)
        if text then
            local path = M.path_of(row.name)
            published.texts[path], published.versions[path] = M.file_text(text, row.type), row.definition
        end
    end)
    return published
end

--- Hashes of the releases that published versions name.
function M.releases()
    local found = {}
    M.each(function(row)
        for _, version in ipairs(row.versions) do
            found[version.release] = true
        end
    end)
    return found
end

--- A published version of a machine.
---@param number integer|string
function M.version(row, number)
    number = tonumber(number)
    for _, version in ipairs(row.versions) do
        if version.number == number then
            return version
        end
    end
end

function M.alias(row, name)
    for _, alias in ipairs(row.aliases) do
        if alias.name == name then
            return alias
        end
    end
end

--- Names of the aliases that lead to a version.
function M.aliases_of(row, number)
    local names = {}
    for _, alias in ipairs(row.aliases) do
        for _, route in ipairs(alias.routing) do
            if route.version == number then
                names[#names + 1] = alias.name
            end
        end
    end
    return names
end

--- The key of an execution among the idempotency keys: nothing of a machine that was deleted is found by its name.
---@param row table   of the machine, or of machine_files.lua
---@param name string  of the execution
function M.execution_key(row, name)
    return ("%s\0aws:%s:%s"):format(M.flow_name(row.name), row.generation, name)
end

--- The version to which an alias leads this time.
---@param random number  from 0, below 1
function M.route(alias, random)
    local left = random * 100
    for _, route in ipairs(alias.routing) do
        left = left - route.weight
        if left < 0 then
            return route.version
        end
    end
    return alias.routing[#alias.routing].version
end

return M
