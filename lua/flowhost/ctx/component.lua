-- SPDX-License-Identifier: MIT
-- ctx.component(name, input): a reusable script as a step: components/NAME.lua of the run's release, or a C component
-- of the embedding program. Its own ctx calls are nested steps.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local step = require "flowhost.engine.step"
local token = require "flowhost.engine.token"

local json, native = core.json, core.native


local function call_native(name, input_json)
    return step.effect("component", name, input_json, function(done)
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
        return function()
            token.drop(waiting)
        end
    end)
end

local function component(name, input)
    if type(name) ~= "string" then
        error_object.raise("INVALID", "ctx.component: a name is expected")
    end
    local input_json, reason = json.encode_stored(input == nil and json.null or input)
    if not input_json then
        error_object.raise("NOT_JSON", ("ctx.component '%s': the input %s"):format(name, reason))
    end
    local run = step.current_fiber("component").run
    local body = run.code.component(run, name)
    if not body then
        if native.has(name) then
            return call_native(name, input_json)
        end
        error_object.raise("NOT_FOUND", ("no component '%s': neither components/%s.lua nor one of the program"):format(
            name, name))
    end
    return step.scoped("component", name, input_json, function()
        local own_input = json.decode_stored(input_json)
        if own_input == json.null then
            own_input = nil
        end
        return body(own_input)
    end)
end

return { component = component }
