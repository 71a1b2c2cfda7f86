-- SPDX-License-Identifier: MIT
-- Respells definitions of service flow conductor (SFC) as Amazon States Language. Pure; what is ASL already stays.
--
--   SFC: { "start": "a", "states": { "a": { "type": "task", "task": "orders:split", "retry": 2, "next": "b" }, ... } }
--   ASL: { "StartAt": "a", "States": { "a": { "Type": "Task", "Resource": "arn:flowhost:task:::orders:split", ... } } }
--
-- Kept beside ASL as extensions: `Mode` of a Task ("Sync", "Async"), `Join` with `JoinOn`, a list of states in `Next`.
-- An old name whose ASL name is there as well is left for the validator to refuse.

local M = {}

local TASK_ARN = "arn:flowhost:task:::"
local RETRY_ERRORS = "States.ALL"

local TOP = {
    start = "StartAt", startstate = "StartAt", startAt = "StartAt", start_at = "StartAt", states = "States",
    comment = "Comment", desc = "Comment", version = "Version", timeout = "TimeoutSeconds",
    query_language = "QueryLanguage",
}

local STATE = {
    type = "Type", comment = "Comment", desc = "Comment", next = "Next", ["end"] = "End", resource = "Resource",
    Processor = "Resource", processor = "Resource", task = "Resource", mode = "Mode", task_type = "Mode",
    input_path = "InputPath", parameters = "Parameters", paramters = "Parameters", Paramters = "Parameters",
    result_selector = "ResultSelector", result_path = "ResultPath", output_path = "OutputPath", choices = "Choices",
    default = "Default", branches = "Branches", timeout = "TimeoutSeconds", heartbeat = "HeartbeatSeconds",
    catch = "Catch", error = "Error", cause = "Cause", result = "Result", seconds = "Seconds",
    seconds_path = "SecondsPath", timestamp = "Timestamp", timestamp_path = "TimestampPath", join_on = "JoinOn",
    joinOn = "JoinOn", items_path = "ItemsPath", item_processor = "ItemProcessor", iterator = "Iterator",
    max_concurrency = "MaxConcurrency", query_language = "QueryLanguage", assign = "Assign", output = "Output",
    arguments = "Arguments",
}

local RULE = { variable = "Variable", next = "Next", ["and"] = "And", ["or"] = "Or", ["not"] = "Not",
    comment = "Comment", condition = "Condition" }
local CATCHER = { error_equals = "ErrorEquals", next = "Next", result_path = "ResultPath", comment = "Comment" }

local TYPES = { task = "Task", choice = "Choice", fail = "Fail", succeed = "Succeed", pass = "Pass", wait = "Wait",
    parallel = "Parallel", map = "Map", join = "Join" }
local MODES = { sync = "Sync", async = "Async" }
local PATHS = { "InputPath", "ResultPath", "OutputPath" }

--- The end of a comparison's name by SFC's operator, and whether it is turned round.
local OPERATORS = { eq = "Equals", neq = "Equals", gt = "GreaterThan", lt = "LessThan", gte = "GreaterThanEquals",
    lte = "LessThanEquals" }
local KINDS = { string = "String", number = "Numeric", cdata = "Numeric", boolean = "Boolean" }

local function is_object(c, value)
    return type(value) == "table" and not c.o.is_array(value)
end

local function note(c, location, from, to)
    c.list[#c.list + 1] = { location = location .. "/" .. from, from = from, to = to }
end

local function sorted_keys(value)
    local keys = {}
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

--- A copy with the names of `names` respelled; values are shared.
local function rename(c, value, names, location)
    local own = {}
    for _, key in ipairs(sorted_keys(value)) do
        local to = names[key]
        if to and value[to] == nil and own[to] == nil then
            note(c, location, key, to)
            own[to] = value[key]
        else
            own[key] = value[key]
        end
    end
    return own
end

--- A new array of what `make` gives for each entry.
local function each(c, list, location, make)
    if not c.o.is_array(list) then
        return list
    end
    local own = {}
    for i, entry in ipairs(list) do
        own[i] = make(c, entry, ("%s[%d]"):format(location, i - 1))
    end
    return c.o.array(own)
end

-- Choice rules -------------------------------------------------------------------------------------

local convert_rule

--- The comparison that one of SFC's operators with its value stands for: name, value.
local function comparison_of(c, operator, value)
    if value == c.o.null then
        return "IsNull", true
    end
    local kind = KINDS[type(value)]
    return kind and kind .. OPERATORS[operator], value
end

local function convert_operator(c, rule, location)
    for _, operator in ipairs { "eq", "neq", "gt", "lt", "gte", "lte" } do
        local value = rule[operator]
        local name, operand = comparison_of(c, operator, value)
        if value ~= nil and name then
            rule[operator] = nil
            note(c, location, operator, operator == "neq" and "Not/" .. name or name)
            if operator ~= "neq" then
                rule[name] = operand
                return
            end
            rule.Not, rule.Variable = { Variable = rule.Variable, [name] = operand }, nil
            return
        end
    end
end

function convert_rule(c, rule, location)
    if not is_object(c, rule) then
        return rule
    end
    local own = rename(c, rule, RULE, location)
    for _, name in ipairs { "And", "Or" } do
        own[name] = own[name] and each(c, own[name], location .. "/" .. name, convert_rule)
    end
    own.Not = own.Not and convert_rule(c, own.Not, location .. "/Not")
    convert_operator(c, own, location)
    return own
end

-- States -------------------------------------------------------------------------------------------

local convert_container

local function convert_word(c, state, name, words, location)
    local word = type(state[name]) == "string" and words[state[name]:lower()]
    if word and word ~= state[name] then
        note(c, location, name, word)
        state[name] = word
    end
end

--- "service:job" as an ARN.
local function convert_task(c, state, location)
    local task = state.Resource
    if type(task) == "string" and task ~= "" and not task:find "^arn:" then
        state.Resource = TASK_ARN .. task
        note(c, location, "Resource", state.Resource)
    end
end

--- retry n, wait_before_retry s: a retrier for all errors that waits the same time again.
local function convert_retry(c, state, location)
    local count, wait = state.retry, state.wait_before_retry
    if state.Retry ~= nil or type(count) ~= "number" and type(wait) ~= "number" then
        return
    end
    for _, name in ipairs { "retry", "wait_before_retry" } do
        if state[name] ~= nil then
            note(c, location, name, "Retry")
        end
    end
    state.retry, state.wait_before_retry = nil, nil
    state.Retry = c.o.array { { ErrorEquals = c.o.array { RETRY_ERRORS }, MaxAttempts = count, BackoffRate = 1,
        IntervalSeconds = wait and math.max(wait, 1) } }
end

--- "$." is how SFC writes "$".
local function convert_paths(c, state, location)
    for _, name in ipairs(PATHS) do
        if state[name] == "$." then
            state[name] = "$"
            note(c, location, name, "$")
        end
    end
end

local function convert_catcher(c, catcher, location)
    return is_object(c, catcher) and rename(c, catcher, CATCHER, location) or catcher
end

local function convert_inner(c, state, location)
    state.Choices = state.Choices and each(c, state.Choices, location .. "/Choices", convert_rule)
    state.Catch = state.Catch and each(c, state.Catch, location .. "/Catch", convert_catcher)
    state.Branches = state.Branches and each(c, state.Branches, location .. "/Branches", convert_container)
    for _, name in ipairs { "ItemProcessor", "Iterator" } do
        state[name] = state[name] and convert_container(c, state[name], location .. "/" .. name)
    end
end

local function convert_state(c, state, location)
    if not is_object(c, state) then
        return state
    end
    local own = rename(c, state, STATE, location)
    convert_word(c, own, "Type", TYPES, location)
    convert_word(c, own, "Mode", MODES, location)
    convert_task(c, own, location)
    convert_retry(c, own, location)
    convert_paths(c, own, location)
    convert_inner(c, own, location)
    return own
end

function convert_container(c, value, location)
    if not is_object(c, value) then
        return value
    end
    local own = rename(c, value, TOP, location)
    if own.schemaVersion ~= nil then
        note(c, location, "schemaVersion", nil)
        own.schemaVersion = nil
    end
    if is_object(c, own.States) then
        local states = {}
        for _, name in ipairs(sorted_keys(own.States)) do
            states[name] = convert_state(c, own.States[name], location .. "/States/" .. name)
        end
        own.States = states
    end
    return own
end

--- The definition in Amazon States Language, and what was respelled: { location, from, to }, in order of the names;
--- `to` is the new name or value, nil for what was left out. The given one stays as it is; the new one shares values.
---@param definition any decoded JSON
---@param o { null: any, array: fun(list: table): table, is_array: fun(value: any): boolean }
---@return any, table[]
function M.convert(definition, o)
    local c = { o = o, list = {} }
    return convert_container(c, definition, ""), c.list
end

return M
