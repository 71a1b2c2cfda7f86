-- SPDX-License-Identifier: MIT
-- The virtual host of a case: the whole engine over a folder, in memory, with mocks instead of services. Time stands
-- still until somebody lets it pass.
--
--   host.world, host.requests (all that were sent, in order)

local failure = require "flowhost.testing.failure"
local mock_module = require "flowhost.testing.mock"
local origin = require "flowhost.testing.origin"
local parts = require "flowhost.testing.parts"
local world_module = require "flowhost.testing.world"

local json = parts.json

local M = {}

local Host = {}
Host.__index = Host

-- requests -----------------------------------------------------------------------------------------

local function unescape(text)
    return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex)
        return string.char(tonumber(hex, 16))
    end))
end

local function parse_query(text)
    local query = {}
    for name, value in (text or ""):gmatch "([^&=]+)=?([^&]*)" do
        query[unescape(name)] = unescape(value)
    end
    return query
end

M.parse_query = parse_query

--- What a mock sees of a request.
local function new_request(call)
    local headers = {}
    for _, header in ipairs(call.headers) do
        headers[header[1]:lower()] = header[2]
    end
    local path, query = call.url:match "^%w+://[^/?#]*([^?#]*)%??([^#]*)"
    local value = call.body and call.body ~= "" and json.decode(call.body) or nil
    return {
        method = call.method, url = call.url, path = path == "" and "/" or path or call.url,
        query = parse_query(query), headers = headers, body = call.body, json = value,
        idempotency_key = headers["idempotency-key"], run = call.origin.run, flow = call.origin.flow,
        step = call.origin.path, line = call.origin.line,
    }
end

local function add_unmocked(self, request)
    local line = (request.line or "") ~= "" and " at " .. request.line or ""
    local step = request.step and (" (step %s of %s)"):format(request.step, request.flow) or ""
    self.problems[#self.problems + 1] = failure.new(("%s %s, asked for%s%s, is not mocked; add\n"
        .. '    test.mock_request("%s", "%s", { json = { ... } })'):format(request.method, request.url, line, step,
        request.method, request.path))
end

--- An answer that takes its time, or none: the client gives up when its own time is over.
local function answer_later(world, call, delay_ms, ...)
    local status, headers, body = ...
    local limit = call.timeout_ms or math.huge
    if delay_ms >= limit then
        delay_ms = limit
        status, headers, body = "TIMEOUT", ("no answer within %g s"):format(limit / 1000), nil
    end
    if delay_ms < math.huge then
        world:after(delay_ms, function()
            if call.is_open then
                world:answer(call, status, headers, body)
            end
        end)
    end
end

--- Lets a flow of the folder answer, through its own route.
local function serve(world, call, request)
    local headers = {}
    for name, value in pairs(request.headers) do
        headers[name] = value
    end
    headers.host = nil
    call.inner = world:request(call.method, request.path, { headers = headers, query = request.query,
        body = call.body or "" })
    return false
end

local function served_answer(call)
    local answered = call.inner.answered
    if answered then
        return answered.status, answered.headers, answered.body
    end
end

--- What the world answers its calls with: called for each open call until there is something to say.
local function answer_call(self, call, world)
    if call.inner then
        return served_answer(call)
    elseif call.is_taken then
        return nil
    end
    call.is_taken = true
    local request = new_request(call)
    self.requests[#self.requests + 1] = request
    local mock, params = mock_module.find(self.mocks, request)
    if not mock then
        add_unmocked(self, request)
        return nil
    end
    request.params = params
    mock.requests[#mock.requests + 1] = request
    local answer = self.replies:of(call, function()
        return mock:next_answer(request)
    end, world)
    if answer == mock_module.SERVED then
        return serve(world, call, request)
    elseif answer == mock_module.NEVER then
        return answer_later(world, call, math.huge)
    elseif answer.delay then
        return answer_later(world, call, answer.delay * 1000, mock_module.to_http(answer))
    end
    local status, headers, body = mock_module.to_http(answer)
    if call.max_bytes and body and #body > call.max_bytes then
        return "TOO_LARGE", ("the answer has more than %d bytes"):format(call.max_bytes)
    end
    return status, headers, body
end

-- components ---------------------------------------------------------------------------------------

--- The outcome of a mock's function: what it returns; a table with a code that it raises is the component's error,
--- anything else is a mistake in the test.
local function call_function(self, fn, input)
    local ok, value = pcall(fn, input)
    if ok then
        return { value = value }
    elseif type(value) == "table" and not failure.is(value) and type(rawget(value, "code")) == "string" then
        return { error = value.code, message = tostring(value.message or value.code) }
    end
    self.problems[#self.problems + 1] = failure.from(value)
    return mock_module.NEVER
end

local function component_outcome(self, mock, input)
    local answer = mock.answer
    if type(answer) == "function" then
        mock.times = mock.times + 1
        return call_function(self, answer, input)
    end
    answer = mock:next_answer(input)
    return type(answer) == "function" and call_function(self, answer, input) or answer
end

--- code, text as the host expects it of a component of the program.
local function native_result(answer)
    if answer.error then
        return answer.error, answer.message or answer.error
    end
    local text, reason = json.encode(answer.value == nil and json.null or answer.value)
    if not text then
        return "NOT_JSON", "the mock returned what JSON cannot hold: " .. reason
    end
    return nil, text
end

local function new_native(self, mock)
    return function(input_json, done, call)
        local input = json.decode(input_json)
        if input == json.null then
            input = nil
        end
        mock.inputs[#mock.inputs + 1] = input == nil and json.null or input
        local answer = self.replies:of(call, function()
            return component_outcome(self, mock, input)
        end, self.world)
        if answer == mock_module.NEVER then
            return
        elseif answer.delay then
            return self.world:after(answer.delay * 1000, function()
                done(native_result(answer))
            end)
        end
        return native_result(answer)
    end
end

-- the folder ---------------------------------------------------------------------------------------

local STUB = [[return { on_error = "fail", run = function(ctx, input) return ctx.component(%q, input) end }]]

--- The files without tests, and without what is mocked: a mocked component is one of the program, a mocked flow calls
--- one.
local function files_of(self)
    local files = {}
    for path, text in pairs(self.folder.files) do
        if not path:find "_test%.lua$" then
            files[path] = text
        end
    end
    for _, list in ipairs(self.mocks) do
        for _, mock in ipairs(list) do
            if mock.kind == "component" then
                files["components/" .. mock.name .. ".lua"] = nil
                self.natives[mock.name] = new_native(self, mock)
            elseif mock.kind == "flow" then
                files[mock.name .. ".lua"] = STUB:format("flow " .. mock.name)
                self.natives["flow " .. mock.name] = new_native(self, mock)
            end
        end
    end
    return files
end

local function env_of(self)
    local env = {}
    for _, from in ipairs { self.folder.env, self.env } do
        for name, value in pairs(from) do
            env[name] = value
        end
    end
    return env
end

--- host.lua's. What a flow keeps nothing of is kept all the same: a test wants to see it.
local function settings_of(self)
    local settings = {}
    for name, value in pairs(self.folder.settings or {}) do
        settings[name] = value
    end
    settings.record_all = "true"
    settings.env = nil -- see env_of
    return settings
end

--- Each world reads the folder anew, but its files are compiled once: whoever runs a chunk sets its environment first.
local function share_chunks(world, folder)
    local source = world:module "flowhost.flow.source"
    local compile, known = source.compile, folder.chunks or {}
    folder.chunks = known
    function source.compile(text, name, o)
        if o and o.env then
            return compile(text, name, o)
        end
        local key = ("%s\0%s\0%s"):format(name, tostring(o and o.jit), text)
        local chunk, reason = known[key], nil
        if not chunk then
            chunk, reason = compile(text, name, o)
            known[key] = chunk
        end
        return chunk, reason
    end
end

-- what a test does ---------------------------------------------------------------------------------

--- Raises what went wrong outside of the test's own lines: a request without a mock, a mistake in a mock.
function Host:check()
    local problem = self.problems[1]
    if problem then
        problem.where = failure.here() or problem.where
        error(problem, 0)
    end
end

--- Lets everything happen that needs no time.
function Host:rest()
    self.world:rest()
    self:check()
end

function Host:pass(seconds)
    self.world:pass(seconds * 1000)
    self:check()
end

local MAX_IDLE_TIMERS = 1000

--- What must change for a run to get on.
local function progress_of(world)
    return #world.store.log + #world.calls
end

--- Lets time pass until `is_done()`, or until nothing will happen any more.
function Host:pass_until(is_done)
    local world, idle = self.world, 0
    self:rest()
    while not is_done() and idle < MAX_IDLE_TIMERS do
        local before = progress_of(world)
        if not world:fire_next() then
            return
        end
        self:rest()
        idle = progress_of(world) == before and idle + 1 or 0
    end
end

--- Unix seconds of the virtual clock.
function Host:now()
    return self.world.clock.now / 1000
end

--- A call of the host's API: its answer as a table, or a failure that says what it said.
function Host:api(method, path, body, headers, query)
    local text = body ~= nil and assert(json.encode(body)) or ""
    local request = self.world:request(method, path, { body = text, headers = headers, query = query })
    self:rest()
    if not request.answered then
        return nil
    end
    local answer = request.body ~= "" and json.decode(request.body) or nil
    if request.status >= 400 then
        local code = answer and answer.code or "HTTP_" .. request.status
        local detail = answer and answer.detail or request.body
        local refused = failure.new(("%s %s: %d %s: %s"):format(method, path, request.status, code, detail), code)
        refused.status = request.status
        error(refused, 0)
    end
    return answer, request
end

--- Each answer once: what was asked for again by the same step would be, so far.
local no_memory = { of = function(_, _, ask) return ask() end }

---@param o table  folder { files, env, settings }, mocks (lists of mocks, the one that wins first), env, now (unix s);
--- replies: who remembers answers, see crash_steps
function M.new(o)
    local self = setmetatable({
        folder = o.folder, mocks = o.mocks, env = o.env or {}, requests = {}, problems = {}, natives = {},
        replies = o.replies or no_memory,
    }, Host)
    self.options = {
        files = files_of(self), env = env_of(self), settings = settings_of(self), natives = self.natives,
        clock = { now = (o.now or M.START) * 1000 },
        upstream = function(call, world)
            return answer_call(self, call, world)
        end,
        prepare = function(world)
            self.world = world
            origin.watch(world)
            share_chunks(world, self.folder)
        end,
        on_effect = function(call, world)
            call.origin = origin.now(world)
        end,
    }
    return self
end

--- The moment at which the virtual clock begins.
M.START = 1700000000

function Host:start()
    self.world = world_module.new(self.options)
    return self
end

return M
