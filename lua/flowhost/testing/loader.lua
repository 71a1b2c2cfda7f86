-- SPDX-License-Identifier: MIT
-- Loads one test file: as a flow's file is loaded, without machine and network, but with `flowhost.test`. `require`
-- finds lib/ of the folder, so that a library can be tested by itself.

local failure = require "flowhost.testing.failure"
local parts = require "flowhost.testing.parts"
local sandbox = require "flowhost.flow.sandbox"
local source = require "flowhost.flow.source"
local suite_module = require "flowhost.testing.suite"

local M = {}

local function now(state)
    local case = state.suite.case
    return case and case.host and case.host:now() or state.suite.now or 0
end

local function random_state(state)
    state.rng = state.rng or sandbox.seed(state.suite.file)
    return state.rng
end

local function compile(path, text)
    local chunk, err = source.compile(text, "@" .. path, { jit = true })
    if not chunk then
        local broken = failure.new(err.message)
        broken.where = ("%s:%d"):format(path, err.line)
        error(broken, 0)
    end
    return chunk
end

local function load_lib(name, state)
    local path = "lib/" .. name:gsub("%.", "/") .. ".lua"
    local text = state.suite.folder.files[path]
    if not text then
        failure.raise("module '%s' not found: neither flowhost.test nor %s of this folder", name, path)
    end
    local module = setfenv(compile(path, text), state.env)()
    return module == nil or module
end

local function require_module(name, state)
    if state.modules[name] == nil then
        state.modules[name] = load_lib(name, state)
    end
    return state.modules[name]
end

--- As assert, but it says what it looked at: the line of the test.
local function new_assert(state)
    return function(value, ...)
        if value then
            return value, ...
        end
        local message = ...
        if type(message) == "table" then
            error(message, 0)
        elseif message ~= nil then
            failure.raise("%s", tostring(message))
        end
        local broken = failure.new "assertion failed"
        local number = tonumber((broken.where or ""):match ":(%d+)$")
        local line = number and broken.where:match "^(.*):%d+$" == state.suite.file and state.lines()[number]
        if line then
            broken.message = "assertion failed: " .. line:match "^%s*(.-)%s*$"
        end
        error(broken, 0)
    end
end

local function split_lines(text)
    local lines = {}
    for line in (text .. "\n"):gmatch "([^\n]*)\n" do
        lines[#lines + 1] = line
    end
    return lines
end

---@param print fun(text: string)   what the tests print
function M.new(print)
    local factory = sandbox.new {
        now = now, random_state = random_state, require = require_module, print = print, jit = true,
    }
    --- The suite of a file; raises when the file does not load.
    return function(file, folder)
        local suite = suite_module.new(file, folder, print)
        local text = folder.files[file]
        local state = { suite = suite, modules = { ["flowhost.test"] = suite_module.api(suite) } }
        function state.lines()
            return split_lines(text)
        end
        state.modules.cjson = parts.json
        state.env = factory:env(state)
        rawset(state.env, "assert", new_assert(state))
        setfenv(compile(file, text), state.env)()
        return suite
    end
end

return M
