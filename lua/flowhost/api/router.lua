-- SPDX-License-Identifier: MIT
-- Requests to handlers. The host's own routes are exact patterns with {name} (one segment) or {name+} (several); flows'
-- routes are exact paths or patterns as well, kept per release.
--
--   handler(request, captures, method, path, body)

local problem = require "flowhost.api.problem"

local M = {}

local exact = {}    -- path -> method -> handler
local patterns = {} -- { pattern, names, methods }

--- "/a/{id}/{rest+}" as a Lua pattern and its capture names.
local function compile(path)
    local names = {}
    local pattern = path:gsub("[%-%.%+%[%]%(%)%$%^%%%?%*]", function(char)
        return char == "+" and "+" or "%" .. char
    end)
    pattern = pattern:gsub("{(%w+)(%+?)}", function(name, several)
        names[#names + 1] = name
        return several == "+" and "(.+)" or "([^/]+)"
    end)
    return "^" .. pattern .. "$", names
end

--- A table of routes that can be asked: `match(path)` -> methods, captures.
function M.new_table()
    return { exact = {}, patterns = {} }
end

function M.add_to(routes, method, path, handler)
    if not path:find("{", 1, true) then
        routes.exact[path] = routes.exact[path] or {}
        routes.exact[path][method] = handler
        return
    end
    local pattern, names = compile(path)
    for _, entry in ipairs(routes.patterns) do
        if entry.pattern == pattern then
            entry.methods[method] = handler
            return
        end
    end
    routes.patterns[#routes.patterns + 1] = { pattern = pattern, names = names, methods = { [method] = handler } }
end

local function match(routes, path)
    local methods = routes.exact[path]
    if methods then
        return methods
    end
    for _, entry in ipairs(routes.patterns) do
        local found = { path:match(entry.pattern) }
        if found[1] then
            local captures = {}
            for i, name in ipairs(entry.names) do
                captures[name] = found[i]
            end
            return entry.methods, captures
        end
    end
end

local own = { exact = exact, patterns = patterns }

--- Adds a route of the host itself.
function M.add(method, path, handler)
    M.add_to(own, method, path, handler)
end

local function allow_of(methods)
    local list = {}
    for method in pairs(methods) do
        list[#list + 1] = method
    end
    if methods.GET and not methods.HEAD then
        list[#list + 1] = "HEAD"
    end
    table.sort(list)
    return table.concat(list, ", ")
end

--- Hands the request to its handler, or answers 404 or 405.
---@param flow_routes table?  routes of the active release; asked first, they cannot lie under the host's prefixes
function M.dispatch(flow_routes, request, method, path, body)
    local methods, captures
    if flow_routes then
        methods, captures = match(flow_routes, path)
    end
    if not methods then
        methods, captures = match(own, path)
    end
    if not methods then
        return problem.send(request, 404, "NO_ROUTE", ("no route %s"):format(path))
    end
    local handler = methods[method] or (method == "HEAD" and methods.GET)
    if not handler then
        local allow = allow_of(methods)
        local detail = ("%s does not take %s, but %s"):format(path, method, allow)
        return problem.send(request, 405, "METHOD_NOT_ALLOWED", detail,
            { headers = { "Allow", allow } })
    end
    return handler(request, captures, method, path, body)
end

return M
