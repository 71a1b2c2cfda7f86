-- SPDX-License-Identifier: MIT
-- Runs one command (commands/) in a coroutine: what it yields is a function that begins something and is given what to
-- call with the outcome. Event "command"(name, arguments as JSON); core.command.finish tells C that it is over.

local core = require "flowhost.core"
local output = require "flowhost.cli.output"
local stop = require "flowhost.cli.stop"

local M = {}

--- What was printed may still fail to be written: a full disk behind a redirection.
local function finish(exit_code)
    local ok, reason = io.stdout:flush()
    if not ok then
        output.complain("the output could not be written: " .. tostring(reason))
        exit_code = stop.PROBLEM
    end
    core.command.finish(exit_code)
end

local function finish_raised(co, raised)
    if not stop.is(raised) then
        output.complain(debug.traceback(co, "internal error: " .. tostring(raised)))
        return finish(stop.PROBLEM)
    elseif raised.text then
        output.complain(raised.text)
    end
    finish(raised.exit_code)
end

local function proceed(co, ...)
    local ok, result = coroutine.resume(co, ...)
    if not ok then
        return finish_raised(co, result)
    elseif coroutine.status(co) == "dead" then
        return finish(result or 0)
    end
    result(function(...)
        proceed(co, ...)
    end)
end

--- nil; a sentence when there is no such command.
---@param arguments string  JSON
function M.begin(name, arguments)
    local command = require("flowhost.cli.commands").find(name)
    local o = core.json.decode(arguments)
    if not command or type(o) ~= "table" then
        return ("%s is no command that the command line has read"):format(name)
    end
    proceed(coroutine.create(command.run), o)
end

return M
