-- SPDX-License-Identifier: MIT
-- flowhost app: tenants that start runs with tokens of their own, so many a second.

local access = require "flowhost.engine.access"
local accounts = require "flowhost.cli.accounts"
local client = require "flowhost.cli.client"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = { name = "app", summary = "Make, accept and remove apps, which start runs with tokens of their own." }

local ACTIONS = { "create", "list", "accept", "reject", "token", "rm" }
local STATES = { accept = "accepted", reject = "rejected" }

function M.declare(command)
    command:argument("action", "create, accept, reject or rm NAME; token NAME makes one; list."):choices(ACTIONS)
    command:argument("name", "The app."):args "?"
    command:option("--eps", "Starts a second; bursts of twice as many (100)."):argname "N":convert(tonumber)
    command:option("--owner", "The user whose it is."):argname "NAME"
    accounts.declare(command)
end

function M.check(o)
    if o.action ~= "list" and not o.name then
        return nil, ("app %s needs a name"):format(o.action)
    elseif o.eps and not (o.eps > 0 and o.eps <= 1e6) then
        return nil, "--eps must be a number above 0"
    elseif o.name and (#o.name > 100 or not o.name:find "^[%w_][%w_.@-]*$") then
        return nil, ("'%s' cannot be an app's name: letters, digits and _ . @ - only"):format(o.name)
    end
    return true
end

local function existing(o)
    local row = access.app(o.name)
    if not row then
        stop.with(stop.PROBLEM, ("there is no app %s"):format(o.name))
    end
    return row
end

local function put(row, action)
    accounts.await(function(done)
        access.put_app(row, action, accounts.ACTOR, done)
    end)
end

local actions = {}

function actions.list(o)
    accounts.print(accounts.is_local() and access.apps() or accounts.client(o):get("/v1/apps").items, "name", "state",
        "eps", "owner")
end

function actions.create(o)
    if not accounts.is_local() then
        accounts.client(o):post("/v1/apps", { name = o.name, eps = o.eps, owner = o.owner })
    elseif access.app(o.name) then
        stop.with(stop.PROBLEM, ("app %s exists"):format(o.name))
    else
        put({ name = o.name, eps = o.eps or 100, owner = o.owner, state = "pending", created_at = access.now() },
            "create app")
    end
    output.line("made app %s; it may start runs once it is accepted: flowhost app accept %s", o.name, o.name)
end

local function set_state(o)
    local state = STATES[o.action]
    if not accounts.is_local() then
        accounts.client(o):patch(client.path("/v1/apps/{}", o.name), { state = state, eps = o.eps, owner = o.owner })
    else
        local row = existing(o)
        row.state, row.eps, row.owner = state, o.eps or row.eps, o.owner or row.owner
        put(row, "change app")
    end
    output.line("app %s is %s", o.name, state)
end

actions.accept, actions.reject = set_state, set_state

function actions.token(o)
    if not accounts.is_local() then
        local made = accounts.client(o):post(client.path("/v1/apps/{}/tokens", o.name), {})
        return output.line("%s", made.token)
    end
    existing(o)
    output.line("%s", (accounts.await(function(done)
        access.create_token({ role = "app", app = o.name, name = o.name, actor = accounts.ACTOR }, done)
    end)))
end

function actions.rm(o)
    if not accounts.is_local() then
        accounts.client(o):delete(client.path("/v1/apps/{}", o.name))
    else
        accounts.await(function(done)
            access.remove_app(o.name, accounts.ACTOR, done)
        end)
    end
    output.line("removed app %s and its tokens", o.name)
end

function M.run(o)
    actions[o.action](o)
end

return M
