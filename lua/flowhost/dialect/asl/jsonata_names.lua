-- SPDX-License-Identifier: MIT
-- What a JSONata expression reads: variables, fields of $states, and what it would take from a context that a state
-- does not give it. Walks the tree of flowhost.expr.jsonata.tree. Pure.

local parser = require "flowhost.expr.jsonata.parser"
local tree_module = require "flowhost.expr.jsonata.tree"

local M = {}

--- Functions that are there without being assigned.
local FUNCTIONS = {}
for name in ([[
    sum count max min average string substring substringBefore substringAfter lowercase uppercase length trim pad match
    contains replace split join formatNumber formatBase formatInteger parseInteger number floor ceil round abs sqrt
    power random boolean not map zip filter single reduce foldLeft sift keys lookup append exists spread merge reverse
    each error assert type sort shuffle distinct base64encode base64decode encodeUrlComponent encodeUrl
    decodeUrlComponent decodeUrl eval toMillis fromMillis now millis clone partition range hash uuid parse
]]):gmatch "%S+" do
    FUNCTIONS[name] = true
end

local visit

local function visit_all(list, has_context, found)
    for _, node in ipairs(list or {}) do
        visit(node, has_context, found)
    end
end

local function visit_pairs(list, has_context, found)
    for _, pair in ipairs(list or {}) do
        visit_all(pair, has_context, found)
    end
end

--- Filters and groupings see the values that they filter and group.
local function visit_extras(node, found)
    for _, list in ipairs { node.predicate or {}, node.stages or {} } do
        for _, stage in ipairs(list) do
            if stage.expr then
                visit(stage.expr, true, found)
            end
        end
    end
    if node.group then
        visit_pairs(node.group.pairs, true, found)
    end
end

local function add_top_level(name, has_context, found)
    if not has_context and not found.top_level[name] then
        found.top_level[name] = true
        table.insert(found.top_level, name)
    end
end

local nodes = {}

function nodes.path(node, has_context, found)
    local first, second = node.steps[1], node.steps[2]
    if first.type == "variable" and first.value == "states" and second and second.type == "name" then
        found.states[second.value] = true
    end
    for i, step in ipairs(node.steps) do
        visit(step, has_context or i > 1, found)
    end
end

function nodes.name(node, has_context, found)
    add_top_level(node.value, has_context, found)
end

function nodes.wildcard(_, has_context, found)
    add_top_level("*", has_context, found)
end

function nodes.descendant(_, has_context, found)
    add_top_level("**", has_context, found)
end

function nodes.variable(node, has_context, found)
    if node.value == "" then
        add_top_level("$", has_context, found)
    elseif node.value == "$" then
        add_top_level("$$", false, found)
    elseif not found.bound[node.value] and node.value ~= "states" and not FUNCTIONS[node.value] then
        found.variables[node.value] = true
    end
end

nodes["function"] = function(node, has_context, found)
    visit(node.procedure, has_context, found)
    visit_all(node.arguments, has_context, found)
end
nodes.partial = nodes["function"]

--- Nodes whose parts see what they see.
local function plain(...)
    local names = { ... }
    return function(node, has_context, found)
        for _, name in ipairs(names) do
            if node[name] then
                visit(node[name], has_context, found)
            end
        end
    end
end

nodes.binary, nodes.apply, nodes.default = plain("lhs", "rhs"), plain("lhs", "rhs"), plain("lhs", "rhs")
nodes.bind, nodes.lambda, nodes.condition = plain "rhs", plain "body", plain("condition", "yes", "no")

function nodes.unary(node, has_context, found)
    visit_all(node.expressions, has_context, found)
    visit_pairs(node.pairs, has_context, found)
    if node.expression then
        visit(node.expression, has_context, found)
    end
end

function nodes.block(node, has_context, found)
    visit_all(node.expressions, has_context, found)
end

function nodes.transform(node, _, found)
    plain("pattern", "update", "delete")(node, true, found)
end

function nodes.sort(node, _, found)
    for _, term in ipairs(node.terms) do
        visit(term.expression, true, found)
    end
end

function visit(node, has_context, found)
    local visit_node = nodes[node.type]
    if visit_node then
        visit_node(node, has_context, found)
    end
    visit_extras(node, found)
end

---@class flowhost.JsonataNames
---@field variables table<string, boolean> names of variables that others have assigned, without `states`
---@field states table<string, boolean> fields of $states
---@field top_level string[] what is read from the context that is not there: names, "$", "$$", "*"

--- What an expression reads; nil, { code, position } where its text is wrong.
---@param text string
---@param null any
---@return flowhost.JsonataNames?, table?
function M.find(text, null)
    local ok, tree, bound = pcall(function()
        return tree_module.process(parser.parse(text, null))
    end)
    if not ok then
        return nil, type(tree) == "table" and tree or error(tree, 0)
    end
    local found = { variables = {}, states = {}, top_level = {}, bound = bound }
    visit(tree, false, found)
    return found
end

return M
