-- SPDX-License-Identifier: MIT
-- flowhost disable.

return require("flowhost.cli.switch").new("disable", "Refuse new runs of a flow; those that run go on.")
