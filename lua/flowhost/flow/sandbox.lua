-- SPDX-License-Identifier: MIT
-- The environment flows run in. A factory is made once per VM; `factory:env(state)` gives each run
-- its own globals, filled on first touch, so a fresh one costs next to nothing and what a run does
-- to its libraries stays its own. Nothing in it reaches the host, the machine, or bytecode, and
-- nothing in it gives two replays different answers. Pure: no C of ours.
--
-- The host must see to two things itself: `host.require` returns tables that runs may scribble on
-- (one per run, or read-only), and errors that must end a run keep being raised until it ended.

local ordered = require("flowhost.flow.ordered")
local random = require("flowhost.flow.random")
local sandbox_coroutine = require("flowhost.flow.sandbox_coroutine")
local sandbox_os = require("flowhost.flow.sandbox_os")
local sandbox_string = require("flowhost.flow.sandbox_string")
local sandbox_table = require("flowhost.flow.sandbox_table")
local sandbox_text = require("flowhost.flow.sandbox_text")
local source = require("flowhost.flow.source")
local new_table = require("table.new")

local M = {}

local debug_getmetatable = debug.getmetatable
local concat = table.concat
local error, pcall, xpcall = error, pcall, xpcall
local getmetatable, setmetatable, rawget, rawset = getmetatable, setmetatable, rawget, rawset
local next, pairs, select, type = next, pairs, select, type
local tostring = sandbox_text.tostring

M.seed = random.seed

--- Makes string methods safe in the whole VM: ("x"):rep() finds the limited functions without
--- `dump`, and getmetatable("") is false. Done by `new`; doing it again changes nothing.
function M.install()
    local metatable = debug_getmetatable("")
    metatable.__index = sandbox_string.string
    metatable.__metatable = false
end

local function copy(library, size)
    local result = new_table(0, size)
    for name, value in next, library do result[name] = value end
    return result
end

local function bad_argument(index, name, expected, value)
    error(("bad argument #%d to '%s' (%s expected, got %s)"):format(index, name, expected,
        type(value)), 3)
end

--- `getmetatable`: of other things than tables, the metatable belongs to the host and stays hidden.
local function safe_getmetatable(value)
    local metatable = getmetatable(value)
    if type(value) ~= "table" and type(metatable) == "table" then return false end
    return metatable
end

local function safe_setmetatable(t, metatable)
    if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
        error("setmetatable: __gc is refused, when it runs differs between replays; "
            .. "use ctx.defer", 2)
    end
    return setmetatable(t, metatable)
end

--- pcall, xpcall and coroutine.resume that let an error pass which must end the run.
local function protected_calls(is_fatal)
    local function finish(ok, ...)
        if not ok and is_fatal((...)) then error((...), 0) end
        return ok, ...
    end

    local function safe_pcall(...)
        return finish(pcall(...))
    end

    local function safe_xpcall(fn, handler, ...)
        if type(handler) ~= "function" then bad_argument(2, "xpcall", "function", handler) end
        return finish(xpcall(fn, function(err)
            if is_fatal(err) then return err end
            -- An error in a handler becomes "error in error handling", which would hide a fatal one.
            local ok, result = pcall(handler, err)
            if ok or is_fatal(result) then return result end
            return error(result, 0)
        end, ...))
    end

    return safe_pcall, safe_xpcall, finish
end

--- The text of a chunk given as a string or as a function that returns pieces.
local function chunk_text(chunk)
    if type(chunk) == "string" then return chunk end
    local pieces, bytes = {}, 0
    while true do
        local piece = chunk()
        if piece == nil or piece == "" then return concat(pieces) end
        if type(piece) ~= "string" then error("reader function must return a string", 0) end
        bytes = bytes + #piece
        if bytes > source.MAX_BYTES then error("the script is too long, split it", 0) end
        pieces[#pieces + 1] = piece
    end
end

--- A name no file of the host has, so that error positions cannot be forged.
local function chunk_name(name)
    if type(name) ~= "string" then return "=(load)" end
    return "=(load) " .. name:gsub("^[@=]", ""):gsub("[^\32-\126]", "?"):sub(1, 40)
end

local function new_load(env, safe_pcall, is_jit)
    return function(chunk, name, mode, chunk_env)
        if type(chunk) ~= "string" and type(chunk) ~= "function" then
            bad_argument(1, "load", "string or function", chunk)
        end
        if chunk_env ~= nil and type(chunk_env) ~= "table" then
            bad_argument(4, "load", "table", chunk_env)
        end
        if type(mode) == "string" and not mode:find("t", 1, true) then
            return nil, "attempt to load chunk with wrong mode, only text can be loaded"
        end
        local ok, text = safe_pcall(chunk_text, chunk)
        if not ok then return nil, text end
        local fullname = chunk_name(name)
        local fn, err = source.compile(text, fullname, { env = chunk_env or env, jit = is_jit })
        if fn then return fn end
        return nil, ("%s:%d: %s"):format(fullname:sub(2), err.line, err.message)
    end
end

local function new_loadstring(load)
    return function(text, name)
        if type(text) ~= "string" then bad_argument(1, "loadstring", "string", text) end
        return load(text, name)
    end
end

local function new_math(host, state)
    local library = copy(math, 32)
    function library.random(...) return random.random(host.random_state(state), ...) end
    function library.randomseed(...) return random.randomseed(host.random_state(state), ...) end
    return library
end

local function new_print(host, state)
    return function(...)
        local parts = { ... }
        for i = 1, select("#", ...) do
            local text = tostring(parts[i])
            if type(text) ~= "string" then error("'tostring' must return a string to 'print'", 2) end
            parts[i] = text
        end
        host.print(concat(parts, "\t"), state)
    end
end

local function new_require(host, state)
    return function(name)
        if type(name) ~= "string" then bad_argument(1, "require", "string", name) end
        return host.require(name, state)
    end
end

--- What each global is made from: values shared by all runs, and makers (env, state) → value.
local function new_globals(host)
    local safe_pcall, safe_xpcall, finish = protected_calls(host.is_fatal)
    local values = {
        _VERSION = _VERSION, assert = assert, error = error, ipairs = ipairs, rawequal = rawequal,
        rawset = rawset, select = select, tonumber = tonumber, tostring = tostring, type = type,
        unpack = unpack, pcall = safe_pcall, xpcall = safe_xpcall,
        getmetatable = safe_getmetatable, setmetatable = safe_setmetatable,
    }
    local libraries = {
        string = sandbox_string.string, table = sandbox_table.table, bit = bit,
        coroutine = sandbox_coroutine.new(finish),
    }
    local makers = {
        _G = function(env) return env end,
        load = function(env) return new_load(env, safe_pcall, host.jit) end,
        loadstring = function(env) return new_loadstring(env.load) end,
        math = function(_, state) return new_math(host, state) end,
        os = function(_, state) return sandbox_os.new(host.now, state) end,
        print = function(_, state) return new_print(host, state) end,
        require = function(_, state) return new_require(host, state) end,
    }
    for name, value in pairs(values) do
        makers[name] = function() return value end
    end
    for name, library in pairs(libraries) do
        makers[name] = function() return copy(library, 16) end
    end
    return makers
end

--- The globals that must know their environment because it fills itself as they look at it.
local function add_walkers(makers, touch)
    local function fill(env)
        for name in pairs(makers) do
            if rawget(env, name) == nil then touch(env, name) end
        end
    end
    function makers.pairs(env)
        return function(t)
            if t == env then fill(env) end
            return ordered.pairs(t)
        end
    end
    function makers.next(env)
        local walks = ordered.new_walks()
        return function(t, key)
            if t == env then fill(env) end
            return ordered.next(walks, t, key)
        end
    end
    function makers.rawget(env)
        return function(t, key)
            if t == env and rawget(t, key) == nil then return touch(env, key) end
            return rawget(t, key)
        end
    end
end

local Factory = {}
Factory.__index = Factory

--- A fresh environment for one run or component call.
---@param state table? handed to every hook; the engine's own
---@return table env
function Factory:env(state)
    return setmetatable({}, {
        __index = self.touch, __newindex = self.assign, __metatable = false, state = state,
    })
end

---@class flowhost.SandboxHost
---@field now fun(state: table): number recorded time of the current branch, seconds
---@field random_state fun(state: table): integer[] { a, b, c, d } of the current branch, see `seed`
---@field require fun(name: string, state: table): any a module, or raises
---@field print fun(text: string, state: table)
---@field is_fatal? fun(err: any): boolean whether an error must end the run: no pcall catches it
---@field jit? boolean compile what `load` loads

--- A factory of environments; `host` is read once, now.
---@param host flowhost.SandboxHost
function M.new(host)
    M.install()
    local makers

    -- The metatable of an environment also remembers which globals were made: one that the flow
    -- set to nil stays nil.
    local function touch(env, name)
        local make = makers[name]
        if not make then return nil end
        local box = debug_getmetatable(env)
        if box[name] then return nil end
        box[name] = true
        local value = make(env, box.state)
        rawset(env, name, value)
        return value
    end

    local function assign(env, name, value)
        if value == nil and makers[name] then debug_getmetatable(env)[name] = true end
        rawset(env, name, value)
    end

    makers = new_globals({
        now = host.now, random_state = host.random_state, require = host.require,
        print = host.print, jit = host.jit,
        is_fatal = host.is_fatal or function() return false end,
    })
    add_walkers(makers, touch)
    return setmetatable({ touch = touch, assign = assign }, Factory)
end

return M
