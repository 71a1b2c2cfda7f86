-- SPDX-License-Identifier: MIT
-- Which files of a release are flows and what these are called. Pure.
--
--   NAME.lua         Lua
--   NAME.rule.json   a rule (dialect/rule.lua)
--   NAME.asl.json    a state machine (dialect/asl.lua)

local M = {}

M.MAX_NAME = 240 -- bytes of a flow's name: keys of the store hold it beside an Idempotency-Key

--- Where a name has several files the first kind has it.
M.KINDS = { { suffix = ".lua", dialect = "lua" }, { suffix = ".rule.json", dialect = "rule" },
    { suffix = ".asl.json", dialect = "asl" } }

local function has_hidden_part(path)
    for part in path:gmatch "[^/]+" do
        if part:find "^[_.]" then
            return true
        end
    end
    return false
end

--- Name and dialect of the flow that a file is; nil when it is none.
function M.flow_of(path)
    if path == "host.lua" or path:find "_test%.lua$" or path:find "^components/" or path:find "^lib/"
        or has_hidden_part(path) then
        return nil
    end
    for _, kind in ipairs(M.KINDS) do
        if #path > #kind.suffix and path:sub(-#kind.suffix) == kind.suffix then
            return path:sub(1, -#kind.suffix - 1), kind.dialect
        end
    end
end

--- Whether the file is not a flow itself, but what flows use.
function M.is_part(path)
    return (path:find "^components/" or path:find "^lib/") and path:find "%.lua$" and not path:find "_test%.lua$"
end

--- A name as part of a path in a release: what could not be one is written as %XX.
function M.to_path(name)
    if not name:find "[^%w/_.-]" and not ("/" .. name):find "/[._]" then
        return name
    end
    local path = name:gsub("[^%w/_.-]", function(char)
        return ("%%%02X"):format(char:byte())
    end)
    return (("/" .. path):gsub("/([._])", function(char)
        return ("/%%%02X"):format(char:byte())
    end):sub(2))
end

--- The file of a flow among those of a release, by the name; nil when it has none.
---@param files table<string, any>  path -> anything
function M.file_of(files, name)
    for _, kind in ipairs(M.KINDS) do
        if files[name .. kind.suffix] then
            return name .. kind.suffix
        end
    end
end

return M
