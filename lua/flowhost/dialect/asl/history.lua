-- SPDX-License-Identifier: MIT
-- The history of an execution: events as GetExecutionHistory names them. Nobody keeps them; they are counted while a
-- machine runs, because causes of errors name the number of an event, and made when a replay asks for them. Pure.
--
--   history: n (events so far), sink (fun(event) or nil)
--   event:   { id, previousEventId, type, timestamp (ms), NAMEEventDetails = {...} }

local M = {}

local WHOLE = { truncated = false }

--- Counts an event; returns its id.
---@param details fun(): string, table?  name and value of its details, asked for only when somebody wants the event
function M.add(f, kind, previous, details, ...)
    local history = f.history
    local id = history.n + 1
    history.n = id
    local sink = history.sink
    if sink then
        local event = { id = id, previousEventId = previous, type = kind, timestamp = f.at or f.host:now_ms() }
        if details then
            local name, value = details(f, ...)
            event[name] = value
        end
        sink(event)
    end
    return id
end

local function text_of(f, value)
    return f.host.json.encode(value == nil and f.host.json.null or value)
end

function M.started(f, input, role)
    return "executionStartedEventDetails", { input = text_of(f, input), inputDetails = WHOLE, roleArn = role }
end

function M.output(f, name, value)
    return name, { output = text_of(f, value), outputDetails = WHOLE }
end

function M.failure(_, name, failure)
    return name, { error = failure.error, cause = failure.cause }
end

function M.entered(f, name, input)
    return "stateEnteredEventDetails", { name = name, input = text_of(f, input), inputDetails = WHOLE }
end

function M.exited(f, name, output, assigned)
    local details = { name = name, output = text_of(f, output), outputDetails = WHOLE }
    if assigned and next(assigned) ~= nil then
        details.assignedVariables, details.assignedVariablesDetails = {}, WHOLE
        for variable, value in pairs(assigned) do
            details.assignedVariables[variable] = text_of(f, value)
        end
    end
    return "stateExitedEventDetails", details
end

function M.evaluation(f, failure)
    return "evaluationFailedEventDetails", { error = failure.error, cause = failure.cause, location = failure.location,
        state = f.state.name }
end

--- Details that are given as they are.
function M.plain(_, name, value)
    return name, value
end

function M.iteration(_, name, state, index)
    return name, { name = state, index = index }
end

M.WHOLE = WHOLE

return M
