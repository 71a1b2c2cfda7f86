-- SPDX-License-Identifier: MIT
std = "luajit"
max_line_length = 120
max_cyclomatic_complexity = 20

-- The seeds' form of a flow: a file that sets a global handler(ctx, input).
files["flows"].globals = { "handler" }
files["tests/lua"].std = "luajit+busted"
