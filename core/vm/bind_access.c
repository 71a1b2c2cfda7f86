/* SPDX-License-Identifier: MIT */
/* core.access: passwords and tokens. Passwords are hashed on the offload thread.
 *
 *   hash(password, token) -> true | nil, code, detail      event "native"(token, nil, hash) or (token, code, detail)
 *   verify(password, hash, token) -> the same              event "native"(token, nil, "true" or "false")
 *   hash_now(password) -> hash                             blocks: for commands
 *   new_token() -> token, hash (32 bytes)                  hash_token(token) -> 32 bytes */
#include "crypto/password.h"
#include "crypto/secret.h"
#include "loop/offload.h"
#include "vm/bind.h"

#include <stdlib.h>
#include <string.h>

struct password_job {
    struct fh_job job; /* first */
    struct fh_vm *vm;
    double token;
    struct fh_secret password;
    char hash[FH_PASSWORD_HASH_BYTES];
    bool is_check;
    bool is_right;
    int rc;
};

static void work(struct fh_job *job)
{
    struct password_job *own = (struct password_job *)job;
    if (own->is_check) {
        own->is_right = fh_password_is_right(fh_secret_slice(&own->password), own->hash);
        own->rc = 0;
    } else {
        own->rc = fh_password_hash(fh_secret_slice(&own->password), own->hash);
    }
}

static int push_result(lua_State *L, void *arg)
{
    const struct password_job *own = arg;
    lua_pushnumber(L, own->token);
    if (own->rc != 0) {
        lua_pushstring(L, fh_error_name(own->rc));
        lua_pushstring(L, fh_error_text(own->rc));
        return 3;
    }
    lua_pushnil(L);
    lua_pushstring(L, own->is_check ? (own->is_right ? "true" : "false") : own->hash);
    return 3;
}

static void free_job(struct password_job *own)
{
    fh_secret_deinit(&own->password);
    free(own);
}

static void done(struct fh_job *job)
{
    struct password_job *own = (struct password_job *)job;
    fh_vm_emit(own->vm, FH_EVENT_NATIVE, push_result, own);
    free_job(own);
}

static int submit(lua_State *L, struct fh_slice password, const char *hash, double token)
{
    struct fh_vm *vm = fh_vm_of(L);
    if (!vm->context.offload || password.len > FH_PASSWORD_MAX_BYTES) {
        return fh_bind_fail(L, FH_E_TOO_LARGE, "a password has at most 1024 bytes");
    }
    struct password_job *own = calloc(1, sizeof(*own));
    if (!own || fh_secret_init(&own->password, password) != 0) {
        free(own);
        return fh_bind_fail(L, FH_E_NO_MEMORY, NULL);
    }
    own->job.work = work;
    own->job.done = done;
    own->vm = vm;
    own->token = token;
    own->rc = FH_E_CLOSED;
    own->is_check = hash != NULL;
    if (hash) {
        strncpy(own->hash, hash, sizeof(own->hash) - 1);
    }
    int rc = fh_offload_submit(vm->context.offload, vm->context.loop, &own->job);
    if (rc != 0) {
        free_job(own);
        return fh_bind_fail(L, rc, "too many passwords are being checked");
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int hash(lua_State *L)
{
    return submit(L, fh_bind_slice(L, 1), NULL, luaL_checknumber(L, 2));
}

static int verify(lua_State *L)
{
    struct fh_slice password = fh_bind_slice(L, 1);
    return submit(L, password, luaL_checkstring(L, 2), luaL_checknumber(L, 3));
}

static int hash_now(lua_State *L)
{
    char text[FH_PASSWORD_HASH_BYTES];
    if (fh_password_hash(fh_bind_slice(L, 1), text) != 0) {
        return luaL_error(L, "not enough memory");
    }
    lua_pushstring(L, text);
    return 1;
}

static void push_token_hash(lua_State *L, struct fh_slice token)
{
    unsigned char bytes[FH_TOKEN_HASH_BYTES];
    fh_token_hash(token, bytes);
    lua_pushlstring(L, (const char *)bytes, sizeof(bytes));
}

static int new_token(lua_State *L)
{
    char text[FH_TOKEN_CHARS + 1];
    fh_token_make(text);
    lua_pushstring(L, text);
    push_token_hash(L, fh_slice_from(text));
    fh_secret_wipe(text, sizeof(text));
    return 2;
}

static int hash_token(lua_State *L)
{
    push_token_hash(L, fh_bind_slice(L, 1));
    return 1;
}

void fh_bind_access_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"hash", hash},           {"verify", verify},         {"hash_now", hash_now},
        {"new_token", new_token}, {"hash_token", hash_token}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
