-- SPDX-License-Identifier: MIT
-- flowhost token: tokens of the API. A new one is printed once; what is kept is its hash.

local access = require "flowhost.engine.access"
local accounts = require "flowhost.cli.accounts"
local client = require "flowhost.cli.client"
local output = require "flowhost.cli.output"
local retention = require "flowhost.flow.retention"

local M = { name = "token", summary = "Make, list and remove tokens of the API." }

function M.declare(command)
    command:argument("action", "create, list, or rm with the token's id."):choices { "create", "list", "rm" }
    command:argument("id", "The token's id."):args "?"
    command:option("--role", "viewer, operator or admin."):choices { "viewer", "operator", "admin" }
    command:option("--name", "What it is for."):argname "NAME"
    command:option("--expires", "How long it is good, such as 30d (for ever)."):argname "TIME"
    accounts.declare(command)
end

function M.check(o)
    if o.action == "create" and not o.role then
        return nil, "token create needs --role viewer, operator or admin"
    elseif o.action == "rm" and not o.id then
        return nil, "token rm needs the id that token list shows"
    elseif o.expires and not retention.parse_age(o.expires) then
        return nil, ("'%s' is not a time such as 30d or 12h"):format(o.expires)
    end
    return true
end

local function create(o)
    if not accounts.is_local() then
        return accounts.client(o):post("/v1/tokens", { role = o.role, name = o.name, expires = o.expires }).token
    end
    return (accounts.await(function(done)
        access.create_token({ role = o.role, name = o.name, actor = accounts.ACTOR,
            expires_s = o.expires and retention.parse_age(o.expires) }, done)
    end))
end

local function list(o)
    if not accounts.is_local() then
        return accounts.client(o):get("/v1/tokens").items
    end
    local rows = {}
    for i, found in ipairs(access.tokens()) do
        rows[i] = found.row
    end
    return rows
end

local function remove(o)
    if not accounts.is_local() then
        return accounts.client(o):delete(client.path("/v1/tokens/{}", o.id))
    end
    accounts.await(function(done)
        access.remove_token(o.id, accounts.ACTOR, done)
    end)
end

function M.run(o)
    if o.action == "create" then
        output.line("%s", create(o))
    elseif o.action == "list" then
        accounts.print(list(o), "id", "role", "name", "app")
    else
        remove(o)
        output.line("removed token %s", output.clean(o.id))
    end
end

return M
