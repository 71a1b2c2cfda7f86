-- SPDX-License-Identifier: MIT
-- $now, $millis, $fromMillis, $toMillis. The time of an evaluation is asked for once.

local time_parse = require "flowhost.expr.jsonata.time_parse"
local time_picture = require "flowhost.expr.jsonata.time_picture"

local M = {}

local MAX_MILLIS = 8.64e15

function M.add(rt, define)
    local state = rt.state

    function rt.now()
        if not state.time then
            local now = state.given.now
            state.time = now and tonumber(now()) or os.time() * 1000
        end
        return state.time
    end

    local function format(millis, picture, timezone)
        if math.abs(millis) > MAX_MILLIS or millis ~= millis then
            rt.fail("D3001", { value = millis })
        end
        return time_picture.format(millis, picture, timezone, rt.fail)
    end

    define("now", "<s?s?:s>", 2, function(picture, timezone)
        return format(rt.now(), picture, timezone)
    end)
    define("millis", "<:n>", 0, function()
        return rt.now()
    end)
    define("fromMillis", "<n-s?s?:s>", 3, function(millis, picture, timezone)
        if millis ~= nil then
            return format(tonumber(millis), picture, timezone)
        end
    end)
    define("toMillis", "<s-s?:n>", 2, function(str, picture)
        if str == nil then
            return nil
        elseif picture then
            return time_parse.parse(str, picture, rt)
        end
        return time_parse.parse_iso(str) or rt.fail("D3110", { value = str })
    end)
end

return M
