-- SPDX-License-Identifier: MIT
-- /api/v1/rule and /api/v1/script as ps-go has them, over engine/documents.lua (SEEDS 1.15, 1.16).

local core = require "flowhost.core"
local access = require "flowhost.api.access"
local documents = require "flowhost.engine.documents"
local envelope = require "flowhost.api.psgo.envelope"

local null = core.json.null

local M = {}

local REFUSED = { rule = "启用中的规则不允许删除", script = "启用中的脚本不允许删除" }
local WHO = { operator = "string", operator_id = "number" }

local function show(row, has_text)
    local shown = { id = row.id, name = row.name, version = row.version, status = row.status,
        operator = row.operator or "", operator_id = row.operator_id or 0, created_at = row.created_at,
        updated_at = row.updated_at, deleted_at = null }
    shown.method = row.method
    if has_text then
        shown[row.kind] = row.text
    end
    return shown
end

local function send_result(request, row, err)
    if row then
        return envelope.ok(request)
    end
    local message = err.message
    if err.pointer and err.pointer ~= "" and not message:find(err.pointer, 1, true) then
        message = err.pointer .. ": " .. message
    end
    envelope.fail(request, err.is_active and 100001 or err.code, err.is_active and REFUSED[err.kind] or message)
end

local function who(request, o)
    return { operator = o.operator, operator_id = o.operator_id, actor = access.actor(request) }
end

--- A text of a query; nil when it is empty, too.
local function given(query, name)
    return query[name] ~= "" and query[name] or nil
end

local function method_of(query)
    local method = given(query, "method")
    return method and method:upper()
end

local function get(kind)
    return function(request)
        local query = request:query()
        local id = envelope.number(request, query, "id")
        if id == false then
            return
        end
        local by_version = kind == "rule" and given(query, "version") or nil
        local name = given(query, "name")
        local row
        if by_version or name then
            row = documents.find(kind, { version = by_version, name = name, method = method_of(query) })
        elseif id then
            row = documents.get(kind, id)
        else
            return envelope.fail(request, 100002, "one of id, name" .. (kind == "rule" and ", version" or "")
                .. " is needed")
        end
        if not row then
            return envelope.fail(request, 100006, "there is no such " .. kind)
        end
        envelope.ok(request, show(row, true))
    end
end

local STATUS = { ["true"] = true, ["1"] = true, ["false"] = false, ["0"] = false }

local NUMBERS = { operator_id = "operator_id", start = "after", ["end"] = "before" }

--- The filter of a page; nil after a refusal.
local function filter_of(request, query)
    local filter = { name = given(query, "name"), method = method_of(query), status = STATUS[query.status or ""] }
    if given(query, "status") and filter.status == nil then
        return envelope.fail(request, 100002, "status must be true or false")
    end
    for name, field in pairs(NUMBERS) do
        filter[field] = envelope.number(request, query, name)
        if filter[field] == false then
            return nil
        end
    end
    return filter
end

local function page(kind)
    return function(request)
        local query = request:query()
        local number, count = envelope.paging(request, query)
        if not number then
            return
        end
        local filter = filter_of(request, query)
        if not filter then
            return
        end
        filter.page, filter.count = number, count
        local rows, total = documents.list(kind, filter)
        for i, row in ipairs(rows) do
            rows[i] = show(row)
        end
        envelope.list(request, number, count, total, rows)
    end
end

local function create(kind)
    local needed = { name = "string", [kind] = "string", operator = "string", operator_id = "number",
        method = kind == "rule" and "string" or nil }
    return function(request, _, _, _, body)
        local o = envelope.body(request, body)
        if o and envelope.has(request, o, needed) then
            documents.publish(kind, { name = o.name, method = o.method, text = o[kind], operator = o.operator,
                operator_id = o.operator_id, actor = access.actor(request) }, function(row, err)
                    send_result(request, row, err)
                end)
        end
    end
end

local function switch(kind)
    return function(request, _, _, _, body)
        local o = envelope.body(request, body)
        if o and envelope.has(request, o, { id = "number" }) then
            documents.activate(kind, o.id, who(request, o), function(row, err)
                send_result(request, row, err)
            end)
        end
    end
end

local function remove(kind)
    local needed = { id = "number" }
    for name, expected in pairs(WHO) do
        needed[name] = expected
    end
    return function(request, _, _, _, body)
        local o = envelope.body(request, body)
        if o and envelope.has(request, o, needed) then
            documents.remove(kind, o.id, who(request, o), function(row, err)
                if err then
                    err.kind = kind
                end
                send_result(request, row, err)
            end)
        end
    end
end

function M.add_routes(router)
    for _, kind in ipairs { "rule", "script" } do
        local path = "/api/v1/" .. kind
        router.add("GET", path, get(kind))
        router.add("GET", path .. "/page", page(kind))
        router.add("POST", path, create(kind))
        router.add("PUT", path .. "/switch_version", switch(kind))
        router.add("DELETE", path, remove(kind))
    end
end

return M
