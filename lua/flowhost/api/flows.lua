-- SPDX-License-Identifier: MIT
-- /v1/flows: what is served, and what could not be.

local core = require "flowhost.core"
local catalog = require "flowhost.engine.catalog"
local problem = require "flowhost.api.problem"

local json = core.json
local null = json.null

local M = {}

local function flow_view(flow)
    return {
        name = flow.name, file = flow.file, version = flow.version, release = flow.release, dialect = "lua",
        description = flow.description or null, durable = flow.durable, on_error = flow.on_error,
        http = flow.http and flow.http.method .. " " .. flow.http.path or null,
    }
end

local function send(request, value)
    request:respond(200, { "Content-Type", "application/json" }, json.encode(value) .. "\n")
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
    local flow = catalog.flow(captures.name)
    if not flow then
        return problem.send(request, 404, "NO_FLOW", ("no flow '%s'"):format(captures.name))
    end
    send(request, flow_view(flow))
end

return M
