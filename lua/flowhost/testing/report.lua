-- SPDX-License-Identifier: MIT
-- What `flowhost test` prints: a line a case, under failures what and where, a sentence at the end.

local M = {}

local Report = {}
Report.__index = Report

local function indent(text, by)
    return (text:gsub("[^\n]+", function(line)
        return by .. line
    end))
end

local function time_of(us)
    if us >= 10e6 then
        return ("%.1f s"):format(us / 1e6)
    end
    return ("%.1f ms"):format(us / 1000)
end

function Report:line(format, ...)
    self.write(select("#", ...) > 0 and format:format(...) or format, "\n")
end

--- Something the test itself printed: stands under its case.
function Report:note(text)
    self.notes[#self.notes + 1] = text
end

local function flush_notes(self)
    for _, text in ipairs(self.notes) do
        self:line("%s", indent(text, "        "))
    end
    self.notes = {}
end

function Report:begin_file(file)
    self:line("%s%s", self.prefix, file)
end

function Report:pass(name, us)
    self.passed = self.passed + 1
    self:line("  ok    %-60s %10s", name, time_of(us))
    flush_notes(self)
end

--- What and where, and how the runs of the case stand.
function Report:fail(name, us, failure, runs)
    self.failed = self.failed + 1
    self:line("  FAIL  %-60s %10s", name, us and time_of(us) or "")
    local where = failure.where and self.prefix .. failure.where .. ": " or ""
    self:line("%s", indent(where .. failure.message, "        "))
    for _, text in ipairs(runs or {}) do
        self:line("        (%s)", text)
    end
    flush_notes(self)
end

--- A file that cannot be used at all.
function Report:fail_file(failure)
    self.failed = self.failed + 1
    local where = failure.where and self.prefix .. failure.where .. ": " or ""
    self:line("  FAIL  %s%s", where, failure.message)
end

function Report:finish(us)
    self:line("%d passed, %d failed in %s", self.passed, self.failed, time_of(us))
end

---@param prefix string   what stands before the paths of files, e.g. "flows/"
---@param write fun(...: string)
function M.new(prefix, write)
    return setmetatable({ prefix = prefix, write = write, passed = 0, failed = 0, notes = {} }, Report)
end

return M
