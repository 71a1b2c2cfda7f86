-- SPDX-License-Identifier: MIT
-- Comma-separated values (RFC 4180): quoted fields, doubled quotes, lines that end in LF or CRLF. Pure.

local M = {}

--- A quoted field from after its quote: value, position behind it; nil when it does not end.
local function read_quoted(text, at)
    local parts = {}
    while true do
        local quote = text:find('"', at, true)
        if not quote then
            return nil
        end
        parts[#parts + 1] = text:sub(at, quote - 1)
        if text:sub(quote + 1, quote + 1) ~= '"' then
            return table.concat(parts), quote + 1
        end
        parts[#parts + 1] = '"'
        at = quote + 2
    end
end

local function read_plain(text, at, delimiter)
    local last = text:find("[" .. delimiter .. "\r\n]", at) or #text + 1
    return text:sub(at, last - 1), last
end

--- Whether a line ends at a position, and where the next one begins.
local function line_end(text, at)
    if at > #text then
        return at
    elseif text:sub(at, at + 1) == "\r\n" then
        return at + 2
    elseif text:find("^[\r\n]", at) then
        return at + 1
    end
end

--- Rows of fields (texts). Empty lines are no rows. nil, reason for text that is not CSV.
---@param delimiter string?  one character, default ","
function M.decode(text, delimiter)
    delimiter = delimiter or ","
    local class = delimiter:gsub("%W", "%%%0")
    local rows, row, at = {}, {}, 1
    while at <= #text do
        local field
        if text:sub(at, at) == '"' then
            field, at = read_quoted(text, at + 1)
            if not field then
                return nil, ("row %d: a quoted field does not end"):format(#rows + 1)
            end
        else
            field, at = read_plain(text, at, class)
        end
        row[#row + 1] = field
        local next_line = line_end(text, at)
        if next_line then
            if #row > 1 or row[1] ~= "" then
                rows[#rows + 1] = row
            end
            row, at = {}, next_line
        elseif text:sub(at, at) == delimiter then
            at = at + 1
            if at > #text then
                row[#row + 1] = ""
            end
        else
            return nil, ("row %d: a character follows a quoted field"):format(#rows + 1)
        end
    end
    if #row > 0 then
        rows[#rows + 1] = row
    end
    return rows
end

return M
