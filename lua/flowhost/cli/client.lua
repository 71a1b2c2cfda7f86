-- SPDX-License-Identifier: MIT
-- The host that a command asks: over HTTP, or the one of this process. Its calls wait (command.lua turns meanwhile) and
-- end the command when there is no good answer:
--
--   a problem (RFC 9457)    exit code 1, its code and detail on stderr; with --json the document on stdout
--   no answer, or not one   exit code 4
--   of a flowhost

local core = require "flowhost.core"
local direct = require "flowhost.cli.direct"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"
local token = require "flowhost.engine.token"

local json = core.json

local M = {}

local Client = {}
Client.__index = Client

M.DEFAULT = "http://127.0.0.1:8080"

local CONNECT_MS, CALL_MS, MAX_ANSWER_BYTES = 10000, 600000, 1024 * 1024 * 1024
-- room for what stands around stored values
local DEEP = { max_depth = 256, any_bytes = true }

--- The address in its canonical spelling; nil, sentence when it is none.
function M.address(text)
    local address = text:find "^%a[%w+.-]*://" and text or "http://" .. text
    address = address:gsub("/+$", "")
    if address:find "[%s%c?#]" or not address:find "^https?://[^/]+" then
        return nil, ("'%s' is not the address of a host, such as %s"):format(text, M.DEFAULT)
    end
    return address
end

--- By the note of the host that has the data folder open (core/host/access.h).
local function of_data(o)
    if core.command.is_local then
        return setmetatable({ address = o.folder, is_direct = true, is_raw = o.json }, Client)
    end
    local text, _, detail = core.command.read(o.folder .. "/API")
    local note = text and json.decode(text)
    if not note then
        stop.with(stop.NOT_REACHED, detail or ("%s/API is damaged"):format(o.folder))
    end
    return setmetatable({ address = note.url, token = note.token, is_raw = o.json }, Client)
end

---@param o { host: string?, folder: string?, token: string?, json: boolean? }  of the command line; the environment is
--- asked next
function M.new(o)
    if o.folder then
        return of_data(o)
    end
    local from_environment = os.getenv "FLOWHOST_HOST"
    local text = o.host or from_environment ~= "" and from_environment or M.DEFAULT
    local address, reason = M.address(text)
    if not address then
        stop.with(stop.USAGE, reason)
    end
    local secret = o.token or os.getenv "FLOWHOST_TOKEN"
    return setmetatable({ address = address, token = secret ~= "" and secret or nil, is_raw = o.json }, Client)
end

--- As one segment of a path; several of them when `keep` is "/".
local function escape(text, keep)
    return (tostring(text):gsub("[^%w%-._~" .. (keep or "") .. "]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
end

--- "/v1/runs/{}" with the values in place of {}, and of {+} with its slashes.
function M.path(pattern, ...)
    local values, i = { ... }, 0
    return (pattern:gsub("{(%+?)}", function(several)
        i = i + 1
        return escape(values[i], several == "+" and "/" or nil)
    end))
end

--- "?a=1&b=2" of a table's fields that are there, by name.
function M.query(fields)
    local names, parts = {}, {}
    for name in pairs(fields) do
        names[#names + 1] = name
    end
    table.sort(names)
    for i, name in ipairs(names) do
        parts[i] = escape(name) .. "=" .. escape(fields[name])
    end
    return #parts > 0 and "?" .. table.concat(parts, "&") or ""
end

function Client:headers(body, more)
    local headers = { { "Accept", "application/json" } }
    if body then
        headers[#headers + 1] = { "Content-Type", "application/json" }
    end
    if self.token then
        headers[#headers + 1] = { "Authorization", "Bearer " .. self.token }
    end
    for name, value in pairs(more or {}) do
        headers[#headers + 1] = { name, value }
    end
    return headers
end

--- code or nil, then status, headers, body or a sentence.
function Client:send(method, path, body, headers)
    return coroutine.yield(function(done)
        local number = token.new(done)
        if self.is_direct then
            return direct.answer(method, path, body or "", done)
        elseif core.command.is_local then
            return core.command.ask(method, path, body or "", number)
        end
        local call, code, detail = core.client.start({
            method = method, url = self.address .. path, headers = self:headers(body, headers), body = body,
            timeout_ms = CALL_MS, connect_timeout_ms = CONNECT_MS, max_bytes = MAX_ANSWER_BYTES,
        }, number)
        if not call then
            token.drop(number)
            done(code, detail)
        end
    end)
end

local function show_problem(value)
    local text = output.clean(("%s: %s"):format(value.code, value.detail or value.title))
    for _, one in ipairs(type(value.errors) == "table" and value.errors or {}) do
        local line = ("%s: %s"):format(one.pointer, one.message)
        local is_said = value.detail == line or value.detail == one.pointer .. " " .. one.message
        text = is_said and text or text .. "\n  " .. output.clean(line)
    end
    return text
end

--- Ends the command with the problem that was answered.
function Client:fail(status, value, text)
    if type(value) ~= "table" or type(value.code) ~= "string" then
        stop.with(stop.NOT_REACHED, ("what answers at %s is not a flowhost (status %d)")
            :format(self.address, status))
    elseif self.is_raw then
        output.raw(text)
        stop.with(stop.PROBLEM)
    end
    local is_unknown = value.code == "NO_ROUTE" or value.code == "METHOD_NOT_ALLOWED"
    stop.with(stop.PROBLEM, show_problem(value) .. (is_unknown and "; is the host of another version?" or ""))
end

--- The answer decoded, its text, its status; ends the command when it is not a good one.
---@param body string?  JSON text
function Client:ask(method, path, body, headers)
    local code, status, _, text = self:send(method, path, body, headers)
    if code then
        stop.with(stop.NOT_REACHED,
            ("cannot reach the host at %s: %s; start one (flowhost DIR), or name it with --host"):format(self.address,
                output.clean(status)))
    end
    local value = text ~= "" and json.decode(text, DEEP) or nil
    if status < 200 or status > 299 then
        self:fail(status, value, text)
    elseif text ~= "" and value == nil then
        stop.with(stop.NOT_REACHED, ("what answers at %s is not a flowhost: its answer is not JSON")
            :format(self.address))
    end
    return value, text, status
end

function Client:get(path)
    return self:ask("GET", path)
end

--- `body`: a table, sent as JSON; nil for none.
function Client:patch(path, body)
    return self:ask("PATCH", path, assert(json.encode(body, DEEP)))
end

function Client:delete(path)
    return self:ask("DELETE", path)
end

function Client:post(path, body, headers)
    return self:ask("POST", path, body and assert(json.encode(body, DEEP)), headers)
end

return M
