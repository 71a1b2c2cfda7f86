-- SPDX-License-Identifier: MIT
-- What Step Functions' API can be asked, by the name in X-Amz-Target. A file of operations adds its own:
--
--   operations.add("StopExecution", { takes = { executionArn = { "string", required = true, max = 256 } }, run = run })
--   run(call)   once the parameters have been checked (check.lua); answers by call:reply or call:fail (call.lua)

local M = {}

local by_name = {}

--- What starts with one of these changes nothing.
local READS = { "^Describe", "^List", "^Get", "^Validate", "^TestState$" }

local function is_read(name)
    for _, pattern in ipairs(READS) do
        if name:find(pattern) then
            return true
        end
    end
    return false
end

---@param o { takes: table<string, table>, run: fun(call: table), role: string? }  takes: as check.lua says; role: of
--- the callers (default: viewers may read, operators may change)
function M.add(name, o)
    o.role = o.role or (is_read(name) and "viewer" or "operator")
    by_name[name] = o
end

function M.get(name)
    return by_name[name]
end

return M
