-- SPDX-License-Identifier: MIT
-- ctx.task(queue, input, { timeout, heartbeat }): hands work to an outside worker; returns what it makes of it. Raises
-- the worker's error by its name (TASK_FAILED without one, data { error, cause }), and TIMEOUT.

local core = require "flowhost.core"
local activities = require "flowhost.engine.activities"
local error_object = require "flowhost.engine.error"
local options = require "flowhost.ctx.options"

local json = core.json

local ALLOWED = { timeout = true, heartbeat = true }
local CODES = { ["States.Timeout"] = "TIMEOUT", ["States.HeartbeatTimeout"] = "TIMEOUT",
    ["States.TaskFailed"] = "TASK_FAILED" }
local NONE = {}

local function invalid(message)
    error_object.raise("INVALID", "ctx.task: " .. message)
end

local function check_options(o)
    if o == nil then
        return NONE
    elseif type(o) ~= "table" then
        invalid "options must be a table"
    end
    for name in next, o do
        if not ALLOWED[name] then
            invalid(("unknown option '%s'"):format(tostring(name)))
        end
    end
    return o
end

local function seconds(o, name)
    local ms = options.timeout_ms("task", rawget(o, name), name)
    return ms and ms / 1000
end

local function task(queue, input, o)
    if not activities.is_name(queue) then
        invalid "the name of a queue is expected: at most 80 letters, digits and - _ . + ! @ = ( ) '"
    end
    o = check_options(o)
    local text, reason = json.encode_stored(input == nil and json.null or input)
    if not text then
        error_object.raise("NOT_JSON", ("ctx.task '%s': the input %s"):format(queue, reason))
    end
    local ok, output = pcall(activities.wait, { activity = queue, input = text, timeout_s = seconds(o, "timeout"),
        heartbeat_s = seconds(o, "heartbeat") })
    if ok then
        return output
    elseif error_object.is(output) then
        output.code = CODES[output.code] or output.code
    end
    error(output, 0)
end

return { task = task }
