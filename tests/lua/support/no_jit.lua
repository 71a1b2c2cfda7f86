-- SPDX-License-Identifier: MIT
-- Loaded before every spec (busted --helper): the suites run in the interpreter, as flows do, and the host in memory
-- (lua/flowhost/testing) gets plain Lua for what is C in the program.
jit.off()
jit.flush()

package.preload["flowhost.testing.parts"] = function()
    return { json = require "support.json", flow = require "support.plain_flow", system = {},
        crypto = require "support.plain_crypto" }
end

for _, name in ipairs { "fake_core", "fake_store", "fake_system", "world", "crash" } do
    package.preload["support." .. name] = function()
        return require("flowhost.testing." .. name)
    end
end
