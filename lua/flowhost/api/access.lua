-- SPDX-License-Identifier: MIT
-- Who a caller is.

local M = {}

--- The name of who made a request, for the audit.
function M.actor()
    return "admin"
end

return M
