-- SPDX-License-Identifier: MIT
-- ctx.stop(reason), ctx.break(reason): end the run now as `broken`. ctx.fail(code, message): end it as `failed`.
-- No pcall catches either. ctx.suspend(code, reason): stops for a person; returns what `recover` passes as value.
-- ctx.defer(fn): what undoes a step, run in reverse order when the run fails or is cancelled. ctx.response(body, {
-- status, headers }): answer the caller now; the run goes on.

local effect = require "flowhost.engine.effect"
local ending = require "flowhost.engine.ending"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local header = require "flowhost.ctx.header"
local run_module = require "flowhost.engine.run"
local step = require "flowhost.engine.step"

local timer = require("flowhost.core").timer

local MAX_HEADERS = 60 -- the server takes 64, some are added

local BODILESS = { [204] = true, [304] = true }

--- What the host itself says about an answer.
local OWN_HEADERS = { ["flowhost-run"] = true, date = true, ["content-length"] = true, ["transfer-encoding"] = true,
    connection = true }

--- In a component of a document: no pcall in the script keeps it, the component ends. Of a rule the layer settles, then
--- the rule does it (dialect/rule_run.lua).
local function halt_component(halt, code, message)
    error(error_object.new(code, message, { halt = halt }), 0)
end

local function stop(reason)
    if type(reason) == "table" or type(reason) == "function" then
        error_object.raise("INVALID", "ctx.stop: the reason must be text")
    end
    reason = reason == nil and "" or tostring(reason)
    local own = step.current_fiber("stop").run
    if own.document then
        return halt_component("break", "110008", reason)
    elseif own.is_undoing then
        error_object.raise("BROKEN", "a compensation cannot end the run: " .. reason)
    end
    step.halt(function(run)
        ending.stop(run, reason)
    end)
end

local function fail(code, message)
    if type(code) ~= "string" then
        error_object.raise("INVALID", "ctx.fail: a code is expected")
    elseif type(message) == "table" or type(message) == "function" then
        error_object.raise("INVALID", "ctx.fail: the message must be text")
    end
    local err = error_object.new(code, message == nil and code or tostring(message))
    local own = step.current_fiber("fail").run
    if own.is_undoing then
        error(err, 0)
    elseif own.document or own.code.dialect == "asl" then -- whose Catch may take it (ctx/machine_host.lua)
        return halt_component("fail", err.code, err.message)
    end
    step.halt(function(run)
        ending.fail(run, err)
    end)
end

--- Headers of an answer as name -> text, read once and past metatables: what is checked is what is sent.
local function copy_headers(given)
    if given == nil then
        return nil
    elseif type(given) ~= "table" then
        error_object.raise("INVALID", "ctx.response: headers must be a table")
    end
    local headers, count = {}, 0
    for name, value in next, given do
        headers[name] = header.check("ctx.response", name, value)
        if OWN_HEADERS[name:lower()] then
            error_object.raise("INVALID", ("ctx.response: the header '%s' is set by the host"):format(name))
        end
        count = count + 1
    end
    if count > MAX_HEADERS then
        error_object.raise("INVALID", ("ctx.response: more than %d headers"):format(MAX_HEADERS))
    end
    return headers
end

local function check_status(status)
    if type(status) ~= "number" or not (status >= 200 and status <= 599) or status ~= math.floor(status) then
        error_object.raise("INVALID", "ctx.response: status must be a whole number from 200 to 599")
    elseif status == 205 then
        error_object.raise("INVALID", "ctx.response: status 205 is not known here, use 204")
    end
    return status
end

local function response(body, o)
    if o ~= nil and type(o) ~= "table" then
        error_object.raise("INVALID", "ctx.response: the second argument must be a table { status = , headers = }")
    end
    for name in next, o or {} do
        if name ~= "status" and name ~= "headers" then
            error_object.raise("INVALID", ("ctx.response: unknown option '%s'"):format(tostring(name)))
        end
    end
    local status = o and rawget(o, "status")
    status = check_status(status == nil and 200 or status)
    local headers = copy_headers(o and rawget(o, "headers"))
    if BODILESS[status] and body ~= nil then
        error_object.raise("INVALID", ("ctx.response: an answer of status %d has no body, give nil"):format(status))
    end
    local answer = step.value("response", "", function()
        return { body = body, status = status, headers = headers }
    end)
    local document = step.current_fiber("response").run.document
    if document then
        return document.on_response(answer)
    end
    step.outside(function(run)
        run_module.respond(run, answer)
    end)
end

--- Begins to stand still: what other branches have begun comes to its end first.
local function begin_suspend(fiber, current)
    local run = fiber.run
    if effect.is_held(fiber) then
        return
    elseif not current.entry then
        step.record_open(fiber, current, "null")
    end
    run.suspending = error_object.new(current.name, current.reason, { step = current.path })
    effect.settle(run)
end

--- The seed's two forms: (code, message) and (message).
local function suspend_component(code, reason)
    if reason == nil then
        code, reason = "", code
    end
    if type(code) ~= "string" or type(reason) ~= "string" then
        error_object.raise("INVALID", "ctx.suspend: a code and a reason are expected, both text")
    end
    return halt_component("suspend", code ~= "" and code or "110009", reason)
end

local function suspend(code, reason)
    if step.current_fiber("suspend").run.document then
        return suspend_component(code, reason)
    end
    if type(code) ~= "string" or code == "" then
        error_object.raise("INVALID", "ctx.suspend: a code is expected")
    elseif reason ~= nil and type(reason) ~= "string" then
        error_object.raise("INVALID", "ctx.suspend: the reason must be text")
    end
    local fiber, path, entry = step.begin("suspend", code, "")
    step.check_yieldable "suspend"
    if entry and entry.state ~= "o" then
        return step.replay_effect(fiber, entry)
    end
    local ok, err = fiber_module.wait { start = begin_suspend, path = path, kind = "suspend", name = code, hash = "",
        line = step.find_line(), started = timer.now_ms(), attempts = 1, entry = entry,
        reason = reason or "the flow waits for a person" }
    if not ok then
        error(err, 0)
    end
end

--- The step or component that the fiber is in: its function does not run again once it has ended, so that after a
--- restart nobody would know what it has deferred.
local function find_container(scope)
    while scope and not scope.kind do
        scope = scope.parent
    end
    return scope
end

local function defer(fn)
    if type(fn) ~= "function" then
        error_object.raise("INVALID", "ctx.defer: a function is expected")
    end
    local fiber = step.current_fiber "defer"
    local run = fiber.run
    local container = not run.is_undoing and find_container(fiber.scope)
    if run.is_undoing then
        error_object.raise("INVALID", "ctx.defer: a compensation cannot have one of its own")
    elseif container then
        error_object.raise("INVALID", ("ctx.defer: call it behind the %s '%s', not in it, where it would be forgotten "
            .. "after a restart"):format(container.kind, container.name))
    end
    step.value("defer", "", function() end)
    ending.defer(run, fn)
end

return { suspend = suspend, defer = defer, stop = stop, ["break"] = stop, fail = fail, response = response }
