-- SPDX-License-Identifier: MIT
-- Definitions as the API takes them: checked by dialect/asl/validate.lua.

local core = require "flowhost.core"
local validate = require "flowhost.dialect.asl.validate"
local variables = require "flowhost.dialect.asl.variables"

local json = core.json

local M = {}

local validator = validate.new { null = json.null, array = json.array, is_array = json.is_array, encode = json.encode,
    decode = json.decode }

--- What is wrong with a definition's text.
---@param type "STANDARD"|"EXPRESS"
function M.problems(text, type)
    return (validator.check_text(text, { type = type }))
end

--- The message of InvalidDefinition; nil when the text can be used.
function M.find_problem(text, type)
    return validate.first_text(M.problems(text, type))
end

--- The answer of ValidateStateMachineDefinition.
---@param o { type: string, severity: string?, most: integer? }
function M.diagnose(text, o)
    return validate.diagnose(M.problems(text, o.type), { severity = o.severity, most = o.most, array = json.array })
end

--- The variables that the states of a definition refer to; nil when there are none.
function M.variables(text)
    local definition = json.decode(text)
    local ok, found = pcall(variables.references, definition, { array = json.array })
    return ok and next(found) and found or nil
end

return M
