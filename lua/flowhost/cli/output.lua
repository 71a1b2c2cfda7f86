-- SPDX-License-Identifier: MIT
-- What commands print. Text of hosts and flows is shown without what a terminal would obey.

local core = require "flowhost.core"

local json = core.json

local M = {}

-- as deep as answers are
local DEEP = { max_depth = 256 }

--- On one line, without control characters.
function M.clean(text)
    return (tostring(text):gsub("%s*\n%s*", " "):gsub("[%z\1-\31\127]", "?"):gsub("\194[\128-\159]", "?"))
end

function M.is_absent(value)
    return value == nil or value == json.null
end

--- A value of an answer as a cell: absent is "", text is itself, else JSON.
function M.cell(value)
    if M.is_absent(value) then
        return ""
    elseif type(value) == "string" then
        return M.clean(value)
    end
    return M.clean(M.json(value))
end

--- A value as JSON on one line.
function M.json(value)
    return (json.encode(M.is_absent(value) and json.null or value, DEEP))
end

--- At most `width` characters.
function M.short(text, width)
    if #text <= width then
        return text
    end
    local last = width - 3
    while last > 0 and text:byte(last + 1) >= 128 and text:byte(last + 1) < 192 do
        last = last - 1
    end
    return text:sub(1, last) .. "..."
end

--- 2026-11-21T09:30:00.123Z without the fraction.
function M.time(text)
    return (M.cell(text):gsub("%.%d+Z$", "Z"))
end

--- "12 ms", "3.4 s", "2 h 05 min".
function M.duration(ms)
    if M.is_absent(ms) then
        return ""
    elseif ms < 1000 then
        return ("%d ms"):format(ms)
    elseif ms < 60000 then
        return ("%.1f s"):format(ms / 1000)
    elseif ms < 3600000 then
        return ("%d min %02d s"):format(math.floor(ms / 60000), math.floor(ms / 1000) % 60)
    end
    return ("%d h %02d min"):format(math.floor(ms / 3600000), math.floor(ms / 60000) % 60)
end

function M.write(text)
    io.stdout:write(text)
end

--- With values, `format` is a format; without, the text itself.
function M.line(format, ...)
    local text = format or ""
    io.stdout:write(select("#", ...) > 0 and text:format(...) or text, "\n")
end

function M.complain(text)
    io.stdout:flush()
    io.stderr:write("flowhost: ", text, "\n")
end

--- An answer as it came.
function M.raw(text)
    io.stdout:write(text, text:sub(-1) == "\n" and "" or "\n")
end

local function widths_of(rows)
    local widths = {}
    for _, row in ipairs(rows) do
        for i, cell in ipairs(row) do
            widths[i] = math.max(widths[i] or 0, #cell)
        end
    end
    return widths
end

--- Rows of text cells, the first one the names of the columns; those in `right` (index -> true) stand to the right.
function M.table(rows, right)
    local widths = widths_of(rows)
    for _, row in ipairs(rows) do
        local cells = {}
        for i, cell in ipairs(row) do
            local space = (" "):rep(widths[i] - #cell)
            cells[i] = right and right[i] and space .. cell or cell .. space
        end
        M.line((table.concat(cells, "  "):gsub(" +$", "")))
    end
end

--- Names and values, one a line; absent values are left out.
function M.fields(pairs_of)
    local shown, width = {}, 0
    for _, pair in ipairs(pairs_of) do
        if pair[2] ~= "" then
            shown[#shown + 1] = pair
            width = math.max(width, #pair[1])
        end
    end
    for _, pair in ipairs(shown) do
        M.line("%s%s  %s", pair[1], (" "):rep(width - #pair[1]), pair[2])
    end
end

return M
