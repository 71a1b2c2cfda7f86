-- SPDX-License-Identifier: MIT
-- Tokens of JSONata. A token's position is the number of characters up to its end, as the error positions of JSONata
-- are. Errors are raised as { code, position, token?, value? }.

local utf8_char = require "flowhost.expr.utf8_char"

local M = {}

local byte, find, sub = string.byte, string.find, string.sub

local PAIRS = { [".."] = true, [":="] = true, ["!="] = true, [">="] = true, ["<="] = true, ["**"] = true,
    ["~>"] = true, ["?:"] = true, ["??"] = true }
local SINGLE = "^[%.%[%]{}(),@#;:?+%-*/%%|=<>%^&!~]"
local NAME = "^[^ \t\n\r\v%.%[%]{}(),@#;:?+%-*/%%|=<>%^&!~]*"
local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
local WORDS = { ["true"] = true, ["false"] = false }

local function raise(code, position, fields)
    fields = fields or {}
    fields.code, fields.position = code, position
    error(fields, 0)
end

--- fun(bytes) -> characters: how many characters the first bytes of the text are; asked in rising order mostly.
local function new_counter(text)
    if not find(text, "[\128-\255]") then
        return function(bytes)
            return bytes
        end
    end
    local last_bytes, last_count = 0, 0
    return function(bytes)
        if bytes < last_bytes then
            last_bytes, last_count = 0, 0
        end
        for i = last_bytes + 1, bytes do
            local code = byte(text, i)
            if code and (code < 0x80 or code > 0xbf) then
                last_count = last_count + 1
            end
        end
        last_bytes = bytes
        return last_count
    end
end

--- Four digits of \u at `at`, with the other half of a surrogate pair; the character and the byte behind it.
local function scan_unicode(lexer, at)
    local text = lexer.text
    local high = text:match("^%x%x%x%x", at)
    if not high then
        raise("S0104", lexer.count(at - 1) - 1)
    end
    local code = tonumber(high, 16)
    local low = code >= 0xd800 and code < 0xdc00 and text:match("^\\u([dD][c-fC-F]%x%x)", at + 4)
    if low then
        return utf8_char(0x10000 + (code - 0xd800) * 1024 + tonumber(low, 16) - 0xdc00), at + 10
    end
    return utf8_char(code), at + 4
end

local function scan_string(lexer, quote)
    local text, parts, at = lexer.text, {}, lexer.at + 1
    while true do
        local behind = find(text, "[\\" .. quote .. "]", at)
        if not behind then
            raise("S0101", lexer.count(#text))
        end
        parts[#parts + 1] = sub(text, at, behind - 1)
        local stop = sub(text, behind, behind)
        if stop == quote then
            lexer.at = behind + 1
            return table.concat(parts)
        end
        local escape = sub(text, behind + 1, behind + 1)
        if ESCAPES[escape] then
            parts[#parts + 1], at = ESCAPES[escape], behind + 2
        elseif escape == "u" then
            parts[#parts + 1], at = scan_unicode(lexer, behind + 2)
        else
            local bad = text:match("^[%z\1-\127\194-\244][\128-\191]*", behind + 1)
            raise("S0103", lexer.count(behind), { token = bad or "" })
        end
    end
end

local OPEN, CLOSE = { ["("] = true, ["["] = true, ["{"] = true }, { [")"] = true, ["]"] = true, ["}"] = true }

--- Source and flags of a regular expression whose first / is at lexer.at - 1.
local function scan_regex(lexer)
    local text, start, depth = lexer.text, lexer.at, 0
    local at = start
    while at <= #text do
        local ch = sub(text, at, at)
        local slashes = #sub(text, start, at - 1):match "\\*$"
        if ch == "/" and depth == 0 and slashes % 2 == 0 then
            if at == start then
                raise("S0301", lexer.count(at - 1))
            end
            local flags = text:match("^[im]*", at + 1)
            lexer.at = at + 1 + #flags
            return { source = sub(text, start, at - 1), flags = flags }
        end
        if slashes == 0 then
            depth = depth + (OPEN[ch] and 1 or CLOSE[ch] and -1 or 0)
        end
        at = at + 1
    end
    raise("S0302", lexer.count(#text))
end

local function skip_blanks(lexer)
    local text = lexer.text
    while true do
        lexer.at = find(text, "[^ \t\n\r\v]", lexer.at) or #text + 1
        if sub(text, lexer.at, lexer.at + 1) ~= "/*" then
            return
        end
        local _, stop = find(text, "*/", lexer.at + 2, true)
        if not stop then
            raise("S0106", lexer.count(lexer.at - 1))
        end
        lexer.at = stop + 1
    end
end

local function scan_number(lexer)
    local text, at = lexer.text, lexer.at
    local stop = text:match("^0()", at) or text:match("^[1-9]%d*()", at)
    if not stop then
        return nil
    end
    stop = text:match("^%.%d+()", stop) or stop
    stop = text:match("^[eE][+-]?%d+()", stop) or stop
    local digits = sub(text, at, stop - 1)
    local number = tonumber(digits)
    if not number or math.abs(number) == math.huge then
        raise("S0102", lexer.count(at - 1), { token = digits })
    end
    lexer.at = stop
    return number
end

local function scan_operator(lexer, is_infix)
    local text, at = lexer.text, lexer.at
    if not is_infix and sub(text, at, at) == "/" then
        lexer.at = at + 1
        return "regex", scan_regex(lexer)
    end
    local two = sub(text, at, at + 1)
    local operator = PAIRS[two] and two or text:match(SINGLE, at)
    if operator then
        lexer.at = at + #operator
        return "operator", operator
    end
end

local function scan_quoted_name(lexer)
    local stop = find(lexer.text, "`", lexer.at + 1, true)
    if not stop then
        raise("S0105", lexer.count(#lexer.text))
    end
    local name = sub(lexer.text, lexer.at + 1, stop - 1)
    lexer.at = stop + 1
    return "name", name
end

local function scan_word(lexer)
    local word = lexer.text:match(NAME, lexer.at)
    lexer.at = lexer.at + #word
    if sub(word, 1, 1) == "$" then
        return "variable", sub(word, 2)
    elseif word == "and" or word == "or" or word == "in" then
        return "operator", word
    elseif WORDS[word] ~= nil then
        return "value", WORDS[word]
    elseif word == "null" then
        return "value", lexer.null
    end
    return "name", word
end

local function scan(lexer, is_infix)
    local first = sub(lexer.text, lexer.at, lexer.at)
    local kind, value = scan_operator(lexer, is_infix)
    if kind then
        return kind, value
    elseif first == '"' or first == "'" then
        return "string", scan_string(lexer, first)
    elseif first == "`" then
        return scan_quoted_name(lexer)
    end
    local number = scan_number(lexer)
    if number then
        return "number", number
    end
    return scan_word(lexer)
end

--- fun(is_infix) -> { type, value, position }, or nil at the end. Behind an operand (is_infix) a / is an operator,
--- elsewhere it begins a regular expression.
---@param text string
---@param null any the value of `null`
function M.new(text, null)
    local lexer = { text = text, at = 1, null = null, count = new_counter(text) }
    return function(is_infix)
        skip_blanks(lexer)
        if lexer.at > #text then
            return nil
        end
        local kind, value = scan(lexer, is_infix)
        return { type = kind, value = value, position = lexer.count(lexer.at - 1) }
    end, lexer.count(#text)
end

return M
