-- SPDX-License-Identifier: MIT
-- TestState of the Step Functions API: runs one state of a definition (dialect/asl/test_state.lua) as a run that leaves
-- nothing behind. What the test does not mock is really done.
--
--   request:  what the operation takes, see api/aws/test_state.lua
--   response: { status, output, error, cause, nextState, inspectionData { input, afterInputPath, ..., errorDetails,
--             request, response } }; values in it are JSON texts

local core = require "flowhost.core"
local asl = require "flowhost.dialect.asl"
local catalog = require "flowhost.engine.catalog"
local machine_host = require "flowhost.ctx.machine_host"
local machine_items = require "flowhost.ctx.machine_items"
local machines = require "flowhost.engine.machines"
local request_url = require "flowhost.ctx.request_url"
local run_module = require "flowhost.engine.run"
local secret = require "flowhost.engine.secret"
local test_state = require "flowhost.dialect.asl.test_state"
local uuid = require "flowhost.engine.uuid"

local json, keystore = core.json, core.keystore

local M = {}

local MOST_S = 300

local function compilers()
    return asl.compilers { json = json, digest = function(algorithm, text)
        return core.system.hex(assert(core.crypto.hash(algorithm, text)))
    end }
end

-- the host -------------------------------------------------------------------------------------------

local function parse_items(text, config, limit, inspect)
    local items = machine_items.parse(text, config, limit)
    if config.ItemsPointer then
        inspect("afterItemsPointer", items)
    end
    return items
end

local HIDDEN = "HIDDEN_BY_SECRETS"

--- Headers as one text; of what a connection adds not even the secret's name is shown unless it is asked for.
local function header_text(headers, is_revealed)
    local lines = {}
    for name, value in pairs(headers) do
        local is_secret = secret.name_of(value) and not is_revealed
        lines[#lines + 1] = ("%s: %s"):format(name, is_secret and HIDDEN or tostring(value))
    end
    table.sort(lines)
    return table.concat(lines, "\n")
end

local function body_text(value)
    if value == nil or type(value) == "string" then
        return value
    end
    return json.encode(value)
end

--- Notes what an HTTP task sends and gets.
local function watch_http(exchange, on, is_revealed)
    function on.sent(o)
        local body = o.form and request_url.encode_form("form", o.form) or o.body
        exchange.request = { protocol = "HTTP/1.1", method = o.method,
            url = request_url.build { url = o.url, query = o.query },
            headers = header_text(o.headers, is_revealed), body = body or body_text(o.json) }
    end
    function on.answered(answer)
        exchange.response = { protocol = "HTTP/1.1", statusCode = ("%d"):format(answer.status),
            headers = header_text(answer.headers), body = body_text(answer.data) }
    end
end

--- The host of a machine with the context object that tests begin with.
local function new_host(run, test, exchange, request)
    local host = machine_host.new(run)
    local name = uuid()
    local arn = machines.arns.express_execution(run.flow, name, ""):gsub(":$", "")
    host.execution = { Id = arn, Input = test.input, Name = name, RoleArn = test.role,
        StartTime = machine_host.iso(run.created) }
    host.parse_items = parse_items
    local task = host.task
    function host.task(self, call)
        if test.level == "TRACE" then
            watch_http(exchange, call.on, request.revealSecrets)
        end
        return task(self, call)
    end
    return host
end

-- the response ---------------------------------------------------------------------------------------

local NUMBERS = { maxConcurrency = true, toleratedFailureCount = true, toleratedFailurePercentage = true }

--- JSON text of a value without the secrets that flows have asked for.
local function text_of(value)
    return keystore.redact_json(json.encode(value == nil and json.null or value))
end

local function inspection_of(outcome, exchange)
    local shown = { request = exchange.request, response = exchange.response }
    for name, value in pairs(outcome.data) do
        shown[name] = NUMBERS[name] and value or text_of(value)
    end
    shown.variables = next(outcome.variables) and text_of(outcome.variables) or nil
    shown.errorDetails = next(outcome.details) and outcome.details or nil
    return shown
end

local function response_of(outcome, test, exchange)
    local has_output = outcome.status == "SUCCEEDED" or outcome.status == "CAUGHT_ERROR"
    local next_name = outcome.next
    return { status = outcome.status, output = has_output and text_of(outcome.output) or nil, error = outcome.error,
        cause = outcome.cause, nextState = type(next_name) == "table" and table.concat(next_name, ", ") or next_name,
        inspectionData = test.level ~= "INFO" and inspection_of(outcome, exchange) or nil }
end

-- the run --------------------------------------------------------------------------------------------

local function fail_internally(run)
    core.system.log("error", "a state could not be tested: " .. tostring(run.error), { "run", run.id })
    return nil, { code = "InternalFailure", message = "the state could not be tested" }
end

local function start(test, request, done)
    local c, result, problem = compilers(), nil, nil
    local document = { options = { timeout = MOST_S }, main = function(host)
        local exchange = {}
        local own = new_host(host.run, test, exchange, request)
        local ok, outcome = pcall(test_state.run, test, c, own)
        if not ok then
            problem = type(outcome) == "table" and rawget(outcome, "problem") or nil
            error(outcome, 0)
        end
        result = response_of(outcome, test, exchange)
    end }
    run_module.start { flow = catalog.one_off(uuid(), "asl", document), input = test.input, waiter = function(run)
        if problem then
            return done(nil, problem)
        elseif run.status == "timed_out" then
            return done { status = "FAILED", error = "States.Timeout" }
        elseif not result then
            return done(fail_internally(run))
        end
        done(result)
    end }
end

--- Tests a state.
---@param request table
---@param done fun(response: table?, problem: table?)  problem: { code, message }
function M.run(request, done)
    local test, problem = test_state.read(request, compilers())
    if not test then
        return done(nil, problem)
    end
    start(test, request, done)
end

return M
