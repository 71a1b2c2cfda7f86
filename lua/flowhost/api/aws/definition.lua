-- SPDX-License-Identifier: MIT
-- Definitions as the API takes them: checked with AWS's codes and texts.

local core = require "flowhost.core"
local json_text = require "flowhost.dialect.asl.json_text"
local jsonata_names = require "flowhost.dialect.asl.jsonata_names"
local validate = require "flowhost.dialect.asl.validate"
local variables = require "flowhost.dialect.asl.variables"

local json = core.json

local M = {}

local VALUES = { null = json.null, array = json.array, is_array = json.is_array, encode = json.encode,
    decode = json.decode }
local DEEP = { max_depth = 192 }

local validator

--- What is wrong with a definition's text: problems as dialect/asl/validate.lua gives them.
---@param type "STANDARD"|"EXPRESS"
function M.problems(text, type)
    local wrong = json_text.check(text)
    if wrong then
        return { wrong }
    end
    validator = validator or validate.new(VALUES)
    local definition, reason = json.decode(text, DEEP)
    if not definition then
        return { { code = "INVALID_JSON_DESCRIPTION", severity = "ERROR", message = reason } }
    end
    return validator.check(definition, { type = type })
end

--- The message of InvalidDefinition; nil when the text can be used.
function M.find_problem(text, type)
    local texts = {}
    for _, one in ipairs(M.problems(text, type)) do
        if one.severity == "ERROR" then
            texts[#texts + 1] = ("%s: %s%s"):format(one.code, one.message,
                one.location and one.code ~= "INVALID_JSON_DESCRIPTION" and " at " .. one.location or "")
        end
    end
    return texts[1] and ("Invalid State Machine Definition: '%s'"):format(table.concat(texts, ", ")) or nil
end

--- The variables that the states of a definition refer to; nil when there are none.
function M.variables(text)
    local definition = json.decode(text)
    local ok, found = pcall(variables.references, definition, { array = json.array,
        add_jsonata = jsonata_names.add })
    return ok and next(found) and found or nil
end

return M
