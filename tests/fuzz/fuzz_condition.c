/* SPDX-License-Identifier: MIT */
/* A condition is refused at a place in its text, or it gives true, false or the error 110004. */
#include "lua_state.h"

static const char CHUNK[] =
    "local json = ...\n"
    "local condition = require 'flowhost.expr.condition'\n"
    "local root = json.decode "
    "'{\"a\":{\"b\":[1,\"x\",null,[]]},\"n\":9007199254740993,\"s\":\"t\"}'\n"
    "return function(text)\n"
    "    local run, err = condition.compile(text)\n"
    "    if not run then\n"
    "        assert(err.position >= 1 and err.position <= #text + 1, err.message)\n"
    "        assert(err.message:find(' at position ' .. err.position .. ' of ', 1, true), "
    "err.message)\n"
    "        return\n"
    "    end\n"
    "    assert(condition.paths(text))\n"
    "    local ok, value = pcall(run, root)\n"
    "    if ok then\n"
    "        assert(type(value) == 'boolean')\n"
    "    else\n"
    "        assert(type(value) == 'table' and value.code == '110004', value)\n"
    "    end\n"
    "end\n";

FUZZ_LUA(CHUNK)
