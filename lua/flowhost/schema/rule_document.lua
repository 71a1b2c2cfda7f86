-- SPDX-License-Identifier: MIT
-- What is wrong with a decoded ps-go rule document (docs/reference/rules.md). Pure.
--
-- Everything is looked at, so that whoever saves a rule sees all faults at once. Unknown keys are no faults: ps-go
-- ignores them; rule_warnings.lua tells them.

local condition = require "flowhost.expr.condition"
local field_rules = require "flowhost.schema.field_rules"
local rule_fields = require "flowhost.schema.rule_fields"
local rule_normalize = require "flowhost.schema.rule_normalize"
local rule_warnings = require "flowhost.schema.rule_warnings"

local M = {}

local is_given, is_array, is_object = rule_fields.is_given, rule_fields.is_array, rule_fields.is_object

---@class flowhost.RuleProblem
---@field pointer string JSON pointer (RFC 6901) of the faulty value in the document
---@field message string
---@field position? integer byte in a condition, from 1

local function escape(name)
    return (tostring(name):gsub("~", "~0"):gsub("/", "~1"))
end

local function add(problems, pointer, message, position)
    problems[#problems + 1] = { pointer = pointer, message = message, position = position }
end

--- Checks one field; a value twice under two spellings must be the same.
local function check_field(problems, pointer, document, field)
    local value, spelling = rule_fields.value_of(document, field)
    if value == nil then
        if field.is_required then
            add(problems, pointer .. "/" .. field[1], "is required")
        end
        return
    end
    local message, position = field[2](value)
    if message then
        add(problems, pointer .. "/" .. spelling, message, position)
    end
    for _, alias in ipairs(field.aliases or {}) do
        if is_given(document[alias]) and document[alias] ~= value then
            add(problems, pointer .. "/" .. alias, ("says other than %s, which it is another spelling of"):format(
                spelling))
        end
    end
end

local function check_fields(problems, pointer, document, list, kind)
    for _, field in ipairs(list) do
        if rule_fields.applies(field, kind) then
            check_field(problems, pointer, document, field)
        end
    end
end

local function check_component(problems, pointer, component)
    if not is_object(component) then
        return add(problems, pointer, "must be an object")
    end
    check_fields(problems, pointer, component, rule_fields.COMPONENT, component.type)
end

--- Names are unique inside a layer: err_component of a suspended run names its components by them.
local function check_names(problems, pointer, layer)
    local seen = {}
    for i, component in ipairs(layer) do
        local name = is_object(component) and component.name
        if type(name) == "string" and seen[name] then
            add(problems, ("%s/%d/name"):format(pointer, i - 1),
                ("'%s' is the name of another component of the layer"):format(name))
        elseif type(name) == "string" then
            seen[name] = true
        end
    end
end

local function check_layer(problems, pointer, layer)
    if not is_array(layer) then
        return add(problems, pointer, "must be an array of components, which run at the same time")
    end
    for i, component in ipairs(layer) do
        check_component(problems, ("%s/%d"):format(pointer, i - 1), component)
    end
    check_names(problems, pointer, layer)
end

local function check_components(problems, components)
    if not is_given(components) then
        return
    elseif not is_array(components) then
        return add(problems, "/components", "must be an array of layers")
    end
    for i, layer in ipairs(components) do
        check_layer(problems, "/components/" .. (i - 1), layer)
    end
end

local function check_request(problems, request, o)
    if not is_object(request) then
        return
    elseif is_given(request.type) and type(request.type) ~= "string" then
        add(problems, "/request/type", "must be a string")
    end
    local how = { is_wide = true, encode = o.encode, decode = o.decode }
    for _, problem in ipairs(field_rules.find_problems(rule_normalize.clean_request(request), how)) do
        local pointer = "/request"
        for _, name in ipairs(problem.names) do
            pointer = pointer .. "/" .. escape(name)
        end
        add(problems, pointer, problem.message)
    end
end

--- Conditions of a rule without faults that refer to nothing: neither to a value of the host nor to an outputName.
---@return flowhost.RuleProblem[]
function M.find_lost_conditions(rule)
    local problems, roots = {}, rule_warnings.roots(rule)
    for number, layer in ipairs(is_given(rule.components) and rule.components or {}) do
        for column, component in ipairs(layer) do
            local text = is_given(component.condition) and component.condition or nil
            local _, err = condition.compile(text, { roots = roots })
            if err then
                add(problems, ("/components/%d/%d/condition"):format(number - 1, column - 1), err.message, err.position)
            end
        end
    end
    return problems
end

--- All faults of a decoded rule document; an empty list when it can run. The second list: what is no fault, yet hardly
--- meant.
---@param rule any
---@param o? { encode?: fun(value: any): string?, decode?: fun(text: string): any } JSON, for defaults given as text
---@return flowhost.RuleProblem[] problems
---@return flowhost.RuleProblem[] warnings
function M.find_problems(rule, o)
    local problems = {}
    if not is_object(rule) then
        return { { pointer = "", message = "must be a JSON object" } }, {}
    end
    check_fields(problems, "", rule, rule_fields.RULE)
    check_request(problems, rule.request, o or {})
    check_components(problems, rule.components)
    if is_object(rule.response) then
        check_fields(problems, "/response", rule.response, rule_fields.RESPONSE)
    end
    return problems, problems[1] and {} or rule_warnings.find(rule)
end

M.normalize = rule_normalize.normalize

return M
