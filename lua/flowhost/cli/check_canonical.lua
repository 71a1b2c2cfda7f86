-- SPDX-License-Identifier: MIT
-- flowhost check PATH --canonical: state machines in the spelling of Amazon States Language. Of a file NAME.asl.json
-- the definition is printed; of a folder what is spelled otherwise in each of its machines. Nothing is written.

local canonical = require "flowhost.dialect.asl.canonical"
local core = require "flowhost.core"
local output = require "flowhost.cli.output"
local pretty = require "flowhost.cli.pretty"
local stop = require "flowhost.cli.stop"

local json = core.json

local M = { name = "check-canonical", summary = "Show state machines in the spelling of Amazon States Language." }

local SUFFIX = "%.asl%.json$"
local MAX_DEPTH = 16 -- folders in each other

--- An option of `check`, which stands beside its own.
function M.declare(command)
    command:flag("--canonical", "Show state machines (of a folder, or one NAME.asl.json) as ASL spells them.")
end

--- The definition of a file in Amazon States Language, and the list of what is respelled; raises what is no JSON.
local function convert(path)
    local text, _, reason = core.command.read(path)
    if not text then
        stop.with(stop.PROBLEM, reason)
    end
    local definition, problem = json.decode(text)
    if definition == nil then
        stop.with(stop.PROBLEM, ("%s: the definition is not JSON: %s"):format(path, problem))
    end
    return canonical.convert(definition, json)
end

--- Calls `see` with each machine below a folder.
local function each_machine(dir, see, depth)
    local names, _, reason = core.command.list(dir)
    if not names then
        stop.with(stop.PROBLEM, reason)
    end
    table.sort(names)
    for _, name in ipairs(names) do
        if name:sub(-1) == "/" and depth < MAX_DEPTH then
            each_machine(dir .. "/" .. name:sub(1, -2), see, depth + 1)
        elseif name:find(SUFFIX) then
            see(dir .. "/" .. name)
        end
    end
end

local function list_respelled(path)
    local _, list = convert(path)
    for _, one in ipairs(list) do
        output.line("%s: %s: %s", path, one.location, one.to or "left out")
    end
    return #list
end

local function check_folder(dir)
    local count, of = 0, 0
    each_machine(dir, function(path)
        count, of = count + math.min(1, list_respelled(path)), of + 1
    end, 1)
    output.line("%s: %d of %d state machines in another spelling", dir, count, of)
end

function M.run(o)
    local path = o.dir:gsub("(.)/+$", "%1")
    if not path:find(SUFFIX) then
        return check_folder(path)
    end
    output.raw(pretty.json((convert(path))) .. "\n")
end

return M
