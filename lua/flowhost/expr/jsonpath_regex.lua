-- SPDX-License-Identifier: MIT
return { compile = function() return nil end }
