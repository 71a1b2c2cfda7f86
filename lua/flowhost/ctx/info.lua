-- SPDX-License-Identifier: MIT
-- ctx.trx(): run id. ctx.logId(): trace id. ctx.run: { id flow version started_at }. ctx.env: values of
-- host.lua's `env`, as they were when the run's release was loaded.

local live = require "flowhost.engine.live"
local step = require "flowhost.engine.step"

local function trx()
    return step.current_fiber("trx").run.id
end

local function log_id()
    return live.trace_id(step.current_fiber("logId").run)
end

local function run_info()
    local run = step.current_fiber("run").run
    local started_at = run.started / 1000
    return { id = run.id, flow = run.flow, version = run.version, started_at = started_at }
end

local function env()
    local own = {}
    for name, value in pairs(step.current_fiber("env").run.code.env) do
        own[name] = value
    end
    return own
end

return { trx = trx, logId = log_id, run = { of_run = run_info }, env = { of_run = env } }
