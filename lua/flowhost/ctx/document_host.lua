-- SPDX-License-Identifier: MIT
-- What documents run on: the engine's own verbs, in the shape that dialects ask for. One a run.
--
--   host.input, host.env, host.json; host.raise(code, message), host.rethrow(err), host.is_secret(value)
--   host:resume() -> the snapshot to go on with, or nil        host:track{ on_response, on_end, snapshot }
--   host:all(functions)                                        host:try(fn, ...) -> true, ... | false, error object
--   host:component(component, input, fn(input)) -> value       host:skip(component)
--   host:check(component, condition, root) -> boolean          host:request(o)   host:script(name) -> fn(input) | nil
--   host:answer_now(answer)  host:answer_failure(answer)  host:answer_at_end(answer)
--                                                              answer: { body, status, headers }
--   host:stop(err)   host:fail(err)
--   host:global_store()   host:global_data()   host:cache_get(key)   host:cache_put(key, value)
--
-- Errors of components have the seed's codes (SEEDS 1.16); the engine's own code is their `cause`.

local core = require "flowhost.core"
local effect = require "flowhost.engine.effect"
local ending = require "flowhost.engine.ending"
local environment = require "flowhost.engine.environment"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local group = require "flowhost.engine.group"
local memory_cache = require "flowhost.engine.memory_cache"
local remote = require "flowhost.engine.remote"
local request = require "flowhost.ctx.request"
local retry = require "flowhost.engine.retry"
local run_data = require "flowhost.engine.run_data"
local run_module = require "flowhost.engine.run"
local scope = require "flowhost.engine.scope"
local snapshot = require "flowhost.engine.snapshot"
local step = require "flowhost.engine.step"

local json, system = core.json, core.system

local CACHE_S = 300

local M = {}

local Host = {}
Host.__index = Host
Host.json = json

-- errors -------------------------------------------------------------------------------------------

local CODES = { INVALID = "110005", NETWORK = "110007", TIMEOUT = "110007", LUA_ERROR = "110002",
    CPU_LIMIT = "110000", MEMORY_LIMIT = "110000" }
local OF_REQUESTS = { HTTP_STATUS = true, NOT_JSON = true, NOT_XML = true, TOO_LARGE = true, TLS = true,
    NETWORK_REFUSED = true, SECRET_MISSING = true, URL_INVALID = true }

--- The seed's code of what was raised inside of a component.
local function inner_code(err, is_api)
    local code = err.code
    if err.halt or code:find "^1[01]0%d%d%d$" then
        return code
    elseif CODES[code] then
        return CODES[code]
    elseif OF_REQUESTS[code] then
        return is_api and "100001" or "110006"
    end
    return is_api and "100001" or "110002"
end

--- Of what the step of a component itself says.
local OF_STEP = { TIMEOUT = "110000", NOT_JSON = "110003" }

local function recode(err, code)
    if err.code ~= code then
        err.cause = err.cause or err.code
        err.code = code
    end
    return err
end

function Host.raise(code, message)
    error_object.raise(code, message)
end

function Host.rethrow(err)
    error(err, 0)
end

local function to_error(raised)
    return error_object.is(raised) and raised or error_object.from_raised(raised)
end

function Host.try(_, fn, state, component)
    local ok, value = pcall(fn, state, component)
    if ok then
        return true, value
    elseif environment.ends_run(value) then
        error(value, 0)
    end
    local err = to_error(value)
    if err.halt then
        return false, err
    elseif err.code == "TIMEOUT" then
        err.message = ("run script %s timeout"):format(component.url_text)
    end
    return false, recode(err, OF_STEP[err.code] or inner_code(err, false))
end

-- components ---------------------------------------------------------------------------------------

local function policy_of(component)
    if component.retries and component.retries > 0 then
        component.policy = component.policy or retry.ramp(component.retries, component.retry_wait_s or 0)
        return component.policy
    end
end

--- A script's time is the step's; a request has its own.
local function options_of(component)
    local o = component.step_options
    if not o then
        o = { policy = policy_of(component), rule = component.rule, line = component.line,
            timeout_ms = not component.is_api and component.timeout_s and component.timeout_s * 1000 or nil }
        component.step_options = o
    end
    return o
end

local function run_body(component, fn, input)
    local ok, value = pcall(fn, input)
    if ok then
        return value
    elseif environment.ends_run(value) then
        error(value, 0)
    end
    local err = to_error(value)
    error(recode(err, inner_code(err, component.is_api)), 0)
end

function Host:component(component, input, fn)
    local options = options_of(component)
    if self.run.durable == "never" then
        return scope.run("component", component.name, "", function()
            return run_body(component, fn, input)
        end, options)
    end
    local text, reason = json.encode_stored(input == nil and json.null or input)
    if not text then
        error_object.raise("110003", ("the input of component '%s' %s"):format(component.name, reason))
    end
    return scope.run("component", component.name, text, function()
        return run_body(component, fn, input)
    end, { policy = options.policy, rule = options.rule, line = options.line, timeout_ms = options.timeout_ms,
        input = text })
end

--- A component whose condition does not hold leaves an entry, and no more.
function Host:skip(component)
    if self.run.durable == "never" then
        return
    end
    local rule = { is_skip = true }
    for name, value in pairs(component.rule) do
        rule[name] = value
    end
    scope.run("component", component.name, "", function() end, { rule = rule, line = component.line, input = "null" })
end

--- A condition that cannot be evaluated is an error of the component.
function Host:check(component, condition, root)
    local ok, holds = pcall(condition, root)
    if ok then
        return holds
    elseif environment.ends_run(holds) then
        error(holds, 0)
    end
    self:component(component, nil, function()
        error(holds, 0)
    end)
end

function Host.all(_, functions)
    group.run("all", #functions, #functions, functions)
end

function Host.request(_, o)
    return request.request(o)
end

function Host:script(name)
    return self.run.code.component(self.run, name)
end

function Host.is_secret()
    return false
end

-- answers ------------------------------------------------------------------------------------------

--- An answer as callers get it: header values are text, null is left out.
local function clean(answer)
    local headers
    for name, value in pairs(answer.headers or {}) do
        if value ~= json.null and type(value) ~= "table" then
            headers = headers or {}
            headers[name] = tostring(value):gsub("[%c]", " ")
        end
    end
    return { body = answer.body, status = answer.status, headers = headers }
end

--- Sent as soon as everything recorded so far is on disk; the run goes on.
function Host:answer_now(answer)
    local own = clean(answer)
    if self.run.journal and self.run.has_responded then
        return
    end
    step.outside(function(run)
        run_module.respond(run, own)
    end)
end

--- What a caller of the rule gets when it has failed, while the layer settles.
function Host.answer_failure(_, answer)
    local own = clean(answer)
    step.outside(function(run)
        run_module.tell_failure(run, own)
    end)
end

--- What those get who wait for the end.
function Host:answer_at_end(answer)
    self.run.answer = clean(answer)
end

--- Ends the run as broken.
function Host.stop(_, err)
    step.halt(function(run)
        ending.stop(run, err.message, err.code)
    end)
end

--- Ends the run as failed, whatever it does with errors.
function Host.fail(_, err)
    step.halt(function(run)
        ending.fail(run, err)
    end)
end

-- going on -----------------------------------------------------------------------------------------

function Host:resume()
    local run = self.run
    local latest, count = snapshot.latest(run.journal)
    if not latest then
        return nil
    end
    -- what it does from here on has paths of its own: nothing of before is in its way
    fiber_module.current.scope.prefix = ("a%d."):format(count)
    local copy = json.decode_stored(json.encode_stored(latest))
    return { layer = copy.layer, names = copy.names ~= json.null and copy.names or nil, data = copy.data,
        rule = copy.rule ~= json.null and copy.rule or nil }
end

--- Called once, before the first layer.
---@param o { on_response: fun(answer: table), on_end: fun(code: string, message: string), snapshot: fun(): table }
function Host:track(o)
    local host = self
    local function keep(run)
        if run.durable == "never" then
            return
        end
        host.run = run
        local value = o.snapshot()
        local before = snapshot.latest(run.journal)
        value.rule = before and before.rule ~= json.null and before.rule or nil
        local ok, reason = snapshot.add(run, value)
        if not ok then
            system.log("warn", "where the rule stood cannot be kept: " .. reason, { "run", run.id, "flow", run.flow })
        end
    end
    local function on_end(run)
        host.run = run
        if not run.answer then -- without one the caller gets code and message as they are (api/rule_route.lua)
            pcall(o.on_end, "110000", run.error and run.error.message or run.status)
        end
    end
    self.run.document = { on_response = o.on_response, on_end = on_end, keep = keep }
end

--- The run's shared values, as they are now.
function Host:global_data()
    return run_data.copy(self.run)
end

--- The same as a recorded value: a replay sees what was seen.
function Host:global_store()
    local run = self.run
    return step.value("data.load", "*", function()
        return run_data.copy(run)
    end)
end

-- cache --------------------------------------------------------------------------------------------

local cache = memory_cache.new { max_bytes = 16 * 1024 * 1024, ttl_ms = CACHE_S * 1000 }

--- The same for what would do the same: the component, the code it is of, and what its templates have brought.
---@param o table?  what is asked of a service
function Host:cache_key(component, input, o)
    local text = assert(json.encode_stored(input == nil and json.null or input))
    local sent = o and assert(json.encode_stored { url = o.url, headers = o.headers, auth = o.auth }) or ""
    return system.sha256(table.concat({ self.run.release or "", component.text, text, sent }, "\0"))
end

function Host.cache_get(_, key)
    local text = cache:get(key)
    if text then
        return effect.to_flow(json.decode_stored(text)), true
    end
end

remote.on("rule_cache", function(arguments, reply)
    cache:put(system.base64_decode(arguments.key), arguments.text)
    reply {}
end)

--- Every shard keeps it: the next one to ask may come to any of them.
function Host.cache_put(_, key, value)
    local text = json.encode_stored(value == nil and json.null or value)
    if text then
        remote.call_all("rule_cache", { key = system.base64_encode(key), text = text }, function() end)
    end
end

---@param run table
function M.new(run)
    return setmetatable({ run = run, input = run.input or {}, env = run.code.env }, Host)
end

return M
