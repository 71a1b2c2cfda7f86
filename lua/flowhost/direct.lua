-- SPDX-License-Identifier: MIT
-- Users, tokens and apps of a data folder that no host has open: the API's own handlers, called by a command in its own
-- vm. Nothing is loaded, no run is taken up.

local core = require "flowhost.core"
local direct = require "flowhost.cli.direct"

local Request = {}
Request.__index = Request

function Request.headers()
    return {}
end

Request.query = Request.headers

function Request.is_internal()
    return true
end

Request.is_loopback = Request.is_internal

function Request.address()
    return ""
end

function Request:respond(status, _, body)
    self.done(nil, status, {}, body)
end

local is_started = false

--- done(nil, status, headers, body), as of core.client.
function direct.answer(method, path, body, done)
    local api = require "flowhost.api"
    if not is_started then
        is_started = true
        core.system.fault = core.system.fault or function() end
        require("flowhost.engine.access").start()
    end
    api.serve(setmetatable({ done = done }, Request), method, path, body)
end
