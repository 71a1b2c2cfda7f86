-- SPDX-License-Identifier: MIT
-- flowhost new: a small flow to begin with, and its test.

local core = require "flowhost.core"
local loader = require "flowhost.flow.loader"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = { name = "new", summary = "Write a small flow and its test to begin with." }

local FLOW = [[
-- Greets somebody. Each step's result is on disk before the next one begins: after a crash a run goes on where it was.

return {
    description = "Greets somebody.",
    -- A route of its own; without one: POST /v1/flows/$NAME/runs.
    http = "POST /$NAME",
    -- Input that does not fit is refused with 400, before a run begins.
    request = { body = { name = { type = "string", required = true, minLen = 1 } } },

    run = function(ctx, input)
        -- A step is done once. A replay gets the result that was recorded.
        local greeting = ctx.step("greet", function()
            return "Hello, " .. input.body.name .. "!"
        end)

        -- So is a request to another service; retry asks it again, timeout is in seconds:
        -- local user = ctx.request { url = ctx.env.USER_URL .. "/users/" .. input.body.name, timeout = 5 }

        return { greeting = greeting }
    end,
}
]]

local TEST = [[
-- Run by: flowhost test $DIR

local test = require "flowhost.test"

local INPUT = { body = { name = "Ada" } }

test.case("greets by name", function()
    local run = test.run("$NAME", INPUT)
    test.equal(run.status, "succeeded")
    test.equal(run.output, { greeting = "Hello, Ada!" })
end)

test.case("needs a name", function()
    local answer = test.http("POST", "/$NAME", { json = {} })
    test.equal(answer.status, 400)
end)

-- The host dies after each thing that it wrote; the run must come to the same end.
test.crash_at_each_step("$NAME", INPUT)
]]

--- Files that are no flows to the loader, and routes that are not theirs.
local function is_taken(name)
    local first = name:match "^[^/]+"
    return first == "components" or first == "lib" or first == "flowhost" or name == "host" or name:find "_test$"
        or loader.find_reserved("/" .. name)
end

local function check_name(text)
    for part in (text .. "/"):gmatch "([^/]*)/" do
        if not part:find "^%w[%w_-]*$" then
            return nil, ("'%s' cannot be a flow's name: letters, digits, _ and -, such as hello or shop/order")
                :format(text)
        end
    end
    if is_taken(text) then
        return nil, ("'%s' cannot be a flow's name: it is reserved"):format(text)
    end
    return text
end

function M.declare(command)
    command:argument("name", "The flow; shop/order lies in a folder of its own."):convert(check_name)
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
