-- SPDX-License-Identifier: MIT
-- The virtual host of a case: the whole engine over a folder, in memory, with mocks instead of services. Time stands
-- still until somebody lets it pass.
--
--   host.world, host.requests (all that were sent, in order)

local answers = require "flowhost.testing.answers"
local failure = require "flowhost.testing.failure"
local naming = require "flowhost.flow.naming"
local origin = require "flowhost.testing.origin"
local parts = require "flowhost.testing.parts"
local world_module = require "flowhost.testing.world"

local json = parts.json

local M = {}

local Host = {}
Host.__index = Host

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
                self.natives[mock.name] = answers.of_component(self, mock)
            elseif mock.kind == "flow" then
                for _, kind in ipairs(naming.KINDS) do
                    files[mock.name .. kind.suffix] = nil
                end
                files[mock.name .. ".lua"] = STUB:format("flow " .. mock.name)
                self.natives["flow " .. mock.name] = answers.of_component(self, mock)
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

---@param o table  folder { files, env, settings }, mocks (lists of mocks, the one that wins first), env, secrets,
--- now (unix s); replies: who remembers answers, see crash_steps
function M.new(o)
    local self = setmetatable({
        folder = o.folder, mocks = o.mocks, env = o.env or {}, requests = {}, problems = {}, natives = {},
        replies = o.replies or no_memory,
    }, Host)
    self.options = {
        files = files_of(self), env = env_of(self), settings = settings_of(self), natives = self.natives,
        secrets = o.secrets, clock = { now = (o.now or M.START) * 1000 },
        upstream = function(call, world)
            return answers.of_request(self, call, world)
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
