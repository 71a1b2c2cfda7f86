-- SPDX-License-Identifier: MIT
-- The flows that new runs take, and the releases that older runs are pinned to.
--
-- New runs take the flows of the newest release, unless an override of the flow says otherwise (engine/override.lua):
--
--   override: disabled (boolean), release (hex: this version instead of the newest), canary { release, weight (1..99,
--   percent of new runs) }. In memory also what these stand for: flow or problem, canary.flow or canary.problem.

local core = require "flowhost.core"
local bulk = require "flowhost.engine.bulk"
local environment = require "flowhost.engine.environment"
local loader = require "flowhost.flow.loader"
local naming = require "flowhost.flow.naming"
local release_module = require "flowhost.engine.release"

local M = {
    active = nil,         -- the newest release, compiled
    served = nil,         -- { flows = name -> flow in force, problems }
    overrides = {},       -- name -> override
    on_served = nil,      -- called with `served` when that has changed
    on_use = nil,         -- called with the hash of each release that a run is brought back with
}

local MAX_LOADED = 16

local loaded = {}   -- hash -> compiled release
local last_used = {} -- hash -> number that rises with each use
local uses = 0
local units = setmetatable({}, { __mode = "v" }) -- path, text's hash -> what the loader made of it
local options
local refused = {}  -- problems of files that the newest release has in an older form, or not at all

local function unit_key(path, hash)
    return path .. "\0" .. hash
end

--- What tells one set of modules from another.
local function libs_of(hashes)
    local list = {}
    for path, hash in pairs(hashes) do
        if path:find "^lib/" then
            list[#list + 1] = path .. hash
        end
    end
    table.sort(list)
    return table.concat(list, "\n")
end

--- Text of a file of the release. Raises when the store does not have it.
local function read(release, path)
    local hash = release.hashes[path]
    if not hash then
        return nil
    elseif release.texts[path] then
        return release.texts[path]
    end
    local text, reason = release_module.read_blob(hash)
    if not text then
        error(("file %s of release %s is not in the store%s"):format(path, release.hash:sub(1, 12),
            reason and ": " .. reason or ""), 0)
    end
    return text
end

local function digest(algorithm, text)
    return core.system.hex(assert(core.crypto.hash(algorithm, text)))
end

--- For the loader: nothing is compiled yet.
local function begin(release)
    return loader.new {
        hash = release.hash, env = release.env, libs = libs_of(release.hashes), json = core.json,
        digest = digest,
        new_env = environment.new_env, new_ctx = options.new_ctx, new_document_host = options.new_document_host,
        limited = environment.limited, call_chunk = environment.call_chunk, is_jit = options.is_jit,
        taken = options.taken, retention = options.retention,
        version_of = function(path)
            return release_module.version_of(release, path)
        end,
        read = function(path)
            return read(release, path)
        end,
        find_unit = function(path)
            local hash = release.hashes[path]
            return hash and units[unit_key(path, hash)]
        end,
        keep_unit = function(path, unit)
            units[unit_key(path, release.hashes[path])] = unit
        end,
    }
end

local function sorted_paths(hashes)
    local paths = {}
    for path in pairs(hashes) do
        paths[#paths + 1] = path
    end
    table.sort(paths)
    return paths
end

local function is_needed(hash)
    if M.active and M.active.hash == hash then
        return true
    end
    for _, override in pairs(M.overrides) do
        if override.release == hash or (override.canary and override.canary.release == hash) then
            return true
        end
    end
    return false
end

local function forget_oldest()
    local count, oldest = 0, nil
    for hash in pairs(loaded) do
        count = count + 1
        if not is_needed(hash) and (not oldest or last_used[hash] < last_used[oldest]) then
            oldest = hash
        end
    end
    if count > MAX_LOADED and oldest then
        M.forget(oldest)
    end
end

--- Takes a release out of memory; runs that are being worked on keep what they use of it.
function M.forget(hash)
    loaded[hash], last_used[hash] = nil, nil
end

local function keep(release)
    uses = uses + 1
    loaded[release.hash], last_used[release.hash] = release, uses
    forget_oldest()
    return release
end

---@param o { new_ctx: function, new_document_host: function, is_jit: boolean?, taken: table<string, boolean>?,
--- retention: table? }
function M.set_up(o)
    options = o
    environment.set_up(o.is_jit)
end

--- Compiles all files of a release (engine/release.lua).
---@param o { order: string[]?, pause: function? }?  order: in which flows are added (default: by path)
function M.compile(release, o)
    local compiled = begin(release)
    compiled.hashes, compiled.versions = release.hashes, release.versions
    return loader.fill(compiled, o and o.order or sorted_paths(release.hashes), o and o.pause)
end

--- Compiles files that are not served, to see what runs would do on them.
function M.candidate(files)
    return M.compile(release_module.make(files, M.active.env))
end

--- A flow for one run: of a document that is in no release, on the newest one.
function M.one_off(name, dialect, document)
    return loader.one_off(M.active, name, dialect, document)
end

--- A stored release of which only what flows share is compiled; nil, reason.
local function open(hash)
    if loaded[hash] then
        uses = uses + 1
        last_used[hash] = uses
        return loaded[hash]
    end
    local release, reason = release_module.read(hash)
    if not release then
        return nil, reason
    end
    local compiled = begin(release)
    compiled.hashes, compiled.versions = release.hashes, release.versions
    local ok, raised = pcall(loader.compile_parts, compiled, sorted_paths(release.hashes))
    if not ok then
        return nil, raised
    end
    return keep(compiled)
end

--- A flow of any release that is stored or in memory; nil, reason when there is none of the name that loads.
function M.flow_of(hash, name)
    local release, reason = open(hash)
    if not release then
        return nil, reason
    end
    local ok, flow, problem = pcall(loader.flow, release, name)
    if not ok then
        return nil, flow
    elseif not flow then
        reason = problem and (": %s:%d: %s"):format(problem.file, problem.line, problem.message) or ""
        return nil, ("release %s has no flow '%s' that loads%s"):format(hash:sub(1, 12), name, reason)
    end
    return flow
end

--- The code of the release a row is pinned to. nil, reason when the store does not have it or it does not load.
function M.find_code(row)
    if row.flow == bulk.flow.name then
        return bulk.code
    elseif M.on_use and not M.on_use(row.release) then
        return nil, ("release %s is not in the store: no run needed it any more"):format(row.release:sub(1, 12))
    end
    local flow, reason = M.flow_of(row.release, row.flow)
    return flow and flow.code, reason
end

-- What is served ------------------------------------------------------------------------------------------------------

--- Finds the flows that an override stands for.
local function resolve(name, override)
    local canary = override.canary
    if override.release then
        override.flow, override.problem = M.flow_of(override.release, name)
    end
    if canary then
        canary.flow, canary.problem = M.flow_of(canary.release, name)
    end
end

local function names_of(flows)
    local names = {}
    for name in pairs(flows) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

local function without_route(flow)
    local copy = {}
    for field, value in pairs(flow) do
        copy[field] = value
    end
    copy.http = nil
    return copy
end

local function route_key(http)
    return http.method .. " " .. http.path:gsub("{[%w_]+(%+?)}", "{%1}")
end

--- A pinned version may want a route that another flow has by now: the pinned one has it.
local function settle_routes(flows, pinned, problems)
    local owners = {}
    local function claim(name)
        local flow = flows[name]
        if not flow.http then
            return
        end
        local key = route_key(flow.http)
        if owners[key] then
            local message = "http = '%s %s' is taken by the version of %s in force: this flow has no route"
            problems[#problems + 1] = { file = flow.file, line = 1,
                message = message:format(flow.http.method, flow.http.path, owners[key]) }
            flows[name] = without_route(flow)
        else
            owners[key] = name
        end
    end
    for _, name in ipairs(names_of(pinned)) do
        claim(name)
    end
    for _, name in ipairs(names_of(flows)) do
        if not pinned[name] then
            claim(name)
        end
    end
end

local function serve()
    local flows, pinned, problems = {}, {}, {}
    for name, flow in pairs(M.active.flows) do
        flows[name] = flow
    end
    for name, override in pairs(M.overrides) do
        local file = naming.file_of(M.active.hashes, name)
        if override.flow and file then
            flows[name], pinned[name] = override.flow, true
        end
        local problem = override.problem or (override.canary and override.canary.problem)
        if problem then
            problems[#problems + 1] = { file = file or name, line = 1,
                message = "the version chosen by hand: " .. problem }
        end
    end
    if next(pinned) then
        settle_routes(flows, pinned, problems)
    end
    M.served = { flows = flows, problems = problems }
    if M.on_served then
        M.on_served(M.served)
    end
end

--- Makes a compiled release the newest of this shard.
---@param problems table[]?  of files that it has in an older form, or not at all
function M.activate(compiled, problems)
    local before = M.active
    M.active, refused = compiled, problems or {}
    if before and before ~= compiled then
        M.forget(before.hash) -- all of it is compiled; a run that needs some of it opens that
    end
    keep(compiled)
    serve()
end

--- What is wrong with files of the folder, in the order of their names.
function M.problems()
    local list, is_refused = {}, {}
    for i, problem in ipairs(refused) do
        list[i], is_refused[problem.file] = problem, true
    end
    for _, from in ipairs { M.active.problems, M.served.problems } do
        for _, problem in ipairs(from) do
            if not is_refused[problem.file] then -- else of a text that is not there any more
                list[#list + 1] = problem
            end
        end
    end
    table.sort(list, function(a, b)
        return a.file < b.file or (a.file == b.file and a.line < b.line)
    end)
    return list
end

--- Sets or (nil) removes what is said of a flow, here.
function M.set_override(name, override)
    M.overrides[name] = override
    if override then
        resolve(name, override)
    end
    serve()
end

--- All overrides as they are stored, at boot; before anything is served.
function M.set_overrides(overrides)
    M.overrides = overrides
    for name, override in pairs(overrides) do
        resolve(name, override)
    end
    serve()
end

--- Of every 100 new runs `weight` take the canary, spread evenly.
local function is_canary(canary)
    canary.share = (canary.share or 0) + canary.weight
    if canary.share >= 100 then
        canary.share = canary.share - 100
        return true
    end
    return false
end

--- The flow in force, be it disabled; a canary aside.
function M.flow(name)
    return M.served and M.served.flows[name]
end

--- Why no flow of this name is served.
local function missing(name)
    for _, problem in ipairs(M.active and M.problems() or {}) do
        if naming.flow_of(problem.file) == name then
            return ("flow '%s' does not load: %s:%d: %s"):format(name, problem.file, problem.line, problem.message)
        end
    end
    return ("no flow '%s'"):format(name)
end

--- The flow that a new run of this name takes; nil, code, sentence when none may start.
function M.take(name)
    local flow, override = M.served and M.served.flows[name], M.overrides[name]
    if not flow then
        return nil, "NO_FLOW", missing(name)
    elseif not override then
        return flow
    elseif override.disabled then
        return nil, "FLOW_DISABLED", ("flow '%s' is disabled; POST /v1/flows/%s/enable lets it start again"):format(
            name, name)
    elseif override.problem then
        return nil, "RELEASE_MISSING", override.problem
    elseif override.canary and override.canary.flow and is_canary(override.canary) then
        return override.canary.flow
    end
    return flow
end

return M
