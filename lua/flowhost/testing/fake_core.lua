-- SPDX-License-Identifier: MIT
-- `require "flowhost.core"` in memory: nothing happens by itself. What the engine asked for waits until the
-- spec lets it happen: `commit`, `answer`, `advance`, `deliver`. Store, secrets, system and JSON lie in files of
-- their own.
--
--   fake.store, fake.calls (requests sent, in order), fake.log (lines), fake.faults (name -> how often passed)

local fake_secrets = require "flowhost.testing.fake_secrets"
local fake_store = require "flowhost.testing.fake_store"
local fake_system = require "flowhost.testing.fake_system"
local parts = require "flowhost.testing.parts"

local json = parts.json

local M = {}
M.__index = M

-- timers -------------------------------------------------------------------------------------------

local Timer = {}
Timer.__index = Timer

function Timer:stop()
    self.fake.timers[self] = nil
end

local function bind_timer(fake)
    local function start_at(due, token)
        assert(type(token) == "number", "a timer's token is a number")
        fake.last_timer = fake.last_timer + 1
        local timer = setmetatable({ fake = fake, due = due, order = fake.last_timer, token = token }, Timer)
        fake.timers[timer] = true
        return timer
    end
    return {
        start = function(ms, token)
            return start_at(fake.clock.now + math.max(0, ms), token)
        end,
        -- Due once clock.now says so, also when a spec sets it: both kinds of timers go by that one clock here.
        start_at = start_at,
        now_ms = function()
            return fake.clock.now
        end,
        mono_us = function()
            return fake.clock.now * 1000
        end,
    }
end

--- Calls fn when `ms` have passed: something outside of the host takes time.
function M:after(ms, fn)
    self.core.timer.start(ms, 0).fn = fn
end

--- The timer that is due first, or nil.
function M:next_timer()
    local first
    for timer in pairs(self.timers) do
        if not first or timer.due < first.due or (timer.due == first.due and timer.order < first.order) then
            first = timer
        end
    end
    return first
end

--- Lets time pass up to a timer and fires it.
function M:fire(timer)
    self.clock.now = math.max(self.clock.now, timer.due)
    self.timers[timer] = nil
    if timer.fn then
        return timer.fn()
    end
    self:emit("timer", timer.token)
end

--- Lets `ms` pass; timers fire in order, each at its own time. A spec that has set clock.now lets 0 ms pass, then
--- what is due by the new time fires.
function M:advance(ms)
    local till = self.clock.now + ms
    while true do
        local timer = self:next_timer()
        if not timer or timer.due > till then
            break
        end
        self:fire(timer)
    end
    self.clock.now = till
end

-- client -------------------------------------------------------------------------------------------

local Call = {}
Call.__index = Call

function Call:cancel()
    self.is_cancelled = true
    self.is_open = false
end

--- Value of a header that was sent.
function Call:header(name)
    for _, header in ipairs(self.headers) do
        if header[1]:lower() == name:lower() then
            return header[2]
        end
    end
end

--- The first secret of a request that does not exist.
local function find_missing(o, secrets)
    local names = { o.password_secret }
    for _, header in ipairs(o.headers) do
        names[#names + 1] = header[3]
    end
    for _, name in pairs(o.tls or {}) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        if not secrets[name] then
            return name
        end
    end
end

local function bind_client(fake, secrets)
    return {
        start = function(o, token)
            if fake.refuse_call then
                return nil, fake.refuse_call, "refused"
            end
            local missing = find_missing(o, secrets)
            if missing then
                return nil, "SECRET_MISSING", ("there is no secret '%s'"):format(missing)
            end
            local call = setmetatable({ token = token, is_open = true, at = #fake.store.log }, Call)
            for name, value in pairs(o) do
                call[name] = value
            end
            fake.calls[#fake.calls + 1] = call
            fake.on_effect(call, fake)
            return call
        end,
    }
end

--- Calls that wait for an answer, oldest first.
function M:open_calls()
    local open = {}
    for _, call in ipairs(self.calls) do
        if call.is_open then
            open[#open + 1] = call
        end
    end
    return open
end

--- Answers a call: (status, headers or nil, body) or a table as JSON body; or fails it: (code, detail).
function M:answer(call, status, headers, body)
    assert(call.is_open, "the call is not open")
    call.is_open = false
    call.answered_at = #self.store.log
    if type(status) == "string" then
        return self:emit("call", call.token, status, headers or status)
    elseif type(body) == "table" then
        body, headers = json.encode(body), headers or { ["content-type"] = "application/json" }
    end
    self:emit("call", call.token, nil, status, headers or {}, body or "")
end

-- requests that come in ----------------------------------------------------------------------------

local Request = {}
Request.__index = Request

function Request:headers()
    assert(not self.answered, "request was answered already")
    return self.given_headers
end

function Request:query()
    assert(not self.answered, "request was answered already")
    return self.given_query
end

function Request.is_internal()
    return false
end

function Request:is_loopback()
    return self.given_address:find "^127%." ~= nil
end

function Request:address()
    return self.given_address
end

--- { name, value, ... } by lower-case name.
local function by_name(headers)
    local named = {}
    for i = 1, #headers, 2 do
        assert(type(headers[i]) == "string" and type(headers[i + 1]) == "string", "headers are strings")
        named[headers[i]:lower()] = headers[i + 1]
    end
    return named
end

function Request:respond(status, headers, body)
    assert(not self.answered, "request was answered already")
    assert(type(status) == "number" and type(body) == "string", "status and body")
    self.answered = { status = status, headers = by_name(headers), body = body, at = #self.fake.store.log }
    self.status, self.body = status, body
end

local Stream = {}
Stream.__index = Stream

--- What is written is in request.body at once; request.is_streaming until the end.
function Request:stream(status, headers, token)
    self:respond(status, headers or {}, "")
    assert(token == nil or type(token) == "number", "a token is a number")
    self.is_streaming = true
    self.open_stream = setmetatable({ request = self, token = token }, Stream)
    return self.open_stream
end

function Stream:write(bytes)
    assert(type(bytes) == "string", "bytes")
    local request = self.request
    if not request.is_streaming then
        return nil, "CLOSED", "closed"
    elseif request.is_slow then
        return nil, "TOO_LARGE", "too large"
    end
    request.body = request.body .. bytes
    return true
end

function Stream:await_room(token)
    self.room_token = token
end

--- A slow caller has caught up.
function Request:read_on()
    self.is_slow = false
    local waiting = self.open_stream.room_token
    self.open_stream.room_token = nil
    if waiting then
        self.fake:emit("room", waiting)
    end
end

function Stream:is_open()
    return self.request.is_streaming
end

function Stream:close()
    self.request.is_streaming = false
end

--- The caller of a stream goes away.
function Request:hang_up()
    assert(self.is_streaming, "there is no open stream")
    self.is_streaming = false
    if self.open_stream.token then
        self.fake:emit("gone", self.open_stream.token)
    end
end

--- The answer's body, decoded.
function Request:json()
    assert(self.answered, "not answered yet")
    return assert(json.decode(self.body))
end

--- Hands a request to the engine.
---@param o { headers: table?, query: table?, body: string|table?, address: string? }?
function M:request(method, path, o)
    o = o or {}
    local body = o.body or ""
    if type(body) == "table" then
        body = json.encode(body)
    end
    local request = setmetatable({ fake = self, given_headers = o.headers or {}, given_query = o.query or {},
        given_address = o.address or "127.0.0.1" }, Request)
    self:emit("http", request, method, path, body)
    return request
end

-- components of the program, mail ------------------------------------------------------------------

local function bind_native(fake)
    return {
        has = function(name)
            return fake.natives[name] ~= nil
        end,
        names = function()
            local names = {}
            for name in pairs(fake.natives) do
                names[#names + 1] = name
            end
            table.sort(names)
            return names
        end,
        call = function(name, input, token)
            local call = { name = name, input = input, at = #fake.store.log }
            local function done(code, text)
                call.answered_at = #fake.store.log
                fake.mail[#fake.mail + 1] = { "native", token, code, text }
            end
            fake.native_calls[#fake.native_calls + 1] = call
            fake.on_effect(call, fake)
            local code, text = fake.natives[name](input, done, call)
            if code or text then
                done(code, text)
            end
        end,
    }
end

--- Passwords: the "hash" says what it is of; the outcome comes by mail, as from the worker.
local function bind_access(fake)
    local function tell(token, outcome)
        if fake.is_worker_busy then
            return nil, "TOO_LARGE", "busy"
        end
        fake.mail[#fake.mail + 1] = { "password", token, nil, outcome }
        return true
    end
    return {
        hash_password = function(password, token)
            return tell(token, "hash of " .. password)
        end,
        verify_password = function(hash, password, token)
            return tell(token, hash == "hash of " .. password)
        end,
    }
end

local function bind_shard(fake)
    return {
        post = function(to, bytes)
            local peer = assert(fake.peers[to], "no such shard")
            peer.mail[#peer.mail + 1] = { "mail", fake.shard, bytes }
        end,
    }
end

--- Delivers mail; returns whether there was any.
function M:deliver()
    local mail = self.mail
    self.mail = {}
    for _, letter in ipairs(mail) do
        self:emit(unpack(letter, 1, 4))
    end
    return #mail > 0
end

--- Commits what is queued and tells the engine; returns whether there was anything.
function M:commit()
    local events, log = self.store:commit(), self.store.log
    for i = #log, 1, -1 do
        if log[i].time then
            break
        end
        log[i].time = self.clock.now
    end
    for _, event in ipairs(events) do
        event.owner:emit("commit", event.token, event.code)
    end
    return #events > 0
end

--- What the program does for an event. `enter` makes this engine's modules the loaded ones (see world.lua).
function M:emit(event, ...)
    self:enter()
    return assert(self.handlers[event], "no handler for " .. event)(...)
end

function M.enter() end

local function ignore() end

---@param o table?  store, clock { now = ms }, seed, shard, shards, peers
---  secrets: name -> value
---  natives: name -> fn(input, done, call) -> code, text, or nothing when done(code, text) is called later
---  on_effect(call, fake): a request or a component has left
---  random_key(fake) -> text?: random bytes that hang on it alone
function M.new(o)
    o = o or {}
    local fake = setmetatable({
        store = o.store or fake_store.new(), clock = o.clock or { now = 1700000000000 }, shard = o.shard or 0,
        natives = o.natives or {}, peers = o.peers or {}, handlers = {}, timers = {}, last_timer = 0, calls = {},
        mail = {}, log = {}, faults = {}, native_calls = {}, on_effect = o.on_effect or ignore,
    }, M)
    fake.peers[fake.shard] = fake
    fake.core = {
        json = json, flow = parts.flow, store = fake.store:bind(fake), timer = bind_timer(fake),
        client = bind_client(fake, o.secrets or {}), keystore = fake_secrets.keystore(o.secrets or {}),
        access = bind_access(fake), crypto = fake_secrets.crypto(o.secrets or {}),
        native = bind_native(fake), shard = bind_shard(fake), http = {},
        system = fake_system.new {
            seed = o.seed or 1, shard = fake.shard, shards = o.shards or 1, clock = fake.clock, log = fake.log,
            on_fault = function(name)
                fake.faults[name] = (fake.faults[name] or 0) + 1
            end,
            random_key = o.random_key and function()
                return o.random_key(fake)
            end,
        },
        on = function(event, fn)
            fake.handlers[event] = fn
        end,
    }
    return fake
end

return M
