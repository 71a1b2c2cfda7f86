-- SPDX-License-Identifier: MIT
-- /v1/flows: what is served, and what could not be; versions of a flow and which of them new runs take.

local access = require "flowhost.api.access"
local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local chore = require "flowhost.engine.chore"
local naming = require "flowhost.flow.naming"
local override_module = require "flowhost.engine.override"
local problem = require "flowhost.api.problem"
local release_module = require "flowhost.engine.release"
local view = require "flowhost.api.view"

local json = core.json
local null = json.null

local M = {}

local DEFAULT_LIMIT, MAX_LIMIT = 20, 200

local function canary_view(canary)
    if not canary then
        return null
    end
    return { release = canary.release, version = canary.flow and canary.flow.version or null, weight = canary.weight }
end

--- A flow as it is in force; `newest_version` differs from `version` where an older one was chosen by hand.
local function flow_view(flow)
    local override = catalog.overrides[flow.name] or {}
    local newest = catalog.active.flows[flow.name]
    return {
        name = flow.name, file = flow.file, version = flow.version, release = flow.release, dialect = flow.dialect,
        description = flow.description or null, durable = flow.durable, on_error = flow.on_error,
        http = flow.http and flow.http.method .. " " .. flow.http.path or null, enabled = not override.disabled,
        pinned = override.release ~= nil, newest_version = newest and newest.version or null,
        canary = canary_view(override.canary),
    }
end

local function send(request, value)
    request:respond(200, { "Content-Type", "application/json" }, json.encode(value) .. "\n")
end

local function send_no_flow(request, name)
    return problem.send(request, 404, "NO_FLOW", ("no flow '%s'"):format(name))
end

function M.list(request)
    local names, items = {}, {}
    for name in pairs(catalog.served.flows) do
        names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
        items[i] = flow_view(catalog.served.flows[name])
    end
    send(request, { release = catalog.active.hash, items = json.array(items), problems = json.array(catalog.problems()),
        next = null })
end

function M.get(request, captures)
    local flow = catalog.served.flows[captures.name]
    if not flow then
        return send_no_flow(request, captures.name)
    end
    send(request, flow_view(flow))
end

-- versions ------------------------------------------------------------------------------------------------------------

--- Percent of new runs that take each version.
local function weights_of(name)
    local override, flow = catalog.overrides[name] or {}, catalog.served.flows[name]
    local canary = override.canary and override.canary.flow
    local weights = {}
    if flow then
        weights[flow.version] = canary and 100 - override.canary.weight or 100
    end
    if canary then
        weights[canary.version] = (weights[canary.version] or 0) + override.canary.weight
    end
    return weights
end

--- Stored releases, newest first; the newest one may not be stored yet when the host has just begun.
local function list_releases()
    local list = release_module.list() or {}
    if not list[1] or list[1].hash ~= catalog.active.hash then
        table.insert(list, 1, { hash = catalog.active.hash })
    end
    return list
end

--- The flow's version in a release; nil when it has none of that name.
local function version_in(release, name)
    if release.hash == catalog.active.hash then
        return release_module.version_of(catalog.active, naming.file_of(catalog.active.hashes, name))
    end
    local tree_json = release_module.read_tree(release.root)
    return tree_json and release_module.find_version(tree_json, name)
end

--- The newest release of each version, newest first; at most `limit`, behind the release `after`.
local function find_versions(name, limit, after)
    local items, seen, is_behind = {}, {}, after == nil
    for _, release in ipairs(list_releases()) do
        chore.pause()
        local version = version_in(release, name)
        if version and not seen[version] then
            seen[version] = true
            if is_behind and #items == limit then
                return items, items[limit].release
            elseif is_behind then
                items[#items + 1] = { version = version, release = release.hash,
                    activated_at = view.time(release.activated) }
            end
        end
        is_behind = is_behind or release.hash == after
    end
    return items
end

local function send_versions(request, name, limit, after)
    local items, last = find_versions(name, limit, after)
    local weights = weights_of(name)
    for _, item in ipairs(items) do
        item.weight = weights[item.version] or 0
        item.active = item.weight > 0
    end
    send(request, { items = json.array(items), next = last or null })
end

function M.versions(request, captures)
    local query = request:query()
    local limit = query.limit == nil and DEFAULT_LIMIT or tonumber(query.limit)
    if not limit or limit < 1 or limit > MAX_LIMIT or limit ~= math.floor(limit) then
        return problem.send(request, 422, "QUERY_INVALID",
            ("limit must be a whole number from 1 to %d"):format(MAX_LIMIT))
    elseif not naming.file_of(catalog.active.hashes, captures.name) and not catalog.overrides[captures.name] then
        return send_no_flow(request, captures.name)
    end
    chore.run("versions", "listing versions", function()
        send_versions(request, captures.name, limit, query.cursor)
    end)
end

-- changes -------------------------------------------------------------------------------------------------------------

local function change(request, name, action, o)
    override_module.change(name, action, o, access.actor(request), function(result)
        if result.status then
            return problem.send(request, result.status, result.code, result.detail)
        end
        local flow = catalog.served.flows[name]
        send(request, flow and flow_view(flow) or { name = name })
    end)
end

function M.disable(request, captures)
    change(request, captures.name, "disable", {})
end

function M.enable(request, captures)
    change(request, captures.name, "enable", {})
end

local FIELDS = { release = true, version = true, weight = true }

--- What is wrong with the body of activate: pointer, message.
local function check_activate(o)
    for name in pairs(o) do
        if not FIELDS[name] then
            return "/" .. name, "unknown field"
        end
    end
    if (o.release == nil) == (o.version == nil) then
        return "", "give one of release and version"
    elseif o.release ~= nil and o.release ~= "newest" and not override_module.is_name(o.release) then
        return "/release", "must be \"newest\" or at least 8 hexadecimal digits of a release"
    elseif o.version ~= nil and not override_module.is_name(o.version) then
        return "/version", "must be the 12 hexadecimal digits of a version"
    end
    local weight = o.weight
    if weight ~= nil and (type(weight) ~= "number" or weight < 1 or weight > 99 or weight ~= math.floor(weight)) then
        return "/weight", "must be a whole number from 1 to 99"
    end
end

function M.activate(request, captures, _, _, body)
    local o, reason = json.decode(body)
    if o == nil then
        return problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
    elseif type(o) ~= "table" or json.is_array(o) then
        return problem.send(request, 400, "BODY_NOT_OBJECT", "the body must be a JSON object")
    end
    local pointer, message = check_activate(o)
    if pointer then
        return problem.send(request, 422, "FIELD_INVALID", ("%s: %s"):format(pointer, message),
            { errors = json.array { { pointer = pointer, message = message } } })
    end
    change(request, captures.name, "activate", o)
end

return M
