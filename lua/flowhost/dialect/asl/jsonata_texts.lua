-- SPDX-License-Identifier: MIT
-- What AWS says of errors in JSONata, by code; the other codes keep the words of expr/jsonata. {name} is a field of the
-- error, as JSON. Pure. Source: what was measured on AWS and told in public (github.com/floci-io/floci issues 2668,
-- 2737, 2745): it answers in the terms of the reference implementation.

local M = {}

local TEXTS = {
    S0101 = "String literal must be terminated by a matching quote", S0202 = "Expected {value}, got {token}",
    S0207 = "Unexpected end of expression", S0211 = "The symbol {token} cannot be used as a unary operator",
    S0302 = "No terminating / in regular expression",
    T0410 = "Argument {index} of function {token} does not match function signature",
    T0412 = "Argument {index} of function {token} must be an array of {type}",
    D1001 = "Number out of range: {value}", D1002 = "Cannot negate a non-numeric value: {value}",
    T1003 = "Key in object structure must evaluate to a string; got: {value}",
    T1006 = "Attempted to invoke a non-function",
    T2001 = "The left side of the {token} operator must evaluate to a number",
    T2002 = "The right side of the {token} operator must evaluate to a number",
    T2009 = "The values {value} and {value2} either side of operator {token} must be of the same data type",
    T2010 = "The expressions either side of operator {token} must evaluate to numeric or string values",
    D3030 = "Unable to cast value to a number: {value}",
}

--- The text of an error; nil where it keeps its own.
---@param err table  of expr/jsonata
---@param o table  JSON: encode
function M.find(err, o)
    local text = TEXTS[err.code]
    return text and (text:gsub("{(%w+)}", function(name)
        return err[name] ~= nil and (o.encode(err[name])) or "null"
    end))
end

return M
