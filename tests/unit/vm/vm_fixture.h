/* SPDX-License-Identifier: MIT */
/* A VM in a test's hand: its Lua library as in a host, Lua code run beside the gate. */
#pragma once

#include "loop/loop.h"
#include "vm/bind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct bench {
    struct fh_loop *loop;
    struct fh_vm *vm;
    struct fh_clock_manual clock;
};

static inline void bench_close(struct bench *bench)
{
    fh_vm_close(bench->vm);
    fh_loop_close(bench->loop);
    free(bench);
}

static inline struct bench *bench_open(size_t memory_max_bytes, int64_t cpu_limit_ms)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct fh_error err = {0, ""};
    fh_clock_manual_init(&bench->clock, INT64_C(1700000000123456));
    assert_int_equal(fh_loop_open(&bench->loop, NULL), 0);
    struct fh_vm_context context = {
        .clock = &bench->clock.clock,
        .loop = bench->loop,
        .memory_max_bytes = memory_max_bytes,
        .cpu_limit_ms = cpu_limit_ms,
    };
    if (fh_vm_open(&bench->vm, &context, &err) != 0) {
        fail_msg("%s", err.detail);
    }
    return bench;
}

static inline int bench_setup(void **state)
{
    *state = bench_open(0, 0);
    return 0;
}

/* Nothing may be left on the stack. */
static inline int bench_teardown(void **state)
{
    struct bench *bench = *state;
    int top = lua_gettop(bench->vm->L);
    bench_close(bench);
    return top;
}

#define WITH_VM(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

/* Runs Lua code with `core` at hand, as the library would; fails the test when it raises. */
static inline void bench_do(struct bench *bench, const char *code)
{
    lua_State *L = bench->vm->L;
    char text[4096];
    int len = snprintf(text, sizeof(text), "local core = require 'flowhost.core'; %s", code);
    assert_true(len < (int)sizeof(text));
    if (luaL_loadbuffer(L, text, (size_t)len, "@test") != 0 || lua_pcall(L, 0, 0, 0) != 0) {
        fail_msg("%s", lua_tostring(L, -1));
    }
}

/* A global of the code's as text, "nil" when there is none. Static. */
static inline const char *bench_get(struct bench *bench, const char *name)
{
    static char text[1024];
    lua_State *L = bench->vm->L;
    lua_getglobal(L, "tostring");
    lua_getglobal(L, name);
    lua_call(L, 1, 1);
    snprintf(text, sizeof(text), "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    return text;
}
