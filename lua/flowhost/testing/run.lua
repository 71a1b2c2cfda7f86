-- SPDX-License-Identifier: MIT
-- A run as a test sees it. What it shows is read anew each time; what it does returns the run itself.
--
--   id, flow, version, status, input, output, error, attempt, tags, progress ...   as GET /v1/runs/{id} has them, null
--     as nil; a run that has not ended and is not suspended is "waiting", for nothing happens by itself
--   steps       list of { path, kind, name, status, output, error, attempts, line, ms }, in order of their paths
--   requests    what the run sent: list of { method, url, path, query, headers, body, json, step, line }
--   logs        list of { level, message }
--   response    what ctx.response answered: { status, body, headers }, or nil
--   journal     list of its entries, as GET /v1/runs/{id}/journal has them
--   why         the sentence that says what it waits for

local failure = require "flowhost.testing.failure"
local parts = require "flowhost.testing.parts"

local json = parts.json

local M = {}

local Run = {}
local getters = {}

local DONE = { succeeded = true, failed = true, broken = true, cancelled = true, timed_out = true }
local IS_UNDER_WAY = { queued = true, running = true }

local function path_of(run, rest)
    return "/v1/runs/" .. rawget(run, "id") .. (rest or "")
end

local function to_nil(value)
    if value == json.null then
        return nil
    end
    return value
end

local function view_of(run)
    return rawget(run, "host"):api("GET", path_of(run))
end

function getters.status(run)
    local status = view_of(run).status
    return IS_UNDER_WAY[status] and "waiting" or status
end

local function all_steps(run)
    return rawget(run, "host"):api("GET", path_of(run, "/steps")).items
end

function getters.steps(run)
    local steps = {}
    for _, step in ipairs(all_steps(run)) do
        if step.kind ~= "log" then
            local plain = {}
            for name, value in pairs(step) do
                plain[name] = to_nil(value)
            end
            steps[#steps + 1] = plain
        end
    end
    return steps
end

function getters.logs(run)
    local lines = {}
    for _, step in ipairs(all_steps(run)) do
        if step.kind == "log" then
            lines[#lines + 1] = { level = step.name, message = step.output }
        end
    end
    return lines
end

function getters.response(run)
    for _, step in ipairs(all_steps(run)) do
        if step.kind == "response" then
            return step.output
        end
    end
end

function getters.requests(run)
    local own = {}
    for _, request in ipairs(rawget(run, "host").requests) do
        if request.run == rawget(run, "id") then
            own[#own + 1] = request
        end
    end
    return own
end

function getters.why(run)
    return rawget(run, "host"):api("GET", path_of(run, "/why")).sentence
end

function getters.journal(run)
    return rawget(run, "host"):api("GET", path_of(run, "/journal")).items
end

function getters.is_done(run)
    return DONE[view_of(run).status] == true
end

local metatable = {
    __index = function(run, name)
        if Run[name] then
            return Run[name]
        elseif getters[name] then
            return getters[name](run)
        end
        return to_nil(view_of(run)[name])
    end,
}

--- Lets `seconds` pass.
function Run:advance(seconds)
    if type(seconds) ~= "number" or seconds < 0 then
        failure.raise "run:advance: a number of seconds is expected"
    end
    rawget(self, "host"):pass(seconds)
    return self
end

--- Lets as much time pass as it takes the run to end, or to wait for something that time does not bring.
function Run:finish()
    rawget(self, "host"):pass_until(function()
        local status = view_of(self).status
        return DONE[status] or status == "suspended"
    end)
    return self
end

--- A script that is played again after a crash meets runs that have had it already.
local function post(run, rest, body, headers)
    local host = rawget(run, "host")
    local ok, raised = pcall(host.api, host, "POST", path_of(run, rest), body, headers)
    if not ok and not (rawget(run, "is_scripted") and raised.status == 409) then
        error(raised, 0)
    end
    return run
end

--- In a script each signal has the same id each time, so that the host knows it again.
local function signal_id(run, id)
    if id == nil and rawget(run, "is_scripted") then
        rawset(run, "signals", (rawget(run, "signals") or 0) + 1)
        return "script-" .. rawget(run, "signals")
    end
    return id
end

--- Sends the run a signal.
---@param id string?  two signals of one id are one
function Run:signal(name, data, id)
    if type(name) ~= "string" then
        failure.raise "run:signal: a name is expected"
    end
    local headers = { ["idempotency-key"] = signal_id(self, id) }
    return post(self, "/signal/" .. name, data == nil and json.null or data, headers)
end

--- Lets the suspended run go on, as POST /v1/runs/{id}/recover does.
---@param o table?  value, input, data, steps, from, release
function Run:recover(o)
    return post(self, "/recover", o)
end

function Run:cancel(reason)
    return post(self, "/cancel", reason and { reason = reason })
end

--- A new run that begins with the steps of this one. What it asks of others is answered as this one was, unless
--- o.allow_effects.
---@param o table?  from, input, steps, data, allow_effects
function Run:fork(o)
    local host = rawget(self, "host")
    local forked = host:api("POST", path_of(self, "/fork"), o)
    return M.new(host, forked.id, rawget(self, "name"))
end

--- One line for a person.
function M.describe(run)
    local ok, view = pcall(view_of, run)
    if not ok or not view then
        return ("run of %s: not stored"):format(rawget(run, "name"))
    end
    local err = to_nil(view.error)
    local text = ("run of %s: %s"):format(view.flow, getters.status(run))
    if err then
        text = ("%s, %s: %s"):format(text, err.code, err.message)
        text = text .. (err.step and (" (step %s)"):format(err.step) or "")
    end
    return text
end

---@param o { is_scripted: boolean }?
function M.new(host, id, name, o)
    return setmetatable({ host = host, id = id, name = name, is_scripted = o and o.is_scripted }, metatable)
end

return M
