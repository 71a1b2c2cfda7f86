-- SPDX-License-Identifier: MIT
-- Random UUIDs (version 4) as RFC 9562 writes them: in lower case, with dashes. For what is not replayed.

local system = require("flowhost.core").system

local VARIANTS = { "8", "9", "a", "b" }

return function()
    local bytes = system.random(16)
    local hex = system.hex(bytes)
    return ("%s-%s-4%s-%s%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(14, 16), VARIANTS[bytes:byte(9) % 4 + 1],
        hex:sub(18, 20), hex:sub(21))
end
