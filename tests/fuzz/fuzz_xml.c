/* SPDX-License-Identifier: MIT */
/* What the XML codec decodes, it encodes to a text that it decodes to the same: seen by the text of a second encoding.
 * Only what lists make deeper than the limit may be refused then. */
#include "vm/embedded.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int luaopen_lxp(lua_State *L);

static const char check[] =
    "local xml, text = ...\n"
    "local value, root = xml.decode(text)\n"
    "if value == nil then assert(type(root) == 'string') return end\n"
    "local first, reason = xml.encode(root, value)\n"
    "if not first then assert(reason:find 'nested deeper', reason) return end\n"
    "local again, same = xml.decode(first)\n"
    "assert(again ~= nil and same == root, same)\n"
    "local second = xml.encode(root, again)\n"
    "assert(first == second, first .. '\\n' .. tostring(second))\n";

static void expect(lua_State *L, int rc)
{
    if (rc != 0) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
}

/* Leaves the codec on the stack. */
static void load_codec(lua_State *L)
{
    luaL_openlibs(L);
    lua_pushcfunction(L, luaopen_lxp);
    lua_pushliteral(L, "lxp");
    expect(L, lua_pcall(L, 1, 1, 0));
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaded");
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "lxp");
    for (size_t i = 0; i < fh_embedded_count; i++) {
        const struct fh_embedded *file = &fh_embedded_files[i];
        if (strcmp(file->name, "flowhost/codec/xml.lua") == 0) {
            expect(L, luaL_loadbuffer(L, (const char *)file->data, file->len, "@xml.lua"));
            expect(L, lua_pcall(L, 0, 1, 0));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    if (!L) {
        L = luaL_newstate();
        load_codec(L);
    }
    int top = lua_gettop(L);
    expect(L, luaL_loadbuffer(L, check, sizeof(check) - 1, "=check"));
    lua_pushvalue(L, top);
    lua_pushlstring(L, (const char *)data, size);
    expect(L, lua_pcall(L, 2, 0, 0));
    lua_settop(L, top);
    return 0;
}
