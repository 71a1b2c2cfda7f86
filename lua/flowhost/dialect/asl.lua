-- SPDX-License-Identifier: MIT
-- Amazon States Language (docs/reference/asl.md): a state machine is compiled once into a function over what machines
-- run on (ctx/machine_host.lua). Pure.
--
--   document: options { description, durable, on_error, timeout }, machine { text, type, comment }, main(host),
--             warnings { line, message } of what is hardly meant
--
-- A definition as a file of the flows folder may say "Type": "EXPRESS" at its top, as CreateStateMachine does beside
-- it: such runs leave nothing behind.

local canonical = require "flowhost.dialect.asl.canonical"
local choice = require "flowhost.dialect.asl.choice"
local execution = require "flowhost.dialect.asl.execution"
local jsonata = require "flowhost.expr.jsonata"
local line = require "flowhost.dialect.line"
local states = require "flowhost.dialect.asl.states"
local templates = require "flowhost.expr.asl_template"
local validate = require "flowhost.dialect.asl.validate"

local M = {}

local compilers = setmetatable({}, { __mode = "k" })

--- The expression languages over one JSON codec.
---@param o { json: table, digest: fun(algorithm: string, text: string): string }
function M.compilers(o)
    local own = compilers[o.json]
    if not own then
        local values = { null = o.json.null, array = o.json.array, is_array = o.json.is_array, encode = o.json.encode,
            decode = o.json.decode, hash = o.digest }
        local made = templates.new(values)
        own = { json = values, templates = made, paths = made.paths, choices = choice.new(values, made.paths),
            jsonata = jsonata.new(values), validator = validate.new(values) }
        compilers[o.json] = own
    end
    return own
end

local function refuse(message, at)
    return nil, { line = at or 1, message = message }
end

local function decode(text, json)
    local definition, reason = json.decode(text)
    if definition == nil then
        return refuse("the definition is not JSON: " .. reason, tonumber(reason:match "line (%d+)"))
    elseif type(definition) ~= "table" or json.is_array(definition) then
        return refuse "the definition must be a JSON object"
    end
    return definition
end

--- Whether any expression may ask for the context object.
local function needs_context(text)
    return text:find("$$", 1, true) ~= nil or text:find("context", 1, true) ~= nil or text:find("$states%s*[^.%w]")
        ~= nil
end

local function to_fault(text, pointer, message)
    return { pointer = pointer, message = message, line = line.of(text, pointer) }
end

local function sentence_of(fault)
    return fault.pointer ~= "" and ("%s: %s"):format(fault.pointer, fault.message) or fault.message
end

--- What is wrong with a definition, as problem of a document; nil when nothing is, and what is hardly meant.
local function find_problem(text, definition, kind, c)
    local faults, warnings = {}, {}
    for _, one in ipairs(c.validator.check(definition, { type = kind })) do
        local fault = to_fault(text, one.location or "", ("%s: %s"):format(one.code, one.message))
        if one.severity == "ERROR" then
            faults[#faults + 1] = fault
        else
            warnings[#warnings + 1] = { line = fault.line, message = sentence_of(fault) }
        end
    end
    local first = faults[1]
    return first and { line = first.line, faults = faults, message = sentence_of(first) }, warnings
end

--- "STANDARD" or "EXPRESS"; nil for what is neither.
local function take_type(definition)
    local kind = definition.Type
    definition.Type = nil
    if kind == nil then
        return "STANDARD"
    end
    return (kind == "STANDARD" or kind == "EXPRESS") and kind or nil
end

--- A document of a definition's text; nil, { line, message, faults } when it cannot be used.
---@param o { json: table, file: string, digest: fun(algorithm: string, text: string): string }
function M.compile(text, o)
    local definition, problem = decode(text, o.json)
    if not definition then
        return nil, problem
    end
    local kind = take_type(definition)
    if not kind then
        return refuse("/Type: must be STANDARD or EXPRESS", line.of(text, "/Type"))
    end
    local c = M.compilers(o)
    definition = canonical.convert(definition, c.json)
    local warnings
    problem, warnings = find_problem(text, definition, kind, c)
    if problem then
        return nil, problem
    end
    local ok, machine = pcall(states.compile, definition, c)
    if not ok then
        return refuse(type(machine) == "table" and machine.problem or tostring(machine))
    end
    machine.needs_context = needs_context(text)
    return {
        machine = { text = text, type = kind, comment = definition.Comment }, warnings = warnings,
        options = { description = type(definition.Comment) == "string" and definition.Comment or nil,
            durable = kind == "EXPRESS" and "never" or "always", on_error = "fail",
            timeout = definition.TimeoutSeconds },
        main = function(host)
            return execution.main(machine, host)
        end,
    }
end

return M
