/* SPDX-License-Identifier: MIT */
/* For fuzz targets of Lua modules: one state with the library inside the program and `json`, and a function of the
 * input text made from a Lua chunk. An error in it is a finding. libFuzzer is told which lines ran. */
#pragma once

#include "vm/embedded.h"
#include "vm/json.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int luaopen_lpeg(lua_State *L);

/* A state that lives on allocates and frees unevenly; libFuzzer would look for leaks after each input. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* package.loaders: "a.b" is the embedded file a/b.lua. */
static int search_embedded(lua_State *L)
{
    const char *name = lua_pushfstring(L, "%s.lua", luaL_gsub(L, luaL_checkstring(L, 1), ".", "/"));
    for (size_t i = 0; i < fh_embedded_count; i++) {
        const struct fh_embedded *file = &fh_embedded_files[i];
        if (strcmp(file->name, name) == 0) {
            if (luaL_loadbuffer(L, (const char *)file->data, file->len, name) != 0) {
                lua_error(L);
            }
            return 1;
        }
    }
    return 0;
}

static void expect(lua_State *L, int rc)
{
    if (rc != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
}

/* libFuzzer counts these beside its own; in a replay they are a table that nobody reads. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[1 << 14];

static void on_line(lua_State *L, lua_Debug *ar)
{
    lua_getinfo(L, "S", ar);
    size_t sum = (size_t)ar->currentline * 31;
    for (const char *at = ar->short_src; *at; at++) {
        sum = sum * 33 + (unsigned char)*at;
    }
    counters[sum % sizeof(counters)]++;
}

/* The C heap, where sanitizers see what the state owns. */
static void *allocate(void *unused, void *old, size_t old_bytes, size_t bytes)
{
    (void)unused;
    (void)old_bytes;
    if (bytes == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, bytes);
}

static lua_State *opened;

/* A program has one state, for good. LuaJIT keeps the address of some of its memory in a form that a
 * search for leaks does not know, so it must be gone by then. */
static void close_state(void)
{
    lua_close(opened);
}

/* A state with the function that `chunk` returns on its stack. */
static lua_State *open_state(const char *chunk)
{
    lua_State *L = lua_newstate(allocate, NULL);
    opened = L;
    expect(L, atexit(close_state));
    luaL_openlibs(L);
    fh_json_register(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_lpeg);
    lua_setfield(L, -2, "lpeg");
    lua_getfield(L, -2, "loaders");
    lua_pushcfunction(L, search_embedded);
    lua_rawseti(L, -2, 2);
    lua_settop(L, 0);
    expect(L, luaL_loadstring(L, chunk));
    fh_json_open(L);
    expect(L, lua_pcall(L, 1, 1, 0));
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* compiled code calls no hooks */
    lua_sethook(L, on_line, LUA_MASKLINE, 0);
    return L;
}

static void run_state(lua_State *L, const uint8_t *data, size_t size)
{
    lua_pushvalue(L, 1);
    lua_pushlstring(L, (const char *)data, size);
    expect(L, lua_pcall(L, 1, 0, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The target whose function is returned by `chunk`. */
#define FUZZ_LUA(chunk)                                          \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) \
    {                                                            \
        static lua_State *state;                                 \
        if (!state) {                                            \
            state = open_state(chunk);                           \
        }                                                        \
        run_state(state, data, size);                            \
        return 0;                                                \
    }
