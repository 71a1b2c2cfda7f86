-- SPDX-License-Identifier: MIT
-- flowhost runs: a list, newest first.

local client = require "flowhost.cli.client"
local options = require "flowhost.cli.options"
local output = require "flowhost.cli.output"
local show = require "flowhost.cli.show"

local M = { name = "runs", summary = "List runs, newest first." }

local PAGE = 1000

function M.declare(command)
    options.filter(command)
    command:option("--limit", "At most so many (50)."):argname "N":convert(options.limit)
    command:option("--cursor", "Go on where a list ended."):argname "CURSOR"
    options.client(command)
end

--- What there is to say about how it stands.
local function remark(run)
    if not output.is_absent(run.error) then
        return ("%s: %s"):format(output.cell(run.error.code), output.cell(run.error.message))
    elseif not output.is_absent(run.waiting_for) then
        return "waits for " .. show.waiting(run.waiting_for)
    elseif not output.is_absent(run.progress) then
        local progress = run.progress
        return ("%s of %s %s"):format(output.cell(progress.done), output.cell(progress.total),
            output.cell(progress.text))
    end
    return ""
end

local function row_of(run)
    return { output.cell(run.id), output.cell(run.flow), output.cell(run.status), output.time(run.created_at),
        output.short(remark(run), 100) }
end

local function path_of(o, cursor, limit)
    local query = options.filter_of(o)
    query.limit, query.cursor = limit, cursor
    return "/v1/runs" .. client.query(query)
end

local function print_list(items, next_cursor)
    if #items == 0 and not next_cursor then
        return output.line "no runs"
    end
    local rows = { { "run", "flow", "status", "created", "" } }
    for _, run in ipairs(items) do
        rows[#rows + 1] = row_of(run)
    end
    output.table(rows)
    if next_cursor then
        output.line("there are more: --limit N, or --cursor %s", next_cursor)
    end
end

function M.run(o)
    local host = client.new(o)
    local limit, items, cursor = o.limit or 50, {}, o.cursor
    if o.json then
        local _, text = host:get(path_of(o, cursor, math.min(limit, PAGE)))
        return output.raw(text)
    end
    repeat
        local page = host:get(path_of(o, cursor, math.min(limit - #items, PAGE)))
        for _, run in ipairs(page.items) do
            items[#items + 1] = run
        end
        cursor = not output.is_absent(page.next) and page.next or nil
    until not cursor or #items >= limit
    print_list(items, cursor)
end

return M
