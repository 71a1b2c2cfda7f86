-- SPDX-License-Identifier: MIT
-- Errors of the API as application/problem+json (RFC 9457): type title status code detail instance run step errors.

local core = require "flowhost.core"

local json = core.json

local M = {
    is_fleeting = false, -- flowhost run: nothing of a run is there afterwards
}

local TITLES = {
    [400] = "Bad Request", [401] = "Unauthorized",
    [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed", [409] = "Conflict",
    [410] = "Gone",
    [413] = "Payload Too Large", [422] = "Unprocessable Content", [429] = "Too Many Requests",
    [500] = "Internal Server Error",
    [502] = "Bad Gateway", [503] = "Service Unavailable", [504] = "Gateway Timeout", [507] = "Insufficient Storage",
}

--- Status of a run that did not succeed: whose fault it was shows in it.
local BY_CODE = { DISK_FULL = 507, IO = 503, CLOSED = 503, BROKEN = 409, CANCELLED = 409, IDEMPOTENCY_CONFLICT = 409 }
local BY_CODE_OF_STEP = { NETWORK = 502, HTTP_STATUS = 502, NOT_JSON = 502, TOO_LARGE = 502, TLS = 502, TIMEOUT = 504,
    NETWORK_REFUSED = 502, NOT_XML = 502 }

---@param fields table?  more members: run, step, errors, headers (extra headers, flat list)
function M.send(request, status, code, detail, fields)
    fields = fields or {}
    local headers = fields.headers or {}
    headers[#headers + 1] = "Content-Type"
    headers[#headers + 1] = "application/problem+json"
    if fields.run then
        headers[#headers + 1] = "Flowhost-Run"
        headers[#headers + 1] = fields.run
    end
    request:respond(status, headers, json.encode({
        type = "about:blank", title = TITLES[status] or "Error", status = status, code = code, detail = detail,
        run = fields.run, step = fields.step, errors = fields.errors, instance = fields.instance,
    }) .. "\n")
end

--- Answers with the outcome of a run that failed, broke or was suspended.
function M.send_run(request, run, flow_name)
    local err = run.error or { code = "UNKNOWN", message = "the run ended as " .. tostring(run.status) }
    local detail = err.message
    if run.status == "suspended" and M.is_fleeting then
        detail = detail .. " (a host that serves the folder would keep it suspended)"
    elseif run.status == "suspended" then
        detail = detail .. " (suspended; POST /v1/runs/" .. run.id .. "/recover lets it go on)"
    end
    local headers
    if err.code == "DISK_FULL" then
        headers = { "Retry-After", "5" }
    end
    local status = BY_CODE[err.code] or err.step and BY_CODE_OF_STEP[err.code] or 500
    if run.status == "timed_out" then
        status = 504
    end
    M.send(request, status, err.code, detail, {
        run = not run.was_refused and run.id or nil, step = err.step, instance = flow_name, headers = headers,
    })
end

return M
