/* SPDX-License-Identifier: MIT */
/* Inside core/vm: the vm's fields and what the bindings share. Each bind_*.c pushes one table of
 * `flowhost.core` and says in its first lines what Lua finds there. */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/random.h"
#include "http/http.h"
#include "vm/budget.h"
#include "vm/vm.h"

#include <lauxlib.h>
#include <stdatomic.h>

struct fh_vm {
    lua_State *L;
    struct fh_vm_context context;
    struct fh_random random;
    struct fh_list timers;    /* running ones, for close */
    struct fh_list questions; /* of a command to its host, for close */
    int exit_code;            /* of a command; -1 until it has ended */
    lua_Alloc allocate;       /* LuaJIT's */
    void *allocate_arg;
    size_t used_bytes;
    bool is_muted;
    bool is_in_flow; /* a flow's code runs: the memory cap applies to it */
    struct fh_budget budget;
    int handlers[FH_EVENT_COUNT];
    int trampoline;
    bool is_large;     /* much of the cap is used: collect as often as that asks for */
    bool was_refused;  /* an allocation, since the last collection */
    size_t kept_bytes; /* used after the last collection made for want of room */
};

struct fh_vm *fh_vm_of(lua_State *L);

/* Each pushes its table. */
void fh_bind_http_open(lua_State *L);
void fh_bind_store_open(lua_State *L);
void fh_bind_client_open(lua_State *L);
void fh_bind_timer_open(lua_State *L);
void fh_bind_system_open(lua_State *L);
void fh_bind_shard_open(lua_State *L);
void fh_bind_native_open(lua_State *L);
void fh_bind_flow_open(lua_State *L);
void fh_bind_command_open(lua_State *L);
void fh_bind_keystore_open(lua_State *L);
void fh_bind_access_open(lua_State *L);
void fh_bind_crypto_open(lua_State *L);

/* bind_stream.c, for bind_http.c: pushes a stream that nobody gets yet; `token_index`: of the event "gone", or nil. */
struct fh_bind_stream;
void fh_bind_stream_open(lua_State *L);
struct fh_bind_stream *fh_bind_stream_push(lua_State *L, int token_index);
void fh_bind_stream_start(struct fh_bind_stream *stream, struct fh_http_request *http, int status,
                          const struct fh_http_header *headers, size_t count);
void fh_bind_stream_gather(struct fh_bind_stream *stream, int status, fh_vm_on_answer on_answer,
                           void *arg);
extern const char fh_bind_closed_body[]; /* of a 503, problem+json */

void fh_bind_timer_stop_all(struct fh_vm *vm);
void fh_bind_command_forget_all(struct fh_vm *vm);

/* A new metatable `name` with `methods`, indexable, closed to Lua (__metatable = false). */
void fh_bind_class(lua_State *L, const char *name, const luaL_Reg *methods);

static inline struct fh_slice fh_bind_slice(lua_State *L, int index)
{
    size_t len;
    const char *data = luaL_checklstring(L, index, &len);
    return fh_slice_make(data, len);
}

static inline void fh_bind_push_slice(lua_State *L, struct fh_slice bytes)
{
    lua_pushlstring(L, bytes.data ? bytes.data : "", bytes.len);
}

/* nil, code name, detail. */
int fh_bind_fail(lua_State *L, int code, const char *detail);
