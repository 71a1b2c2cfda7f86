-- SPDX-License-Identifier: MIT
-- The host's own routes, one line each, and the handler of every request.

local access = require "flowhost.api.access"
local accounts = require "flowhost.api.accounts"
local activities = require "flowhost.engine.activities"
local apps = require "flowhost.api.apps"
local aws = require "flowhost.api.aws"
local bundle = require "flowhost.api.bundle"
local core = require "flowhost.core"
local diff = require "flowhost.api.diff"
local documents = require "flowhost.api.documents"
local events = require "flowhost.api.events"
local flows = require "flowhost.api.flows"
local links = require "flowhost.api.links"
local openapi = require "flowhost.api.openapi"
local machines = require "flowhost.api.machines"
local problem = require "flowhost.api.problem"
local psgo = require "flowhost.api.psgo"
local rehearse = require "flowhost.api.rehearse"
local router = require "flowhost.api.router"
local rule_route = require "flowhost.api.rule_route"
local run_actions = require "flowhost.api.run_actions"
local runs = require "flowhost.api.runs"
local secrets = require "flowhost.api.secrets"
local session = require "flowhost.api.session"
local start = require "flowhost.api.start"
local why = require "flowhost.api.why"

local store = core.store

local M = {}

local flow_routes

--- Serves a request; what a handler raises is raised.
function M.serve(request, method, path, body)
    router.dispatch(flow_routes, access.gate, request, method, path, body)
end

local function healthz(request)
    request:respond(200, { "Content-Type", "text/plain" }, "ok\n")
end

local function readyz(request)
    if start.is_draining then
        return problem.send(request, 503, "DRAINING", "the host is closing down")
    elseif store.has_failed() then
        return problem.send(request, 503, "IO", "the store cannot be written: check the disk, then restart")
    elseif store.is_full() then
        return problem.send(request, 503, "DISK_FULL", "no space left for the data folder")
    end
    request:respond(200, { "Content-Type", "text/plain" }, "ready\n")
end

local ANYBODY, ADMIN = { role = "none" }, { role = "admin" }
local OWN_RUNS, STARTS = { for_apps = "run" }, { for_apps = "start" }

router.add("GET", "/healthz", healthz, ANYBODY)
router.add("GET", "/readyz", readyz, ANYBODY)
router.add("GET", "/v1/openapi.json", openapi.get)
router.add("GET", "/v1/flows", flows.list)
router.add("POST", "/v1/flows/{name+}/runs", start.handle_api, STARTS)
router.add("GET", "/v1/flows/{name+}/versions", flows.versions)
router.add("GET", "/v1/machines", machines.list)
router.add("GET", "/v1/machines/{name}", machines.get)
router.add("PUT", "/v1/machines/{name}", machines.put)
router.add("DELETE", "/v1/machines/{name}", machines.delete)
router.add("GET", "/v1/flows/{name+}/stats", require "flowhost.api.flow_stats")
router.add("POST", "/v1/flows/{name+}/disable", flows.disable)
router.add("POST", "/v1/flows/{name+}/enable", flows.enable)
router.add("POST", "/v1/flows/{name+}/activate", flows.activate)
router.add("GET", "/v1/flows/{name+}", flows.get)
router.add("GET", "/v1/runs", runs.list)
router.add("GET", "/v1/runs/{id}", runs.get, OWN_RUNS)
router.add("GET", "/v1/runs/{id}/steps", runs.steps, OWN_RUNS)
router.add("GET", "/v1/runs/{id}/journal", runs.journal)
router.add("GET", "/v1/runs/{id}/events", events.get, OWN_RUNS)
router.add("GET", "/v1/runs/{id}/why", why.get)
router.add("GET", "/v1/runs/{id}/replay", rehearse.replay)
router.add("POST", "/v1/runs/{id}/signal/{name}", run_actions.signal, OWN_RUNS)
router.add("GET", "/v1/runs/{id}/snapshot", run_actions.snapshot)
router.add("PUT", "/v1/runs/{id}/snapshot", run_actions.edit)
router.add("POST", "/v1/runs/{id}/recover", run_actions.recover)
router.add("POST", "/v1/runs/{id}/cancel", run_actions.cancel)
router.add("POST", "/v1/runs/{id}/redrive", run_actions.redrive)
router.add("POST", "/v1/runs/{id}/fork", run_actions.fork)
router.add("POST", "/v1/runs/recover", run_actions.recover_all)
router.add("POST", "/v1/runs/cancel", run_actions.cancel_all)
router.add("GET", "/v1/runs/{a}/diff/{b}", diff.get)
router.add("GET", "/v1/runs/{id}/export", bundle.export)
router.add("POST", "/v1/runs/import", bundle.import)
router.add("POST", "/v1/releases/check", rehearse.check)
router.add("GET", "/v1/secrets", secrets.list, { role = "admin" })
router.add("PUT", "/v1/secrets/{name}", secrets.put, { role = "admin" })
router.add("DELETE", "/v1/secrets/{name}", secrets.remove, { role = "admin" })
router.add("GET", "/v1/audit", run_actions.audit)
router.add("GET", "/v1/signals/{token}", links.show, ANYBODY)
router.add("POST", "/v1/signals/{token}", links.use, ANYBODY)

router.add("POST", "/v1/session", session.login, { role = "open" })
router.add("DELETE", "/v1/session", session.logout, { role = "viewer" })
router.add("GET", "/v1/me", session.me, { for_apps = "any" })
router.add("GET", "/v1/users", accounts.list_users, ADMIN)
router.add("POST", "/v1/users", accounts.add_user, ADMIN)
router.add("PATCH", "/v1/users/{name}", accounts.change_user, ADMIN)
router.add("DELETE", "/v1/users/{name}", accounts.remove_user, ADMIN)
router.add("GET", "/v1/tokens", accounts.list_tokens, ADMIN)
router.add("POST", "/v1/tokens", accounts.add_token, ADMIN)
router.add("DELETE", "/v1/tokens/{id}", accounts.remove_token, ADMIN)
router.add("GET", "/v1/apps", apps.list)
router.add("POST", "/v1/apps", apps.add)
router.add("GET", "/v1/apps/{name}", apps.get)
router.add("PATCH", "/v1/apps/{name}", apps.change)
router.add("DELETE", "/v1/apps/{name}", apps.remove)
router.add("POST", "/v1/apps/{name}/tokens", apps.add_token)

router.add("GET", "/v1/documents/{kind}", documents.list)
router.add("POST", "/v1/documents/{kind}", documents.publish)
router.add("GET", "/v1/documents/{kind}/{id}", documents.get)
router.add("DELETE", "/v1/documents/{kind}/{id}", documents.remove)
router.add("POST", "/v1/documents/{kind}/{id}/activate", documents.activate)
router.add("GET", "/v1/runs/{id}/log", documents.log)
psgo.add_routes(router)
aws.add_routes(router)

--- Serves the routes of this release from now on.
function M.set_release(release)
    rule_route.set_flows(release.flows)
    openapi.set_flows(release.flows)
    flow_routes = start.routes_of(release, router, rule_route.serve)
end

function M.drain()
    start.is_draining = true
    events.close_all()
    activities.drain()
end

core.on("http", function(request, method, path, body)
    local ok, raised = xpcall(M.serve, debug.traceback, request, method, path, body)
    if not ok then
        pcall(problem.send, request, 500, "INTERNAL", "an error of the host itself, its log says more")
        error(raised, 0)
    end
end)

return M
