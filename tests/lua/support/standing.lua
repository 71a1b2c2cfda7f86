-- SPDX-License-Identifier: MIT
-- What specs of suspended, forked and cancelled runs share: worlds of one flow "a", requests about a run, and a flow of
-- four steps whose last request fails.

local world = require "support.world"

local M = {}

--- A world whose flow "a" has this body.
function M.new(text, o, options)
    local given = { files = { ["a.lua"] = world.flow(text, options) } }
    for name, value in pairs(o or {}) do
        given[name] = value
    end
    return world.new(given)
end

--- POST /v1/runs/ID/ACTION, by default of the first run; then all that can happen does.
function M.post(w, action, body, id)
    local request = w:request("POST", ("/v1/runs/%s/%s"):format(id or w:ids()[1], action), { body = body or "" })
    w:settle()
    return request
end

M.STEPS = [[
    local a = ctx.step("a", function() return ctx.request { url = "http://u/1", json = input }.n end)
    ctx.data.store("sum", a)
    local b = ctx.request { url = "http://u/2", json = { a } }.n
    local c = ctx.request { url = "http://u/bad", json = { a, b } }.n
    return { a, b, c, ctx.data.load "sum" }
]]

--- What the services answer to it.
function M.broken(call)
    if call.url:find "bad" then
        return 500, nil, { no = true }
    end
    return 200, nil, { n = tonumber(call.url:match "%d+$") }
end

return M
