-- SPDX-License-Identifier: MIT
std = "luajit"
max_line_length = 120
max_cyclomatic_complexity = 20

-- The seeds' form of a flow: a file that sets a global handler(ctx, input).
files["flows"].globals = { "handler" }
-- Definitions for editors have no bodies.
files["rocks/flowhost-kit/library"].ignore = { "212", "241" }
files["tests/lua"].std = "luajit+busted"
