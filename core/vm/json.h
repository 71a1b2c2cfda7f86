/* SPDX-License-Identifier: MIT */
/* The engine's JSON codec between bytes and Lua values, with nothing lost on the way:
 *
 *   null    <-> json.null (light userdata NULL)       true/false <-> boolean
 *   []      <-> table with the array metatable         {}         <-> plain table
 *   integer <-> number when |n| <= 2^53, else int64 cdata (1LL); beyond int64: the nearest double
 *   double  <-> number, written with the fewest digits (up to 17) that read back the same; -0 is "-0"
 *               a double that holds an integer below 2^53 is written without a point
 *   string  <-> string; NUL and every escape kept
 *
 * Encoding a table: the array metatable, or a non-empty table whose keys are exactly 1..n, gives an
 * array; string keys give an object, keys sorted by bytes; an empty plain table is {}. Number keys of an object
 * (sparse or mixed) are an error, as are functions, threads, userdata, other cdata, NaN, infinities, cycles. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <lua.h>
#include <stdbool.h>

enum { FH_JSON_DEPTH = 128 };

struct fh_json_limits {
    int max_depth;  /* arrays and objects in each other; 0: FH_JSON_DEPTH */
    bool any_bytes; /* strings may hold invalid UTF-8, written and read as they are (journal);
                          else decode refuses it and encode writes U+FFFD for each bad byte */
    bool pretty;    /* encode: two spaces of indent */
};

/* Puts the array metatable and json.null's place into the registry. Once per lua_State. */
void fh_json_register(lua_State *L);

/* Pushes one value. May throw Lua's out-of-memory error: call inside the gate. On error nothing is pushed
 * and err says what and where: "expected ',' or '}' at line 1 column 17 (byte 16)". */
int fh_json_decode(lua_State *L, struct fh_slice text, const struct fh_json_limits *limits,
                   struct fh_error *err);

/* Appends the value at `index` to `out` (whose cap bounds the size). Does not throw except out-of-memory; err names
 * the place: "data.list[3] is a function". */
int fh_json_encode(lua_State *L, int index, const struct fh_json_limits *limits, struct fh_buf *out,
                   struct fh_error *err);

/* Pushes the array metatable. */
void fh_json_push_array_metatable(lua_State *L);

/* luaopen-style: pushes { encode(v, o), decode(s, o), null, array(t), is_array(t), array_mt }; encode and decode raise on nothing but
 * return nil, message. o: { any_bytes, pretty, max_depth }. */
int fh_json_open(lua_State *L);
