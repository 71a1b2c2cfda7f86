/* SPDX-License-Identifier: MIT */
/* One shard's LuaJIT state: memory cap, the Lua library, the bindings (`require "flowhost.core"`)
 * and the gate.
 *
 * The gate is the only way from C into Lua: fh_vm_call runs the function that Lua registered for
 * an event (`core.on(name, fn)`) protected, with traceback, and pushes the arguments inside the
 * protection. An error is logged and returned; it never crosses a C callback.
 *
 * Everything runs on the shard's loop thread. */
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/slice.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct fh_client;
struct fh_http_request;
struct fh_keystore;
struct fh_loop;
struct fh_native;
struct fh_offload;
struct fh_store;
struct fh_vm;

/* X(symbol, name for core.on, what it is called with) */
#define FH_EVENT_LIST(X)                                                                           \
    X(FH_EVENT_HTTP, "http")     /* request, method, path, body: a request came in */              \
    X(FH_EVENT_GONE, "gone")     /* token: the caller of a stream went away */                     \
    X(FH_EVENT_ROOM, "room")     /* token: a stream takes more */                                  \
    X(FH_EVENT_COMMIT, "commit") /* token, error code or nil: a batch is durable, or not */        \
    X(FH_EVENT_CALL, "call")     /* token, error code or nil, status, headers, body | detail */    \
    X(FH_EVENT_TIMER, "timer")   /* token */                                                       \
    X(FH_EVENT_MAIL, "mail")     /* from shard, bytes: sent by core.shard.post on another shard */ \
    X(FH_EVENT_PASSWORD, "password") /* token, error code or nil, hash or boolean */               \
    X(FH_EVENT_NATIVE, "native")     /* token, error code or nil, JSON or message */               \
    X(FH_EVENT_SETUP, "setup")       /* what is asked, arguments: see setup.h */                   \
    X(FH_EVENT_LOAD, "load")         /* files, settings: returns what is wrong with them */        \
    X(FH_EVENT_RELOAD, "reload")   /* changed files, paths removed, problems, is asked: setup.h */ \
    X(FH_EVENT_START, "start")     /* shard begins: recover runs */                                \
    X(FH_EVENT_TEST, "test")       /* files, settings, "dir", "filter": returns how many failed */ \
    X(FH_EVENT_COMMAND, "command") /* name, arguments as JSON: begin it, see setup.h */            \
    X(FH_EVENT_DRAIN, "drain") /* stop intake; returns how many runs are still being worked on */

enum fh_event {
#define FH_EVENT_ENUM(symbol, name) symbol,
    FH_EVENT_LIST(FH_EVENT_ENUM)
#undef FH_EVENT_ENUM
        FH_EVENT_COUNT
};

/* Borrowed: outlives the vm. Only `clock` must be given; a vm without store and client serves the
 * command line. */
struct fh_vm_context {
    const struct fh_clock *clock;
    struct fh_loop *loop;
    struct fh_store *store;
    struct fh_client *client;
    struct fh_keystore *keystore; /* NULL: there are no secrets */
    const char *key_path;         /* where a key is made when one is needed first; NULL: nowhere */
    struct fh_offload *offload;   /* NULL: no passwords */
    const struct fh_native *const *natives; /* head of the list of C components (native.h) */
    struct fh_vm **peers;                   /* the vms of all shards, [shards] of them */
    struct fh_vm *host; /* of a command: takes its requests in this process; NULL: HTTP */
    unsigned shard;
    unsigned shards;
    size_t memory_max_bytes; /* flows get an error beyond it; 0: 512 MiB */
    int64_t cpu_limit_ms;    /* between two yields of a flow; 0: 1000 */
};

int fh_vm_open(struct fh_vm **out, const struct fh_vm_context *context, struct fh_error *err);

/* On the thread that used the vm so far, before another one does. */
void fh_vm_leave_thread(struct fh_vm *vm);

/* Events are swallowed from now on: what still comes from loop, store and client while the host
 * closes finds nobody. */
void fh_vm_mute(struct fh_vm *vm);

/* After the client is closed and the mail of the loop is delivered. */
void fh_vm_close(struct fh_vm *vm);

/* Pushes the event's arguments (may throw) and returns their number. */
typedef int (*fh_vm_push)(lua_State *L, void *arg);

/* Reads the event's single result at `index` (may throw). */
typedef void (*fh_vm_take)(lua_State *L, int index, void *arg);

/* Runs the handler of `event`. `push` and `take` may be NULL. 0, FH_E_NOT_FOUND when Lua has no
 * handler for it, or the error's code with message and traceback in err. Not reentrant from within
 * a flow. */
int fh_vm_call(struct fh_vm *vm, enum fh_event event, fh_vm_push push, fh_vm_take take, void *arg,
               struct fh_error *err);

/* The same for an event nobody waits for: an error is logged. */
void fh_vm_emit(struct fh_vm *vm, enum fh_event event, fh_vm_push push, void *arg);

/* Hands a request to Lua. Answers 500 when Lua fails to take it. */
void fh_vm_on_http(void *vm, struct fh_http_request *request);

/* An answer to fh_vm_request. Runs on the shard's thread. */
typedef void (*fh_vm_on_answer)(void *arg, int status, struct fh_slice body);

/* A request from within the process, as if it had come in over HTTP from loopback. `path` may
 * have a query. `on_answer` runs once, now or later. */
void fh_vm_request(struct fh_vm *vm, struct fh_slice method, struct fh_slice path,
                   struct fh_slice body, fh_vm_on_answer on_answer, void *arg);
