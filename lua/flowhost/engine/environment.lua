-- SPDX-License-Identifier: MIT
-- What a flow's file finds around it: globals of its own, the modules it may require, recorded time and chance.

local core = require "flowhost.core"
local error_object = require "flowhost.engine.error"
local fiber_module = require "flowhost.engine.fiber"
local loader = require "flowhost.flow.loader"
local run_log = require "flowhost.engine.run_log"
local sandbox = require "flowhost.flow.sandbox"
local step = require "flowhost.engine.step"

local json = core.json

local M = {}

local factory

local MAX_DEPTH = { max_depth = 512 }

--- What scripts know as lua-cjson, over the host's own codec: the library's encoder can run away outside of a flow's
--- limits. Errors are raised, empty arrays stay arrays.
local function new_cjson()
    local function encode(value)
        local text, reason = json.encode(value == nil and json.null or value, MAX_DEPTH)
        if not text then
            error("cjson.encode: " .. reason, 2)
        end
        return text
    end
    local function decode(text)
        if type(text) ~= "string" then
            error("cjson.decode: a string is expected, not a " .. type(text), 2)
        end
        local value, reason = json.decode(text, MAX_DEPTH)
        if value == nil then
            error("cjson.decode: " .. reason, 2)
        end
        return value
    end
    return { encode = encode, decode = decode, null = json.null, empty_array = json.array {}, new = new_cjson }
end

--- The library modules flows may require beside lib/, each as a table of the environment's own.
local ALLOWED = { cjson = new_cjson }

local function fiber_of(state)
    local fiber = fiber_module.current
    return fiber and fiber.run == state.run and fiber or nil
end

--- Recorded time of the branch: what os.time reads. While a file is loaded there is no run: the epoch.
local function recorded_now(state)
    local fiber = fiber_of(state)
    return fiber and fiber.now / 1000 or 0
end

--- Each branch, and each step inside of which the flow draws, has a sequence of its own, seeded by run and place:
--- neither the order of branches nor a step that a replay skips changes what others draw.
local function random_state(state)
    local fiber = fiber_of(state)
    if not fiber then
        return sandbox.seed "load"
    end
    local scope = fiber.scope
    if not scope.rng then
        local run = fiber.run
        scope.rng = sandbox.seed((run.origin and run.origin.id or run.id) .. "/" .. (scope.path or scope.prefix))
    end
    return scope.rng
end

--- As pcall, but the chunk cannot stop half-way. Inside of a coroutine of the flow's own it could be left so, and go on
--- when the chunk has another run's globals; in a run's own coroutine a yield ends the run.
local function call_whole(chunk)
    local co = coroutine.create(chunk)
    local ok, exported = coroutine.resume(co)
    if coroutine.status(co) == "suspended" then
        return false, "a file cannot wait while it is loaded"
    end
    return ok, exported
end

--- Runs the top level of a file. All runs share the chunk, so while it runs nothing may wait: the verbs of ctx look at
--- the fiber's `is_loading`, how many files deep it is.
function M.call_chunk(chunk, env)
    local fiber = fiber_module.current
    if fiber then
        fiber.is_loading = (fiber.is_loading or 0) + 1
    end
    setfenv(chunk, env)
    local call = fiber and coroutine.running() ~= fiber.co and call_whole or pcall
    local ok, exported = call(chunk)
    if fiber then
        fiber.is_loading = fiber.is_loading > 1 and fiber.is_loading - 1 or nil
    end
    if not ok then
        error(exported, 0)
    end
    return exported
end

local LOADING = {}

local function load_lib(name, chunk, state)
    state.modules[name] = LOADING
    local ok, module = pcall(M.call_chunk, chunk, state.env)
    state.modules[name] = nil
    if not ok then
        error(module, 0)
    end
    return module
end

--- lib/NAME.lua of the same release, once per environment; or an allowed module.
local function require_module(name, state)
    local module = state.modules[name]
    if module == LOADING then
        error(("module '%s' requires itself: it is still being loaded"):format(name), 0)
    elseif module ~= nil then
        return module
    end
    local chunk = loader.chunk(state.release, "lib/" .. name:gsub("%.", "/") .. ".lua")
    if chunk then
        module = load_lib(name, chunk, state)
    elseif ALLOWED[name] then
        module = ALLOWED[name]()
    else
        error(("module '%s' not found: neither lib/%s.lua of this folder nor cjson"):format(name,
            (name:gsub("%.", "/"))), 0)
    end
    state.modules[name] = module == nil or module
    return state.modules[name]
end

--- As ctx.log.info; inside of a coroutine of the flow's own or at a file's top level, where no step can be, just the
--- line.
local function print_line(text, state)
    local run, fiber = state.run, fiber_of(state)
    local is_step = fiber and not fiber.is_loading and coroutine.running() == fiber.co
    if run and (not is_step or step.log("info", text)) then
        run_log.write(run, "info", text)
    end
end

--- Fresh globals for a run, or for a look at a file (run nil).
function M.new_env(release, run)
    local state = { release = release, run = run, modules = {} }
    state.env = factory:env(state)
    return state.env
end

--- Errors that nothing keeps from ending the run: its limits. After a stack overflow the hook that watches the budget
--- may have no stack left to run on: a flow that goes on there could go on for ever.
function M.ends_run(raised)
    local text = type(raised) == "table" and rawget(raised, "message") or raised
    if core.flow.is_over_budget() or text == "error in error handling" then
        return true
    end
    return type(text) == "string" and (text:find "stack overflow$" or text:find "stack overflow %b()$") ~= nil
end

--- Errors that no pcall of a flow keeps.
local function is_fatal(raised)
    return (error_object.is(raised) and rawget(raised, "halt") ~= nil) or M.ends_run(raised)
end

local function to_reason(how, raised)
    if how == "yield" then
        return "a flow file cannot wait while it is loaded"
    end
    return error_object.is(raised) and raised.message or raised
end

--- Runs fn under a flow's limits. true; or false, what was raised, and whether the limits were those of a run that is
--- at work: then another time it may go well.
function M.limited(fn)
    local co = coroutine.create(fn)
    if fiber_module.current then
        local ok, raised = coroutine.resume(co)
        local is_whole = ok and coroutine.status(co) == "dead"
        return is_whole, not is_whole and to_reason(ok and "yield" or "error", raised) or nil, true
    end
    local how, raised = core.flow.resume(co)
    if how == "end" then
        return true
    end
    return false, to_reason(how, raised)
end

---@param is_jit boolean?  compile what flows load
function M.set_up(is_jit)
    factory = sandbox.new {
        now = recorded_now, random_state = random_state, require = require_module, print = print_line, jit = is_jit,
        is_fatal = is_fatal,
    }
end

return M
