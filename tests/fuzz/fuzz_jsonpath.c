/* SPDX-License-Identifier: MIT */
/* A path, an intrinsic function call and a StringMatches pattern are refused with a message, or
 * they give JSON, or an error of the language; nothing changes the input. */
#include "lua_state.h"

static const char CHUNK[] =
    "local json = ...\n"
    "local o = { null = json.null, array = json.array, is_array = json.is_array,\n"
    "    encode = json.encode, decode = json.decode, hash = function(a, t) return a .. #t end }\n"
    "local templates = require 'flowhost.expr.asl_template'.new(o)\n"
    "local choices = require 'flowhost.dialect.asl.choice'.new(o, templates.paths)\n"
    "local jsonpath = require 'flowhost.expr.jsonpath'\n"
    "local intrinsic = require 'flowhost.expr.intrinsic'\n"
    "local TEXT = '{\"a\":{\"b\":[1,\"x\",null,[]]},\"l\":[{\"k\":1,\"s\":\"xy\"},"
    "{\"k\":2,\"t\":[3,4]}],\"n\":9007199254740993}'\n"
    "local scope = { input = json.decode(TEXT), context = json.decode '{\"c\":{\"d\":1}}',\n"
    "    variables = { v = json.decode '[1,2]' }, random = function() return 0.5 end,\n"
    "    uuid = function() return 'u' end }\n"
    "local before = json.encode(scope.input)\n"
    "local function check_error(err)\n"
    "    assert(type(err) == 'table' and type(err.error) == 'string' and err.cause, err)\n"
    "end\n"
    "local function try_path(text)\n"
    "    local path, message = templates.paths.compile(text)\n"
    "    assert((path ~= nil) == (jsonpath.check(text) == true))\n"
    "    if not path then return assert(type(message) == 'string') end\n"
    "    local root = jsonpath.root_value(path, scope)\n"
    "    local value, is_found = path.get(root)\n"
    "    assert(is_found == (value ~= nil) and (is_found or path.is_definite))\n"
    "    if is_found then assert(json.encode(value)) else assert(path.why(root)) end\n"
    "    if path.set and path.root == '$' then\n"
    "        local ok, changed = pcall(path.set, scope.input, true)\n"
    "        if ok then assert(path.get(changed) == true) else check_error(changed) end\n"
    "    end\n"
    "end\n"
    "local function try_call(text)\n"
    "    local call, message = templates.calls.compile(text)\n"
    "    if not call then return assert(type(message) == 'string') end\n"
    "    assert(intrinsic.check(text))\n"
    "    local ok, value = pcall(call.evaluate, scope)\n"
    "    if not ok then check_error(value) else assert(value ~= nil) end\n"
    "end\n"
    "return function(text)\n"
    "    try_path(text)\n"
    "    try_call(text)\n"
    "    local holds = choices.compile { Variable = '$.l[0].s', StringMatches = text }\n"
    "    assert(type(holds(scope)) == 'boolean')\n"
    "    assert(json.encode(scope.input) == before)\n"
    "end\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *state;
    if (!state) {
        state = open_state(CHUNK);
    }
    run_state(state, data, size);
    return 0;
}
