/* SPDX-License-Identifier: MIT */
/* Any text is refused as an expression at a place in it, or gives JSON, nothing, a function or an error with a code
 * within its budget, the same each time, and leaves its input as it was. */
#include "lua_state.h"

static const char CHUNK[] =
    "local json = ...\n"
    "local jsonata = require 'flowhost.expr.jsonata'\n"
    "local engine = jsonata.new { null = json.null, array = json.array, is_array = json.is_array "
    "}\n"
    "local TEXT = '{\"a\":{\"b\":[1,\"x\",null,[]],\"c\":[{\"d\":2},{\"d\":[3,4]}]},"
    "\"n\":9007199254740993,\"s\":\"t\\\\u00e4\"}'\n"
    "local root = json.decode(TEXT)\n"
    "local before = json.encode(root)\n"
    "local env = { max_ticks = 20000, max_depth = 60, now = function() return 1e12 end,\n"
    "    random = function() return 0.5 end }\n"
    "local function outcome(expression)\n"
    "    local ok, value = pcall(expression.evaluate, root, { x = 1 }, env)\n"
    "    if not ok then\n"
    "        assert(type(value) == 'table' and type(value.code) == 'string', value)\n"
    "        assert(type(value.message) == 'string', value.code)\n"
    "        return value.code\n"
    "    end\n"
    "    return value ~= nil and (json.encode(value)) or 'nothing'\n"
    "end\n"
    "return function(text)\n"
    "    local expression, err = engine.compile(text)\n"
    "    if not expression then\n"
    "        assert(type(err.code) == 'string' and type(err.message) == 'string')\n"
    "        assert(not err.position or err.position >= 0 and err.position <= #text)\n"
    "        return\n"
    "    end\n"
    "    assert(outcome(expression) == outcome(expression))\n"
    "    assert(json.encode(root) == before)\n"
    "end\n";

FUZZ_LUA(CHUNK)
