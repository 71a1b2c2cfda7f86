-- SPDX-License-Identifier: MIT
-- A host for the sandbox specs: `H.new()` gives a factory with recorded time 1700000000.75, a seeded
-- random state and fatal errors { fatal = true }; `host:run(text)` runs text in a fresh environment.
local sandbox = require("flowhost.flow.sandbox")
local source = require("flowhost.flow.source")

local H = {}

local Host = {}
Host.__index = Host

--- Runs text in an environment, by default a fresh one, in a coroutine as runs are.
function Host:run(text, env)
    local chunk = assert(source.compile(text, "@flow.lua", { env = env or self:env() }))
    local results = { coroutine.resume(coroutine.create(chunk)) }
    if not results[1] then error(results[2], 0) end
    return unpack(results, 2, table.maxn(results))
end

function Host:env(state)
    return self.factory:env(state or self)
end

--- The error that text raises.
function Host:error_of(text, env)
    local ok, err = pcall(self.run, self, text, env)
    assert(not ok, "no error was raised")
    return err
end

function H.new(overrides)
    local self = setmetatable({ printed = {}, time = 1700000000.75, modules = {} }, Host)
    self.random = sandbox.seed("run")
    local hooks = {
        now = function() return self.time end,
        random_state = function() return self.random end,
        print = function(text) self.printed[#self.printed + 1] = text end,
        require = function(name)
            return self.modules[name] or error("no module " .. name, 0)
        end,
        is_fatal = function(err) return type(err) == "table" and rawget(err, "fatal") == true end,
    }
    for name, hook in pairs(overrides or {}) do hooks[name] = hook end
    self.factory = sandbox.new(hooks)
    return self
end

--- Puts string methods back as they were before `install`.
function H.protect_string_metatable()
    local metatable = debug.getmetatable("")
    local index, guard = metatable.__index, metatable.__metatable
    return function()
        metatable.__index, metatable.__metatable = index, guard
    end
end

return H
