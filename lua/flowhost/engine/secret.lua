-- SPDX-License-Identifier: MIT
-- Handles of secrets: what flows hold instead of a secret's bytes. C looks these up by name where they are used.
-- A handle is { secret = NAME }; JSON shows that, and tostring "secret NAME".

local error_object = require "flowhost.engine.error"
local keystore = require("flowhost.core").keystore

local M = {}

local metatable = {
    __tostring = function(handle)
        return "secret " .. rawget(handle, "secret")
    end,
    __newindex = function()
        error_object.raise("INVALID", "a secret's handle cannot be changed")
    end,
    __metatable = false,
}

--- Raises SECRET_MISSING when the keystore has none of that name.
function M.check(name)
    if not keystore.has(name) then
        error_object.raise("SECRET_MISSING", ("there is no secret '%s'"):format(name))
    end
    return name
end

function M.new(name)
    return setmetatable({ secret = M.check(name) }, metatable)
end

--- The name that a handle stands for; nil for anything else.
function M.name_of(value)
    if type(value) == "table" and debug.getmetatable(value) == metatable then
        return rawget(value, "secret")
    end
end

return M
