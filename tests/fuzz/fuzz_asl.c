/* SPDX-License-Identifier: MIT */
/* A definition in Amazon States Language, of SFC's spelling or not, is answered with problems that say where. */
#include "lua_state.h"

static const char CHUNK[] =
    "local json = ...\n"
    "local canonical = require 'flowhost.dialect.asl.canonical'\n"
    "local validate = require 'flowhost.dialect.asl.validate'\n"
    "local validator = validate.new(json)\n"
    "local function look(problems)\n"
    "    for _, problem in ipairs(problems) do\n"
    "        assert(problem.code:find '^[%u_]+$', problem.code)\n"
    "        assert(#problem.message > 0)\n"
    "        assert(problem.location == nil or problem.location:find '^[/%[]')\n"
    "    end\n"
    "    assert(validate.first_text(problems) or not problems[1]\n"
    "        or problems[1].severity == 'WARNING')\n"
    "end\n"
    "return function(text)\n"
    "    local problem = validate.check_text(text)\n"
    "    if problem then\n"
    "        return look { problem }\n"
    "    end\n"
    "    local definition = json.decode(text)\n"
    "    if definition == nil then\n"
    "        return\n"
    "    end\n"
    "    for _, kind in ipairs { 'STANDARD', 'EXPRESS' } do\n"
    "        look(validator.check(definition, { type = kind }))\n"
    "    end\n"
    "    look(validator.check(definition, { is_test_state = true }))\n"
    "    look(validator.check((canonical.convert(definition, json))))\n"
    "end\n";

FUZZ_LUA(CHUNK)
