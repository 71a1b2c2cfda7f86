-- SPDX-License-Identifier: MIT
-- The ctx object of a run: its verbs come from the files beside this one, one a file, registered below. Each run gets
-- tables of its own, filled on first use, so that a flow may scribble on its ctx without reaching another's.

local M = {}

local verbs = {}

for _, name in ipairs {
    "request", "step", "component", "group", "time", "value", "control", "data", "log", "codec", "info",
    "signal", "child", "tag", "task",
    "secret",
    "xml",
    "aes",
    "rsa",
    "hmac",
    "jwt",
} do
    for verb, implementation in pairs(require("flowhost.ctx." .. name)) do
        verbs[verb] = implementation
    end
end

local function copy(value)
    if type(value) ~= "table" then
        return value
    end
    local own = {}
    for key, inner in pairs(value) do
        own[key] = inner
    end
    return own
end

--- A verb that depends on the run is wrapped as { of_run = function(run) return value end }.
local metatable = {
    __index = function(ctx, name)
        local verb = verbs[name]
        if type(verb) == "table" and verb.of_run then
            verb = verb.of_run()
        else
            verb = copy(verb)
        end
        if verb ~= nil then
            rawset(ctx, name, verb)
        end
        return verb
    end,
    __metatable = false,
}

function M.new()
    return setmetatable({}, metatable)
end

return M
