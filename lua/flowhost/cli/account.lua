-- SPDX-License-Identifier: MIT
-- What token, user and app share: they are commands with words of their own (flowhost token create), each asks a host,
-- or with --data the folder itself.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"

local M = {}

--- A command of several.
---@param verbs table  list of { name, summary, declare = fn(command)?, run = fn(o, host) }
function M.new(name, summary, verbs)
    local command = { name = name, summary = summary }
    function command.declare(words)
        words:command_target "verb"
        for _, verb in ipairs(verbs) do
            local sub = words:command(verb.name, verb.summary)
            if verb.declare then
                verb.declare(sub)
            end
            options.client(sub)
            sub:option("--data", "A data folder, whether its host runs or not."):argname "DIR":target "folder"
        end
    end
    function command.run(o)
        for _, verb in ipairs(verbs) do
            if verb.name == o.verb then
                return verb.run(o, client.new(o))
            end
        end
    end
    return command
end

--- Prints the answer as it came, if so asked; true when it did.
function M.is_raw(o, text)
    if o.json then
        output.raw(text)
    end
    return o.json
end

--- A list as a table: columns of { title, field }.
function M.print_list(o, host, path, columns, nothing)
    local answer, text = host:get(path)
    if M.is_raw(o, text) then
        return
    elseif #answer.items == 0 then
        return output.line(nothing)
    end
    local rows = { {} }
    for i, column in ipairs(columns) do
        rows[1][i] = column[1]
    end
    for _, item in ipairs(answer.items) do
        local cells = {}
        for i, column in ipairs(columns) do
            cells[i] = column[3] and column[3](item[column[2]]) or output.cell(item[column[2]])
        end
        rows[#rows + 1] = cells
    end
    output.table(rows)
end

--- DELETE of one.
function M.removal(what, path)
    return {
        name = "rm", summary = ("Remove %s %s."):format(what:find "^[aeio]" and "an" or "a", what),
        declare = function(command)
            command:argument("name", ("The %s."):format(what))
        end,
        run = function(o, host)
            host:ask("DELETE", client.path(path, o.name))
            output.line("removed %s %s", what, output.clean(o.name))
        end,
    }
end

return M
