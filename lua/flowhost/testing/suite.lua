-- SPDX-License-Identifier: MIT
-- What `require "flowhost.test"` is to one test file: it collects the file's cases and mocks, and does for the case
-- that is being run what the file asks for.
--
--   suite: file, cases { name, fn }, mocks, env, now; case: the running one { mocks, env, now, host, runs, requests }

local compare = require "flowhost.testing.compare"
local crash_steps = require "flowhost.testing.crash_steps"
local failure = require "flowhost.testing.failure"
local host_module = require "flowhost.testing.host"
local mock_module = require "flowhost.testing.mock"
local parts = require "flowhost.testing.parts"
local request_module = require "flowhost.testing.request"
local run_module = require "flowhost.testing.run"
local task_module = require "flowhost.testing.task"

local json = parts.json

local M = {}

local function current_case(suite, verb)
    if not suite.case then
        failure.raise("test.%s is for cases: put it into test.case(\"name\", function() ... end)", verb)
    end
    return suite.case
end

--- What was set for the file, and over it for the case.
local function merge(suite, field)
    local merged = {}
    for _, from in ipairs { suite[field], suite.case[field] } do
        for name, value in pairs(from) do
            merged[name] = value
        end
    end
    return merged
end

--- What a host of the case is made from.
local function host_options(suite)
    local case = suite.case
    return { folder = suite.folder, mocks = { case.mocks, suite.mocks }, env = merge(suite, "env"),
        secrets = merge(suite, "secrets"), now = case.now or suite.now }
end

--- The host of the case, started when it is first needed: mocks of components come before.
local function host_of(suite, verb)
    local case = current_case(suite, verb)
    case.host = case.host or host_module.new(host_options(suite)):start()
    return case.host
end

local function add_run(suite, host, id, name)
    local run = run_module.new(host, id, name)
    table.insert(suite.case.runs, run)
    return run
end

--- The id of the run that was just started: the one that lives and did not before. Nobody is told of a run that is
--- not stored before it ends.
local function live_ids(world)
    local ids = {}
    for id in pairs(world:module("flowhost.engine.live").runs) do
        ids[id] = true
    end
    return ids
end

local function find_new(before, after)
    for id in pairs(after) do
        if not before[id] then
            return id
        end
    end
end

local function refuse(host, name, request)
    local answer = json.decode(request.body) or {}
    local text = ("%s was not started: %s: %s"):format(name, tostring(answer.code or request.status),
        tostring(answer.detail or request.body))
    for _, problem in ipairs(host.world.problems) do
        if problem.file:match "^(.-)%.[%a.]+$" == name then
            text = ("%s (%s:%d: %s)"):format(text, problem.file, problem.line, problem.message)
        end
    end
    error(failure.new(text, answer.code), 0)
end

--- Starts a flow: its run's id.
local function start(host, name, input, o)
    local headers = { prefer = "respond-async", ["idempotency-key"] = o and o.key }
    for header, value in pairs(o and o.headers or {}) do
        headers[header:lower()] = tostring(value)
    end
    local world = host.world
    local before = live_ids(world)
    local request = world:start(name, input, { headers = headers })
    local id = find_new(before, live_ids(world))
    host:rest()
    local answered = request.answered
    return answered and answered.headers["flowhost-run"] or id or refuse(host, name, request)
end

--- Starts a flow; returns as soon as nothing can happen without time passing.
---@param o { headers: table?, key: string? }?
local function run(suite, name, input, o)
    local host = host_of(suite, "run")
    return add_run(suite, host, start(host, name, input, o), name)
end

--- In a case: at once; else it is a case of its own.
---@param script fun(run: table)?   what happens to the run: signals, time, recover; played anew after each crash
local function crash_at_each_step(suite, name, input, script)
    local function play()
        local o = host_options(suite)
        o.flow, o.script = name, script
        function o.start(host)
            return start(host, name, input)
        end
        local deaths, resent = crash_steps.run(o)
        for _, mock in ipairs(suite.mocks) do
            mock:reset() -- what the last life did is nobody's business
        end
        suite.note(("%d crash%s, the same end after each"):format(deaths, deaths == 1 and "" or "es"))
        for _, text in ipairs(resent) do
            suite.note("may be asked for twice: " .. text)
        end
        return deaths
    end
    if suite.case then
        return play()
    end
    table.insert(suite.cases, { name = name .. ": crash at each step", fn = play, where = failure.here() })
end

--- A request to the virtual host, as a caller of a flow's own route sends it.
---@param o { json: any, body: string?, headers: table?, query: table? }?
local function http(suite, method, path, o)
    o = o or {}
    local host, query = host_of(suite, "http"), o.query
    if path:find "://" then -- a link that the flow made
        local rest
        path, rest = path:match "^%w+://[^/]*([^?]*)%??(.*)$"
        query = query or request_module.parse_query(rest)
    end
    local headers = {}
    for name, value in pairs(o.headers or {}) do
        headers[name:lower()] = tostring(value)
    end
    local request = host.world:request(method, path, { headers = headers, query = query,
        body = o.json ~= nil and assert(json.encode(o.json)) or o.body or "" })
    host:rest()
    local answered = request.answered
    if not answered then
        return { is_waiting = true }
    end
    local id = answered.headers["flowhost-run"]
    local is_json = (answered.headers["content-type"] or ""):find("json", 1, true)
    return {
        status = answered.status, headers = answered.headers, body = answered.body,
        json = is_json and json.decode(answered.body) or nil, run = id and add_run(suite, host, id, path),
    }
end

--- The runs of the case's host, oldest first.
---@param filter table<string, string>?  flow, status, tag
local function runs(suite, filter)
    local host, found = host_of(suite, "runs"), {}
    local items = host:api("GET", "/v1/runs", nil, nil, filter).items
    for i = #items, 1, -1 do
        found[#found + 1] = run_module.new(host, items[i].id, items[i].flow)
    end
    return found
end

-- what the file defines ------------------------------------------------------------------------------

local function add_mock(suite, mock)
    if suite.case and suite.case.host and mock.kind ~= "request" then
        failure.raise("test.mock_%s comes before the first test.run of the case", mock.kind)
    end
    table.insert((suite.case or suite).mocks, mock)
    return mock
end

local function add_case(suite, name, fn)
    if type(name) ~= "string" or type(fn) ~= "function" then
        failure.raise "test.case: a name and a function are expected"
    elseif suite.case then
        failure.raise "test.case: a case is not defined inside of another"
    end
    table.insert(suite.cases, { name = name, fn = fn, where = failure.here() })
end

--- test.env, test.secrets
local function set_values(suite, field, values)
    if type(values) ~= "table" then
        failure.raise("test.%s: a table { NAME = value } is expected", field)
    end
    local own = (suite.case or suite)[field]
    for name, value in pairs(values) do
        if field == "secrets" and (type(value) ~= "string" or value == "") then
            failure.raise("test.secrets: %s must be text", tostring(name))
        end
        own[name] = value
    end
end

local function set_clock(suite, seconds)
    if type(seconds) ~= "number" then
        failure.raise "test.clock: unix seconds are expected"
    elseif suite.case and suite.case.host then
        failure.raise "test.clock comes before the first test.run of the case; test.advance lets time pass"
    end
    (suite.case or suite).now = seconds
end

-- what it checks -------------------------------------------------------------------------------------

local function equal(actual, expected, what)
    local diff = compare.diff(actual, expected)
    if diff then
        failure.raise("%s\n%s", what or "not equal", diff)
    end
    return actual
end

local function contains(actual, expected, what)
    local diff = compare.diff(actual, expected, true)
    if diff then
        failure.raise("%s\n%s", what or "something is missing", diff)
    end
    return actual
end

local function matches(text, pattern, what)
    if type(text) ~= "string" or not text:find(pattern) then
        failure.raise("%s\n  expected text like %s\n  actual   %s", what or "no match", compare.render(pattern),
            compare.render(text))
    end
    return text
end

local function fails(fn, code)
    local ok, raised = pcall(fn)
    if ok then
        failure.raise("no error was raised%s", code and ", expected " .. code or "")
    end
    local actual = type(raised) == "table" and raised.code or raised
    if code ~= nil and actual ~= code then
        failure.raise("another error was raised\n  expected %s\n  actual   %s", compare.render(code),
            compare.render(actual))
    end
    return raised
end

local function read_file(suite, path)
    local text = suite.folder.files[path]
    if not text then
        failure.raise("test.file: there is no %s in the folder (only .lua and .json files are read)", tostring(path))
    end
    return text
end

--- The table that the file gets; its functions know the suite.
function M.api(suite)
    local api = { never = mock_module.NEVER, served = mock_module.SERVED, equal = equal, contains = contains,
        matches = matches, fails = fails,
        json = { encode = json.encode, decode = json.decode, array = json.array, null = json.null } }
    function api.case(name, fn) add_case(suite, name, fn) end
    function api.env(values) set_values(suite, "env", values) end
    function api.secrets(values) set_values(suite, "secrets", values) end
    function api.clock(seconds) set_clock(suite, seconds) end
    function api.file(path) return read_file(suite, path) end
    function api.mock_request(method, url, answer)
        return add_mock(suite, mock_module.new_request(method, url, answer))
    end
    function api.mock_component(name, answer)
        return add_mock(suite, mock_module.new_call("component", name, answer))
    end
    function api.mock_flow(name, answer)
        return add_mock(suite, mock_module.new_call("flow", name, answer))
    end
    function api.run(name, input, o) return run(suite, name, input, o) end
    function api.crash_at_each_step(name, input, script)
        return crash_at_each_step(suite, name, input, script)
    end
    function api.http(method, path, o) return http(suite, method, path, o) end
    function api.task(queue) return task_module.take(host_of(suite, "task"), queue) end
    function api.runs(filter) return runs(suite, filter) end
    function api.requests() return host_of(suite, "requests").requests end
    function api.now() return host_of(suite, "now"):now() end
    function api.advance(seconds) host_of(suite, "advance"):pass(seconds) end
    return api
end

---@param folder { files: table, env: table }
---@param note fun(text: string)   prints a line under the case
function M.new(file, folder, note)
    return { file = file, folder = folder, note = note, cases = {}, mocks = {}, env = {}, secrets = {} }
end

--- A fresh world for the next case.
function M.begin_case(suite)
    for _, mock in ipairs(suite.mocks) do
        mock:reset()
    end
    suite.case = { mocks = {}, env = {}, secrets = {}, runs = {} }
end

--- Lines that say how the runs of the case stand.
function M.describe_runs(suite)
    local lines = {}
    for _, one in ipairs(suite.case.runs) do
        lines[#lines + 1] = run_module.describe(one)
    end
    return lines
end

return M
