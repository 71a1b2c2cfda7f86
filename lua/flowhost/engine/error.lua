-- SPDX-License-Identifier: MIT
-- The error object: what ctx verbs raise, what a failed step records, what a run ends with.
-- A table { code, message, retryable, cause, step, status, data, stack, halt } that prints as "CODE: message".

local json = require("flowhost.core").json

local M = {}

local FIELDS = { "code", "message", "retryable", "cause", "step", "status", "data", "stack", "halt" }

local metatable = {
    __tostring = function(err)
        return tostring(err.code) .. ": " .. tostring(err.message)
    end,
    __metatable = false,
}

---@class flowhost.Error
---@field code string          stable name, e.g. "TIMEOUT"
---@field message string       a sentence for a person
---@field retryable boolean?   trying again may help
---@field step string?         path of the step that raised it
---@field status integer?      HTTP status, when an answer was the reason
---@field data any?            what came with it, e.g. the body of that answer
---@field stack string[]?      the flow's own lines, innermost first
---@field cause string?
---@field halt string?         "suspend", "break" or "fail": no pcall of a flow catches it

---@return flowhost.Error
function M.new(code, message, fields)
    local err = { code = code, message = message }
    if fields then
        for name, value in pairs(fields) do
            err[name] = value
        end
    end
    return setmetatable(err, metatable)
end

function M.raise(code, message, fields)
    error(M.new(code, message, fields), 0)
end

function M.is(value)
    return type(value) == "table" and debug.getmetatable(value) == metatable
end

--- Plain data of the known fields, for JSON. Never more: a flow may have hung anything onto it.
function M.to_plain(err)
    local plain = {}
    for _, field in ipairs(FIELDS) do
        plain[field] = err[field]
    end
    return plain
end

function M.from_plain(plain)
    local err = {}
    for _, field in ipairs(FIELDS) do
        err[field] = plain[field]
    end
    return setmetatable(err, metatable)
end

local TYPES = { code = "string", message = "string", step = "string", redo = "table", halt = "string" }

local function only_texts(list)
    local texts = {}
    for _, value in ipairs(list) do
        texts[#texts + 1] = type(value) == "string" and value or nil
    end
    return texts
end

--- A flow may write anything into an error: what the host relies on is put right, what JSON cannot hold is left out.
local function clean(err)
    for field, expected in pairs(TYPES) do
        if type(err[field]) ~= expected then
            err[field] = nil
        end
    end
    for _, field in ipairs(FIELDS) do
        if not json.encode(err[field]) then
            err[field] = nil
        end
    end
    err.redo = err.redo and only_texts(err.redo)
    err.code, err.message = err.code or "LUA_ERROR", err.message or "error without a message"
    return err
end

--- Any raised value as an error object. A flow's own table { code =, message = } keeps both.
---@param stack string[]?
function M.from_raised(value, stack)
    if M.is(value) then
        value.stack = value.stack or stack
        return clean(value)
    end
    -- raw: this runs outside of the flow's limits, a metamethod would do so as well
    if type(value) == "table" and type(rawget(value, "message")) == "string" then
        return clean(M.new(rawget(value, "code"), value.message, { stack = stack, data = rawget(value, "data") }))
    end
    if value == "not enough memory" then
        return M.new("MEMORY_LIMIT", "the flow needed more memory than it may have", { stack = stack })
    end
    local message = type(value) == "string" and value or "error value is a " .. type(value)
    return M.new("LUA_ERROR", message, { stack = stack })
end

return M
