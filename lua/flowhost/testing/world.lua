-- SPDX-License-Identifier: MIT
-- A whole engine in memory: `world.new { files = { ["a.lua"] = text } }` loads the folder and recovers, as a shard
-- does. Several may live side by side (shards, or before and after a crash): each has module tables of its own.
--
--   upstream(call, world) -> status, headers, body | code, detail | nil (no answer) | false (not yet, but something was
--     begun)    what `settle` answers calls with
--   is_reversed: the newest call first   answers_together: all open calls before the next commit
--   prepare(world): before the folder is loaded   before_start(world): after that, before runs are recovered

local fake_core = require "flowhost.testing.fake_core"
local fake_store = require "flowhost.testing.fake_store"
local parts = require "flowhost.testing.parts"

local json = parts.json

local M = {}

local World = setmetatable({}, { __index = fake_core })
World.__index = World

M.json = json

local current

local function is_ours(name)
    return name:find "^flowhost%." ~= nil and not name:find "^flowhost%.testing%."
end

-- Each engine runs the module files anew, but they are read and compiled once.
local chunks = {}

local is_finding = false

--- Past this loader: what the next one finds. A test runner may load this module more than once, so that others like it
--- come before: each steps aside while it is looking.
local function find_chunk(name)
    is_finding = true
    local found
    for i = 3, #package.loaders do
        local chunk = not found and package.loaders[i](name)
        found = found or type(chunk) == "function" and chunk or nil
    end
    is_finding = false
    return found
end

table.insert(package.loaders, 2, function(name)
    if is_finding then
        return nil
    elseif is_ours(name) and not chunks[name] then
        chunks[name] = find_chunk(name)
    end
    return chunks[name]
end)

--- Puts this engine's modules into package.loaded; the other's are kept with it.
function World:enter()
    if current == self then
        return
    end
    local loaded = {}
    for name, module in pairs(package.loaded) do
        if is_ours(name) then
            loaded[name] = module
        end
    end
    for name in pairs(loaded) do
        package.loaded[name] = nil
    end
    if current then
        current.modules = loaded
    end
    for name, module in pairs(self.modules) do
        package.loaded[name] = module
    end
    current = self
end

--- A module of this engine.
function World:module(name)
    self:enter()
    return require(name)
end

local function default_upstream()
    return 200, nil, { ok = true }
end

---@param o table  files, env, settings, upstream, and what fake_core.new takes
function M.new(o)
    local self = setmetatable(fake_core.new(o), World)
    self.upstream = o.upstream or default_upstream
    self.options = o
    self.modules = { ["flowhost.core"] = self.core }
    self:enter()
    require "flowhost.boot"
    local settings = { env = json.encode(o.env or {}), jit = "false", record_all = "false",
        park_after = "1000000000" } -- specs of parking say otherwise
    for name, value in pairs(o.settings or {}) do
        settings[name] = value
    end
    if o.prepare then
        o.prepare(self)
    end
    self.problems = self:emit("load", o.files, settings)
    self:commit()
    if o.before_start then
        o.before_start(self)
    end
    self:emit "start"
    return self
end

--- The engine after a crash: same folder, a store that holds the first `count` batches (default: all).
---@param o { files: table?, seconds_later: number?, upstream: function?, is_at_commit: boolean? }?  is_at_commit: the
--- clock goes on where the last batch was committed, not where this world stands
function World:crash(count, o)
    o = o or {}
    local options = {}
    for name, value in pairs(self.options) do
        options[name] = value
    end
    for name, value in pairs(o) do
        options[name] = value
    end
    count = count or #self.store.log
    options.store = fake_store.new(self.store.log, count)
    local died_at = o.is_at_commit and count > 0 and self.store.log[count].time or self.clock.now
    options.clock = { now = died_at + (o.seconds_later or 0) * 1000 }
    options.seed = (self.options.seed or 1) + 1000
    options.peers = {}
    return M.new(options)
end

--- Answers one open call as the upstream says, or with `answers_together` all that are open; false when none can be.
local function answer_calls(self)
    local open = self:open_calls()
    local first, last, by = 1, #open, 1
    if self.options.is_reversed then
        first, last, by = last, 1, -1
    end
    local is_any = false
    for i = first, last, by do
        local status, headers, body = self.upstream(open[i], self)
        if status == false then
            is_any = true
        elseif status and open[i].is_open then
            self:answer(open[i], status, headers, body)
            is_any = true
            if not self.options.answers_together then
                break
            end
        end
    end
    return is_any
end

local function is_busy(self)
    for _, shard in pairs(self.peers) do
        if shard:commit() or shard:deliver() or answer_calls(shard) then
            return true
        end
    end
    return false
end

--- Lets the first timer of all shards fire, if it is due by `till` (default: whenever); false when there is none.
function World:fire_next(till)
    local first
    for _, shard in pairs(self.peers) do
        local timer = shard:next_timer()
        if timer and (not first or timer.due < first.due) then
            first = timer
        end
    end
    if not first or (till and first.due > till) then
        return false
    end
    first.fake:fire(first)
    return true
end

local MAX_TURNS = 1000000

--- Lets everything happen that can while time stands still. What is due now is.
function World:rest()
    for _ = 1, MAX_TURNS do
        if not is_busy(self) and not self:fire_next(self.clock.now) then
            return
        end
    end
    error "the world does not come to rest"
end

--- Lets everything happen that can, on all shards, until nothing waits but what has no answer. Time passes from timer
--- to timer.
function World:settle()
    for _ = 1, MAX_TURNS do
        if not is_busy(self) and not self:fire_next() then
            return
        end
    end
    error "the world does not come to rest"
end

--- Lets `ms` pass on all shards, and everything happen meanwhile.
function World:pass(ms)
    local till = self.clock.now + ms
    repeat
        self:rest()
    until not self:fire_next(till)
    self.clock.now = math.max(self.clock.now, till)
end

--- As many shards over one store, by number from 0.
function M.shards(count, o)
    local shards = {}
    local shared = { store = o.store or fake_store.new(), clock = { now = 1700000000000 }, peers = {}, shards = count }
    for i = 0, count - 1 do
        local options = { shard = i, seed = i + 1 }
        for _, from in ipairs { o, shared } do
            for name, value in pairs(from) do
                options[name] = value
            end
        end
        shards[i] = M.new(options)
    end
    return shards
end

--- POST /v1/flows/NAME/runs
---@param o { headers: table? }?
function World:start(flow, input, o)
    return self:request("POST", "/v1/flows/" .. flow .. "/runs", {
        headers = o and o.headers, body = input ~= nil and json.encode(input) or "",
    })
end

--- Starts a flow and lets it come to its end.
function World:play(flow, input, o)
    local request = self:start(flow, input, o)
    self:settle()
    return request
end

--- Ids of all stored runs, oldest first.
function World:ids()
    local ids = {}
    for i, bytes in ipairs(self.store:keys(self.store.ids.runs, "")) do
        ids[i] = self.core.system.id_text(bytes)
    end
    return ids
end

--- A run as the API shows it, or nil.
function World:run(id)
    local request = self:request("GET", "/v1/runs/" .. (id or self:ids()[1] or "?"))
    return request.status == 200 and request:json() or nil
end

--- path -> entry in force; and all entries in order.
function World:entries(id)
    local journal = self:module "flowhost.engine.journal"
    local list = assert(journal.load(self.core.system.id_bytes(id or self:ids()[1])))
    return journal.index(list), list
end

--- Number of batches that were applied.
function World:applied()
    return #self.store.log
end

--- How many runs the engine still works on.
function World:live_count()
    return self:module("flowhost.engine.live").count
end

--- A flow file whose body is `text`: function(ctx, input) text end.
function M.flow(text, options)
    return ("return { %s run = function(ctx, input) %s end }"):format(options and options .. "," or "", text)
end

return M
