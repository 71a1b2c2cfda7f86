-- SPDX-License-Identifier: MIT
-- flowhost user: people who log in with a name and a password, which is read from the terminal or the first line of
-- stdin.

local account = require "flowhost.cli.account"
local client = require "flowhost.cli.client"
local core = require "flowhost.core"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local json = core.json

local function read_password()
    local password, code, detail = core.command.read_secret "password: "
    if not password then
        stop.with(stop.PROBLEM, ("no password: %s"):format(detail or code))
    end
    return password
end

local function declare_name(command)
    command:argument("name", "The user.")
end

local function declare_create(command)
    declare_name(command)
    command:option("--role", "viewer, operator or admin."):argname "ROLE":count "1"
end

local function create(o, host)
    local _, text = host:post("/v1/users", { name = o.name, role = o.role, password = read_password() })
    if not account.is_raw(o, text) then
        output.line("user %s: %s", output.clean(o.name), o.role)
    end
end

local function change_password(o, host)
    local body = assert(json.encode { password = read_password() })
    local _, text = host:ask("PATCH", client.path("/v1/users/{}", o.name), body)
    if not account.is_raw(o, text) then
        output.line("user %s: the password is changed, sessions are ended", output.clean(o.name))
    end
end

local COLUMNS = { { "name", "name" }, { "role", "role" }, { "disabled", "disabled" },
    { "created", "created_at", output.time } }

return account.new("user", "Make, list and remove users; set passwords.", {
    { name = "create", summary = "Make a user; the password is read from stdin.", declare = declare_create,
        run = create },
    { name = "list", summary = "List users.", run = function(o, host)
        account.print_list(o, host, "/v1/users", COLUMNS, "no users")
    end },
    { name = "passwd", summary = "Set a password, which is read from stdin.", declare = declare_name,
        run = change_password },
    account.removal("user", "/v1/users/{}"),
})
