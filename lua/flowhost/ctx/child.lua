-- SPDX-License-Identifier: MIT
-- ctx.call(flow, input, { timeout, retry }): runs another flow and returns its output; its error is raised. It is
-- cancelled when the caller is. ctx.start(flow, input): starts one and returns its id; it goes its own way.

local core = require "flowhost.core"
local children = require "flowhost.engine.children"
local error_object = require "flowhost.engine.error"
local fields = require "flowhost.schema.fields"
local options = require "flowhost.ctx.options"
local step = require "flowhost.engine.step"

local json = core.json

local ALLOWED = { retry = true, timeout = true }
local NONE = {}

local function prepare(verb, name, input)
    if type(name) ~= "string" then
        error_object.raise("INVALID", ("ctx.%s: the name of a flow is expected"):format(verb))
    end
    local input_json, reason = json.encode_stored(input == nil and json.null or input)
    if not input_json then
        error_object.raise("NOT_JSON", ("ctx.%s '%s': the input %s"):format(verb, name, reason))
    end
    local run = step.current_fiber(verb).run
    local flow = children.find_flow(run, name)
    if not flow then
        error_object.raise("NOT_FOUND", ("no flow '%s'"):format(name))
    end
    local own = json.decode_stored(input_json)
    if own == json.null then
        own = nil
    end
    local errors = flow.request and fields.check(flow.request, own, json)
    if errors then
        local pointer = errors[1].pointer
        error_object.raise("INPUT_INVALID", ("ctx.%s '%s': %s %s"):format(verb, name,
            pointer == "" and "the input" or pointer, errors[1].message))
    end
    return run, flow, own, input_json
end

local function call(name, input, o)
    o = o ~= nil and options.parse("call", o, ALLOWED) or NONE
    local run, flow, own, input_json = prepare("call", name, input)
    return children.call(run, flow, own, input_json, o)
end

local function start(name, input, o)
    if o ~= nil then
        error_object.raise("INVALID", "ctx.start: takes no options; the run goes its own way")
    end
    local run, flow, own, input_json = prepare("start", name, input)
    return children.start(run, flow, own, input_json)
end

return { call = call, start = start }
