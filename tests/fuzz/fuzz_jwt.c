/* SPDX-License-Identifier: MIT */
/* Any bytes as a token, and as its payload signed by us: they give claims or a code, never a Lua error. The checker is
 * Lua, so it runs in a VM, which is opened once. */
#include "loop/loop.h"
#include "vm/bind.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char program[] =
    "local jwt = require 'flowhost.ctx.jwt_token'\n"
    "local system = require('flowhost.core').system\n"
    "local crypto = require('flowhost.core').crypto\n"
    "local CODES = { JWT_INVALID = true, JWT_EXPIRED = true }\n"
    "local O = { alg = 'HS256', issuer = 'us', audience = 'shop', leeway = 5 }\n"
    "local function check(token, o)\n"
    "    local claims, code, message = jwt.check(token, 'key', o, 1.7e9)\n"
    "    if type(claims) ~= 'table' then\n"
    "        assert(claims == nil and CODES[code] and #message < 200)\n"
    "    end\n"
    "    return claims\n"
    "end\n"
    "local function sign(signed)\n"
    "    return signed .. '.' .. system.base64url_encode(crypto.hmac('key', 'sha256', signed))\n"
    "end\n"
    "local header = system.base64url_encode '{\"alg\":\"HS256\"}' .. '.'\n"
    "return function(bytes)\n"
    "    check(bytes, O)\n"
    "    check(sign(bytes), { alg = 'HS256' })\n"
    "    check(sign(header .. bytes), O)\n"
    "    local claims = check(sign(header .. system.base64url_encode(bytes)), { alg = 'HS256' })\n"
    "    check(sign(system.base64url_encode(bytes) .. '.e30'), { alg = 'HS256' })\n"
    "    assert(not claims or bytes:find '{')\n"
    "end\n";

/* The Lua state with the function at 1. */
static lua_State *open_checker(void)
{
    static struct fh_vm *vm; /* for the process */
    static struct fh_clock_manual clock;
    if (vm) {
        return vm->L;
    }
    struct fh_loop *loop;
    struct fh_error err = {0, ""};
    fh_clock_manual_init(&clock, INT64_C(1700000000000000));
    if (fh_loop_open(&loop, NULL) != 0) {
        abort();
    }
    struct fh_vm_context context = {.clock = &clock.clock, .loop = loop};
    if (fh_vm_open(&vm, &context, &err) != 0 ||
        luaL_loadbuffer(vm->L, program, sizeof(program) - 1, "@fuzz") != 0 ||
        lua_pcall(vm->L, 0, 1, 0) != 0) {
        fprintf(stderr, "%s\n", vm ? lua_tostring(vm->L, -1) : err.detail);
        abort();
    }
    return vm->L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lua_State *L = open_checker();
    lua_pushvalue(L, 1);
    lua_pushlstring(L, (const char *)data, size);
    if (lua_pcall(L, 1, 0, 0) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
    return 0;
}
