-- SPDX-License-Identifier: MIT
-- One run of a rule: its layers one after the other, then the answer. Pure: everything else it asks of its host.
--
--   state: host, rule, store (what templates see), layer (number), failed (names of that layer), has_answered
--
-- Components resolve their templates as they begin; what they bring is in the store at once. The first error of a layer
-- ends the run once the layer has settled; its caller does not wait for that long.

local template = require "flowhost.expr.template"

local M = {}

local NO_ROOT = {}

local function is_object(host, value)
    return type(value) == "table" and not host.json.is_array(value)
end

-- the answer ---------------------------------------------------------------------------------------

--- The body that the caller gets as things stand (SEEDS 1.9).
local function body_of(state)
    local response, store = state.rule.response, state.store
    if response.default_body ~= nil and store.response == nil and not (response.type == "xml" and response.body) then
        return response.default_body
    elseif response.body then
        return response.body(store)
    end
    return store.response
end

--- `global`: what scripts have stored, where templates ask for it.
local function compose(state, global)
    state.store.global_store = global
    local header = state.rule.response.header
    return { body = body_of(state), status = 200, headers = header and header(state.store) or nil }
end

local function answer_of(state)
    return compose(state, state.rule.has_global and state.host:global_store() or nil)
end

local function answer_now(state)
    if not state.has_answered then
        state.has_answered = true
        state.host:answer_now(answer_of(state))
    end
end

-- components ---------------------------------------------------------------------------------------

--- Puts a value under a name such as "a.b"; objects on the way are made.
local function set_output(store, path, value)
    local holder = store
    for i = 1, #path - 1 do
        local inner = holder[path[i]]
        if type(inner) ~= "table" then
            inner = {}
            holder[path[i]] = inner
        end
        holder = inner
    end
    holder[path[#path]] = value
end

local function to_text(host, value)
    if type(value) == "table" then
        return host.json.encode(value)
    end
    return tostring(value)
end

--- Header values as text; those that refer to nothing are left out.
local function headers_of(host, component, root)
    if not component.header then
        return nil
    end
    local headers = {}
    for name, value in pairs(component.header(root)) do
        if value ~= host.json.null then
            headers[name] = host.is_secret(value) and value or to_text(host, value)
        end
    end
    return headers
end

local function auth_of(host, component, root)
    local auth = component.auth and component.auth(root)
    if not auth then
        return nil
    end
    return { user = to_text(host, auth[1]), pass = to_text(host, auth[2] == nil and "" or auth[2]) }
end

local function error_text(host, component, root)
    local value = component.error_message and component.error_message(root)
    if value == nil or value == host.json.null or value == "" then
        return ("the responseCondition of component '%s' does not hold"):format(component.name)
    end
    return to_text(host, value)
end

--- What conditions on a response see: the body's own members, and http_status.
local function response_root(result, status)
    local root = { http_status = status }
    for name, value in pairs(result) do
        root[name] = value
    end
    return root
end

local function check_response(host, component, result, status)
    if not component.response_condition or not is_object(host, result) then
        return
    end
    local root = component.wants_status and response_root(result, status) or result
    if not component.response_condition(root) then
        host.raise("100001", error_text(host, component, root))
    end
end

--- What is asked of the service: options of ctx.request.
local function request_of(host, component, root, input)
    local o = {
        method = component.method, url = component.url(root), timeout = component.timeout_s, raise = false,
        headers = headers_of(host, component, root), auth = auth_of(host, component, root),
        responseType = component.response_type, contentType = component.content_type, tls = component.tls,
        onlyData = not component.wants_status,
    }
    if input ~= nil and input ~= host.json.null then
        o.requestType, o.xmlName, o.body = component.request_type, component.xml_name, input
    end
    return o
end

local function call_api(host, component, o)
    local result = host:request(o)
    local status
    if component.wants_status then
        result, status = result.data, result.status
    end
    check_response(host, component, result, status)
    return result
end

local function run_script(state, component, input)
    local body = state.host:script(component.url_text)
    if not body then
        state.host.raise("110001", ("there is no script '%s'"):format(component.url_text))
    end
    return body(input)
end

--- The result in the shape that outputData gives it.
local function reshape(host, component, result)
    if not component.output_data then
        return result
    end
    return component.output_data(is_object(host, result) and result or NO_ROOT)
end

local function execute(state, component, input, o)
    local result
    if component.is_api then
        result = call_api(state.host, component, o)
    else
        result = run_script(state, component, input)
    end
    return reshape(state.host, component, result)
end

local function execute_cached(state, component, input, o)
    local host = state.host
    local key = host:cache_key(component, input, o)
    local value, is_known = host:cache_get(key)
    if is_known then
        return value, true
    end
    value = execute(state, component, input, o)
    if component.output then
        host:cache_put(key, value)
    end
    return value, false
end

local function root_of(state, component)
    if component.needs_global then
        state.store.global_store = state.host:global_store()
    end
    return state.store
end

--- Runs one component, as a step.
local function run_component(state, component)
    local host = state.host
    local root = root_of(state, component)
    if component.condition and not host:check(component, component.condition, root) then
        return host:skip(component)
    end
    local input = component.input(root)
    local is_hit = false
    local value = host:component(component, input, function(own_input)
        local o = component.is_api and request_of(host, component, root, own_input) or nil
        if component.is_cached then
            local result
            result, is_hit = execute_cached(state, component, own_input, o)
            return result
        end
        return execute(state, component, own_input, o)
    end)
    if component.output then
        set_output(state.store, component.output, value == nil and host.json.null or value)
    end
    if component.answers_now and not is_hit then
        answer_now(state)
    end
end

--- An error that the component ignores leaves it without a result.
local function ignore(state, component)
    local host = state.host
    local value = component.output_data and component.output_data(NO_ROOT) or host.json.null
    if component.output then
        set_output(state.store, component.output, value)
    end
end

-- layers -------------------------------------------------------------------------------------------

local function set_error_response(state, code, message)
    if state.store.response == nil then
        state.store.response = { code = code, msg = message }
        state.is_error_response = true
    end
end

--- Codes of the engine are text, others numbers (SEEDS 1.9).
local function code_of(err)
    return err.code:find "^100%d%d%d$" and tonumber(err.code) or err.code
end

local function run_one(state, component, failures)
    local ok, err = state.host:try(run_component, state, component)
    if ok then
        return
    elseif component.ignores_error and not err.halt then
        return ignore(state, component)
    end
    failures[#failures + 1] = { component = component, err = err }
end

--- The first error of a layer of several: its caller does not wait long for the others.
local function answer_failure(state, err)
    set_error_response(state, code_of(err), err.message)
    if not state.has_answered then
        state.host:answer_failure(answer_of(state))
    end
end

--- Components of the layer to run: all, or those with one of the names.
local function pick(layer, names)
    if not names then
        return layer
    end
    local wanted, picked = {}, {}
    for _, name in ipairs(names) do
        wanted[name] = true
    end
    for _, component in ipairs(layer) do
        picked[#picked + 1] = wanted[component.name] and component or nil
    end
    return picked
end

--- Runs a layer to its end; the list of failures, in the order in which they happened.
local function run_layer(state, components)
    local failures = {}
    if #components == 1 then
        run_one(state, components[1], failures)
        return failures
    end
    local functions = {}
    for i, component in ipairs(components) do
        functions[i] = function()
            run_one(state, component, failures)
            local first = failures[1]
            if first and first.component == component then
                answer_failure(state, first.err)
            end
        end
    end
    state.host:all(functions)
    return failures
end

local function failed_names(failures)
    table.sort(failures, function(a, b)
        return a.component.column < b.component.column
    end)
    local names = {}
    for i, failure in ipairs(failures) do
        names[i] = failure.component.name
    end
    return names
end

--- Ends the run with the first error of its layer.
local function fail(state, failures)
    local host, err = state.host, failures[1].err
    state.failed = failed_names(failures)
    set_error_response(state, code_of(err), err.message)
    if not state.has_answered then
        host:answer_at_end(answer_of(state))
    end
    if err.halt == "break" then
        host:stop(err)
    elseif err.halt == "fail" then
        host:fail(err)
    end
    host.rethrow(err)
end

--- The run was ended from outside of its layers, as by a limit, before it had an answer.
local function on_end(state, code, message)
    if not state.has_answered then
        set_error_response(state, code, message)
        state.host:answer_at_end(compose(state, state.host:global_data()))
    end
end

--- What a person may look at and edit before the run goes on (engine/snapshot.lua).
local function snapshot_of(state)
    local data = {}
    for name, value in pairs(state.store) do
        data[name] = value
    end
    if state.is_error_response then
        data.response = nil
    end
    data.global_store, data.env = state.host:global_data(), nil
    return { layer = state.layer, names = state.failed and state.host.json.array(state.failed), data = data }
end

--- A script has answered: the first one counts.
local function on_response(state, given)
    local store = state.store
    if store.response == nil then
        store.response = given.body == nil and state.host.json.null or given.body
        answer_now(state)
    end
end

local function new_state(rule, host, compile_edited)
    local input = host.input
    local state = { host = host, rule = rule, layer = 1,
        store = { request = { query = input.query, body = input.body, header = input.header }, env = host.env } }
    local resume = host:resume()
    if resume then
        state.rule = resume.rule and compile_edited(resume.rule) or rule
        state.layer, state.names, state.store = resume.layer, resume.names, resume.data
        state.store.global_store = nil
        state.store.env = host.env
    end
    host:track {
        on_response = function(given)
            on_response(state, given)
        end,
        on_end = function(code, message)
            on_end(state, code, message)
        end,
        snapshot = function()
            return snapshot_of(state)
        end,
    }
    return state
end

--- The run's output, which is the body of its answer.
---@param rule table       layers, response, has_global
---@param compile_edited fun(text: string): table   of a rule that a person has edited
function M.main(rule, host, compile_edited)
    local state = new_state(rule, host, compile_edited)
    local layers = state.rule.layers
    for number = state.layer, #layers do
        state.layer = number
        local components = pick(layers[number], state.names)
        state.names = nil
        if components[1] then
            local failures = run_layer(state, components)
            if failures[1] then
                fail(state, failures)
            end
        end
    end
    local answer = answer_of(state)
    host:answer_at_end(answer)
    return answer.body
end

M.lookup = template.lookup

return M
