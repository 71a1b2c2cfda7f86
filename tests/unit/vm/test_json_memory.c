/* SPDX-License-Identifier: MIT */
/* The codec under an allocator of ours: random values there and back, and memory that runs out at
 * every single allocation. */
#include "vm/json.h"

#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LUA_TCDATA = 10, VALUES = 2000, MOST_MEMBERS = 6, MOST_BYTES = 40, OUT_BYTES = 1 << 24 };

static const struct fh_json_limits any_bytes = {.any_bytes = true};

struct fixture {
    lua_State *L;
    struct fh_buf out;
    struct fh_buf again;
    uint64_t seed;
    long left; /* allocations that succeed; negative: all */
    long blocks;
};

static void *allocate(void *arg, void *block, size_t old_bytes, size_t new_bytes)
{
    struct fixture *f = arg;
    if (new_bytes == 0) {
        f->blocks -= block != NULL;
        free(block);
        return NULL;
    }
    if ((!block || new_bytes > old_bytes) && f->left >= 0) {
        if (f->left == 0) {
            return NULL;
        }
        f->left--;
    }
    void *moved = realloc(block, new_bytes);
    assert_non_null(moved);
    f->blocks += !block;
    return moved;
}

static int open_state(void **state)
{
    static struct fixture f;
    f = (struct fixture){.left = -1, .seed = 3};
    f.L = lua_newstate(allocate, &f);
    assert_non_null(f.L);
    luaL_openlibs(f.L);
    fh_json_register(f.L);
    fh_json_open(f.L);
    lua_setglobal(f.L, "json");
    fh_buf_init(&f.out, OUT_BYTES);
    fh_buf_init(&f.again, OUT_BYTES);
    *state = &f;
    return 0;
}

static int close_state(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(lua_gettop(f->L), 0);
    lua_close(f->L);
    fh_buf_deinit(&f->out);
    fh_buf_deinit(&f->again);
    assert_int_equal(f->blocks, 0);
    return 0;
}

static uint64_t next_random(struct fixture *f, uint64_t below)
{
    f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (f->seed ^ f->seed >> 29) % below;
}

/* Bytes of all kinds: ASCII, pieces of UTF-8 and surrogates, whatever. */
static void push_random_string(struct fixture *f)
{
    static const char *const pieces[] = {"\xed\xa0\xbd", "\xed\xb8\x80", "\\u0000", "\"",
                                         "\xc3\xa9",     "\xf0\x9f\x98", "\\",      "\x7f"};
    char text[MOST_BYTES + 8];
    size_t want = next_random(f, MOST_BYTES);
    size_t len = 0;
    uint64_t kind = next_random(f, 3);
    while (len < want) {
        if (kind == 0) {
            text[len++] = (char)next_random(f, 256);
        } else if (kind == 1) {
            text[len++] = (char)(' ' + next_random(f, 95));
        } else {
            const char *piece = pieces[next_random(f, sizeof(pieces) / sizeof(pieces[0]))];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
    }
    lua_pushlstring(f->L, text, len);
}

static void push_random_number(struct fixture *f)
{
    uint64_t bits = next_random(f, UINT64_MAX);
    double real;
    memcpy(&real, &bits, sizeof(real));
    switch (next_random(f, 4)) {
    case 0:
        lua_pushnumber(f->L, real - real == 0 ? real : 0.5);
        break;
    case 1:
        lua_pushnumber(f->L, (double)next_random(f, 100000) / 100);
        break;
    case 2:
        lua_pushnumber(f->L, (double)next_random(f, 1000) - 500);
        break;
    default:
        lua_pushnumber(f->L, (double)bits);
    }
}

static void push_random_int64(struct fixture *f)
{
    char text[32];
    int64_t value =
        (int64_t)(next_random(f, INT64_MAX - (INT64_C(1) << 53)) + (UINT64_C(1) << 53) + 1);
    snprintf(text, sizeof(text), "%lld", (long long)(next_random(f, 2) ? value : -value));
    assert_int_equal(fh_json_decode(f->L, fh_slice_from(text), NULL, NULL), 0);
    assert_int_equal(lua_type(f->L, -1), LUA_TCDATA);
}

static void push_random_value(struct fixture *f, int depth)
{
    luaL_checkstack(f->L, 10, NULL);
    uint64_t members = next_random(f, MOST_MEMBERS) * (next_random(f, 20) == 0 ? 10 : 1);
    switch (next_random(f, depth > 0 ? 8 : 6)) {
    case 0:
        lua_pushlightuserdata(f->L, NULL);
        break;
    case 1:
        lua_pushboolean(f->L, next_random(f, 2) == 1);
        break;
    case 2:
    case 3:
        push_random_string(f);
        break;
    case 4:
        push_random_number(f);
        break;
    case 5:
        push_random_int64(f);
        break;
    case 6:
        lua_newtable(f->L);
        fh_json_push_array_metatable(f->L);
        lua_setmetatable(f->L, -2);
        for (uint64_t i = 1; i <= members; i++) {
            push_random_value(f, depth - 1);
            lua_rawseti(f->L, -2, (int)i);
        }
        break;
    default:
        lua_newtable(f->L);
        for (uint64_t i = 0; i < members; i++) {
            push_random_string(f);
            push_random_value(f, depth - 1);
            lua_rawset(f->L, -3);
        }
    }
}

static bool is_same(lua_State *L, int a, int b);

static int count_same(lua_State *L, int a, int b)
{
    int count = 0;
    for (lua_pushnil(L); lua_next(L, a); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_rawget(L, b);
        if (!is_same(L, lua_gettop(L) - 1, lua_gettop(L))) {
            fail_msg("a member differs");
        }
        lua_pop(L, 1);
        count++;
    }
    return count;
}

static void push_as_text(lua_State *L, int index)
{
    lua_getglobal(L, "tostring");
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
}

/* Bit for bit, metatables too. */
static bool is_same(lua_State *L, int a, int b)
{
    luaL_checkstack(L, 10, NULL);
    if (lua_type(L, a) != lua_type(L, b)) {
        return false;
    }
    if (lua_type(L, a) == LUA_TNUMBER) {
        double left = lua_tonumber(L, a);
        double right = lua_tonumber(L, b);
        return memcmp(&left, &right, sizeof(left)) == 0;
    }
    if (lua_type(L, a) == LUA_TCDATA) {
        push_as_text(L, a);
        push_as_text(L, b);
        bool equal = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        return equal;
    }
    if (lua_type(L, a) != LUA_TTABLE) {
        return lua_rawequal(L, a, b);
    }
    int metatables = lua_getmetatable(L, a) + lua_getmetatable(L, b);
    bool same = metatables == 0 || (metatables == 2 && lua_rawequal(L, -1, -2));
    lua_pop(L, metatables);
    return same && count_same(L, a, b) == count_same(L, b, a);
}

static void random_values_come_back(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < VALUES; i++) {
        struct fh_error err;
        push_random_value(f, 4);
        fh_buf_clear(&f->out);
        assert_int_equal(fh_json_encode(f->L, 1, &any_bytes, &f->out, &err), 0);
        assert_int_equal(fh_json_decode(f->L, fh_buf_slice(&f->out), &any_bytes, &err), 0);
        assert_true(is_same(f->L, 1, 2));
        fh_buf_clear(&f->again);
        assert_int_equal(fh_json_encode(f->L, 2, &any_bytes, &f->again, &err), 0);
        assert_true(fh_slice_equal(fh_buf_slice(&f->out), fh_buf_slice(&f->again)));

        /* Without any_bytes the text is valid, whatever the strings hold. */
        fh_buf_clear(&f->out);
        assert_int_equal(fh_json_encode(f->L, 1, NULL, &f->out, &err), 0);
        assert_int_equal(fh_json_decode(f->L, fh_buf_slice(&f->out), NULL, &err), 0);
        lua_settop(f->L, 0);
    }
}

static const char text[] =
    "{\"list\":[1,2,[],{},9007199254740993,\"a\\n\xc3\xa9\"],\"empty\":{},\"a\":1,\"b\":2,\"c\":3,"
    "\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10,\"k\":11,\"l\":12,\"m\":13,\"n\":14,"
    "\"o\":15,\"p\":16,\"q\":17,\"r\":18,\"s\":19,\"t\":20,\"u\":21,\"v\":22,\"w\":23,\"x\":24,"
    "\"long\":\"\\u00e9----------------------------------------------------------------------------"
    "------------------------------------------------------------------------------------------"
    "------------------------------------------------------------------------------------------"
    "------------------------------------------------------------------------------------------\"}";

static int there_and_back(lua_State *L)
{
    struct fixture *f = lua_touserdata(L, 1);
    struct fh_error err;
    assert_int_equal(fh_json_decode(L, fh_slice_from(text), NULL, &err), 0);
    fh_buf_clear(&f->out);
    assert_int_equal(fh_json_encode(L, -1, NULL, &f->out, &err), 0);
    lua_getglobal(L, "json");
    lua_getfield(L, -1, "encode");
    lua_pushvalue(L, -3);
    lua_call(L, 1, 1);
    lua_getfield(L, -2, "decode");
    lua_pushvalue(L, -2);
    lua_call(L, 1, 1);
    return 0;
}

/* Runs `body` with memory for 0, 1, 2... allocations until that is enough. */
static void run_out_of_memory(struct fixture *f, lua_CFunction body)
{
    int rc = LUA_ERRMEM;
    for (long left = 0; rc != 0; left++) {
        assert_in_range(left, 0, 10000);
        lua_gc(f->L, LUA_GCCOLLECT, 0);
        f->left = left;
        rc = lua_cpcall(f->L, body, f);
        f->left = -1;
        if (rc != 0) {
            assert_string_equal(lua_tostring(f->L, -1), "not enough memory");
        }
        lua_settop(f->L, 0);
    }
}

static void throws_when_memory_runs_out(void **state)
{
    struct fixture *f = *state;
    run_out_of_memory(f, there_and_back);
    fh_buf_clear(&f->out);
    assert_int_equal(fh_json_decode(f->L, fh_slice_from(text), NULL, NULL), 0);
    assert_int_equal(fh_json_encode(f->L, 1, NULL, &f->out, NULL), 0);
    assert_int_equal(fh_json_decode(f->L, fh_buf_slice(&f->out), NULL, NULL), 0);
    assert_true(is_same(f->L, 1, 2));
    lua_settop(f->L, 0);
}

static int open_again(lua_State *L)
{
    fh_json_register(L);
    return fh_json_open(L);
}

static void registers_or_throws(void **state)
{
    run_out_of_memory(*state, open_again);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_state, close_state)
        TEST(random_values_come_back),
        TEST(throws_when_memory_runs_out),
        TEST(registers_or_throws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
