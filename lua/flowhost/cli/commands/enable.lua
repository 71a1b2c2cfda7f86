-- SPDX-License-Identifier: MIT
-- flowhost enable.

return require("flowhost.cli.switch").new("enable", "Let a flow take new runs again.")
