-- SPDX-License-Identifier: MIT
-- Signatures of functions: <s-nn?:s>. Letters: s string, n number, b boolean, l null, a array, o object, f function,
-- j any JSON, x anything, (..) one of; - the context stands in for what is missing, ? optional, + one or more,
-- <..> type of an array's items (a function's signature is not looked at).

local M = {}

local sub = string.sub

local PLURALS = { a = "arrays", b = "booleans", f = "functions", n = "numbers", o = "objects", s = "strings" }
-- what a parameter takes; m = a value that is not there
local CLASSES = { a = "asnblfom", f = "f", j = "asnblom", x = "asnblfom" }

local function class_of(letters)
    local class = {}
    for letter in letters:gmatch "." do
        class[letter] = true
    end
    return class
end

--- The end of the bracket that is opened at `at`.
local function find_closing(text, at, open, close)
    local depth = 0
    for i = at, #text do
        local ch = sub(text, i, i)
        depth = depth + (ch == open and 1 or ch == close and -1 or 0)
        if depth == 0 then
            return i
        end
    end
    return #text + 1
end

local function new_parameter(list, kind, letters)
    list[#list + 1] = { type = kind, class = class_of(letters), is_array = kind == "a" }
end

--- What the letter at `at` adds to the list; the last place of it, or nil, code, value.
local function parse_letter(text, at, list)
    local letter, last = sub(text, at, at), list[#list] or {}
    if CLASSES[letter] then
        new_parameter(list, letter, CLASSES[letter])
    elseif letter:find "[snblo]" then
        new_parameter(list, letter, letter .. "m")
    elseif letter == "-" then
        last.is_context, last.is_optional = true, true
    elseif letter == "?" then
        last.is_optional = true
    elseif letter == "+" then
        last.is_many = true
    elseif letter == "(" then
        local stop = find_closing(text, at, "(", ")")
        local choice = sub(text, at + 1, stop - 1)
        if choice:find("<", 1, true) then
            return nil, "S0402", choice
        end
        new_parameter(list, "(" .. choice .. ")", choice .. "m")
        return stop
    elseif letter == "<" then
        if last.type ~= "a" and last.type ~= "f" then
            return nil, "S0401", last.type
        end
        local stop = find_closing(text, at, "<", ">")
        last.subtype = sub(text, at + 1, stop - 1)
        return stop
    end
    return at
end

---@param text string with its angle brackets
---@return table? signature
---@return string? code
---@return integer? offset of the mistake in the text
---@return any? value
function M.parse(text)
    local list, at = {}, 2
    while at < #text and sub(text, at, at) ~= ":" do
        local stop, code, value = parse_letter(text, at, list)
        if not stop then
            return nil, code, at - 1, value
        end
        at = stop + 1
    end
    return { definition = text, parameters = list }
end

--- How many of the letters from `at` on each parameter takes, the most first, as a regular expression would.
local function fit(parameters, index, letters, at, counts, is_partial)
    local parameter = parameters[index]
    if not parameter then
        return is_partial or at > #letters
    end
    local most = 0
    local limit = parameter.is_many and #letters or 1
    while most < limit and parameter.class[sub(letters, at + most, at + most)] do
        most = most + 1
    end
    for count = most, parameter.is_optional and 0 or 1, -1 do
        counts[index] = count
        if fit(parameters, index + 1, letters, at + count, counts, is_partial) then
            return true
        end
    end
    return false
end

--- Index of the first argument that does not fit.
local function find_bad(parameters, letters)
    local good = 0
    for last = 1, #parameters do
        local counts, part = {}, {}
        for i = 1, last do
            part[i] = parameters[i]
        end
        if not fit(part, 1, letters, 1, counts, true) then
            return good + 1
        end
        good = 0
        for i = 1, last do
            good = good + counts[i]
        end
    end
    return good + 1
end

--- Compiles a signature: fun(count, context, a, b, c, d, ...) -> the arguments as the function takes them.
---@param signature table of M.parse
---@param rt table the runtime: letter_of(value), fail(code, fields), new_array(list), is_array(value)
function M.compile(signature, rt)
    local parameters = signature.parameters
    local letter_of, fail = rt.letter_of, rt.fail

    local function check_items(parameter, value, index, letter)
        local subtype = parameter.subtype
        local is_good = letter == "a" or letter == subtype
        if letter == "a" and #value > 0 then
            local wanted = sub(subtype, 1, 1)
            for i = 1, #value do
                if letter_of(value[i]) ~= wanted then
                    is_good = false
                    break
                end
            end
        end
        if not is_good then
            fail("T0412", { value = value, index = index, type = PLURALS[subtype] or subtype })
        end
    end

    local function take(parameter, value, index)
        if not parameter.is_array or value == nil then
            return value
        end
        local letter = letter_of(value)
        if parameter.subtype then
            check_items(parameter, value, index, letter)
        end
        return letter == "a" and value or rt.new_array { value }
    end

    --- Any arguments, as the definition says.
    local function validate(count, context, ...)
        local arguments, letters = { ... }, {}
        for i = 1, count do
            letters[i] = letter_of(arguments[i])
        end
        letters = table.concat(letters)
        local counts = {}
        if not fit(parameters, 1, letters, 1, counts) then
            local bad = find_bad(parameters, letters)
            fail("T0410", { value = arguments[bad], index = bad })
        end
        local result, out, at = {}, 0, 1
        for i, parameter in ipairs(parameters) do
            if counts[i] == 0 and parameter.is_context then
                if not parameter.class[letter_of(context)] then
                    fail("T0411", { value = context, index = at })
                end
                out = out + 1
                result[out] = context
            else
                for _ = 1, math.max(counts[i], 1) do
                    out = out + 1
                    result[out] = counts[i] > 0 and take(parameter, arguments[at], at) or arguments[at]
                    at = at + 1
                end
            end
        end
        return unpack(result, 1, out)
    end

    local p1, p2, p3, p4 = unpack(parameters, 1, 4)
    local total, required = #parameters, 0
    for i, parameter in ipairs(parameters) do
        if not parameter.is_optional then
            required = i
        end
        if parameter.is_many or total > 4 then
            return validate
        end
    end

    --- Whether an argument needs nothing done.
    local function is_plain(parameter, value)
        local letter = letter_of(value)
        return parameter.class[letter] and (letter == "m" or not parameter.is_array
            or letter == "a" and not parameter.subtype)
    end

    return function(count, context, a, b, c, d, ...)
        if count < required or count < 1 or count > total then
            return validate(count, context, a, b, c, d, ...)
        elseif count == 1 and p1.is_array and p1.subtype and letter_of(a) == "a" then
            check_items(p1, a, 1, "a")
            return a
        elseif not is_plain(p1, a) or count > 1 and not is_plain(p2, b) or count > 2 and not is_plain(p3, c)
            or count > 3 and not is_plain(p4, d) then
            return validate(count, context, a, b, c, d, ...)
        end
        return a, b, c, d
    end
end

return M
