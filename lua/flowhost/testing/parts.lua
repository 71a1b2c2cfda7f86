-- SPDX-License-Identifier: MIT
-- What the host in memory takes from the real one: the JSON codec, the runner of flows with its limits, functions of
-- bytes, encryption. Specs, which run without the program, put plain Lua in their place (tests/lua/support/no_jit.lua).

local core = require "flowhost.core"

return { json = core.json, flow = core.flow, system = core.system, crypto = core.crypto }
