-- SPDX-License-Identifier: MIT
-- $formatNumber, $formatInteger, $parseInteger.

local integer_picture = require "flowhost.expr.jsonata.integer_picture"
local number_picture = require "flowhost.expr.jsonata.number_picture"

local M = {}

function M.add(rt, define)
    define("formatNumber", "<n-so?:s>", 3, function(number, picture, options)
        if number ~= nil then
            return number_picture.format(tonumber(number), picture or "", options, rt.fail)
        end
    end)
    define("formatInteger", "<n-s:s>", 2, function(number, picture)
        if number ~= nil then
            local format = integer_picture.parse(picture or "", rt.fail)
            return integer_picture.format(math.floor(tonumber(number)), format, rt.fail)
        end
    end)
    define("parseInteger", "<s-s:n>", 2, function(str, picture)
        if str ~= nil then
            return integer_picture.read(str, integer_picture.parse(picture or "", rt.fail), rt.fail)
        end
    end)
end

return M
