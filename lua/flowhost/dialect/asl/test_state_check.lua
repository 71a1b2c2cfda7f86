-- SPDX-License-Identifier: MIT
-- Reads a request of TestState: what is tested, or what is wrong with the request, in AWS's words where they were
-- recorded. Pure.
--
--   test: { name, state (as it is written), language (of its machine), input, variables, context (given or nil),
--           mock { result, error { error, cause } } or nil, role, reader_data, failed_iterations, retries,
--           causer (state inside), level }

local schema = require "flowhost.dialect.asl.test_state_schema"
local json_text = require "flowhost.dialect.asl.json_text"
local task = require "flowhost.dialect.asl.task"
local validate = require "flowhost.dialect.asl.validate"

local M = {}

local NAMELESS = "StateName"

--- Raised by what follows; `read` makes it its second result.
local function refuse(message, code)
    error({ problem = { code = code or "ValidationException", message = message } }, 0)
end

-- the definition -------------------------------------------------------------------------------------

local find_in

--- A state of this name inside of others.
local function find_inside(states, name)
    for _, state in pairs(states) do
        local inner = { state.ItemProcessor or state.Iterator, unpack(state.Branches or {}) }
        for i = 1, #(state.Branches or {}) + 1 do
            local found = inner[i] and find_in(inner[i], name)
            if found then
                return found
            end
        end
    end
end

function find_in(machine, name)
    return machine.States[name] or find_inside(machine.States, name)
end

local function find_state(definition, name)
    if definition.States == nil then
        return name and refuse "StateName can only be specified with a state machine definition" or definition
    elseif not name then
        refuse "StateName must be specified when a state machine definition is provided"
    end
    return find_in(definition, name) or refuse "State not found"
end

local function read_definition(request, c)
    local problems, definition = c.validator.check_text(request.definition, { is_test_state = true })
    local message = validate.first_text(problems)
    if message then
        refuse(message, "InvalidDefinition")
    end
    local state = find_state(definition, request.stateName)
    return { name = request.stateName or NAMELESS, state = state, language = definition.States
        and definition.QueryLanguage or nil }
end

-- input, variables, context --------------------------------------------------------------------------

local function read_input(text, o)
    local value = o.decode(text)
    if value == nil then
        refuse(json_text.refuse_input(text), "InvalidExecutionInput")
    end
    return value
end

--- The object that a parameter's text is.
local function read_object(text, what, o)
    local value = o.decode(text)
    if type(value) ~= "table" or o.is_array(value) then
        refuse(what)
    end
    return value
end

local function read_context(text, o)
    local context = read_object(text, "Invalid Context object provided: it must be a JSON object", o)
    local problem = schema.check(schema.CONTEXT, context, "Context", o)
    if problem then
        refuse("Invalid Context object provided: " .. problem)
    end
    return context
end

-- the mock -------------------------------------------------------------------------------------------

local REFUSE_MOCK = { Pass = true, Succeed = true, Fail = true, Choice = true, Wait = true, Join = true }
local NEED_MOCK = { Map = true, Parallel = true }

local function check_exclusive(request)
    local mock = request.mock
    if not mock then
        return
    elseif mock.result ~= nil and mock.errorOutput ~= nil then
        refuse "A test mock should have only one of the following fields: [result, errorOutput]."
    elseif request.revealSecrets then
        refuse "TestState does not support RevealSecrets when a mock is specified."
    end
end

--- Fields of stateConfiguration, as messages name them.
local CONFIGURATION = { { "errorCausedByState", "ErrorCausedByState" }, { "mapItemReaderData", "MapItemReaderData" },
    { "mapIterationFailureCount", "MapIterationFailureCount" }, { "retrierRetryCount", "RetrierRetryCount" } }

local function check_without_mock(request, test)
    for _, field in ipairs(CONFIGURATION) do
        if (request.stateConfiguration or {})[field[1]] ~= nil then
            refuse(("TestState does not support %s when a mock is not specified."):format(field[2]))
        end
    end
    local state = test.state
    if NEED_MOCK[state.Type] then
        refuse(("State type '%s' is not supported when a mock is not specified"):format(state.Type))
    elseif state.Type == "Task" then
        local resource = task.parse_resource(state.Resource)
        if resource.kind == "activity" or (resource.mode or "") ~= "" then
            refuse(("Resource '%s' is not supported when a mock is not specified"):format(state.Resource))
        elseif not request.roleArn then
            refuse "RoleArn must be specified when testing a Task state"
        end
    end
end

local CHECKS = {}

function CHECKS.Parallel(result, test, o)
    if not o.is_array(result) then
        refuse "Mocked result must be an array."
    elseif #result ~= #test.state.Branches then
        refuse "Mocked result must contain the same number of items as number of Parallel branches."
    end
end

M.TOO_MANY = "Map iteration failure count must be less than or equal to the number of Map iterations"

function CHECKS.Map(result, test, o)
    if test.state.ResultWriter then
        return
    elseif not o.is_array(result) then
        refuse "Mocked result must be an array."
    elseif (test.failed_iterations or 0) > #result then
        refuse(M.TOO_MANY)
    end
end

function CHECKS.Task(result, test, o, mode)
    local own = schema.of_result(task.parse_resource(test.state.Resource))
    if own and mode ~= "NONE" then
        local problem = schema.check(own, result, "result", { null = o.null, is_array = o.is_array,
            is_strict = mode ~= "PRESENT" })
        if problem then
            refuse("Mock result schema validation error: " .. problem)
        end
    end
end

local function read_mock(request, test, o)
    local mock = request.mock
    if not mock then
        return check_without_mock(request, test)
    elseif REFUSE_MOCK[test.state.Type] then
        refuse(("State type '%s' is not supported when a mock is specified"):format(test.state.Type))
    elseif mock.errorOutput then
        return { error = mock.errorOutput }
    elseif mock.result == nil then
        refuse "A test mock must have one of the following fields: [result, errorOutput]."
    end
    local result = o.decode(mock.result)
    if result == nil then
        refuse "Mocked result must be valid JSON"
    end
    CHECKS[test.state.Type](result, test, o, mock.fieldValidationMode or "STRICT")
    return { result = result }
end

--- The state inside of a Map or Parallel that is said to have failed; nil when nothing is said.
local function find_causer(state, configuration)
    local name = configuration.errorCausedByState
    if not name then
        return nil
    end
    return find_inside({ state }, name) or refuse(("State '%s' was not found"):format(name))
end

-- all of it ------------------------------------------------------------------------------------------

local function read(request, c)
    local o = c.json
    check_exclusive(request)
    local test = read_definition(request, c)
    test.input = read_input(request.input or "{}", o)
    test.variables = request.variables and read_object(request.variables, "Variables must be a JSON object", o) or {}
    test.context = request.context and read_context(request.context, o) or nil
    local configuration = request.stateConfiguration or {}
    test.failed_iterations, test.retries = configuration.mapIterationFailureCount, configuration.retrierRetryCount
    test.reader_data = configuration.mapItemReaderData
    test.role, test.level = request.roleArn, request.inspectionLevel or "INFO"
    test.mock = read_mock(request, test, o)
    test.causer = find_causer(test.state, configuration)
    return test
end

--- The test that a request asks for; nil, problem { code, message }.
---@param c table  the compilers, see dialect/asl.lua
function M.read(request, c)
    local ok, test = pcall(read, request, c)
    if ok then
        return test
    elseif type(test) == "table" and test.problem then
        return nil, test.problem
    end
    error(test, 0)
end

return M
