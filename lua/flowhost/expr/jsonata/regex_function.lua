-- SPDX-License-Identifier: MIT
-- Regular expressions as functions of JSONata: given a string they give { match, start, end, groups, next }.

local functions_match = require "flowhost.expr.jsonata.functions_match"
local regex = require "flowhost.expr.jsonata.regex"

local M = {}

function M.add(rt)
    --- The function value of a regex literal; its `exec` is for the functions on strings.
    function rt.new_regex(node)
        local ok, exec = pcall(regex.compile, node.value.source, node.value.flags, rt.tick)
        if not ok then
            error({ code = "S0303", position = node.position, value = exec }, 0)
        end

        local function match_from(str, at, is_next)
            local first, behind, groups = exec(str, at)
            if not first then
                return nil
            elseif is_next and first == behind then
                rt.fail("D1004", { position = node.position, value = node.value.source })
            end
            local object = functions_match.match_object(rt, str,
                { match = str:sub(first, behind - 1), first = first, behind = behind, groups = groups })
            object.next = rt.new_function("next", function()
                return behind <= #str and match_from(str, behind, true) or nil
            end, 0)
            return object
        end

        local fn = rt.new_function(nil, function(str, from)
            if type(str) == "string" then
                return match_from(str, (tonumber(from) or 0) + 1)
            end
        end, 2)
        fn.exec, fn.source, fn.position = exec, node.value.source, node.position
        return fn
    end
end

return M
