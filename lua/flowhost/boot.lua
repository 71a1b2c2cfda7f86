-- SPDX-License-Identifier: MIT
-- Wires a VM: what C calls first. A VM of a shard gets the engine with the first "load"; the command line needs none
-- of it.

local core = require "flowhost.core"

require "flowhost.cli.setup"
require "flowhost.direct"

local json, system = core.json, core.system

-- a release build has no fault points; an empty Lua function costs nothing where a call to C would cost a trace
system.fault = system.fault or function() end

local function taken_names()
    local taken = {}
    for _, name in ipairs(core.native.names()) do
        taken[name] = true
    end
    return taken
end

--- Retention of flows that say nothing themselves.
local function default_retention(settings)
    local age, count = tonumber(settings.retention_age), tonumber(settings.retention_count)
    local retention = { age_ms = age and age > 0 and age * 1000 or nil, count = count and count > 0 and count or nil }
    return next(retention) and retention or nil
end

--- Settings that concern runs.
local function apply(settings)
    local parking = require "flowhost.engine.parking"
    local signal_link = require "flowhost.engine.signal_link"
    parking.park_after_ms = math.ceil((tonumber(settings.park_after) or 5) * 1000)
    parking.hot_runs = tonumber(settings.hot_runs) or parking.hot_runs
    require("flowhost.engine.admission").set_limit(tonumber(settings.max_running) or 0)
    require("flowhost.api.problem").is_fleeting = settings.listen == "none" and settings.data == "temp"
    if settings.public_url and settings.public_url ~= "" then
        signal_link.base_url = settings.public_url
        require("flowhost.api.access").public_url = settings.public_url
    elseif settings.listen and settings.listen ~= "none" then
        signal_link.base_url = "http://" .. settings.listen:gsub("^:", "127.0.0.1:")
    end
end

local ENVIRONMENT = setmetatable({}, {
    __index = function(_, name)
        return os.getenv(name)
    end,
})

local function read_host_file(text)
    return require("flowhost.cli.host_file").read(text, ENVIRONMENT)
end

local function save(release)
    local release_module = require "flowhost.engine.release"
    release_module.save(release, release_module.has_blob, function(code)
        if code then
            system.log("error", "the release could not be stored: " .. code)
        end
    end)
end

--- The folder's files with what was published over them.
local function over(files, texts)
    local all = {}
    for _, from in ipairs { files, texts } do
        for path, text in pairs(from) do
            all[path] = text
        end
    end
    return all
end

--- Each fault of a document as a problem of its own.
local function each_fault(problems)
    local list = {}
    for _, problem in ipairs(problems) do
        list[#list + 1] = problem
        for i = 2, #(problem.faults or {}) do
            local fault = problem.faults[i]
            list[#list + 1] = { file = problem.file, line = fault.line or 1,
                message = (fault.pointer ~= "" and fault.pointer .. ": " or "") .. fault.message }
        end
    end
    return list
end

--- Files and settings in; a list of { file, line, message } out. Shard 0 keeps the release in the store for all: its
--- batch is the first, so whatever a run is pinned to is on disk before the run is.
core.on("load", function(files, settings)
    local api = require "flowhost.api"
    local catalog = require "flowhost.engine.catalog"
    local ctx = require "flowhost.ctx"
    local hosts = { rule = require "flowhost.ctx.document_host", asl = require "flowhost.ctx.machine_host" }
    local override = require "flowhost.engine.override"
    local release_module = require "flowhost.engine.release"
    local reload = require "flowhost.engine.reload"
    local run_module = require "flowhost.engine.run"

    apply(settings)
    local function new_document_host(run)
        return hosts[run.code.dialect].new(run)
    end
    catalog.set_up { new_ctx = ctx.new, new_document_host = new_document_host, is_jit = settings.jit == "true",
        taken = taken_names(), retention = default_retention(settings) }
    run_module.keeps_all = settings.record_all == "true"
    local machines = require "flowhost.engine.machines"
    machines.arns = require("flowhost.dialect.asl.arn").new { account = settings.aws_account or "123456789012",
        region = settings.aws_region or "us-east-1" }
    require("flowhost.ctx.machine_items").buckets = settings.aws_buckets or ""
    require("flowhost.ctx.machine_task").set_resources(settings.aws_resources or "")
    local published = machines.add_published(require("flowhost.engine.documents").published())
    local release = release_module.make(over(files, published.texts), json.decode(settings.env), published.versions)
    local compiled = catalog.compile(release)
    if system.shard == 0 then
        save(release)
        require("flowhost.engine.signal_link").start()
        reload.begin(release, release_module.make(files, {}).hashes, published,
            settings.has_host_file == "true" and read_host_file or nil, files["host.lua"])
    end
    release.texts = {}
    catalog.on_served = api.set_release
    require("flowhost.engine.access").start(settings.owner_token)
    catalog.activate(compiled)
    catalog.set_overrides(override.read_all())
    return each_fault(compiled.problems)
end)

core.on("reload", function(texts, removed, unread, is_asked)
    require("flowhost.engine.reload").change(texts, removed, unread, is_asked)
    if is_asked then
        require("flowhost.engine.secrets").reopen()
    end
end)

local function collect_releases()
    local collect = require "flowhost.engine.collect"
    require("flowhost.engine.reload").on_done = function()
        collect.start(false)
    end
    if system.shard == 0 then
        collect.start(true)
    end
end

core.on("start", function()
    local catalog = require "flowhost.engine.catalog"
    local recovery = require "flowhost.engine.recovery"
    collect_releases()
    require("flowhost.engine.secrets").start()
    require "flowhost.engine.control"
    require "flowhost.engine.activities"
    local retention = require "flowhost.engine.retention"
    require("flowhost.engine.signal_link").learn()
    require("flowhost.engine.wake").find_code = catalog.find_code
    require("flowhost.engine.ending").on_counted_end = retention.note
    local count = recovery.run(catalog.find_code)
    if count > 0 then
        local plural = count == 1 and "" or "s"
        system.log("info", ("took up %d unfinished run%s"):format(count, plural), { "shard", tostring(system.shard) })
    end
    require("flowhost.engine.alarms").start()
    require("flowhost.engine.admission").start()
end)

core.on("test", function(files, settings)
    return require("flowhost.testing.runner").run(files, {
        dir = settings.dir, filter = settings.filter, env = json.decode(settings.env), settings = settings,
        now_us = core.timer.mono_us,
        write = function(...)
            io.stdout:write(...)
        end,
    })
end)

core.on("drain", function()
    local run_module = require "flowhost.engine.run"
    require("flowhost.api").drain()
    run_module.write_waiting()
    return run_module.count_busy()
end)


