-- SPDX-License-Identifier: MIT
-- Every setting of the host: default, kind, what it is. One table for host.lua, FLOWHOST_* and --options, which win
-- over each other in this order. `host.lua` may set any of them, and `env`, the values flows read as ctx.env.

local retention = require "flowhost.flow.retention"

local M = {}

--- name, default, kind ("address" | "folder" | "count" | "bytes" | "seconds" | "choice" | "flag" ..., the value's name
--- in the help of commands), help
M.LIST = {
    { "listen", "127.0.0.1:8080", "address", "port 0 takes a free one; \"none\" serves nothing" },
    { "data", "data", "folder", "folder of the store; \"temp\" is one that is removed at the end" },
    { "shards", "0", "count", "threads, at most 64; 0 is one per processor" },
    { "log", "text", "choice", "form of the log on stderr: text or json", { text = true, json = true } },
    { "log_level", "info", "choice", "least level that is written: debug, info, warn, error, off",
        { debug = true, info = true, warn = true, error = true, off = true } },
    { "max_body", "8388608", "bytes", "largest request body" },
    { "max_header", "8192", "bytes", "largest request line and headers" },
    { "max_connections", "4096", "count", "open connections per shard" },
    { "idle_timeout", "60", "seconds", "a connection without traffic is closed after it" },
    { "cpu_limit", "1", "seconds", "processor time of a flow between two waits" },
    { "memory_limit", "536870912", "bytes", "memory of all flows of a shard" },
    { "max_outgoing", "1024", "count", "open connections to other services per shard" },
    { "map_size", "68719476736", "bytes", "largest size of the data file" },
    { "drain_timeout", "10", "seconds", "time for running work to end after the first signal" },
    { "park_after", "5", "seconds", "a run that only waits leaves memory after it" },
    { "hot_runs", "10000", "count", "runs in memory per shard before waiting ones leave it sooner" },
    { "max_running", "0", "count", "runs worked on at the same time; others are queued or refused (0: no limit)" },
    { "retention_age", "0", "age", "ended runs are removed when older, e.g. 30d (0: kept)" },
    { "retention_count", "0", "count", "ended runs kept of each flow (0: all)" },
    { "key", "", "path", "file with the key that opens secrets (DATA.key, made when needed)" },
    { "secrets", "", "path", "folder of sealed secrets (DIR/secrets, else DIR/../secrets)" },
    { "net_allow", "", "networks", "networks that flows may call though they are refused by default" },
    { "net_deny", "", "networks", "networks that flows may not call, e.g. 10.0.0.0/8" },
    { "public_url", "", "url", "how others reach this host, for links (where it listens)" },
    { "watch", "true", "flag", "serve a changed file of the folder at once; SIGHUP does without" },
    { "jit", "false", "flag", "compile flows to machine code: faster, but an endless loop is not ended" },
    { "aws_account", "123456789012", "account", "account of state machines: 12 digits, part of their ARNs" },
    { "aws_region", "us-east-1", "region", "region of state machines, part of their ARNs" },
    { "aws_buckets", "", "path", "folder of buckets: where Maps read items and write results" },
    { "aws_resources", "", "resources", "components for service integrations: ARN=COMPONENT, ..." },
    { "record_all", "false", "flag", "keep the journal of flows with durable = \"never\" as well" },
}

-- With less no flow runs at all.
local LEAST = { cpu_limit = 0.001, memory_limit = 16 * 1024 ^ 2 }

local UNITS = { k = 1024, m = 1024 ^ 2, g = 1024 ^ 3, t = 1024 ^ 4 }

local by_name = {}
for _, row in ipairs(M.LIST) do
    by_name[row[1]] = { default = row[2], kind = row[3], help = row[4], choices = row[5] }
end

local CHECKS = {
    address = function(text)
        local is_address = text == "none" or text:find "^%S*:%d+$"
        return is_address and text, "must be ADDRESS:PORT, [IPV6-ADDRESS]:PORT, :PORT or none"
    end,
    account = function(text)
        return text:match "^%d%d%d%d%d%d%d%d%d%d%d%d$", "must be 12 digits"
    end,
    region = function(text)
        return text:match "^%l[%l%d-]*$", "must be the name of a region such as eu-central-1"
    end,
    age = function(text)
        local seconds = text == "0" and 0 or retention.parse_age(text)
        return seconds and tostring(seconds), "must be a number of seconds or such as 30d, 12h"
    end,
    url = function(text)
        local is_url = text == "" or text:find "^https?://[^%s]+$"
        return is_url and text:gsub("/+$", "") or nil, "must begin with http:// or https://"
    end,
    networks = function(text)
        return text:find "^[%x.:/%s,]*$" and text or nil, "must be a list of networks such as 10.0.0.0/8, fd00::/8"
    end,
    resources = function(text)
        for part in text:gmatch "[^,%s]+" do
            if not part:find "^arn:[^=]+=[%w/_.-]+$" then
                return nil, "must be a list of ARN=COMPONENT"
            end
        end
        return text
    end,
    path = function(text)
        return text, ""
    end,
    folder = function(text)
        return text ~= "" and text or nil, "must not be empty"
    end,
    count = function(text)
        return text:match "^%d+$", "must be a whole number"
    end,
    seconds = function(text)
        local number = tonumber(text)
        return number and number >= 0 and number < math.huge and tostring(number) or nil, "must be a number of seconds"
    end,
    bytes = function(text)
        local number, unit = text:lower():match "^(%d+)([kmgt]?)b?$"
        return number and ("%.0f"):format(tonumber(number) * (UNITS[unit] or 1)), "must be a size such as 512k or 8m"
    end,
    flag = function(text)
        return (text == "true" or text == "false") and text or nil, "must be true or false"
    end,
}

--- A list of networks as one text. What is no text in it makes a network that there is not.
local function join(list)
    local texts = {}
    for i, text in ipairs(list) do
        texts[i] = tostring(text)
    end
    return table.concat(texts, ", ")
end

--- A table of components by ARN as one text.
local function join_resources(map)
    local texts = {}
    for arn, component in pairs(map) do
        texts[#texts + 1] = tostring(arn) .. "=" .. tostring(component)
    end
    table.sort(texts)
    return table.concat(texts, ", ")
end

local JOINS = { networks = join, resources = join_resources }

--- The value in its canonical spelling; nil, sentence when it cannot be.
function M.check(name, value)
    local setting = by_name[name]
    if not setting then
        return nil, ("there is no setting '%s'"):format(name)
    end
    local is_list = type(value) == "table" and JOINS[setting.kind] ~= nil
    local text = is_list and JOINS[setting.kind](value) or tostring(value)
    if setting.kind == "choice" then
        if setting.choices[text] then
            return text
        end
        local choices = {}
        for choice in pairs(setting.choices) do
            choices[#choices + 1] = choice
        end
        table.sort(choices)
        return nil, ("%s = '%s': use one of %s"):format(name, text, table.concat(choices, ", "))
    end
    local checked, reason = CHECKS[setting.kind](text)
    if checked and LEAST[name] and tonumber(checked) < LEAST[name] then
        checked, reason = nil, "is too little: at least " .. LEAST[name]
    end
    if not checked then
        return nil, ("%s = '%s' %s"):format(name, text, reason)
    end
    return checked
end

function M.defaults()
    local values = {}
    for name, setting in pairs(by_name) do
        values[name] = setting.default
    end
    return values
end

--- FLOWHOST_MAX_BODY and the like out of an environment.
function M.from_environment(environment)
    local values = {}
    for name in pairs(by_name) do
        local value = environment["FLOWHOST_" .. name:upper()]
        if value and value ~= "" then
            local checked, reason = M.check(name, value)
            if not checked then
                return nil, "environment variable FLOWHOST_" .. name:upper() .. ": " .. reason
            end
            values[name] = checked
        end
    end
    return values
end

return M
