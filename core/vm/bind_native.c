/* SPDX-License-Identifier: MIT */
/* core.native: C components of the embedding program.
 *
 *   has(name) -> boolean         names() -> list
 *   call(name, input JSON, token)    event "native"(token, nil, JSON) or (token, code, message) */
#include "loop/loop.h"
#include "vm/bind.h"
#include "vm/native.h"

#include <stdlib.h>

struct fh_call_native {
    struct fh_mail mail;
    struct fh_vm *vm;
    double token;
    struct answer *answer;
};

struct answer {
    char *code; /* NULL: a result */
    size_t len;
    char bytes[];
};

static const struct fh_native *head(lua_State *L)
{
    const struct fh_native *const *natives = fh_vm_of(L)->context.natives;
    return natives ? *natives : NULL;
}

static const struct fh_native *find(lua_State *L, const char *name)
{
    const struct fh_native *native = head(L);
    while (native && strcmp(native->name, name) != 0) {
        native = native->next;
    }
    return native;
}

static int has(lua_State *L)
{
    lua_pushboolean(L, find(L, luaL_checkstring(L, 1)) != NULL);
    return 1;
}

static int names(lua_State *L)
{
    int count = 0;
    lua_newtable(L);
    for (const struct fh_native *native = head(L); native; native = native->next) {
        lua_pushstring(L, native->name);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int push_answer(lua_State *L, void *arg)
{
    const struct fh_call_native *call = arg;
    lua_pushnumber(L, call->token);
    if (!call->answer) {
        lua_pushliteral(L, "NO_MEMORY");
        lua_pushliteral(L, "no memory for the component's result");
        return 3;
    }
    if (call->answer->code) {
        lua_pushstring(L, call->answer->code);
    } else {
        lua_pushnil(L);
    }
    lua_pushlstring(L, call->answer->bytes, call->answer->len);
    return 3;
}

static void deliver(struct fh_mail *mail)
{
    struct fh_call_native *call = FH_LIST_ENTRY(mail, struct fh_call_native, mail);
    fh_vm_emit(call->vm, FH_EVENT_NATIVE, push_answer, call);
    free(call->answer);
    free(call);
}

/* Always by mail, even from the component itself: Lua is never entered from within Lua. */
int fh_native_finish(struct fh_call_native *call, const char *code, struct fh_slice bytes)
{
    size_t code_bytes = code ? strlen(code) + 1 : 0;
    struct answer *answer = malloc(sizeof(*answer) + bytes.len + code_bytes);
    if (answer) {
        answer->len = bytes.len;
        if (bytes.len > 0) {
            memcpy(answer->bytes, bytes.data, bytes.len);
        }
        answer->code = code ? memcpy(answer->bytes + bytes.len, code, code_bytes) : NULL;
    }
    call->answer = answer;
    fh_loop_post(call->vm->context.loop, &call->mail);
    return answer ? 0 : FH_E_NO_MEMORY;
}

static int call_native(lua_State *L)
{
    const struct fh_native *native = find(L, luaL_checkstring(L, 1));
    luaL_argcheck(L, native, 1, "no such component");
    struct fh_slice input = fh_bind_slice(L, 2);
    double token = luaL_checknumber(L, 3);
    struct fh_call_native *call = malloc(sizeof(*call));
    if (!call) {
        return luaL_error(L, "no memory for a call");
    }
    *call = (struct fh_call_native){
        .mail.deliver = deliver, .vm = fh_vm_of(L), .token = token, .answer = NULL};
    native->fn(native->user, input, call);
    return 0;
}

void fh_bind_native_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"has", has}, {"names", names}, {"call", call_native}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
