-- SPDX-License-Identifier: MIT
-- ctx.secret(name): a handle for a sealed value, which ctx.request, aes, rsa, hmac and jwt take. Its bytes never enter
-- Lua, the journal or the log.

local error_object = require "flowhost.engine.error"
local secret = require "flowhost.engine.secret"

return {
    secret = function(name)
        if type(name) ~= "string" then
            error_object.raise("INVALID", "ctx.secret: a name is expected")
        end
        return secret.new(name)
    end,
}
