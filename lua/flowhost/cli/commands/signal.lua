-- SPDX-License-Identifier: MIT
-- flowhost signal: send named data to a run.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"

local M = { name = "signal", summary = "Send a signal to a run." }

function M.declare(command)
    command:argument("id", "The run.")
    command:argument("name", "What the flow waits for: ctx.wait(NAME).")
    command:option("--data", "What comes with it."):argname "JSON":convert(options.json)
    command:option("--id", "Send it once: the same key again is the same signal."):argname "KEY":target "key"
    options.client(command)
end

function M.run(o)
    local headers = o.key and { ["Idempotency-Key"] = o.key } or nil
    local path = client.path("/v1/runs/{}/signal/{}", o.id, o.name)
    local _, text = client.new(o):ask("POST", path, o.data or "", headers)
    if o.json then
        return output.raw(text)
    end
    output.line("signal '%s' is stored", output.clean(o.name))
end

return M
