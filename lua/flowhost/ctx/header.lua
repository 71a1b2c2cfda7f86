-- SPDX-License-Identifier: MIT
-- Headers that a flow gives: of a request it sends, of an answer it makes. Not a verb.

local error_object = require "flowhost.engine.error"

local M = {}

--- The value as text. Raises INVALID when name or value would not be one header.
---@param verb string  who says so, e.g. "ctx.request"
function M.check(verb, name, value)
    local text = type(value) ~= "table" and type(value) ~= "function" and tostring(value) or "\n"
    if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+.^_`|~-]+$" or text:find "[%z\r\n]" then
        error_object.raise("INVALID", ("%s: the header '%s' must be a name and one line of text"):format(verb,
            tostring(name):sub(1, 100)))
    end
    return text
end

return M
