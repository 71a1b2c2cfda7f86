-- SPDX-License-Identifier: MIT
-- `tostring` and `string.format` of flows: as Lua's, but no text ever holds an address, which would
-- differ in a replay.

local memo = require("flowhost.flow.memo")

local M = {}

local debug_getmetatable = debug.getmetatable
local error, find, format, gmatch = error, string.find, string.format, string.gmatch
local rawget, select, tostring, type, unpack = rawget, select, tostring, type, unpack

local HIDDEN = { table = true, userdata = true, ["function"] = true, thread = true, cdata = true }

--- Text of a value that Lua would print with its address.
local function hidden_text(value, value_type, metatable)
    if value_type == "cdata" or value_type == "userdata" then
        local text = tostring(value)
        -- Numbers (1LL, 2i), C types and NULL carry no address.
        if not find(text, ": 0x", 1, true) then return text end
    end
    local name = metatable and rawget(metatable, "__name")
    return (type(name) == "string" and name or value_type) .. ": (hidden)"
end

--- `tostring`: "table: (hidden)" for what has neither `__tostring` nor another text of its own.
---@param ... any exactly one value
function M.tostring(...)
    local value = ...
    local value_type = type(value)
    if not HIDDEN[value_type] then return tostring(...) end
    local metatable = debug_getmetatable(value)
    local handler = metatable and value_type ~= "cdata" and rawget(metatable, "__tostring")
    -- Not a tail call: a handler that calls tostring again has to run out of stack.
    if handler then return (handler(value)) end
    return hidden_text(value, value_type, metatable)
end
local stable_tostring = M.tostring

-- What a format's arguments are used for: the positions of those for %s and %q, and whether it has a
-- %p.
local plan_of = memo.new(function(text)
    local plan, position = {}, 0
    for letter in gmatch(text, "%%[-+ #0]*%d*%.?%d*(.?)") do
        if letter ~= "%" then
            position = position + 1
            if letter == "p" then plan.has_address = true end
            if letter == "s" or letter == "q" then plan[#plan + 1] = position end
        end
    end
    return plan
end)

--- The arguments with those that Lua would print by address replaced by their stable text.
local function stable_arguments(plan, count, ...)
    local arguments = { ... }
    for i = 1, #plan do
        local position = plan[i]
        if HIDDEN[type(arguments[position])] then
            local text = stable_tostring(arguments[position])
            if type(text) ~= "string" then error("'tostring' must return a string to 'format'", 3) end
            arguments[position] = text
        end
    end
    return unpack(arguments, 1, count)
end

--- `string.format`: %s and %q go through `tostring` above, %p is refused.
function M.format(text, ...)
    if type(text) ~= "string" then return format(text, ...) end
    local plan = plan_of(text)
    if plan.has_address then
        error("format: %p would print an address, which differs between replays; leave it out", 2)
    end
    local count = select("#", ...)
    for i = 1, #plan do
        if HIDDEN[type((select(plan[i], ...)))] and plan[i] <= count then
            return format(text, stable_arguments(plan, count, ...))
        end
    end
    return format(text, ...)
end

return M
