-- SPDX-License-Identifier: MIT
-- What is wrong with a text that should be JSON, in the words and with the place of the Java parser (Jackson) behind
-- AWS's answers. Only told, never decoded: a text that it takes may still be refused by the host's own decoder.
--
-- A scanner reads one value and keeps the open objects and arrays in a list, so depth costs no stack.

local M = {}

--- Levels of objects and arrays that the host's decoder goes down.
M.MAX_DEPTH = 128

local format = string.format
local SOURCE_CHARS = 500
local VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
local CONTINUATION = "[\128-\191]"

--- The number of Java chars in text: bytes beyond the Basic Multilingual Plane begin with F0 and count twice.
local function chars_in(text)
    local _, continuations = text:gsub(CONTINUATION, "")
    local _, pairs_of = text:gsub("[\240-\247]", "")
    return #text - continuations + pairs_of
end

--- Line and column of a byte position, both from 1.
local function line_and_column(text, at)
    local before = text:sub(1, at - 1):gsub("\r\n", "\n"):gsub("\r", "\n")
    local _, lines = before:gsub("\n", "")
    return lines + 1, chars_in(before:match "[^\n]*$") + 1
end

local function source_text(text)
    local total = chars_in(text)
    if total <= SOURCE_CHARS then
        return '"' .. text .. '"'
    end
    local stop, count = 1, 0
    while count < SOURCE_CHARS do
        local lead = text:byte(stop)
        count = count + (lead >= 240 and 2 or 1)
        stop = (text:find("[^\128-\191]", stop + 1) or #text + 1)
    end
    return format('"%s"[truncated %d chars]', text:sub(1, stop - 1), total - count)
end

local function place(scan, at)
    local line, column = line_and_column(scan.text, at)
    return format("[Source: (String)%s; line: %d, column: %d]", source_text(scan.text), line, column)
end

--- Raises a problem; the parser has read everything before byte `at`.
local function fail(scan, at, message, ...)
    local location = place(scan, at)
    error({ problem = { code = "INVALID_JSON_DESCRIPTION", severity = "ERROR", location = location,
        message = format("%s\n at %s", format(message, ...), location) } }, 0)
end

--- The char at a byte position: its code and its bytes.
local function char_at(text, at)
    local bytes = text:match("^[%z\1-\127\194-\244][\128-\191]*", at) or text:sub(at, at)
    local lead = bytes:byte(1)
    if lead < 128 then
        return lead, bytes
    end
    local code = lead >= 240 and lead % 8 or lead >= 224 and lead % 16 or lead % 32
    for i = 2, #bytes do
        code = code * 64 + bytes:byte(i) % 64
    end
    return code, bytes
end

local function describe(text, at)
    local code, bytes = char_at(text, at)
    if code < 32 then
        return format("(CTRL-CHAR, code %d)", code), #bytes
    elseif code > 255 then
        return format("'%s' (code %d / 0x%x)", bytes, code, code), #bytes
    end
    return format("'%s' (code %d)", bytes, code), #bytes
end

local function unexpected(scan, at, comment)
    local description, length = describe(scan.text, at)
    fail(scan, at + length, "Unexpected character (%s): %s", description, comment)
end

local function skip_space(text, at)
    return text:find("[^ \t\r\n]", at) or #text + 1
end

-- Open objects and arrays --------------------------------------------------------------------------

local function kind_of(open)
    return open.is_array and "Array" or "Object"
end

--- Raises that the text ends inside of an object or array.
local function fail_open(scan)
    local open = scan.stack[#scan.stack]
    fail(scan, #scan.text + 1, "Unexpected end-of-input: expected close marker for %s (start marker at %s)",
        kind_of(open), place(scan, open.at))
end

local function fail_marker(scan, at)
    local open, marker = scan.stack[#scan.stack], scan.text:sub(at, at)
    local start = open and place(scan, open.at) or format("[Source: (String)%s; line: 1, column: 0]",
        source_text(scan.text))
    fail(scan, at + 1, "Unexpected close marker '%s': expected '%s' (for %s starting at %s)", marker,
        marker == "]" and "}" or "]", open and kind_of(open) or "root", start)
end

-- Scalars ------------------------------------------------------------------------------------------

local UNQUOTED = "Illegal unquoted character (%s): has to be escaped using backslash to be included in %s"
local ESCAPES = '["\\/bfnrt]'

local function skip_escape(scan, at)
    local char = scan.text:sub(at + 1, at + 1)
    if char == "" then
        fail(scan, #scan.text + 1, "Unexpected end-of-input in character escape sequence")
    elseif char == "u" then
        for i = at + 2, at + 5 do
            if i > #scan.text then
                fail(scan, #scan.text + 1, "Unexpected end-of-input in character escape sequence")
            elseif not scan.text:find("^%x", i) then
                unexpected(scan, i, "expected a hex-digit for character escape sequence")
            end
        end
        return at + 6
    elseif not char:find(ESCAPES) then
        local description, length = describe(scan.text, at + 1)
        fail(scan, at + 1 + length, "Unrecognized character escape %s", description)
    end
    return at + 2
end

--- The position behind a string that begins at `at`; `what` is its name in messages.
local function skip_string(scan, at, what)
    local text, position = scan.text, at + 1
    while true do
        position = text:find('[%z\1-\31"\\]', position)
        local char = position and text:sub(position, position)
        if not position then
            fail(scan, #text + 1, what == "name" and "Unexpected end-of-input in field name"
                or "Unexpected end-of-input: was expecting closing quote for a string value")
        elseif char == '"' then
            return position + 1
        elseif char == "\\" then
            position = skip_escape(scan, position)
        else
            fail(scan, position + 1, UNQUOTED, (describe(text, position)), what)
        end
    end
end

local function skip_digits(scan, at, message)
    local _, stop = scan.text:find("^%d+", at)
    if not stop and at > #scan.text then
        fail(scan, #scan.text + 1, "Unexpected end-of-input within number")
    elseif not stop then
        local description, length = describe(scan.text, at)
        fail(scan, at + length, "Unexpected character (%s) in numeric value: %s", description, message)
    end
    return stop + 1
end

local function skip_number(scan, at)
    local text = scan.text
    if text:sub(at, at) == "-" then
        at = at + 1
        if not text:find("^%d", at) then
            skip_digits(scan, at, "expected digit (0-9) to follow minus sign, for valid numeric value")
        end
    end
    if text:find("^0%d", at) then
        fail(scan, at + 1, "Invalid numeric value: Leading zeroes not allowed")
    end
    at = skip_digits(scan, at, "")
    if text:sub(at, at) == "." then
        at = skip_digits(scan, at + 1, "Decimal point not followed by a digit")
    end
    local exponent = text:match("^[eE][+-]?()", at)
    return exponent and skip_digits(scan, exponent, "Exponent indicator not followed by a digit") or at
end

local IDENTIFIER = "^[%w_$\128-\255]+"

--- The position behind null, true or false at `at`; raises for any other word.
local function skip_word(scan, at)
    local text = scan.text
    for _, word in ipairs { "null", "true", "false" } do
        if text:sub(at, at + #word - 1) == word and not text:find(IDENTIFIER, at + #word) then
            return at + #word
        end
    end
    local _, stop = text:find(IDENTIFIER, at)
    fail(scan, stop + 1, "Unrecognized token '%s': was expecting %s", text:sub(at, stop), VALUES)
end

-- Structure ----------------------------------------------------------------------------------------

--- What an object or array is in a definition, by what it is in and under which name: containers hold states.
local ROLES = {
    container = { States = "states" }, branches = setmetatable({}, { __index = function() return "container" end }),
    states = setmetatable({}, { __index = function() return "state" end }),
    state = { ItemProcessor = "container", Iterator = "container", Branches = "branches" },
}

--- Gives an object or array its role and place; the outermost is a container.
local function add_role(open, outer)
    if not outer then
        open.role, open.location = "container", ""
    elseif outer.role then
        open.role = ROLES[outer.role][outer.name or ""]
        open.location = outer.is_array and ("%s[%d]"):format(outer.location, outer.count)
            or outer.location .. "/" .. outer.name
    end
    open.names = open.role == "states" and {} or nil
end

--- Keeps the first name that two states of one object have: a decoder would drop one of them.
local function add_name(scan, open, name)
    open.name = name
    if open.names and open.names[name] and not scan.duplicate then
        scan.duplicate = { code = "DUPLICATE_STATE_NAME", severity = "ERROR", location = open.location .. "/" .. name,
            message = "Duplicate State name: " .. name }
    elseif open.names then
        open.names[name] = true
    end
end

local function push(scan, at, is_array)
    if #scan.stack == M.MAX_DEPTH then
        error({ problem = { code = "TOO_DEEPLY_NESTED", severity = "ERROR", location = place(scan, at),
            message = ("The definition is nested more than %d levels deep"):format(M.MAX_DEPTH) } }, 0)
    end
    local open = { at = at, is_array = is_array, count = -1 }
    add_role(open, scan.stack[#scan.stack])
    scan.stack[#scan.stack + 1] = open
    return at + 1
end

--- Reads a scalar or opens an object or array at `at`.
local function read_value(scan, at)
    local char = scan.text:sub(at, at)
    if char == '"' then
        return skip_string(scan, at, "string value")
    elseif char == "{" or char == "[" then
        return push(scan, at, char == "[")
    elseif char:find "[%d-]" then
        return skip_number(scan, at)
    elseif char:find "[%a_$\128-\255]" then
        return skip_word(scan, at)
    elseif char == "}" then
        unexpected(scan, at, "expected a value")
    end
    unexpected(scan, at, "expected a valid value " .. VALUES)
end

local function skip_to_entry(scan, at, what)
    at = skip_space(scan.text, at)
    if at > #scan.text then
        fail(scan, at, "Unexpected end-of-input within/between %s entries", what)
    end
    return at
end

--- The name and colon of an object's entry; the position of its value.
local function read_name(scan, at)
    if scan.text:sub(at, at) ~= '"' then
        unexpected(scan, at, "was expecting double-quote to start field name")
    end
    local behind = skip_string(scan, at, "name")
    add_name(scan, scan.stack[#scan.stack], scan.text:sub(at + 1, behind - 2))
    at = skip_to_entry(scan, behind, "Object")
    if scan.text:sub(at, at) ~= ":" then
        unexpected(scan, at, "was expecting a colon to separate field name and value")
    end
    return skip_to_entry(scan, at + 1, "Object")
end

--- Reads on inside of the innermost open object or array: its end, or its next entry.
local function read_inside(scan, at)
    local open = scan.stack[#scan.stack]
    at = skip_space(scan.text, at)
    if at > #scan.text then
        fail_open(scan)
    end
    local char = scan.text:sub(at, at)
    if char == "}" or char == "]" then
        if (char == "]") ~= open.is_array then
            fail_marker(scan, at)
        end
        scan.stack[#scan.stack] = nil
        return at + 1
    elseif open.count >= 0 then
        if char ~= "," then
            unexpected(scan, at, ("was expecting comma to separate %s entries"):format(kind_of(open)))
        end
        at = skip_to_entry(scan, at + 1, kind_of(open))
    end
    open.count = open.count + 1
    return read_value(scan, open.is_array and at or read_name(scan, at))
end

local function read(scan)
    local text = scan.text
    local at = skip_space(text, 1)
    local first = text:sub(at, at)
    if first == "}" or first == "]" then
        fail_marker(scan, at)
    elseif first ~= "" then
        at = read_value(scan, at)
    end
    while scan.stack[1] do
        at = read_inside(scan, at)
    end
    return first == "{", skip_space(text, at)
end

local NO_OBJECT = { code = "SCHEMA_VALIDATION_FAILED", severity = "ERROR",
    message = "Definition must be a valid JSON object" }

--- What is wrong with a definition's text: a problem as flowhost.dialect.asl.validate gives them, or nil.
function M.check(text)
    local scan = { text = text, stack = {} }
    local ok, is_object, rest = pcall(read, scan)
    if not ok then
        return type(is_object) == "table" and is_object.problem or error(is_object, 0)
    elseif not is_object then
        return NO_OBJECT
    elseif rest <= #text then
        local _, problem = pcall(unexpected, scan, rest, "expected the end of the definition")
        return problem.problem
    end
    return scan.duplicate
end

--- What is wrong with a text that was to be JSON of any kind, without its place; nil when the parser finds nothing.
function M.reason(text)
    local wrong = text:find "%S" and M.check(text)
    return wrong and wrong.code == "INVALID_JSON_DESCRIPTION" and wrong.message:match "^(.-)\n at " or nil
end

--- What AWS says of the input of an execution whose text is no JSON.
function M.refuse_input(text)
    return ("Invalid State Machine Execution Input: '%s'"):format(M.reason(text) or "Invalid execution input.")
end

return M
