-- SPDX-License-Identifier: MIT
-- Requests to handlers. The host's own routes are exact patterns with {name} (one segment) or {name+} (several); flows'
-- routes are exact paths or patterns as well, kept per release.
--
--   handler(request, captures, method, path, body)

local problem = require "flowhost.api.problem"

local M = {}

local PARAMETER = "{([%w_]+)(%+?)}"

--- "/a/{id}/{rest+}" as a Lua pattern and its capture names.
local function compile(path)
    local parts, names, at = {}, {}, 1
    while true do
        local first, last, name, several = path:find(PARAMETER, at)
        parts[#parts + 1] = path:sub(at, first and first - 1):gsub("%p", "%%%0")
        if not first then
            return "^" .. table.concat(parts) .. "$", names
        end
        parts[#parts + 1] = several == "+" and "(.+)" or "([^/]+)"
        names[#names + 1] = name
        at = last + 1
    end
end

--- exact: path -> methods; patterns: { pattern, methods }; methods: method -> { handler, names of its captures }.
function M.new_table()
    return { exact = {}, patterns = {} }
end

local function methods_at(routes, pattern)
    for _, entry in ipairs(routes.patterns) do
        if entry.pattern == pattern then
            return entry.methods
        end
    end
    local entry = { pattern = pattern, methods = {} }
    routes.patterns[#routes.patterns + 1] = entry
    return entry.methods
end

function M.add_to(routes, method, path, handler)
    if path:find(PARAMETER) then
        local pattern, names = compile(path)
        methods_at(routes, pattern)[method] = { handler = handler, names = names }
        return
    end
    routes.exact[path] = routes.exact[path] or {}
    routes.exact[path][method] = { handler = handler }
end

--- The methods of a path and what its parameters stand for, in order.
local function match(routes, path)
    local methods = routes.exact[path]
    if methods then
        return methods
    end
    for _, entry in ipairs(routes.patterns) do
        local found = { path:match(entry.pattern) }
        if found[1] then
            return entry.methods, found
        end
    end
end

local function name_captures(names, found)
    if not names then
        return nil
    end
    local captures = {}
    for i, name in ipairs(names) do
        captures[name] = found[i]
    end
    return captures
end

local own = M.new_table()

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
    local methods, found
    if flow_routes then
        methods, found = match(flow_routes, path)
    end
    if not methods then
        methods, found = match(own, path)
    end
    if not methods then
        return problem.send(request, 404, "NO_ROUTE", ("no route %s"):format(path))
    end
    local route = methods[method] or (method == "HEAD" and methods.GET)
    if not route then
        local allow = allow_of(methods)
        local detail = ("%s does not take %s, but %s"):format(path, method, allow)
        return problem.send(request, 405, "METHOD_NOT_ALLOWED", detail,
            { headers = { "Allow", allow } })
    end
    return route.handler(request, name_captures(route.names, found), method, path, body)
end

return M
