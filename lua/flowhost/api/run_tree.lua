-- SPDX-License-Identifier: MIT
-- The log of a rule's run as a tree: run, layers, components, requests. Made from the run's row and journal whenever
-- somebody asks; nothing is kept for it (SEEDS 1.13). What the journal does not hold is null. Times are UTC.

local core = require "flowhost.core"

local json = core.json
local null = json.null

local M = {}

local function or_null(value)
    if value == nil then
        return null
    end
    return value
end

--- 2026-11-21 09:30:00.123
local function datetime(ms)
    if type(ms) ~= "number" then
        return null
    end
    local seconds = math.floor(ms / 1000)
    return os.date("!%Y-%m-%d %H:%M:%S", seconds) .. (".%03d"):format(ms - seconds * 1000)
end

--- "1.234s"
local function duration(from, till)
    return from and till and ("%.3fs"):format((till - from) / 1000) or null
end

local function error_text(err)
    return type(err) == "table" and ("%s: %s"):format(tostring(err.code), tostring(err.message)) or null
end

-- requests -----------------------------------------------------------------------------------------

--- The error that a step has met, or that its last attempt has.
local function step_error(entry)
    if entry.state == "t" then
        return error_text(entry.value.error)
    end
    return entry.state == "e" and error_text(entry.value) or null
end

--- What a request step brought: its answer, whole when onlyData was false.
local function add_answer(log, entry)
    local value = entry.state == "k" and entry.value or nil
    if type(value) == "table" and value.status ~= nil and value.headers ~= nil and value.cookies ~= nil then
        log.resp_header, log.resp_code, log.resp_cookies = value.headers, value.status, value.cookies
        log.resp_body = or_null(value.data)
    else
        log.resp_header, log.resp_cookies, log.resp_body = null, null, or_null(value)
        log.resp_code = or_null(entry.extra and entry.extra.status)
    end
    return log
end

local function request_log(entry, given)
    return add_answer({
        url = entry.name:match "^%S+ (.*)$" or entry.name, method = entry.name:match "^%S+",
        body = or_null(entry.extra and entry.extra.input), header = null, auth = null, content_type = null,
        request_type = or_null(given.requestType or given.dataType), timeout = or_null(given.timeout),
        response_type = or_null(given.responseType), error = step_error(entry),
        run_time = duration(entry.started, entry.ended), start_datetime = datetime(entry.started),
        end_datetime = datetime(entry.ended),
    }, entry)
end

--- Requests in the component's attempt.
local function requests_of(entries, path, attempt, given)
    local prefix = attempt > 1 and ("%s.r%d."):format(path, attempt) or path .. "."
    local list = {}
    for _, entry in ipairs(entries) do
        local is_own = entry.kind == "request" and entry.path:sub(1, #prefix) == prefix
            and (attempt > 1 or not entry.path:find("^r%d+%.", #prefix + 1))
        if is_own and entry.state ~= "s" then
            list[#list + 1] = request_log(entry, given)
        end
    end
    return json.array(list)
end

-- components ---------------------------------------------------------------------------------------

local ENDED = { k = true, e = true, t = true }

local function component_of(rule, mark)
    local layer = rule and type(rule.components) == "table" and rule.components[mark.layer]
    return type(layer) == "table" and layer[mark.column] or {}
end

local function component_log(entries, entry, rule, versions)
    local mark = entry.extra and entry.extra.rule or {}
    local given = component_of(rule, mark)
    local is_api = given.type == "api"
    local log = {
        version = not is_api and or_null(versions[given.url]) or null, step = mark.layer, action = mark.column,
        retry_count = entry.attempts - 1, error = step_error(entry),
        run_time = duration(entry.started, entry.ended), start_datetime = datetime(entry.started),
        end_datetime = datetime(entry.ended), input = or_null(entry.extra and entry.extra.input), name = entry.name,
        desc = or_null(given.desc), type = or_null(given.type), url = or_null(given.url),
        output_name = or_null(given.outputName), is_cache = given.isCache == true, is_skip = mark.is_skip or false,
        ignore_error = mark.ignore_error or false, output_data = or_null(given.outputData),
        response = entry.state == "k" and or_null(entry.value) or null,
        request_logs = requests_of(entries, entry.path, entry.attempts, given),
    }
    if is_api then
        log.method, log.header, log.auth = or_null(given.method), or_null(given.header), given.auth and "..." or null
        log.body, log.content_type = log.input, or_null(given.contentType)
        log.request_type, log.timeout = or_null(given.requestType or given.dataType), or_null(given.timeout)
        log.response_type = or_null(given.responseType)
    end
    return log
end

-- layers -------------------------------------------------------------------------------------------

--- What a run has done once it went on is another life of it: "a1.3" is of the second.
local function life_of(path)
    return path:match "^a(%d+)%." or "0"
end

local function layer_of(list, by_key, entry, mark)
    local key = life_of(entry.path) .. "/" .. mark.layer
    local layer = by_key[key]
    if not layer then
        layer = { step = mark.layer, began = entry.started, ended = entry.ended, component_logs = json.array {},
            error = null, action_count = 0, actions = {} }
        by_key[key] = layer
        list[#list + 1] = layer
    end
    layer.began, layer.ended = math.min(layer.began, entry.started), math.max(layer.ended, entry.ended)
    return layer
end

local function layers_of(entries, rule, versions)
    local list, by_key = {}, {}
    for _, entry in ipairs(entries) do
        local mark = entry.kind == "component" and entry.extra and entry.extra.rule
        if mark and ENDED[entry.state] then
            local layer = layer_of(list, by_key, entry, mark)
            local log = component_log(entries, entry, rule, versions)
            layer.action_count = layer.action_count + (layer.actions[mark.column] and 0 or 1)
            layer.actions[mark.column] = true
            layer.component_logs[#layer.component_logs + 1] = log
            if entry.state == "e" and not log.ignore_error and layer.error == null then
                layer.error = log.error
            end
        end
    end
    for _, layer in ipairs(list) do
        layer.start_datetime, layer.end_datetime = datetime(layer.began), datetime(layer.ended)
        layer.run_time = duration(layer.began, layer.ended)
        layer.began, layer.ended, layer.actions = nil, nil, nil
    end
    return json.array(list)
end

-- the run ------------------------------------------------------------------------------------------

M.STATUS = { success = "成功执行", error_break = "错误中断", active_break = "主动中断", error_suspend = "错误挂起",
    active_suspend = "主动挂起" }

--- One of the seed's five; nil while the run goes on.
function M.status_of(row)
    local err = row.error or {}
    if row.status == "succeeded" then
        return M.STATUS.success
    elseif row.status == "suspended" then
        return err.halt == "suspend" and M.STATUS.active_suspend or M.STATUS.error_suspend
    elseif row.status == "broken" then
        return M.STATUS.active_break
    elseif row.ended then
        return M.STATUS.error_break
    end
end

--- When the caller was answered: with ctx.response or nowResponse before the end.
local function answered_at(entries, row)
    for _, entry in ipairs(entries) do
        if entry.kind == "response" then
            return entry.ended
        end
    end
    return row.ended
end

local function last_layer(entries)
    local last = 0
    for _, entry in ipairs(entries) do
        local mark = entry.extra and entry.extra.rule
        last = mark and math.max(last, mark.layer) or last
    end
    return last
end

---@param row table       of the run (rows.read)
---@param entries table[] its journal, in order
---@param rule table?     the decoded rule that it is pinned to
---@param versions table<string, string>  of scripts by name
function M.build(row, entries, rule, versions)
    local steps = rule and type(rule.components) == "table" and #rule.components or 0
    local at = answered_at(entries, row)
    local current = last_layer(entries)
    return {
        version = row.version, log_id = or_null(row.trace_id), trx = row.id, step = steps,
        request = or_null(row.input), response = or_null(row.output), step_logs = layers_of(entries, rule, versions),
        error = error_text(row.error), status = or_null(M.status_of(row)),
        cur_step = row.status == "succeeded" and steps + 1 or current,
        resp_time = duration(row.started, at), resp_datetime = datetime(at),
        run_time = duration(row.started, row.ended), start_datetime = datetime(row.started),
        end_datetime = datetime(row.ended),
    }
end

return M
