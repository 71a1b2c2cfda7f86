-- SPDX-License-Identifier: MIT
-- Which variables the states of a definition refer to (`variableReferences` of DescribeStateMachine), and which they
-- give values to. Pure; for definitions that were found right.

local intrinsic_parse = require "flowhost.expr.intrinsic_parse"
local jsonata_names = require "flowhost.dialect.asl.jsonata_names"
local jsonpath_parse = require "flowhost.expr.jsonpath_parse"

local M = {}

--- Fields whose values are data with expressions in it; nothing else in them is looked at.
local TEMPLATES = {
    Parameters = true, Arguments = true, ResultSelector = true, ItemSelector = true, Assign = true, BatchInput = true,
    Output = true, Credentials = true, Items = true,
}

--- Fields that hold other states or plain data.
local SKIPPED = { ItemProcessor = true, Iterator = true, Branches = true, Result = true, Comment = true }

local function add_path(text, found)
    local path = jsonpath_parse.parse(text)
    if path and path.root ~= "$" and path.root ~= "$$" then
        found[path.root] = true
    end
end

local function add_call(node, found)
    for _, argument in ipairs(node.arguments) do
        if argument.kind == "path" then
            add_path(argument.text, found)
        elseif argument.kind == "call" then
            add_call(argument, found)
        end
    end
end

--- Adds the variables of a path or an intrinsic function.
local function add_text(text, found)
    if type(text) ~= "string" then
        return
    elseif text:sub(1, 1) == "$" then
        return add_path(text, found)
    end
    local call = text:find "^States%." and intrinsic_parse.parse(text)
    if call then
        add_call(call, found)
    end
end

local function walk_path_template(value, found)
    if type(value) ~= "table" then
        return
    end
    for name, inner in pairs(value) do
        if type(name) == "string" and name:sub(-2) == ".$" then
            add_text(inner, found)
        else
            walk_path_template(inner, found)
        end
    end
end

local function walk_paths(value, found)
    for name, inner in pairs(value) do
        if TEMPLATES[name] then
            walk_path_template(inner, found)
        elseif type(inner) == "table" and not SKIPPED[name] then
            walk_paths(inner, found)
        elseif type(name) == "string" and (name == "Variable" or name:find "Path$") then
            add_text(inner, found)
        end
    end
end

local function add_jsonata(value, found)
    local text = value:match "^{%%(.*)%%}$"
    local names = text and jsonata_names.find(text)
    for name in pairs(names and names.variables or {}) do
        found[name] = true
    end
end

local function walk_jsonata(value, found, is_data)
    for name, inner in pairs(value) do
        if type(inner) == "string" and (is_data or name ~= "Comment") then
            add_jsonata(inner, found)
        elseif type(inner) == "table" and (is_data or not SKIPPED[name]) then
            walk_jsonata(inner, found, is_data or TEMPLATES[name])
        end
    end
end

--- Calls visit(name, state, language) for each state, also those inside of others.
local function each_state(container, machine_language, visit)
    for name, state in pairs(container.States) do
        visit(name, state, state.QueryLanguage == "JSONata" and "JSONata" or machine_language)
        for _, inner in ipairs { state.ItemProcessor or false, state.Iterator or false } do
            if inner then
                each_state(inner, machine_language, visit)
            end
        end
        for _, branch in ipairs(state.Branches or {}) do
            each_state(branch, machine_language, visit)
        end
    end
end

local function sorted(set)
    local list = {}
    for name in pairs(set) do
        list[#list + 1] = name
    end
    table.sort(list)
    return list
end

--- The variables that each state refers to: { state name = sorted names }, without states that refer to none.
---@param definition table
---@param o { array: fun(list: table): table }
---@return table<string, string[]>
function M.references(definition, o)
    local all = {}
    local machine_language = definition.QueryLanguage == "JSONata" and "JSONata" or "JSONPath"
    each_state(definition, machine_language, function(name, state, language)
        local found = {}
        if language == "JSONata" then
            walk_jsonata(state, found, false)
        else
            walk_paths(state, found)
        end
        all[name] = next(found) and o.array(sorted(found)) or nil
    end)
    return all
end

return M
