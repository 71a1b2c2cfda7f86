-- SPDX-License-Identifier: MIT
-- JSON Schemas, shortly written: what the parts of the OpenAPI document are made of. Pure data.

local M = {}

M.text = { type = "string" }
M.integer = { type = "integer" }
M.number = { type = "number" }
M.boolean = { type = "boolean" }
M.any = {}
M.anything = { type = "object", additionalProperties = true }
M.time = { type = "string", format = "date-time" }
M.run_id = { type = "string", pattern = "^[0-9A-HJKMNP-TV-Z]{26}$" }

function M.ref(name)
    return { ["$ref"] = "#/components/schemas/" .. name }
end

function M.list(items)
    return { type = "array", items = items }
end

--- The schema with null as one more value.
function M.or_null(schema)
    if type(schema.type) == "string" and not schema.enum then
        local copy = {}
        for name, value in pairs(schema) do
            copy[name] = value
        end
        copy.type = { schema.type, "null" }
        return copy
    end
    return { anyOf = { schema, { type = "null" } } }
end

function M.enum(...)
    return { type = "string", enum = { ... } }
end

local function sorted_names(properties)
    local names = {}
    for name in pairs(properties) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

--- An object whose members are all there.
function M.object(properties)
    return { type = "object", properties = properties, required = sorted_names(properties) }
end

--- An object of which only some members must be there. Bodies refuse members that are not known.
---@param required string[]
function M.partial(properties, required, is_open)
    return { type = "object", properties = properties, required = required[1] and required or nil,
        additionalProperties = is_open == nil and false or is_open }
end

--- A page of a list of /v1.
function M.page(items)
    return M.object { items = M.list(items), next = M.or_null(M.text) }
end

return M
