-- SPDX-License-Identifier: MIT
-- `flowhost test DIR [FILTER]`: every case of every *_test.lua of the folder, each in a world of its own.

local failure = require "flowhost.testing.failure"
local loader = require "flowhost.testing.loader"
local report_module = require "flowhost.testing.report"
local suite_module = require "flowhost.testing.suite"

local M = {}

local function test_files(files)
    local paths = {}
    for path in pairs(files) do
        if path:find "_test%.lua$" then
            paths[#paths + 1] = path
        end
    end
    table.sort(paths)
    return paths
end

local function run_case(suite, case)
    suite_module.begin_case(suite)
    local ok, broken = xpcall(case.fn, failure.from)
    if ok and suite.case.host then
        ok, broken = pcall(suite.case.host.check, suite.case.host)
    end
    local runs = not ok and suite_module.describe_runs(suite) or nil
    suite.case = nil
    if not ok then
        broken.where = broken.where or case.where
    end
    return ok, broken, runs
end

local function is_wanted(o, file, name)
    return not o.filter or (file .. ": " .. name):find(o.filter, 1, true) ~= nil
end

local function run_cases(suite, report, o)
    local has_begun = false
    for _, case in ipairs(suite.cases) do
        if is_wanted(o, suite.file, case.name) then
            if not has_begun then
                report:begin_file(suite.file)
                has_begun = true
            end
            local started = o.now_us()
            local ok, broken, runs = run_case(suite, case)
            local took = o.now_us() - started
            if ok then
                report:pass(case.name, took)
            else
                report:fail(case.name, took, broken, runs)
            end
        end
    end
end

local function run_file(file, load, folder, report, o)
    local ok, suite = xpcall(load, failure.from, file, folder)
    if ok and #suite.cases == 0 then
        ok, suite = false, failure.new "no cases: write test.case(\"name\", function() ... end)"
        suite.where = file .. ":1"
    end
    if ok then
        return run_cases(suite, report, o)
    end
    report:begin_file(file)
    report:fail_file(suite)
end

local function find_nothing(o, report, paths)
    report.failed = report.failed + 1
    if #paths == 0 then
        report:line("no tests found in %s: the tests of NAME.lua are in NAME_test.lua beside it", o.dir)
    else
        report:line("no test matches '%s'; %d test file%s looked at", o.filter, #paths, #paths == 1 and "" or "s")
    end
end

---@param files table<string, string>   the folder
---@param o table   dir, filter, now_us() (real time), write(text ...); of host.lua: env (name -> value), settings
---(name -> text)
---@return integer failed
function M.run(files, o)
    local report = report_module.new(o.dir:gsub("/+$", "") .. "/", o.write)
    local load = loader.new(function(text)
        report:note(text)
    end)
    local folder = { files = files, env = o.env, settings = o.settings }
    local paths, started = test_files(files), o.now_us()
    for _, file in ipairs(paths) do
        run_file(file, load, folder, report, o)
    end
    if report.passed + report.failed == 0 then
        find_nothing(o, report, paths)
    else
        report:finish(o.now_us() - started)
    end
    return report.failed
end

return M
