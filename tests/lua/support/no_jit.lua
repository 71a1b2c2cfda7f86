-- SPDX-License-Identifier: MIT
-- Loaded before every spec (busted --helper): the suites run in the interpreter, as flows do.
jit.off()
jit.flush()
