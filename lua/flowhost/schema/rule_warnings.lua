-- SPDX-License-Identifier: MIT
-- What runs in a rule document, yet hardly does what its author meant: keys that nobody reads, references that are
-- always null. Pure.

local condition = require "flowhost.expr.condition"
local path = require "flowhost.expr.path"
local rule_fields = require "flowhost.schema.rule_fields"
local template = require "flowhost.expr.template"

local M = {}

local is_given = rule_fields.is_given

local function add(warnings, pointer, message)
    warnings[#warnings + 1] = { pointer = pointer, message = message }
end

local function escape(name)
    return (tostring(name):gsub("~", "~0"):gsub("/", "~1"))
end

--- Keys that no field has, and fields of another type of component.
local function find_unknown(warnings, pointer, document, list, kind)
    local known = {}
    for _, field in ipairs(list) do
        for _, name in ipairs { field[1], unpack(field.aliases or {}) } do
            known[name] = rule_fields.applies(field, kind) and "ours" or "other"
        end
    end
    local names = {}
    for name in pairs(document) do
        names[#names + 1] = tostring(name)
    end
    table.sort(names)
    for _, name in ipairs(names) do
        if not known[name] then
            add(warnings, pointer .. "/" .. escape(name), "is not known and ignored")
        elseif known[name] == "other" and is_given(document[name]) then
            add(warnings, pointer .. "/" .. name, ("is not used by components of type %s"):format(kind))
        end
    end
end

-- references -------------------------------------------------------------------------------------------

local ALWAYS = { request = 0, response = 0, global_store = 0, env = 0 }

--- name -> number of the first layer that sets it.
local function find_outputs(components)
    local outputs = {}
    for number, layer in ipairs(components) do
        for _, component in ipairs(layer) do
            local name = is_given(component.outputName) and path.root_of(component.outputName)
            if name and name ~= "" and not outputs[name] then
                outputs[name] = number
            end
        end
    end
    return outputs
end

--- What references of a rule's components may begin with: values of the host, and every outputName.
---@return table<string, any>
function M.roots(rule)
    local roots = find_outputs(is_given(rule.components) and rule.components or {})
    for name in pairs(ALWAYS) do
        roots[name] = true
    end
    return roots
end

local function check_paths(warnings, pointer, paths, outputs, layer)
    for _, reference in ipairs(paths) do
        local root = path.root_of(reference)
        local set_in = ALWAYS[root] or outputs[root]
        if not set_in then
            add(warnings, pointer, ("{%s} is always null: no outputName is '%s'"):format(reference, root))
        elseif layer and set_in >= layer then
            add(warnings, pointer, ("{%s} is always null here: '%s' is set by layer %d, this is layer %d"):format(
                reference, root, set_in, layer))
        end
    end
end

--- Templates whose root is the run; those of outputData, responseCondition, errorMsg begin at the component's result.
local TEMPLATES = { "url", "input", "header", "auth" }

local function check_references(warnings, pointer, component, outputs, layer)
    for _, name in ipairs(TEMPLATES) do
        if is_given(component[name]) then
            check_paths(warnings, pointer .. "/" .. name, template.paths(component[name]), outputs, layer)
        end
    end
    if is_given(component.condition) then
        check_paths(warnings, pointer .. "/condition", condition.paths(component.condition), outputs, layer)
    end
end

-- components -------------------------------------------------------------------------------------------

local function check_output_name(warnings, pointer, component, seen)
    local name = is_given(component.outputName) and component.outputName or ""
    if ALWAYS[path.root_of(name)] then
        add(warnings, pointer .. "/outputName", ("'%s' takes the place of a value of the host"):format(name))
    elseif name:find "[^A-Za-z0-9_.]" then
        add(warnings, pointer .. "/outputName", ("no reference can name '%s': use letters, digits, _"):format(name))
    elseif name ~= "" and seen[name] then
        add(warnings, pointer .. "/outputName",
            ("'%s' is set by another component of the layer too; which one comes last is left to chance"):format(name))
    end
    seen[name] = true
end

local function check_component(warnings, pointer, component, outputs, layer)
    find_unknown(warnings, pointer, component, rule_fields.COMPONENT, component.type)
    check_references(warnings, pointer, component, outputs, layer)
    local timeout = is_given(component.timeout) and component.timeout
    if timeout and (timeout <= 0 or timeout > 60) then
        add(warnings, pointer .. "/timeout", "counts as 60 seconds: use 1 to 60")
    end
end

local function check_components(warnings, components, outputs)
    for number, layer in ipairs(components) do
        local seen = {}
        for column, component in ipairs(layer) do
            local pointer = ("/components/%d/%d"):format(number - 1, column - 1)
            check_component(warnings, pointer, component, outputs, number)
            check_output_name(warnings, pointer, component, seen)
        end
    end
end

local REQUEST = { { "type" }, { "query" }, { "header" }, { "body" } }

local function check_request(warnings, request)
    find_unknown(warnings, "/request", request, REQUEST)
    local kind = is_given(request.type) and request.type
    if kind ~= "json" and kind ~= "xml" and is_given(request.body) then
        add(warnings, "/request/type", "is neither json nor xml, so the body is not read")
    end
end

local RESPONSE_TYPES = { json = true, xml = true, text = true, [""] = true }

local function check_response(warnings, response, outputs)
    find_unknown(warnings, "/response", response, rule_fields.RESPONSE)
    if is_given(response.type) and not RESPONSE_TYPES[response.type] then
        add(warnings, "/response/type", ("'%s' counts as json: use json, xml or text"):format(response.type))
    end
    for _, name in ipairs { "body", "header" } do
        if is_given(response[name]) then
            check_paths(warnings, "/response/" .. name, template.paths(response[name]), outputs)
        end
    end
end

--- The list of { pointer, message } for a document without faults.
function M.find(rule)
    local warnings = {}
    local components = is_given(rule.components) and rule.components or {}
    local outputs = find_outputs(components)
    find_unknown(warnings, "", rule, rule_fields.RULE)
    if is_given(rule.request) then
        check_request(warnings, rule.request)
    end
    check_components(warnings, components, outputs)
    if is_given(rule.response) then
        check_response(warnings, rule.response, outputs)
    end
    return warnings
end

return M
