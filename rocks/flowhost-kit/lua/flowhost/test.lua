-- SPDX-License-Identifier: MIT
-- Tests of flows run inside of the program, in a host that is all virtual. This stands where another Lua looks for it.
error("flowhost.test is inside of the program: run the tests with flowhost test DIR", 2)
