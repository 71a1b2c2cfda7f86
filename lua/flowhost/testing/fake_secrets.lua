-- SPDX-License-Identifier: MIT
-- core.keystore and core.crypto for specs: secrets are a table, name -> bytes.

local parts = require "flowhost.testing.parts"

local M = {}

--- Secrets by name; who holds a handle has no bytes here either.
function M.keystore(secrets)
    local function redact(text)
        for name, value in pairs(secrets) do
            local at, last = text:find(value, 1, true)
            while at do
                text = ("%s[secret %s]%s"):format(text:sub(1, at - 1), name, text:sub(last + 1))
                at, last = text:find(value, 1, true)
            end
        end
        return text
    end
    return {
        has = function(name)
            return secrets[name] ~= nil
        end,
        has_any = function()
            return next(secrets) ~= nil
        end,
        redact = redact, redact_json = redact,
    }
end

--- The program's encryption, with the bytes of secrets in place of their handles.
function M.crypto(secrets)
    local bound = {}
    for name, fn in pairs(parts.crypto) do
        bound[name] = function(key, ...)
            if type(key) == "table" then
                key = secrets[key.secret]
                if not key then
                    return nil, "NOT_FOUND", "there is no such secret"
                end
            end
            return fn(key, ...)
        end
    end
    return bound
end

return M
