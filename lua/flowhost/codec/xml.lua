-- SPDX-License-Identifier: MIT
-- XML to values and back, over LuaExpat. Pure. The mapping is that of Go's mxj, which ps-go's callers know:
--
--   <a><b>1</b><c><d>x</d></c></a>   { b = "1", c = { d = "x" } }    the root is taken off, leaves are text
--   <a><b>1</b><b>2</b></a>          { b = { "1", "2" } }            elements of one name are an array
--   <a><b k="v">1</b></a>            { b = { ["-k"] = "v", ["#text"] = "1" } }
--
-- A document type is refused: with it come entities that grow without bounds and files of this machine.

local lxp = require "lxp"

local M = {}

local MAX_DEPTH, MAX_BYTES = 100, 64 * 1024 * 1024

local function identity(list)
    return list
end

-- reading ------------------------------------------------------------------------------------------

local function trim(text)
    return text:match "^%s*(.-)%s*$"
end

--- What an element stands for: its text, or an object of what is in it.
local function value_of(element)
    local text = table.concat(element.text)
    if not element.members then
        return text
    end
    text = trim(text)
    if text ~= "" then
        element.members["#text"] = text
    end
    return element.members
end

local function put(parent, name, value, array)
    local members = parent.members or {}
    parent.members = members
    local before = members[name]
    if before == nil then
        members[name] = value
    elseif parent.lists and parent.lists[name] then
        before[#before + 1] = value
    else
        parent.lists = parent.lists or {}
        parent.lists[name] = true
        members[name] = array { before, value }
    end
end

local function callbacks(state)
    local stack = state.stack
    return {
        StartDoctypeDecl = function(parser)
            state.problem = "it has a document type, which is refused"
            parser:stop()
        end,
        StartElement = function(parser, name, attributes)
            if #stack >= MAX_DEPTH then
                state.problem = ("it is nested deeper than %d"):format(MAX_DEPTH)
                return parser:stop()
            end
            local element = { name = name, text = {} }
            for i = 1, #attributes do
                element.members = element.members or {}
                element.members["-" .. attributes[i]] = attributes[attributes[i]]
            end
            stack[#stack + 1] = element
        end,
        CharacterData = function(_, text)
            local element = stack[#stack]
            element.text[#element.text + 1] = text
        end,
        EndElement = function()
            local element = table.remove(stack)
            local value = value_of(element)
            if stack[1] then
                put(stack[#stack], element.name, value, state.array)
            else
                state.root, state.value = element.name, value
            end
        end,
    }
end

--- The value of a document and the name of its root; nil, reason when it cannot be read.
---@param text string
---@param o { array: (fun(list: table): table) }?  marks a list as an array
function M.decode(text, o)
    if #text > MAX_BYTES then
        return nil, ("it is longer than %d bytes"):format(MAX_BYTES)
    end
    local state = { stack = {}, array = o and o.array or identity }
    local parser = lxp.new(callbacks(state))
    local ok, reason, line, column = parser:parse(text)
    if ok then
        ok, reason, line, column = parser:parse()
    end
    pcall(parser.close, parser)
    if state.problem then
        return nil, state.problem
    elseif not ok then
        return nil, ("%s at line %d, column %d"):format(reason, line, column)
    end
    return state.value, state.root
end

-- writing ------------------------------------------------------------------------------------------

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\r"] = "&#13;" }
local IN_ATTRIBUTES = { ["\n"] = "&#10;", ["\t"] = "&#9;" }
local REPLACEMENT = "\239\191\189" -- U+FFFD, for what XML cannot hold

local function fail(message)
    error({ xml = message }, 0)
end

--- How many bytes the character at `at` has, from its first two; nil when there can be none (RFC 3629 §4).
local function length_of(a, b)
    if a < 0xC2 or a > 0xF4 or not b then
        return nil
    elseif a < 0xE0 then
        return 2
    elseif a < 0xF0 then
        local is_bad = a == 0xE0 and b < 0xA0 or a == 0xED and b > 0x9F
        return not is_bad and 3 or nil
    end
    local is_bad = a == 0xF0 and b < 0x90 or a == 0xF4 and b > 0x8F
    return not is_bad and 4 or nil
end

--- The character that begins at `at`, if it is whole and one of XML's.
local function character_at(text, at)
    local a, b = text:byte(at, at + 1)
    local length = length_of(a, b)
    local char = length and text:match("^[\128-\191]+", at + 1)
    if not char or #char < length - 1 then
        return nil
    end
    char = text:sub(at, at + length - 1)
    return char ~= "\239\191\190" and char ~= "\239\191\191" and char or nil
end

--- Text with everything that is no UTF-8 replaced.
local function repair(text)
    local out, at = {}, 1
    while at <= #text do
        local plain = text:match("^[%z\1-\127]+", at)
        local char = plain or character_at(text, at)
        out[#out + 1] = char or REPLACEMENT
        at = at + (char and #char or 1)
    end
    return table.concat(out)
end

local function escape(text)
    if text:find "[\128-\255]" then
        text = repair(text)
    end
    return (text:gsub("[%z\1-\8\11\12\14-\31]", REPLACEMENT):gsub('[&<>"\r]', ESCAPES))
end

local function is_name(name)
    return type(name) == "string" and name:find "^[%a_:\128-\255][%w_.:\128-\255-]*$" ~= nil and repair(name) == name
end

local function number_text(value)
    if value == math.floor(value) and math.abs(value) < 1e15 then
        return ("%d"):format(value)
    end
    local text = ("%.14g"):format(value)
    return tonumber(text) == value and text or ("%.17g"):format(value)
end

--- Text of a leaf; null is none.
local function text_of(name, value)
    local kind = type(value)
    if kind == "string" then
        return escape(value)
    elseif kind == "number" then
        return number_text(value)
    elseif kind == "boolean" then
        return tostring(value)
    elseif kind == "cdata" then
        return (tostring(value):gsub("U?LL$", ""))
    elseif kind == "userdata" then
        return ""
    end
    fail(("'%s' must be a text, not a %s"):format(tostring(name), kind))
end

local function is_list(value)
    return #value > 0 or getmetatable(value) ~= nil
end

local function sorted_names(value)
    local names = {}
    for name in pairs(value) do
        if type(name) ~= "string" then
            fail(("'%s' cannot be the name of an element"):format(tostring(name)))
        end
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

local write

local function write_attribute(out, key, value)
    if not is_name(key:sub(2)) then
        fail(("'%s' cannot be the name of an attribute"):format(key:sub(2)))
    elseif type(value) ~= "userdata" then
        out[#out + 1] = (' %s="%s"'):format(key:sub(2), (text_of(key, value):gsub("[\n\t]", IN_ATTRIBUTES)))
    end
end

local function write_object(out, name, value, depth)
    out[#out + 1] = "<" .. name
    local names = sorted_names(value)
    for _, key in ipairs(names) do
        if key:byte() == 45 then -- "-"
            write_attribute(out, key, value[key])
        end
    end
    out[#out + 1] = ">"
    for _, key in ipairs(names) do
        if key == "#text" then
            out[#out + 1] = text_of(key, value[key])
        elseif key:byte() ~= 45 then
            write(out, key, value[key], depth + 1)
        end
    end
    out[#out + 1] = ("</%s>"):format(name)
end

function write(out, name, value, depth)
    if not is_name(name) then
        fail(("'%s' cannot be the name of an element"):format(tostring(name)))
    elseif depth > MAX_DEPTH then
        fail(("it is nested deeper than %d"):format(MAX_DEPTH))
    elseif type(value) ~= "table" then
        out[#out + 1] = ("<%s>%s</%s>"):format(name, text_of(name, value), name)
    elseif is_list(value) then
        for i = 1, #value do
            write(out, name, value[i], depth + 1)
        end
    else
        write_object(out, name, value, depth)
    end
end

--- The text of a document with that root; nil, reason when there is none. A list at the root becomes entries <item>.
function M.encode(root, value)
    if type(value) == "table" and is_list(value) then
        value = { item = value }
    end
    local out = {}
    local ok, raised = pcall(write, out, root, value, 1)
    if not ok then
        if type(raised) ~= "table" then
            error(raised, 0) -- of the host: a limit
        end
        return nil, raised.xml
    end
    return table.concat(out)
end

return M
