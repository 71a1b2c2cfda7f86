-- SPDX-License-Identifier: MIT
-- flowhost cancel: end a run, or all of some, that has not ended.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local show = require "flowhost.cli.show"

local M = { name = "cancel", summary = "End a run that has not ended, or all of some." }

function M.declare(command)
    options.run_or_all(command, "All of a filter, one after the other.")
    command:option("--reason", "Why; kept with the run."):argname "TEXT"
    options.client(command)
end

M.check = options.check_run_or_all

function M.run(o)
    local host = client.new(o)
    local path = o.all and "/v1/runs/cancel" or client.path("/v1/runs/{}/cancel", o.id)
    local answer, text = host:post(path, { reason = o.reason, filter = o.all and options.filter_of(o) or nil })
    if o.json then
        return output.raw(text)
    elseif o.all then
        return show.bulk(answer)
    end
    show.changed(answer)
end

return M
