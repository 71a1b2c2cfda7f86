-- SPDX-License-Identifier: MIT
-- What state machines run on: the engine's own verbs, in the shape that dialect/asl asks for. One a run.
--
--   host.input, host.json, host.history, host.region, host.execution, host.state_machine (parts of the context object)
--   host:now_ms()  host:iso_now()                     recorded time
--   host:was_redriven(after, up_to)                   ms
--   host:sleep(s)  host:sleep_until(unix s)           host:random()  host:uuid()  host:token()
--   host:parallel(count, concurrency, fn(i)) -> results, or nil, the value with is_failure that ended the others
--   host:check_task(call)                             raises { error, cause } of one that cannot be begun
--   host:task(call) -> result                         raises { error, cause, is_timeout }
--   host:to_failure(raised) -> { error, cause }       raises again what ends the run
--   host:enter(state's name)                          what its steps are shown at
--   host:fail(failure)                                ends the run as failed
--   host:read_items(...)  host:write_results(...)  host:map_run(record)  host:name_child(record, i)

local core = require "flowhost.core"
local environment = require "flowhost.engine.environment"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local group = require "flowhost.engine.group"
local jsonata_aws = require "flowhost.expr.jsonata_aws"
local map_run_id = require "flowhost.engine.map_run_id"
local machine_items = require "flowhost.ctx.machine_items"
local machine_task = require "flowhost.ctx.machine_task"
local machines = require "flowhost.engine.machines"
local time = require "flowhost.ctx.time"
local value = require "flowhost.ctx.value"

local json, system = core.json, core.system

local M = {}

local JSONATA_MS, JSONATA_DEPTH = 500, 500

local Host = {}
Host.__index = Host
Host.json = json

-- time and chance ------------------------------------------------------------------------------------

function Host.now_ms()
    return fiber_module.current and fiber_module.current.now or 0
end

local function iso(ms)
    local seconds = math.floor(ms / 1000)
    return os.date("!%Y-%m-%dT%H:%M:%S", seconds) .. (".%03dZ"):format(math.floor(ms - seconds * 1000))
end

M.iso, Host.iso = iso, iso

function Host:iso_now()
    return iso(self.now_ms())
end

function Host.sleep(_, seconds)
    if seconds > 0 then
        time.sleep(seconds)
    end
end

function Host.sleep_until(_, seconds)
    if seconds * 1000 > Host.now_ms() then
        time.sleep_until(seconds)
    end
end

function Host.random()
    return value.random()
end

--- As RFC 9562 writes it: in lower case, with dashes.
local function uuid()
    return (value.uuid():lower():gsub("^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)", "%1-%2-%3-%4-"))
end

function Host.uuid()
    return uuid()
end

--- Whether the execution was redriven after the one time (ms), up to the other.
function Host:was_redriven(after, up_to)
    for at in (self.run.tags and self.run.tags["aws.redriven"] or ""):gmatch "%d+" do
        if tonumber(at) > after and tonumber(at) <= up_to then
            return true
        end
    end
    return false
end

-- where it is ----------------------------------------------------------------------------------------

function Host.enter(_, name)
    local fiber = fiber_module.current
    if fiber then
        fiber.place = name
    end
end

-- branches -------------------------------------------------------------------------------------------

function Host.parallel(_, count, concurrency, fn)
    if count == 0 then
        return {}
    end
    local numbers = {}
    for i = 1, count do
        numbers[i] = i
    end
    local outcome = group.run("parallel", count, concurrency, { fn }, numbers)
    return outcome.results, outcome.failed
end

-- failures -------------------------------------------------------------------------------------------

local TIMEOUTS = { TIMEOUT = "States.Timeout" }

local function of_engine(err)
    local data = type(err.data) == "table" and err.data or {}
    if data.is_asl or err.code:find "^States%." or data.error or data.cause then
        return { error = data.error or (err.code:find "^States%.%a*Timeout$" and err.code or nil), cause = data.cause,
            is_final = true, is_timeout = data.is_timeout or err.code:find "^States%.%a*Timeout$" ~= nil }
    elseif TIMEOUTS[err.code] then
        return { error = TIMEOUTS[err.code], is_final = true, is_timeout = true }
    end
    return { error = err.code, cause = err.message, is_final = true }
end

--- What a component said by ctx.fail is an error like any other: its pcall could not keep it, its task's Catch can.
function Host.is_fatal(raised)
    local halt = error_object.is(raised) and rawget(raised, "halt")
    return (halt and halt ~= "fail") or environment.ends_run(raised)
end

function Host.to_failure(_, raised)
    if Host.is_fatal(raised) then
        error(raised, 0)
    elseif error_object.is(raised) then
        return of_engine(raised)
    elseif type(raised) == "table" and (raised.is_final or raised.error or raised.cause) then
        return raised
    end
    local err = error_object.from_raised(raised)
    return { error = "States.Runtime", cause = err.message }
end

function Host.fail(_, failure)
    local message = failure.cause and failure.error and failure.error .. ": " .. failure.cause or failure.cause
        or failure.error or "the execution failed"
    error_object.raise("EXECUTION_FAILED", message, { data = { is_asl = true, error = failure.error,
        cause = failure.cause, is_timeout = failure.is_timeout } })
end

-- tasks ----------------------------------------------------------------------------------------------

Host.check_task, Host.task, Host.token = machine_task.check, machine_task.task, machine_task.token
Host.read_items, Host.write_results = machine_items.read, machine_items.write

--- Begins a map run: its ARN. Its UUID is made of the run's id, so that it is found by it: the last byte counts.
function Host:map_run(record)
    local list = self.run.map_runs or {}
    self.run.map_runs = list
    list[#list + 1] = record
    record.label = record.label or self.uuid()
    record.number, record.uuid = #list, map_run_id.make(self.run.bytes, #list)
    return machines.arns.map_run(self.run.flow, record.label, record.uuid)
end

--- Names of a map run's child, the i-th: the same ones whenever it is asked for.
function Host:name_child(record, i)
    local name, machine = map_run_id.child(self.run.bytes, record.number, i), self.run.flow .. "/" .. record.label
    return { name = name, machine = machines.arns.machine(machine), machine_name = machine,
        execution = machines.arns.execution(machine, name) }
end

-- the host of a run ----------------------------------------------------------------------------------

local jsonata_env = {
    now = function()
        return Host.now_ms()
    end,
    random = function()
        return value.random()
    end,
    uuid = uuid,
    hash = function(text, algorithm)
        return system.hex(assert(core.crypto.hash(algorithm:lower():gsub("-", ""), text)))
    end,
    max_ms = JSONATA_MS, max_depth = JSONATA_DEPTH,
}

Host.jsonata_env = jsonata_env
Host.jsonata_functions = jsonata_aws.bindings({ null = json.null, array = json.array,
    is_array = json.is_array, encode = json.encode, decode = json.decode }, jsonata_env)

--- The name of an execution: given when it was started by the Step Functions API, else the run's id.
function M.execution_name(run)
    return run.tags and run.tags["aws.execution"] or run.id
end

---@param run table
function M.new(run)
    local arns, name = machines.arns, M.execution_name(run)
    local id = run.durable == "never" and arns.express_execution(run.flow, name, run.id)
        or arns.execution(run.flow, name)
    local input = run.input
    if input == nil then
        input = json.null
    end
    return setmetatable({
        run = run, input = input, region = arns.region, history = run.history or { n = 0 },
        execution = { Id = id, Name = name, Input = input, StartTime = iso(run.created), RedriveCount = 0,
            RoleArn = run.tags and run.tags["aws.role"] or ("arn:aws:iam::%s:role/flowhost"):format(arns.account) },
        state_machine = { Id = arns.machine(run.flow), Name = run.flow },
    }, Host)
end

return M
