/* SPDX-License-Identifier: MIT */
/* core.store: batches and snapshots of the store.
 *
 *   tables                          name -> number
 *   batch() -> batch                batch:put(table, key, value)  batch:del(table, key)
 *                                   batch:expect_absent(table, key)  batch:expect_value(table, key, value)
 *                                   batch:set_intake()
 *   batch:submit(token) -> true | nil, code, detail      event "commit"(token, code or nil)
 *   get(table, key) -> value | nil, code or nil, detail  code is nil when there is no such key
 *   scan(table, { prefix, after, reverse, limit }) -> keys, values, count   a damaged value is false
 *   is_full(), has_failed() -> boolean                   stats() -> { commits, batches, bytes } */
#include "store/store.h"

#include "base/log.h"
#include "vm/bind.h"

#include <stdlib.h>

static const char class_name[] = "flowhost.batch";

struct box {
    struct fh_batch *batch; /* NULL once submitted */
};

struct pending {
    struct fh_vm *vm;
    double token;
    int rc;
};

static int push_commit(lua_State *L, void *arg)
{
    struct pending *pending = arg;
    lua_pushnumber(L, pending->token);
    if (pending->rc == 0) {
        return 1;
    }
    lua_pushstring(L, fh_error_name(pending->rc));
    return 2;
}

static void on_done(void *arg, int rc)
{
    struct pending pending = *(struct pending *)arg;
    free(arg);
    pending.rc = rc;
    fh_vm_emit(pending.vm, FH_EVENT_COMMIT, push_commit, &pending);
}

static struct box *check_box(lua_State *L)
{
    struct box *box = luaL_checkudata(L, 1, class_name);
    luaL_argcheck(L, box->batch, 1, "batch was submitted already");
    return box;
}

static enum fh_table check_table(lua_State *L, int index)
{
    lua_Integer table = luaL_checkinteger(L, index);
    luaL_argcheck(L, table >= 0 && table < FH_TABLE_COUNT, index, "no such table");
    return (enum fh_table)table;
}

static int check_rc(lua_State *L, int rc)
{
    if (rc != 0) {
        luaL_error(L, "%s: %s", fh_error_name(rc), fh_error_text(rc));
    }
    return 0;
}

static int batch(lua_State *L)
{
    struct box *box = lua_newuserdata(L, sizeof(*box));
    box->batch = NULL;
    luaL_getmetatable(L, class_name);
    lua_setmetatable(L, -2);
    check_rc(L, fh_batch_new(&box->batch));
    return 1;
}

static int batch_gc(lua_State *L)
{
    struct box *box = luaL_checkudata(L, 1, class_name);
    fh_batch_free(box->batch);
    box->batch = NULL;
    return 0;
}

static int batch_put(lua_State *L)
{
    struct box *box = check_box(L);
    return check_rc(
        L, fh_batch_put(box->batch, check_table(L, 2), fh_bind_slice(L, 3), fh_bind_slice(L, 4)));
}

static int batch_del(lua_State *L)
{
    struct box *box = check_box(L);
    return check_rc(L, fh_batch_del(box->batch, check_table(L, 2), fh_bind_slice(L, 3)));
}

static int batch_expect_absent(lua_State *L)
{
    struct box *box = check_box(L);
    return check_rc(L, fh_batch_expect_absent(box->batch, check_table(L, 2), fh_bind_slice(L, 3)));
}

static int batch_expect_value(lua_State *L)
{
    struct box *box = check_box(L);
    return check_rc(L, fh_batch_expect_value(box->batch, check_table(L, 2), fh_bind_slice(L, 3),
                                             fh_bind_slice(L, 4)));
}

static int batch_set_intake(lua_State *L)
{
    fh_batch_set_intake(check_box(L)->batch);
    return 0;
}

static int batch_submit(lua_State *L)
{
    struct box *box = check_box(L);
    struct fh_vm *vm = fh_vm_of(L);
    struct pending *pending = malloc(sizeof(*pending));
    if (!pending) {
        return fh_bind_fail(L, FH_E_NO_MEMORY, NULL);
    }
    *pending = (struct pending){.vm = vm, .token = luaL_optnumber(L, 2, 0)};
    struct fh_batch *submitted = box->batch;
    box->batch = NULL;
    int rc = fh_store_submit(vm->context.store, submitted, vm->context.loop, on_done, pending);
    if (rc != 0) {
        free(pending);
        return fh_bind_fail(L, rc, NULL);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* Pushing may throw: what reads a snapshot pushes protected, so that it is closed in any case. */
struct get_call {
    struct fh_snapshot *snapshot;
    enum fh_table table;
    struct fh_slice key;
    struct fh_error err;
    int rc;
};

static int get_protected(lua_State *L)
{
    struct get_call *call = lua_touserdata(L, 1);
    struct fh_slice value;
    call->rc = fh_snapshot_get(call->snapshot, call->table, call->key, &value, &call->err);
    if (call->rc != 0) {
        lua_pushnil(L);
    } else {
        fh_bind_push_slice(L, value);
    }
    return 1;
}

static int get(lua_State *L)
{
    struct fh_vm *vm = fh_vm_of(L);
    struct get_call call = {.table = check_table(L, 1), .key = fh_bind_slice(L, 2)};
    lua_pushcfunction(L, get_protected);
    lua_pushlightuserdata(L, &call);
    int rc = fh_snapshot_open(&call.snapshot, vm->context.store);
    if (rc != 0) {
        return fh_bind_fail(L, rc, NULL);
    }
    int failed = lua_pcall(L, 1, 1, 0);
    fh_snapshot_close(call.snapshot);
    if (failed) {
        return lua_error(L);
    }
    return call.rc == 0 || call.rc == FH_E_NOT_FOUND ? 1
                                                     : fh_bind_fail(L, call.rc, call.err.detail);
}

static struct fh_slice field_slice(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    struct fh_slice bytes = {NULL, 0};
    bytes.data = lua_tolstring(L, -1, &bytes.len);
    lua_pop(L, 1); /* still anchored by the options table */
    return bytes;
}

struct row {
    struct fh_slice key; /* both in the snapshot's memory */
    struct fh_slice value;
    bool is_damaged;
};

struct scan_call {
    struct fh_scan scan;
    struct row *rows;
    int count;
    int cap;
    int limit;
};

static int on_row(void *arg, struct fh_slice key, struct fh_slice value, int rc)
{
    struct scan_call *call = arg;
    if (call->count == call->cap) {
        int cap = call->cap ? call->cap * 2 : 32;
        struct row *rows = realloc(call->rows, (size_t)cap * sizeof(*rows));
        if (!rows) {
            return FH_E_NO_MEMORY;
        }
        call->rows = rows;
        call->cap = cap;
    }
    call->rows[call->count++] = (struct row){key, value, rc != 0};
    return call->count >= call->limit;
}

static int push_rows(lua_State *L)
{
    const struct scan_call *call = lua_touserdata(L, 1);
    lua_createtable(L, call->count, 0);
    lua_createtable(L, call->count, 0);
    for (int i = 0; i < call->count; i++) {
        fh_bind_push_slice(L, call->rows[i].key);
        lua_rawseti(L, -3, i + 1);
        if (call->rows[i].is_damaged) {
            lua_pushboolean(L, 0);
        } else {
            fh_bind_push_slice(L, call->rows[i].value);
        }
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushinteger(L, call->count);
    return 3;
}

static int scan(lua_State *L)
{
    struct fh_vm *vm = fh_vm_of(L);
    struct fh_snapshot *snapshot;
    struct scan_call call = {.scan.table = check_table(L, 1)};
    luaL_checktype(L, 2, LUA_TTABLE);
    call.scan.prefix = field_slice(L, 2, "prefix");
    call.scan.after = field_slice(L, 2, "after");
    lua_getfield(L, 2, "reverse");
    call.scan.reverse = lua_toboolean(L, -1);
    lua_getfield(L, 2, "limit");
    call.limit = (int)luaL_optinteger(L, -1, 1000);
    lua_pushcfunction(L, push_rows);
    lua_pushlightuserdata(L, &call);
    int rc = fh_snapshot_open(&snapshot, vm->context.store);
    if (rc != 0) {
        return fh_bind_fail(L, rc, NULL);
    }
    rc = fh_snapshot_scan(snapshot, &call.scan, on_row, &call);
    int failed = rc < 0 ? 0 : lua_pcall(L, 1, 3, 0);
    fh_snapshot_close(snapshot);
    free(call.rows);
    if (failed) {
        return lua_error(L);
    }
    return rc < 0 ? fh_bind_fail(L, rc, NULL) : 3;
}

static int is_full(lua_State *L)
{
    lua_pushboolean(L, fh_store_is_full(fh_vm_of(L)->context.store));
    return 1;
}

static int has_failed(lua_State *L)
{
    lua_pushboolean(L, fh_store_has_failed(fh_vm_of(L)->context.store));
    return 1;
}

static int stats(lua_State *L)
{
    struct fh_store_stats numbers;
    fh_store_get_stats(fh_vm_of(L)->context.store, &numbers);
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, (double)numbers.commits);
    lua_setfield(L, -2, "commits");
    lua_pushnumber(L, (double)numbers.batches);
    lua_setfield(L, -2, "batches");
    lua_pushnumber(L, (double)numbers.bytes);
    lua_setfield(L, -2, "bytes");
    return 1;
}

void fh_bind_store_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"put", batch_put},
                                       {"del", batch_del},
                                       {"expect_absent", batch_expect_absent},
                                       {"expect_value", batch_expect_value},
                                       {"set_intake", batch_set_intake},
                                       {"submit", batch_submit},
                                       {"__gc", batch_gc},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"batch", batch},           {"get", get},     {"scan", scan}, {"is_full", is_full},
        {"has_failed", has_failed}, {"stats", stats}, {NULL, NULL}};
    static const char *const names[] = {
#define FH_TABLE_NAME(symbol, name) name,
        FH_TABLE_LIST(FH_TABLE_NAME)
#undef FH_TABLE_NAME
    };
    fh_bind_class(L, class_name, methods);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    lua_newtable(L);
    for (int i = 0; i < FH_TABLE_COUNT; i++) {
        lua_pushinteger(L, i);
        lua_setfield(L, -2, names[i]);
    }
    lua_setfield(L, -2, "tables");
}
