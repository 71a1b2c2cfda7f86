/* SPDX-License-Identifier: MIT */
/* Any text, and any JSON, is a template. Where nothing is found its references are cut out, or it is null; what it gives
 * is JSON, the same each time, and leaves the template as it was. */
#include "lua_state.h"

static const char CHUNK[] =
    "local json = ...\n"
    "local template = require 'flowhost.expr.template'\n"
    "local o = { encode = json.encode, is_array = json.is_array, array = json.array, null = "
    "json.null }\n"
    "local root = json.decode "
    "'{\"a\":{\"b\":[1,\"{a}\",null,[]]},\"n\":9007199254740993,\"s\":\"t\"}'\n"
    "local REFERENCE = '{[A-Za-z0-9_.]+}'\n"
    "local function check_text(text)\n"
    "    local given = template.compile(text, o)({})\n"
    "    if text:find('^' .. REFERENCE .. '$') then\n"
    "        assert(given == json.null)\n"
    "    else\n"
    "        assert(given == text:gsub(REFERENCE, ''))\n"
    "    end\n"
    "end\n"
    "return function(text)\n"
    "    check_text(text)\n"
    "    local value = json.decode(text)\n"
    "    if value == nil then return end\n"
    "    local before = assert(json.encode(value))\n"
    "    local make = template.compile(value, o)\n"
    "    local first = assert(json.encode(make(root)))\n"
    "    assert(first == json.encode(make(root)) and before == json.encode(value))\n"
    "    local named = next(template.references(value)) ~= nil\n"
    "    assert(named == (template.paths(value)[1] ~= nil))\n"
    "    assert(named or first == before)\n"
    "end\n";

FUZZ_LUA(CHUNK)
