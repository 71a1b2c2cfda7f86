-- SPDX-License-Identifier: MIT
-- flowhost user: who logs in with a password, which comes from stdin.

local access = require "flowhost.engine.access"
local accounts = require "flowhost.cli.accounts"
local client = require "flowhost.cli.client"
local core = require "flowhost.core"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = { name = "user", summary = "Make, list, change and remove users." }

local ACTIONS = { "create", "list", "passwd", "rm" }

function M.declare(command)
    command:argument("action", "create NAME and passwd NAME take the password from stdin; list; rm NAME.")
        :choices(ACTIONS)
    command:argument("name", "The user."):args "?"
    command:option("--role", "viewer, operator or admin."):choices { "viewer", "operator", "admin" }
    accounts.declare(command)
end

function M.check(o)
    if o.action ~= "list" and not o.name then
        return nil, ("user %s needs a name"):format(o.action)
    elseif o.action == "create" and not o.role then
        return nil, "user create needs --role viewer, operator or admin"
    elseif o.name and (#o.name > 100 or not o.name:find "^[%w_][%w_.@-]*$") then
        return nil, ("'%s' cannot be a user's name: letters, digits and _ . @ - only"):format(o.name)
    end
    return true
end

local actions = {}

function actions.list(o)
    accounts.print(accounts.is_local() and access.users() or accounts.client(o):get("/v1/users").items, "name", "role")
end

function actions.create(o)
    local password = accounts.read_password()
    if not accounts.is_local() then
        accounts.client(o):post("/v1/users", { name = o.name, role = o.role, password = password })
    elseif access.user(o.name) then
        stop.with(stop.PROBLEM, ("user %s exists"):format(o.name))
    else
        accounts.await(function(done)
            access.put_user({ name = o.name, role = o.role, password = core.access.hash_now(password),
                actor = accounts.ACTOR, action = "create user" }, done)
        end)
    end
    output.line("made user %s, %s", output.clean(o.name), o.role)
end

function actions.passwd(o)
    local password = accounts.read_password()
    if not accounts.is_local() then
        accounts.client(o):patch(client.path("/v1/users/{}", o.name), { password = password, role = o.role })
    elseif not access.user(o.name) then
        stop.with(stop.PROBLEM, ("there is no user %s"):format(o.name))
    else
        accounts.await(function(done)
            access.put_user({ name = o.name, role = o.role, password = core.access.hash_now(password),
                actor = accounts.ACTOR, action = "change user" }, done)
        end)
    end
    output.line("changed user %s, its sessions have ended", output.clean(o.name))
end

function actions.rm(o)
    if not accounts.is_local() then
        accounts.client(o):delete(client.path("/v1/users/{}", o.name))
    else
        accounts.await(function(done)
            access.remove_user(o.name, accounts.ACTOR, done)
        end)
    end
    output.line("removed user %s", output.clean(o.name))
end

function M.run(o)
    actions[o.action](o)
end

return M
