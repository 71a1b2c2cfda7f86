-- SPDX-License-Identifier: MIT
-- ctx.component(name, input, { retry, timeout, once }): a reusable script as a step: components/NAME.lua of the run's
-- release, or a C component of the embedding program. Its own ctx calls are nested steps.

local core = require "flowhost.core"
local effect = require "flowhost.engine.effect"
local error_object = require "flowhost.engine.error"
local options = require "flowhost.ctx.options"
local scope = require "flowhost.engine.scope"
local step = require "flowhost.engine.step"
local token = require "flowhost.engine.token"

local json, native, timer = core.json, core.native, core.timer


local ALLOWED = { retry = true, timeout = true, once = true }

local function call_native(name, input_json, o)
    local function act(current, done)
        local waiting = token.new(function(code, text)
            if code then
                return done(nil, error_object.new(code, text))
            end
            local value, reason = json.decode_stored(text)
            if value == nil then
                local message = ("component '%s' returned no JSON: %s"):format(name, reason)
                return done(nil, error_object.new("NOT_JSON", message))
            end
            if value == json.null then
                value = nil
            end
            return done(text, value)
        end)
        native.call(name, input_json, waiting)
        local stop = o.timeout_ms and effect.at(current.fiber.run, timer.now_ms() + o.timeout_ms, function()
            done(nil, error_object.new("TIMEOUT", ("component '%s' did not answer in time"):format(name),
                { retryable = true }))
        end)
        return function()
            token.drop(waiting)
            if stop then
                stop()
            end
        end
    end
    return effect.run("component", name, input_json, act, { policy = o.policy, is_once = o.is_once,
        input = input_json })
end

local function component(name, input, given)
    if type(name) ~= "string" then
        error_object.raise("INVALID", "ctx.component: a name is expected")
    end
    local o = options.parse("component", given, ALLOWED)
    local input_json, reason = json.encode_stored(input == nil and json.null or input)
    if not input_json then
        error_object.raise("NOT_JSON", ("ctx.component '%s': the input %s"):format(name, reason))
    end
    local run = step.current_fiber("component").run
    local body = run.code.component(run, name)
    if not body then
        if native.has(name) then
            return call_native(name, input_json, o)
        end
        error_object.raise("NOT_FOUND", ("no component '%s': neither components/%s.lua nor one of the program"):format(
            name, name))
    end
    return scope.run("component", name, input_json, function()
        local own_input = json.decode_stored(input_json)
        if own_input == json.null then
            own_input = nil
        end
        return body(own_input)
    end, { policy = o.policy, timeout_ms = o.timeout_ms, is_once = o.is_once, input = input_json })
end

return { component = component }
