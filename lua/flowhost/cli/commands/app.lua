-- SPDX-License-Identifier: MIT
-- flowhost app: programs that start runs at a rate of their own.

local account = require "flowhost.cli.account"
local client = require "flowhost.cli.client"
local core = require "flowhost.core"
local output = require "flowhost.cli.output"

local json = core.json

local function check_eps(text)
    local number = tonumber(text)
    if not number or number <= 0 then
        return nil, ("'%s' is not a number of runs a second"):format(text)
    end
    return number
end

local function declare_name(command)
    command:argument("name", "The app.")
end

local function declare_create(command)
    declare_name(command)
    command:option("--eps", "Runs a second (100)."):argname "N":convert(check_eps)
end

local function create(o, host)
    local _, text = host:post("/v1/apps", { name = o.name, eps = o.eps })
    if not account.is_raw(o, text) then
        output.line("app %s: pending", output.clean(o.name))
    end
end

local function declare_token(command)
    declare_name(command)
    command:option("--expires", "How long it holds, e.g. 30d (for ever)."):argname "TIME"
    command:flag("--rotate", "The ones before hold no longer.")
end

--- The secret alone on stdout, as of token create.
local function create_token(o, host)
    local answer, text = host:post(client.path("/v1/apps/{}/tokens", o.name), { expires = o.expires,
        rotate = o.rotate })
    if not account.is_raw(o, text) then
        output.line("%s", answer.token)
    end
end

local function decision(verb, state, summary)
    return {
        name = verb, summary = summary, declare = declare_name,
        run = function(o, host)
            local body = assert(json.encode { state = state })
            local _, text = host:ask("PATCH", client.path("/v1/apps/{}", o.name), body)
            if not account.is_raw(o, text) then
                output.line("app %s: %s", output.clean(o.name), state)
            end
        end,
    }
end

local COLUMNS = { { "name", "name" }, { "state", "state" }, { "owner", "owner" }, { "eps", "eps" },
    { "created", "created_at", output.time } }

return account.new("app", "Make, accept, list and remove apps.", {
    { name = "create", summary = "Ask for an app.", declare = declare_create, run = create },
    { name = "token", summary = "Make a token of an app and print it, once.", declare = declare_token,
        run = create_token },
    { name = "list", summary = "List apps.", run = function(o, host)
        account.print_list(o, host, "/v1/apps", COLUMNS, "no apps")
    end },
    decision("accept", "accepted", "Let an app start runs."),
    decision("reject", "rejected", "Do not let it, or no longer."),
    account.removal("app", "/v1/apps/{}"),
})
