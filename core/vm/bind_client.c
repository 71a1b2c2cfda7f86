/* SPDX-License-Identifier: MIT */
/* core.client: outgoing HTTP calls.
 *
 *   start(o, token) -> call | nil, code, detail
 *     o: method url headers{ {name, value}, ... } body user password timeout_ms connect_timeout_ms
 *        max_bytes max_redirects
 *     event "call"(token, nil, status, headers, body) or (token, code, detail)
 *     headers: lower-case name -> value, repeated ones joined by ", ", Set-Cookie by "\n"
 *   call:cancel()     no event follows; harmless when it has ended */
#include "client/client.h"

#include "vm/bind.h"

#include <ctype.h>
#include <stdlib.h>

static const char class_name[] = "flowhost.call";

enum { MAX_HEADERS = 100 };

struct box {
    struct pending *pending; /* NULL when it has ended */
};

struct pending {
    struct fh_vm *vm;
    struct box *box; /* NULL once collected */
    struct fh_call *call;
    double token;
    const struct fh_client_response *response;
};

static void push_lower(lua_State *L, struct fh_slice name)
{
    char lower[128];
    size_t len = name.len < sizeof(lower) ? name.len : sizeof(lower);
    for (size_t i = 0; i < len; i++) {
        lower[i] = (char)tolower((unsigned char)name.data[i]);
    }
    lua_pushlstring(L, lower, len);
}

static void push_headers(lua_State *L, const struct fh_client_response *response)
{
    lua_createtable(L, 0, (int)response->header_count);
    for (size_t i = 0; i < response->header_count; i++) {
        push_lower(L, response->headers[i].name);
        lua_pushvalue(L, -1);
        lua_rawget(L, -3);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            fh_bind_push_slice(L, response->headers[i].value);
        } else {
            lua_pushstring(L, strcmp(lua_tostring(L, -2), "set-cookie") == 0 ? "\n" : ", ");
            fh_bind_push_slice(L, response->headers[i].value);
            lua_concat(L, 3);
        }
        lua_rawset(L, -3);
    }
}

static int push_response(lua_State *L, void *arg)
{
    const struct pending *pending = arg;
    const struct fh_client_response *response = pending->response;
    lua_pushnumber(L, pending->token);
    if (response->rc != 0) {
        lua_pushstring(L, fh_error_name(response->rc));
        lua_pushstring(L, response->detail ? response->detail : fh_error_text(response->rc));
        return 3;
    }
    lua_pushnil(L);
    lua_pushinteger(L, response->status);
    push_headers(L, response);
    fh_bind_push_slice(L, response->body);
    return 5;
}

static void on_done(void *arg, const struct fh_client_response *response)
{
    struct pending *pending = arg;
    if (pending->box) {
        pending->box->pending = NULL;
    }
    pending->response = response;
    fh_vm_emit(pending->vm, FH_EVENT_CALL, push_response, pending);
    free(pending);
}

/* Slices stay valid as long as the options table, which is on the stack, holds the strings. */
static struct fh_slice get_text(lua_State *L, const char *name)
{
    struct fh_slice text = {NULL, 0};
    lua_getfield(L, 1, name);
    if (lua_type(L, -1) == LUA_TSTRING) {
        text.data = lua_tolstring(L, -1, &text.len);
    }
    lua_pop(L, 1);
    return text;
}

static int64_t get_number(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    int64_t number = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

static size_t get_headers(lua_State *L, struct fh_client_header *headers)
{
    size_t count = 0;
    lua_getfield(L, 1, "headers");
    if (lua_istable(L, -1)) {
        count = lua_objlen(L, -1);
        luaL_argcheck(L, count <= MAX_HEADERS, 1, "more than 100 headers");
        for (size_t i = 0; i < count; i++) {
            lua_rawgeti(L, -1, (int)i + 1);
            luaL_checktype(L, -1, LUA_TTABLE);
            lua_rawgeti(L, -1, 1);
            lua_rawgeti(L, -2, 2);
            headers[i].name = fh_bind_slice(L, -2);
            headers[i].value = fh_bind_slice(L, -1);
            lua_pop(L, 3);
        }
    }
    lua_pop(L, 1);
    return count;
}

static int start(lua_State *L)
{
    struct fh_vm *vm = fh_vm_of(L);
    struct fh_client_header headers[MAX_HEADERS];
    luaL_checktype(L, 1, LUA_TTABLE);
    double token = luaL_checknumber(L, 2);
    struct fh_client_request request = {
        .method = get_text(L, "method"),
        .url = get_text(L, "url"),
        .headers = headers,
        .header_count = get_headers(L, headers),
        .body = get_text(L, "body"),
        .user = get_text(L, "user"),
        .password = get_text(L, "password"),
        .timeout_ms = get_number(L, "timeout_ms"),
        .connect_timeout_ms = get_number(L, "connect_timeout_ms"),
        .max_bytes = (size_t)get_number(L, "max_bytes"),
        .max_redirects = (unsigned)get_number(L, "max_redirects"),
    };
    request.has_body = request.body.data != NULL;
    struct box *box = lua_newuserdata(L, sizeof(*box));
    box->pending = NULL;
    luaL_getmetatable(L, class_name);
    lua_setmetatable(L, -2);
    struct pending *pending = malloc(sizeof(*pending));
    if (!pending) {
        return fh_bind_fail(L, FH_E_NO_MEMORY, NULL);
    }
    *pending = (struct pending){.vm = vm, .box = box, .token = token};
    int rc = fh_client_start(vm->context.client, &request, on_done, pending, &pending->call);
    if (rc != 0) {
        free(pending);
        return fh_bind_fail(L, rc, NULL);
    }
    box->pending = pending;
    return 1;
}

static int cancel(lua_State *L)
{
    struct box *box = luaL_checkudata(L, 1, class_name);
    if (box->pending) {
        fh_call_cancel(box->pending->call);
        free(box->pending);
        box->pending = NULL;
    }
    return 0;
}

/* Forgetting the handle does not cancel the call: the token still names it. */
static int forget(lua_State *L)
{
    struct box *box = luaL_checkudata(L, 1, class_name);
    if (box->pending) {
        box->pending->box = NULL;
    }
    return 0;
}

void fh_bind_client_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"cancel", cancel}, {"__gc", forget}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"start", start}, {NULL, NULL}};
    fh_bind_class(L, class_name, methods);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
