-- SPDX-License-Identifier: MIT
-- Requests to handlers. The host's own routes are exact patterns with {name} (one segment) or {name+} (several); flows'
-- routes are exact paths or patterns as well, kept per release. Where patterns overlap, the first that has the method
-- serves.
--
--   handler(request, captures, method, path, body)
--
-- A route of the host itself says which role its callers need: "viewer", "operator", "admin"; "none" asks for no proof;
-- "open" for none but refuses pages of other origins (the login). What says nothing takes viewers to read, operators to
-- change.

local loader = require "flowhost.flow.loader"
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

---@param o { role: string?, for_apps: string? }?
function M.add_to(routes, method, path, handler, o)
    local route = { handler = handler, role = o and o.role, for_apps = o and o.for_apps }
    if path:find(PARAMETER) then
        local pattern, names = compile(path)
        route.names = names
        methods_at(routes, pattern)[method] = route
        return
    end
    routes.exact[path] = routes.exact[path] or {}
    routes.exact[path][method] = route
end

local function route_of(methods, method)
    return methods[method] or (method == "HEAD" and methods.GET) or nil
end

--- What serves the method at the path: route, and the values of its parameters in order. Otherwise nil and the list of
--- the methods tables that the path has (empty: no such path). An exact path comes first, then patterns in order.
local function match(routes, method, path)
    local exact = routes.exact[path]
    local route = exact and route_of(exact, method)
    if route then
        return route
    end
    local tried = { exact }
    for _, entry in ipairs(routes.patterns) do
        local values = { path:match(entry.pattern) }
        if values[1] then
            route = route_of(entry.methods, method)
            if route then
                return route, values
            end
            tried[#tried + 1] = entry.methods
        end
    end
    return nil, tried
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

local own, added = M.new_table(), {}

--- Adds a route of the host itself.
---@param o { role: string?, for_apps: string? }?  for_apps: a token of an app may use it; "run": for its own runs
function M.add(method, path, handler, o)
    local role = o and o.role or (method == "GET" and "viewer" or "operator")
    added[#added + 1] = { method = method, path = path, role = role }
    M.add_to(own, method, path, handler, { role = role, for_apps = o and o.for_apps })
end

--- The host's own routes: { method, path as it was added, role }, in the order in which they were added.
function M.own()
    return added
end

local function allow_of(tried)
    local has, list = {}, {}
    for _, methods in ipairs(tried) do
        for method in pairs(methods) do
            has[method] = true
        end
    end
    has.HEAD = has.HEAD or has.GET
    for method in pairs(has) do
        list[#list + 1] = method
    end
    table.sort(list)
    return table.concat(list, ", ")
end

local function send_no_route(request, found, method, path)
    if #found == 0 then
        return problem.send(request, 404, "NO_ROUTE", ("no route %s"):format(path))
    end
    local allow = allow_of(found)
    problem.send(request, 405, "METHOD_NOT_ALLOWED", ("%s does not take %s, but %s"):format(path, method, allow),
        { headers = { "Allow", allow } })
end

local UNKNOWN = { role = "viewer" }

--- Hands the request to its handler, or answers 404 or 405. Paths of the host's own are never asked of flows, whatever
--- their patterns; before they are told anything, gate(request, route, captures, method, path, proceed) calls proceed,
--- now or later, or answers.
---@param flow_routes table?  routes of the active release
function M.dispatch(flow_routes, gate, request, method, path, body)
    -- an exact route of a flow is never a reserved path, that was checked when it was loaded
    local is_flow = flow_routes and (flow_routes.exact[path] or not loader.find_reserved(path))
    local route, found = match(is_flow and flow_routes or own, method, path)
    local captures = route and name_captures(route.names, found)
    local function proceed()
        if not route then
            return send_no_route(request, found, method, path)
        end
        return route.handler(request, captures, method, path, body)
    end
    if is_flow then
        return proceed()
    end
    return gate(request, route or UNKNOWN, captures, method, path, proceed)
end

return M
