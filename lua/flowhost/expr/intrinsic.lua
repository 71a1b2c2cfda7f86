-- SPDX-License-Identifier: MIT
-- Intrinsic functions of Amazon States Language, compiled to closures. Pure; random numbers, UUIDs, hashes and base64
-- come in by the options and the scope.
--
-- A failure is raised as { error = "States.Runtime", cause, function_text, path? }; the cause reads "The function
-- 'States.X(...)' had the following error: ..." with the whole text of the outermost call, and whoever knows the state
-- puts its sentence before it. AWS answers so to all of them, a wrong number of arguments included, whatever the
-- specification says of States.IntrinsicFailure.

local parse = require "flowhost.expr.intrinsic_parse"
local functions = require "flowhost.expr.intrinsic_functions"
local jsonpath = require "flowhost.expr.jsonpath"

local M = {}

local MESSAGE = "must be a valid JSONPath or a valid intrinsic function call"

local function fail(text, what, path)
    error({ error = "States.Runtime", function_text = text, path = path,
        cause = ("The function '%s' had the following error: %s"):format(text, what) }, 0)
end

-- arguments ------------------------------------------------------------------------------------------

local compile_call

local ARGUMENTS = {}

function ARGUMENTS.call(node, c, depth)
    return compile_call(node, c, depth + 1)
end

--- What AWS says of a path that leads nowhere; it names the state's input whatever the path's root is.
local function describe_miss(path, root, scope, o)
    local reason = root ~= nil and path.why(root) or ""
    if reason:find("Filter: ", 1, true) == 1 then
        return reason
    end
    return ("The JsonPath argument for the field '%s' could not be found in the input '%s'"):format(path.shown,
        (o.encode(scope.input == nil and o.null or scope.input)))
end

function ARGUMENTS.path(node, c)
    local path, message = c.paths.compile(node.text)
    if not path then
        error({ intrinsic = message }, 0)
    end
    local get, root_value = path.get, jsonpath.root_value
    return function(scope)
        local root = root_value(path, scope)
        local value, is_found = nil, false
        if root ~= nil then
            value, is_found = get(root)
        end
        if not is_found then
            fail(c.text, describe_miss(path, root, scope, c.o), node.text)
        end
        return value
    end
end

local function constant(value)
    return function()
        return value
    end
end

function ARGUMENTS.text(node, c, _, is_template)
    return constant(is_template and node.raw or parse.unescape(node.raw)), c
end

function ARGUMENTS.value(node, c)
    local value = node.value
    if value == parse.NULL then
        value = c.o.null
    end
    return constant(value)
end

-- calls ----------------------------------------------------------------------------------------------

--- Whether a function takes so many arguments; AWS finds out when it runs.
local function takes(entry, count)
    return count >= entry.least and count <= entry.most
end

function compile_call(node, c, depth)
    local entry = functions.FUNCTIONS[node.name:sub(8)]
    if not entry then
        error({ intrinsic = "the intrinsic function " .. node.name .. " is not known" }, 0)
    elseif depth > parse.MAX_DEPTH then
        error({ intrinsic = ("intrinsic functions are nested more than %d deep"):format(parse.MAX_DEPTH) }, 0)
    end
    local count, makers = #node.arguments, {}
    for i, argument in ipairs(node.arguments) do
        makers[i] = ARGUMENTS[argument.kind](argument, c, depth, entry.is_template and i == 1)
    end
    local run, env = entry.run, { o = c.o, name = node.name, fail = function(what)
        fail(c.text, what)
    end }
    if not takes(entry, count) then
        run = functions.refuse
    end
    return function(scope)
        local arguments = {}
        for i = 1, count do
            arguments[i] = makers[i](scope)
        end
        return run(arguments, env, scope)
    end
end

---@class flowhost.Intrinsic
---@field text string
---@field evaluate fun(scope: flowhost.AslScope): any raises { error = "States.Runtime", cause, function_text, path? }

---@class flowhost.AslScope
---@field input any what `$` stands for
---@field context? any what `$$` stands for
---@field variables? table<string, any>
---@field random? fun(): number from 0 to below 1, for States.MathRandom without a seed
---@field uuid? fun(): string for States.UUID

local function compile(text, o, paths)
    local tree, message = parse.parse(text)
    if not tree then
        return nil, message
    end
    local ok, evaluate = pcall(compile_call, tree, { o = o, paths = paths, text = text }, 1)
    if ok then
        return { text = text, evaluate = evaluate }
    elseif type(evaluate) == "table" and evaluate.intrinsic then
        return nil, evaluate.intrinsic
    end
    error(evaluate, 0)
end

--- Whether a text begins as an intrinsic function call does.
function M.is_call(text)
    return text:find "^States%.%a" ~= nil
end

--- What AWS says of a field whose text is neither a path nor a call.
function M.invalid_text(field)
    return ("The value for the field '%s' %s"):format(field, MESSAGE)
end

local function is_known(node, depth)
    if not functions.FUNCTIONS[node.name:sub(8)] or depth > parse.MAX_DEPTH then
        return false
    end
    for _, inner in ipairs(node.arguments) do
        if inner.kind == "call" and not is_known(inner, depth + 1) then
            return false
        end
    end
    return true
end

--- Whether a text is a call, cheaply: true, or nil and what is wrong.
function M.check(text)
    local tree, message = parse.parse(text)
    if tree and not is_known(tree, 1) then
        return nil, "an intrinsic function is not known or nested too deep: " .. text
    end
    return tree and true or nil, message
end

---@class flowhost.IntrinsicOptions : flowhost.JsonPathOptions
---@field decode fun(text: string): any, string? for States.StringToJson
---@field hash fun(algorithm: "md5"|"sha1"|"sha256"|"sha384"|"sha512", text: string): string lower-case hex
---@field base64_encode? fun(text: string): string
---@field base64_decode? fun(text: string): string? nil for what is no base64

---@param o flowhost.IntrinsicOptions
---@param paths? table a compiler of jsonpath.new to share
---@return { compile: fun(text: string): flowhost.Intrinsic?, string? }
function M.new(o, paths)
    paths = paths or jsonpath.new(o)
    return { check = M.check, compile = function(text)
        return compile(text, o, paths)
    end }
end

return M
