-- SPDX-License-Identifier: MIT
-- What the runtime does with single values: truth, equality, text.

local number_text = require "flowhost.expr.number_text"

local M = {}

local getmetatable, type = getmetatable, type
local floor, huge = math.floor, math.huge
local concat = table.concat

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
    ["\t"] = "\\t" }

local function escape(ch)
    return ESCAPES[ch] or ("\\u%04x"):format(ch:byte())
end

local function quote(text)
    return '"' .. text:gsub('[%c"\\]', function(ch)
        return ch ~= "\127" and escape(ch) or ch
    end) .. '"'
end

--- Adds to_boolean, is_truthy, equals, stringify and to_text.
function M.add(rt)
    local FUNCTION, OUTER = rt.FUNCTION, rt.OUTER
    local is_array, null, fail, keys = rt.is_array, rt.null, rt.fail, rt.keys
    local is_object, tick = rt.is_object, rt.tick

    --- The boolean that a value stands for; nil for undefined.
    local function to_boolean(value)
        local kind = type(value)
        if kind == "boolean" or value == nil then
            return value
        elseif kind == "string" then
            return value ~= ""
        elseif kind == "number" then
            if value == huge or value == -huge then
                fail("D1001", { value = value })
            end
            return value ~= 0 and value == value
        elseif kind == "cdata" then
            return value ~= 0
        elseif kind ~= "table" then
            return false
        elseif is_array(value) then
            for i = 1, #value do
                if to_boolean(value[i]) then
                    return true
                end
            end
            return false
        end
        return getmetatable(value) ~= FUNCTION and next(value) ~= nil
    end
    rt.to_boolean = to_boolean

    --- Whether JavaScript takes a value as true: what comparators return.
    function rt.is_truthy(value)
        return value ~= nil and value ~= false and value ~= null and value ~= 0 and value ~= "" and value == value
    end

    local equals

    local function equal_objects(a, b)
        local count = 0
        for key, value in next, a do
            count = count + 1
            if b[key] == nil or not equals(value, b[key]) then
                return false
            end
        end
        for _ in next, b do
            count = count - 1
        end
        return count == 0
    end

    function equals(a, b)
        if a == b then
            return true
        elseif type(a) ~= "table" or type(b) ~= "table" then
            return type(a) == type(b) and type(a) == "cdata" and a == b
        elseif is_array(a) ~= is_array(b) or getmetatable(a) == FUNCTION or getmetatable(b) == FUNCTION then
            return false
        elseif not is_array(a) then
            return equal_objects(a, b)
        end
        if #a ~= #b then
            return false
        end
        tick(#a)
        for i = 1, #a do
            if not equals(a[i], b[i]) then
                return false
            end
        end
        return true
    end
    rt.equals = equals

    local write

    local function write_array(value, out, indent, depth)
        local count = #value
        if count == 0 then
            out[#out + 1] = "[]"
            return
        end
        local inner = indent and "\n" .. (" "):rep(indent * (depth + 1)) or ""
        tick(count)
        for i = 1, count do
            out[#out + 1] = (i == 1 and "[" or ",") .. inner
            write(value[i], out, indent, depth + 1)
        end
        out[#out + 1] = (indent and "\n" .. (" "):rep(indent * depth) or "") .. "]"
    end

    local function write_object(value, out, indent, depth)
        local list = keys(value)
        if #list == 0 then
            out[#out + 1] = "{}"
            return
        end
        local inner = indent and "\n" .. (" "):rep(indent * (depth + 1)) or ""
        for i = 1, #list do
            out[#out + 1] = (i == 1 and "{" or ",") .. inner .. quote(list[i]) .. (indent and ": " or ":")
            write(value[list[i]], out, indent, depth + 1)
        end
        out[#out + 1] = (indent and "\n" .. (" "):rep(indent * depth) or "") .. "}"
    end

    function write(value, out, indent, depth)
        local kind = type(value)
        if kind == "string" then
            out[#out + 1] = quote(value)
        elseif kind == "number" or kind == "cdata" then
            if value ~= value then
                out[#out + 1] = "null"
            else
                if value == huge or value == -huge then
                    fail("D1001", { value = value })
                end
                out[#out + 1] = number_text.short(value)
            end
        elseif kind == "boolean" then
            out[#out + 1] = value and "true" or "false"
        elseif kind ~= "table" then
            out[#out + 1] = "null"
        elseif is_array(value) then
            write_array(value, out, indent, depth)
        elseif is_object(value) then
            write_object(value, out, indent, depth)
        else
            out[#out + 1] = '""'
        end
    end

    --- JSON text of a value as $string writes it: numbers of 15 digits, functions as "".
    function rt.stringify(value, indent)
        local out = {}
        write(value, out, indent, 0)
        return concat(out)
    end

    --- The text of a value in a concatenation.
    function rt.to_text(value, indent)
        local kind = type(value)
        if kind == "string" then
            return value
        elseif kind == "number" then
            if value == floor(value) and value > -1e14 and value < 1e14 then
                return value == 0 and "0" or value .. ""
            elseif value == huge or value == -huge or value ~= value then
                fail("D3001", { value = value })
            end
            return number_text.short(value)
        elseif kind == "table" then
            local mt = getmetatable(value)
            if mt == FUNCTION then
                return ""
            elseif mt == OUTER then
                return rt.to_text(value[1], indent)
            end
        elseif value == nil then
            return nil
        elseif kind == "function" then
            return ""
        end
        return rt.stringify(value, indent)
    end
end

return M
