/* SPDX-License-Identifier: MIT */
/* core.access: passwords, which the worker of loop/offload.h hashes.
 *
 *   hash_password(password, token) -> true | nil, code, detail       event "password"(token, nil, hash) or (token, code)
 *   verify_password(hash, password, token) -> the same               event "password"(token, nil, boolean) or (token, code)
 *
 * TOO_LARGE: as many wait as may. */
#include "crypto/password.h"
#include "loop/offload.h"
#include "vm/bind.h"

#include <stdlib.h>

enum { MAX_PASSWORD_BYTES = 1024 };

struct task {
    struct fh_job job;
    struct fh_vm *vm;
    double token;
    struct fh_password *password;
    char hash[FH_PASSWORD_HASH_BYTES];
    bool is_verify;
    bool is_equal;
    int rc;
};

static int push_outcome(lua_State *L, void *arg)
{
    const struct task *task = arg;
    lua_pushnumber(L, task->token);
    if (task->rc != 0) {
        lua_pushstring(L, fh_error_name(task->rc));
        return 2;
    }
    lua_pushnil(L);
    if (task->is_verify) {
        lua_pushboolean(L, task->is_equal);
    } else {
        lua_pushstring(L, task->hash);
    }
    return 3;
}

static void work(struct fh_job *job)
{
    struct task *task = FH_LIST_ENTRY(job, struct task, job);
    if (task->is_verify) {
        task->is_equal = fh_password_verify(task->password, task->hash);
    } else {
        task->rc = fh_password_hash(task->password, task->hash);
    }
}

static void task_free(struct task *task)
{
    fh_password_free(task->password);
    free(task);
}

static void done(struct fh_job *job)
{
    struct task *task = FH_LIST_ENTRY(job, struct task, job);
    if (job->is_dropped) {
        task->rc = FH_E_CLOSED;
    }
    fh_vm_emit(task->vm, FH_EVENT_PASSWORD, push_outcome, task);
    task_free(task);
}

static struct task *task_new(struct fh_vm *vm, struct fh_slice password, double token)
{
    struct task *task = calloc(1, sizeof(*task));
    if (!task) {
        return NULL;
    }
    *task = (struct task){.job = {.work = work, .done = done}, .vm = vm, .token = token};
    task->password = fh_password_new(password);
    if (!task->password) {
        free(task);
        return NULL;
    }
    return task;
}

/* `hash` empty: one is made. */
static int begin(lua_State *L, struct fh_slice hash, int index)
{
    struct fh_vm *vm = fh_vm_of(L);
    struct fh_slice password = fh_bind_slice(L, index);
    double token = luaL_checknumber(L, index + 1);
    luaL_argcheck(L, password.len <= MAX_PASSWORD_BYTES, index, "at most 1024 bytes");
    luaL_argcheck(L, vm->context.offload, index, "there is no worker in this process");
    struct task *task = task_new(vm, password, token);
    if (!task) {
        return fh_bind_fail(L, FH_E_NO_MEMORY, NULL);
    }
    if (hash.len > 0) {
        memcpy(task->hash, hash.data, hash.len);
        task->is_verify = true;
    }
    int rc = fh_offload_submit(vm->context.offload, vm->context.loop, &task->job);
    if (rc != 0) {
        task_free(task);
        return fh_bind_fail(L, rc, NULL);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int hash_password(lua_State *L)
{
    return begin(L, (struct fh_slice){NULL, 0}, 1);
}

static int verify_password(lua_State *L)
{
    struct fh_slice hash = fh_bind_slice(L, 1);
    luaL_argcheck(L, hash.len > 0 && hash.len < FH_PASSWORD_HASH_BYTES, 1, "not a hash");
    return begin(L, hash, 2);
}

void fh_bind_access_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"hash_password", hash_password}, {"verify_password", verify_password}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
