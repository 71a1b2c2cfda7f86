-- SPDX-License-Identifier: MIT
-- ps-go's own API over the engine (SEEDS 1.16, docs/reference/psgo.md). /ps/* lies in rule_route.lua.

local documents = require "flowhost.api.psgo.documents"
local envelope = require "flowhost.api.psgo.envelope"
local rule_route = require "flowhost.api.rule_route"
local runs = require "flowhost.api.psgo.runs"
local secrets = require "flowhost.api.psgo.secrets"

local M = {}

function M.add_routes(router)
    for _, method in ipairs { "GET", "POST", "PUT", "PATCH", "DELETE" } do
        router.add(method, "/ps/{name+}", rule_route.handle, { role = "none" })
    end
    router.add("GET", "/check_healthy", function(request)
        envelope.ok(request)
    end, { role = "none" })
    documents.add_routes(router)
    secrets.add_routes(router)
    runs.add_routes(router)
end

return M
