-- SPDX-License-Identifier: MIT
-- What specs of rules share: worlds with rules, calls of /ps, and their answers.

local world = require "support.world"

local json = world.json

local M = { json = json }

--- A world whose folder has these rules (name -> table) and files.
---@param o table?  as world.new takes it; files: more of them
function M.new(rules, o)
    local given = { files = {} }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    local files = {}
    for path, text in pairs(given.files) do
        files[path] = text
    end
    for name, rule in pairs(rules) do
        files[name .. ".rule.json"] = type(rule) == "string" and rule or assert(json.encode(rule))
    end
    given.files = files
    return world.new(given)
end

--- Calls METHOD /ps/NAME and lets everything happen: the request, its decoded body.
function M.call(w, name, o)
    o = o or {}
    local request = w:request(o.method or "POST", "/ps/" .. name, o)
    w:settle()
    return request, request.body and json.decode(request.body)
end

--- An api component.
function M.api(name, o)
    local component = { name = name, type = "api", method = "POST", url = "http://u/" .. name, outputName = name }
    for field, value in pairs(o or {}) do
        component[field] = value
    end
    return component
end

function M.script(name, o)
    local component = { name = name, type = "script", url = name, outputName = name }
    for field, value in pairs(o or {}) do
        component[field] = value
    end
    return component
end

--- A script's file.
function M.handler(body)
    return ("function handler(ctx, input)\n%s\nend"):format(body)
end

return M
