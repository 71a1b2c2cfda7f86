/* SPDX-License-Identifier: MIT */
/* core.shard: messages between shards.
 *
 *   post(shard, bytes)      event "mail"(from, bytes) on that shard, in order per sender */
#include "loop/loop.h"
#include "vm/bind.h"

#include <stdlib.h>

struct letter {
    struct fh_mail mail;
    struct fh_vm *to;
    unsigned from;
    size_t len;
    char bytes[];
};

static int push_letter(lua_State *L, void *arg)
{
    const struct letter *letter = arg;
    lua_pushinteger(L, (lua_Integer)letter->from);
    lua_pushlstring(L, letter->bytes, letter->len);
    return 2;
}

static void deliver(struct fh_mail *mail)
{
    struct letter *letter = FH_LIST_ENTRY(mail, struct letter, mail);
    fh_vm_emit(letter->to, FH_EVENT_MAIL, push_letter, letter);
    free(letter);
}

static int post(lua_State *L)
{
    struct fh_vm *vm = fh_vm_of(L);
    lua_Integer shard = luaL_checkinteger(L, 1);
    struct fh_slice bytes = fh_bind_slice(L, 2);
    luaL_argcheck(L, shard >= 0 && (unsigned)shard < vm->context.shards, 1, "no such shard");
    struct letter *letter = malloc(sizeof(*letter) + bytes.len);
    if (!letter) {
        return luaL_error(L, "no memory for a message");
    }
    struct fh_vm *to = vm->context.peers[shard];
    *letter = (struct letter){.mail.deliver = deliver, .to = to, .from = vm->context.shard};
    letter->len = bytes.len;
    memcpy(letter->bytes, bytes.data, bytes.len);
    fh_loop_post(to->context.loop, &letter->mail);
    return 0;
}

void fh_bind_shard_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"post", post}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
