-- SPDX-License-Identifier: MIT
-- Failures of states: which retrier or catcher takes one, what a catcher makes of it. Pure.
--
--   failure: { error, cause, is_final, location, is_timeout, is_inner }   error, cause: texts or nil; is_of_value: what
--   is wrong is not the expression, but what it gave; is_inner: of a branch, an iteration or a map run, for the state
--   that it is in
--
-- What expressions raise has the same two fields; `finish` puts the state's sentence before the cause and marks it.

local data = require "flowhost.dialect.asl.data"

local M = {}

local UNCAUGHT = "States.Runtime" -- ends the execution, whatever is said of it
local TIMEOUTS = { ["States.Timeout"] = true, ["States.HeartbeatTimeout"] = true }

--- A failure that is complete.
function M.new(error_name, cause, more)
    local failure = { error = error_name, cause = cause, is_final = true }
    for name, value in pairs(more or {}) do
        failure[name] = value
    end
    return failure
end

function M.raise(error_name, cause)
    error({ error = error_name, cause = cause }, 0)
end

function M.finish(f, failure)
    if not failure.is_final then
        failure.is_final = true
        failure.is_evaluation = failure.is_evaluation or failure.error == "States.QueryEvaluationError"
        if f.inspect then
            return failure -- of a state on its own there is no more to say
        end
        failure.cause = ("An error occurred while executing the state '%s' (entered at the event id #%d). %s"):format(
            f.state.name, f.entered, tostring(failure.cause))
    end
    return failure
end

local function matches(names, failure)
    local own = failure.error
    if own == UNCAUGHT then
        return false
    end
    for _, name in ipairs(names) do
        if name == own or name == "States.ALL"
            or (name == "States.TaskFailed" and failure.is_of_task and not TIMEOUTS[own])
            or (name == "States.Timeout" and own == "States.HeartbeatTimeout") then
            return true
        end
    end
    return false
end

-- Retry ----------------------------------------------------------------------------------------------

--- The retriers of a state, or nil.
function M.compile_retry(given)
    if not given or #given == 0 then
        return nil
    end
    local list = {}
    for i, one in ipairs(given) do
        list[i] = {
            names = one.ErrorEquals, most = one.MaxAttempts or 3, interval_s = one.IntervalSeconds or 1,
            rate = one.BackoffRate or 2, max_s = one.MaxDelaySeconds, is_jittered = one.JitterStrategy == "FULL",
        }
    end
    return list
end

--- How long to wait before the next attempt (s), nil when there is none; and which retrier decides, if one does. Each
--- counts by itself.
function M.find_retry(f, retriers, counts, failure)
    for i, one in ipairs(retriers) do
        if matches(one.names, failure) then
            local count = (counts[i] or 0) + 1
            if count > one.most then
                return nil, i
            end
            counts[i] = count
            local wait_s = one.interval_s * one.rate ^ (count - 1)
            wait_s = math.min(wait_s, one.max_s or wait_s)
            return one.is_jittered and wait_s * f.host:random() or wait_s, i
        end
    end
end

-- Catch ----------------------------------------------------------------------------------------------

local function compile_catcher(one, i, c)
    local catcher = { names = one.ErrorEquals, next = one.Next }
    if c.is_jsonata then
        local output = data.output(one, c, ("Catch[%d]/"):format(i - 1))
        function catcher.take(f, input, thrown)
            return output(f, input, { errorOutput = thrown }, thrown)
        end
        return catcher
    end
    local put, variables = data.result_setter(one.ResultPath, c), data.template(one.Assign, c)
    function catcher.take(f, input, thrown)
        local assigned = variables and variables(f, thrown)
        return put and put(input, thrown) or thrown, assigned and data.assign(f, assigned)
    end
    return catcher
end

--- The catchers of a state, or nil.
function M.compile_catch(given, c)
    if not given or #given == 0 then
        return nil
    end
    local list = {}
    for i, one in ipairs(given) do
        list[i] = compile_catcher(one, i, c)
    end
    return list
end

--- The catcher that takes a failure, and which one it is.
function M.find_catch(catchers, failure)
    for i, one in ipairs(catchers or {}) do
        if matches(one.names, failure) then
            return one, i
        end
    end
end

--- The error output that a catcher gets.
function M.thrown(failure, null)
    local empty = failure.is_timeout and "" or null
    return { Error = failure.error == nil and null or failure.error, Cause = failure.cause == nil and empty
        or failure.cause }
end

return M
