-- SPDX-License-Identifier: MIT
-- The envelope of ps-go's API (SEEDS 1.16): HTTP 200 always; { code, msg, data }, code 200 for success.

local core = require "flowhost.core"

local json = core.json
local null = json.null

local M = {}

local DEEP = { max_depth = 192 }
local MAX_COUNT = 50

local function send(request, value)
    request:respond(200, { "Content-Type", "application/json" }, json.encode(value, DEEP) .. "\n")
end

function M.ok(request, data)
    send(request, { code = 200, msg = "success", data = data == nil and "" or data })
end

function M.list(request, page, count, total, rows)
    M.ok(request, { page = page, count = count, total = total, list = json.array(rows) })
end

---@param code integer|string
function M.fail(request, code, message)
    send(request, { code = tonumber(code) or 100001, msg = message, data = null })
end

--- The body as an object; nil after a refusal.
function M.body(request, text)
    local value = json.decode(text)
    if type(value) ~= "table" or json.is_array(value) then
        M.fail(request, 100002, "the body must be a JSON object")
        return nil
    end
    for name, given in pairs(value) do
        value[name] = given ~= null and given or nil
    end
    return value
end

--- Whether all of these fields are there; else it was refused.
---@param types table<string, "string"|"number">  name -> type
function M.has(request, o, types)
    local names = {}
    for name in pairs(types) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        if type(o[name]) ~= types[name] or o[name] == "" then
            M.fail(request, 100002, ("%s is needed, as a %s"):format(name, types[name]))
            return false
        end
    end
    return true
end

local function whole(text)
    local number = text and text:find "^%d+$" and tonumber(text)
    return number or nil
end

--- Page and count of a query; nil after a refusal.
function M.paging(request, query)
    local page, count = whole(query.page), whole(query.count)
    if not page or page < 1 then
        return M.fail(request, 100002, "page is needed: a number from 1")
    elseif not count or count < 1 or count > MAX_COUNT then
        return M.fail(request, 100002, ("count is needed: a number from 1 to %d"):format(MAX_COUNT))
    end
    return page, count
end

--- A number of a query that may be absent; false after a refusal.
function M.number(request, query, name)
    if query[name] == nil or query[name] == "" then
        return nil
    end
    local number = whole(query[name])
    if not number then
        M.fail(request, 100002, name .. " must be a number")
        return false
    end
    return number
end

return M
