-- SPDX-License-Identifier: MIT
-- What makes a case fail: a table { message, where ("file:line" of the test), code } that prints as its message. Where
-- it was raised is found on the stack: the innermost line that is a test's own.

local M = {}

local metatable = {
    __tostring = function(failure)
        return failure.message
    end,
}

local MAX_LEVELS = 60

local function is_own(source)
    return source:sub(1, 1) == "@" and not source:find("flowhost/", 1, true)
end

--- "file:line" of the innermost line outside of the host's own library, or nil.
function M.here()
    for level = 2, MAX_LEVELS do
        local info = debug.getinfo(level, "Sl")
        if not info then
            return nil
        elseif info.currentline > 0 and is_own(info.source) then
            return info.source:sub(2) .. ":" .. info.currentline
        end
    end
end

---@param code string?   when the host said no: its code
function M.new(message, code)
    return setmetatable({ message = message, where = M.here(), code = code }, metatable)
end

function M.raise(message, ...)
    error(M.new(select("#", ...) > 0 and message:format(...) or message), 0)
end

function M.is(value)
    return type(value) == "table" and getmetatable(value) == metatable
end

--- Any raised value as a failure; "file:12: text" is taken apart.
function M.from(raised)
    if M.is(raised) then
        return raised
    end
    local text = raised
    if type(raised) == "table" then
        text = rawget(raised, "message") and ("%s: %s"):format(tostring(raised.code), tostring(raised.message))
    end
    text = tostring(text or "an error that is a table without a message")
    local where, rest = text:match "^([^\n:]+%.lua:%d+): (.*)$"
    local failure = M.new(rest or text)
    failure.where = where or failure.where
    return failure
end

return M
