-- SPDX-License-Identifier: MIT
-- flowhost token: secrets for programs and people, each with a role.

local account = require "flowhost.cli.account"
local output = require "flowhost.cli.output"

local function declare_create(command)
    command:option("--role", "viewer, operator or admin."):argname "ROLE":count "1"
    command:option("--name", "What it is for; the audit names it (the role)."):argname "NAME"
    command:option("--scope", "What it is for, as \"GET /v1/runs/*\"; may be repeated (all its role may)."):argname
        "SCOPE":count "*"
    command:option("--expires", "How long it holds, e.g. 30d (for ever)."):argname "TIME"
end

--- The secret alone on stdout, so that a script can take it.
local function create(o, host)
    local answer, text = host:post("/v1/tokens", { role = o.role, name = o.name, expires = o.expires,
        scopes = o.scope[1] and o.scope or nil })
    if not account.is_raw(o, text) then
        output.line("%s", answer.token)
    end
end

local function join(scopes)
    return output.is_absent(scopes) and "" or output.clean(table.concat(scopes, ", "))
end

local COLUMNS = { { "id", "id" }, { "name", "name" }, { "role", "role" }, { "app", "app" },
    { "created", "created_at", output.time }, { "expires", "expires_at", output.time },
    { "last used", "last_used_at", output.time }, { "scopes", "scopes", join } }

return account.new("token", "Make, list and remove tokens of the API.", {
    { name = "create", summary = "Make a token and print it, once.", declare = declare_create, run = create },
    { name = "list", summary = "List tokens, without their secrets.", run = function(o, host)
        account.print_list(o, host, "/v1/tokens", COLUMNS, "no tokens")
    end },
    account.removal("token", "/v1/tokens/{}"),
})
