-- SPDX-License-Identifier: MIT
-- flowhost recover: let a suspended run, or all of some, go on.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local show = require "flowhost.cli.show"
local stop = require "flowhost.cli.stop"

local M = { name = "recover", summary = "Let a suspended run go on, or all of some." }

function M.declare(command)
    options.run_or_all(command, "All suspended ones of a filter, one after the other.")
    command:option("--value", "What the call that suspended it returns."):argname "JSON":convert(options.json)
    options.edits(command)
    command:option("--release", "Code to go on with: pinned (its own) or active."):choices { "pinned", "active" }
    command:flag("--dry-run", "Only say whether it would diverge from what it recorded.")
    options.client(command)
end

M.check = options.check_run_or_all

local function show_report(report)
    if output.is_absent(report.divergence) then
        output.line "it would go on: what it recorded fits the code"
        return
    end
    show.divergence(report.divergence)
    return stop.PROBLEM
end

function M.run(o)
    local host = client.new(o)
    local body = options.edits_of(o)
    body.value, body.release = options.value(o.value), o.release
    body.dry_run = o.dry_run
    body.filter = o.all and options.filter_of(o) or nil
    local path = o.all and "/v1/runs/recover" or client.path("/v1/runs/{}/recover", o.id)
    local answer, text, status = host:post(path, body)
    if o.json then
        return output.raw(text)
    elseif status == 200 and o.dry_run then
        return show_report(answer)
    elseif o.all then
        return show.bulk(answer)
    end
    show.changed(answer)
end

return M
