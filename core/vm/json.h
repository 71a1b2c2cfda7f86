/* SPDX-License-Identifier: MIT */
/* The engine's JSON codec between bytes and Lua values, with nothing lost on the way:
 *
 *   null    <-> json.null (light userdata NULL)       true/false <-> boolean
 *   []      <-> table with the array metatable         {}         <-> plain table
 *   integer <-> number when |n| <= 2^53, else int64 cdata (1LL); beyond int64: the nearest double
 *   double  <-> number, written with the fewest digits (up to 17) that read back the same; -0 is "-0";
 *               an integer up to 2^53 is written without a point, a greater double with an exponent,
 *               so that it does not come back as int64
 *   string  <-> string; NUL and every escape kept
 *
 * Decoding: RFC 8259 and nothing beside it; no byte order mark; of equal keys the last wins; every array,
 * empty or not, gets the array metatable.
 * Encoding a table: the array metatable, or a non-empty table whose keys are exactly 1..n, gives an
 * array; string keys give an object, keys sorted by bytes; an empty plain table is {}. Number keys of an object
 * (sparse or mixed) are an error, as are functions, threads, userdata, other cdata, NaN, infinities, cycles. nil
 * (only ever the whole value) is null; uint64 cdata is written as its digits. Metamethods are not called. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <lua.h>
#include <stdbool.h>

enum {
    FH_JSON_DEPTH = 128,
    FH_JSON_DEPTH_MOST = 512 /* the codec recurses: a greater max_depth counts as this */
};

struct fh_json_limits {
    int max_depth;  /* arrays and objects in each other; 0: FH_JSON_DEPTH */
    bool any_bytes; /* strings may hold invalid UTF-8, written and read as they are (journal), and
                     * a lone \ud800 is read as its three bytes; else decode refuses both
                     * and encode writes U+FFFD for each bad byte */
    bool pretty;    /* encode: two spaces of indent */
};

/* Puts the array metatable and the helpers for int64 into the registry. Needs the standard libraries
 * (luaL_openlibs); `ffi` may be taken away from scripts afterwards. Once per lua_State, before anything else
 * here, in a protected call: throws when out of memory. */
void fh_json_register(lua_State *L);

/* Pushes one value. May throw Lua's out-of-memory error: call inside the gate. On error nothing is pushed
 * and err says what and where: "expected ',' or '}' but found ']' at line 1 column 17 (byte 16)", where lines
 * and columns (characters) count from 1 and bytes from 0. FH_E_SYNTAX; FH_E_TOO_LARGE for the depth. `text` must
 * stay where it is during the call. `limits` and `err` may be NULL. */
int fh_json_decode(lua_State *L, struct fh_slice text, const struct fh_json_limits *limits,
                   struct fh_error *err);

/* Appends the value at `index` to `out` (whose cap bounds the size). On error `out` is as before and err names
 * the place: "data.list[3] is a function". FH_E_INVALID for what JSON cannot hold; FH_E_TOO_LARGE for
 * depth and cap; FH_E_NO_MEMORY. May throw Lua's out-of-memory error (and, for int64, what a debug hook
 * throws): call inside the gate; `out` then holds part of the text and stays its owner's. */
int fh_json_encode(lua_State *L, int index, const struct fh_json_limits *limits, struct fh_buf *out,
                   struct fh_error *err);

/* The same for the values at first..last (absolute indexes), with commas between them. */
int fh_json_encode_range(lua_State *L, int first, int last, const struct fh_json_limits *limits,
                         struct fh_buf *out, struct fh_error *err);

/* Pushes the array metatable. */
void fh_json_push_array_metatable(lua_State *L);

/* luaopen-style: pushes { encode, decode, encode_stored, decode_stored, list, join, null, array, is_array, array_mt }:
 * encode(v, o), decode(s, o), array(t), is_array(t).
 * encode and decode raise on nothing (but want of memory) and return nil, message. o: { any_bytes, pretty,
 * max_depth }. encode writes up to 64 MiB. array marks `t` (default: a new table) and returns it; it raises when t is no
 * table or has another metatable. is_array(t): encode would write `t` as an array.
 * encode_stored(v), decode_stored(s): as the engine keeps its documents (any bytes, 32 levels deeper, no options to
 * read). list(a, b, ...): the text of the array of its arguments. join(a, b, ..., text): the same, but the last
 * argument is JSON text that is spliced in. */
int fh_json_open(lua_State *L);
