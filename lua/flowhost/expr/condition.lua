-- SPDX-License-Identifier: MIT
-- Conditions of rules: `{user.age} >= 18 && {user.country} != 'XX'`. Expressions with the meaning that they have in
-- JavaScript; grammar in condition_parse.lua, operators in javascript.lua. Pure.
--
-- References give the values themselves, so nothing in them can become part of the expression. A missing value is null.
-- A condition must give true or false; anything else, however true it looks, is an error.

local compile_module = require "flowhost.expr.condition_compile"
local javascript = require "flowhost.expr.javascript"
local parse_module = require "flowhost.expr.condition_parse"
local path = require "flowhost.expr.path"

local M = {}

local CODE = "110004"

local function always()
    return true
end

--- Calls visit for each reference of a tree.
local function walk(node, visit)
    if node.kind == "reference" then
        visit(node)
    end
    for _, name in ipairs { "operand", "left", "right", "condition", "yes", "no" } do
        if node[name] then
            walk(node[name], visit)
        end
    end
    for _, inner in ipairs(node.list or {}) do
        walk(inner, visit)
    end
end

--- The first reference whose root is none of `roots`, as an error.
local function find_unknown_root(tree, roots, text)
    local found
    walk(tree, function(node)
        local root = path.root_of(node.path)
        if not roots[root] and (not found or node.at < found.position) then
            found = { position = node.at, message = ("{%s} refers to nothing: there is no '%s', at position %d of %s")
                :format(node.path, root, node.at, parse_module.quote(text)) }
        end
    end)
    return found
end

local function kind_of(value)
    if value == nil then
        return "null"
    elseif value == javascript.UNDEFINED then
        return "undefined"
    end
    local kind = type(value)
    return kind == "cdata" and "a number" or kind == "table" and "an array or object" or "a " .. kind
end

local function fail(text, value)
    error({ code = CODE, position = 1, message = ("the condition %s gives %s, it must give true or false"):format(
        parse_module.quote(text), kind_of(value)) }, 0)
end

---@class flowhost.ConditionError
---@field message string
---@field position integer byte in the text, from 1
---@field code? string "110004" when it is raised

--- Compiles a condition. A blank one (also nil) always holds.
---@param text string?
---@param o? { roots?: table<string, boolean> } names that references may begin with; any, unless given
---@return (fun(root: any): boolean)? # raises flowhost.ConditionError when the value is no boolean
---@return flowhost.ConditionError?
function M.compile(text, o)
    if text == nil or not text:find "%S" then
        return always
    end
    local tree, err = parse_module.parse(text)
    err = err or (o and o.roots and find_unknown_root(tree, o.roots, text))
    if err then
        return nil, err
    end
    local get = compile_module.compile(tree)
    return function(root)
        local value = get(root)
        if type(value) == "boolean" then
            return value
        end
        return fail(text, value)
    end
end

--- All paths that a condition refers to, sorted, each once; nil and the error when it cannot be read.
function M.paths(text)
    local list, seen = {}, {}
    if text == nil or not text:find "%S" then
        return list
    end
    local tree, err = parse_module.parse(text)
    if not tree then
        return nil, err
    end
    walk(tree, function(node)
        if not seen[node.path] then
            seen[node.path], list[#list + 1] = true, node.path
        end
    end)
    table.sort(list)
    return list
end

return M
