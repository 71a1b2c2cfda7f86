/* SPDX-License-Identifier: MIT */
/* What the decoder and the encoder of JSON share of the Lua state: see json.c. Not for others. */
#pragma once

#include "base/slice.h"
#include "vm/json.h"

#include <stdbool.h>
#include <stdint.h>

/* LuaJIT's type of FFI values, which its lua.h does not name. */
enum { FH_JSON_TCDATA = 10 };

/* The depth that `limits` (may be NULL) asks for, between 1 and FH_JSON_DEPTH_MOST. */
int fh_json_lua_depth(const struct fh_json_limits *limits);

/* Pushes an int64 cdata. The C API knows none: a Lua helper makes it. May throw. */
void fh_json_lua_push_int64(lua_State *L, int64_t value);

/* Pushes the digits of the int64 or uint64 cdata at the absolute `index`, or pushes nil for a cdata
 * of another type. May throw. */
void fh_json_lua_push_digits(lua_State *L, int index);
