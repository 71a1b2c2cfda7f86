-- SPDX-License-Identifier: MIT
-- Bodies of the API that are objects with known fields.

local core = require "flowhost.core"
local problem = require "flowhost.api.problem"

local json = core.json

local M = {}

function M.set_of(...)
    local set = {}
    for _, name in ipairs { ... } do
        set[name] = true
    end
    return set
end

-- Where null is a value as any other; elsewhere it is the same as nothing.
local MAY_BE_NULL = M.set_of("value", "input")

--- The body: absent or an object with these fields only. nil after a problem was sent.
function M.read(request, body, allowed)
    if body == "" then
        return {}
    end
    local value, reason = json.decode(body)
    if value == nil then
        problem.send(request, 400, "BODY_NOT_JSON", "the body is not JSON: " .. reason)
        return nil
    elseif type(value) ~= "table" or json.is_array(value) then
        problem.send(request, 400, "BODY_NOT_OBJECT", "the body must be a JSON object")
        return nil
    end
    for name in pairs(value) do
        if not allowed[name] then
            problem.send(request, 422, "UNKNOWN_FIELD", ("field '%s' is not known here"):format(name),
                { errors = json.array { { pointer = "/" .. name, message = "unknown field" } } })
            return nil
        elseif value[name] == json.null and not MAY_BE_NULL[name] then
            value[name] = nil
        end
    end
    return value
end

--- 422 for one field; returns nil.
function M.refuse(request, pointer, message)
    problem.send(request, 422, "FIELD_INVALID", ("%s: %s"):format(pointer, message),
        { errors = json.array { { pointer = pointer, message = message } } })
end

return M
