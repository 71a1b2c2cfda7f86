-- SPDX-License-Identifier: MIT
-- flowhost new: a small flow to begin with, and its test.

local core = require "flowhost.core"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = { name = "new", summary = "Write a small flow and its test to begin with." }

local FLOW = [[
-- $NAME: says hello and remembers how often it did.
-- Every step's result is on disk before the next one begins: after a crash the run goes on where it was.

return {
    description = "Greets somebody.",
    -- With a route of its own. Without one it is started by POST /v1/flows/$NAME/runs.
    http = "POST /$NAME",
    -- Input that does not fit is refused with 400 before a run begins.
    request = { body = { name = { type = "string", required = true, minLen = 1 } } },

    run = function(ctx, input)
        -- A step runs once; on a replay its recorded result is handed out again.
        local greeting = ctx.step("greet", function()
            return "Hello, " .. input.body.name .. "!"
        end)

        -- A call to another service is a step as well:
        -- local user = ctx.request { method = "POST", url = ctx.env.USER_URL, json = { name = input.body.name } }

        ctx.log.info("greeted " .. input.body.name)
        return { greeting = greeting }
    end,
}
]]

local TEST = [[
-- Tests of $NAME: flowhost test $DIR

local test = require "flowhost.test"

local flow = test.flow "$NAME"

test.case("it greets", function()
    local run = flow:run { body = { name = "Ada" } }
    assert(run.status == "succeeded", run.status)
    assert(run.output.greeting == "Hello, Ada!", run.output.greeting)
end)
]]

function M.declare(command)
    command:argument("name", "The flow; shop/order lies in a folder of its own."):convert(function(text)
        local is_name = text:find "^[%w_][%w_%-/]*$" and not text:find "//" and not text:find "/$"
        return is_name and text or nil, ("'%s' cannot be a flow's name: letters, digits, _ and -, such as hello or "
            .. "shop/order"):format(text)
    end)
    command:option("--dir", "The flows folder (flows)."):argname "DIR"
end

--- The folders that lead to the file, from the first.
local function make_folders(path)
    local at = path:sub(1, 1) == "/" and 2 or 1
    while true do
        local slash = path:find("/", at, true)
        if not slash then
            return
        end
        local ok, _, detail = core.command.make_folder(path:sub(1, slash - 1))
        if not ok then
            stop.with(stop.PROBLEM, detail)
        end
        at = slash + 1
    end
end

local function create(path, text)
    local ok, _, detail = core.command.create(path, text)
    if not ok then
        stop.with(stop.PROBLEM, detail)
    end
end

function M.run(o)
    local dir = (o.dir or "flows"):gsub("(.)/+$", "%1")
    local base = ("%s/%s"):format(dir, o.name)
    local files = { { base .. ".lua", FLOW }, { base .. "_test.lua", TEST } }
    for _, file in ipairs(files) do
        if core.command.exists(file[1]) then
            stop.with(stop.PROBLEM, ("file %s exists; give the flow another name, or remove it"):format(file[1]))
        end
    end
    make_folders(base)
    local fields = { NAME = o.name, DIR = dir }
    for _, file in ipairs(files) do
        create(file[1], (file[2]:gsub("%$(%u+)", fields)))
    end
    output.line("wrote %s and %s", files[1][1], files[2][1])
    output.line "next:"
    output.line("  flowhost test %s", dir)
    output.line("  flowhost %s", dir:find "/" and dir or dir .. "/")
    output.line([[  curl -X POST localhost:8080/%s -d '{"name":"Ada"}']], o.name)
end

return M
