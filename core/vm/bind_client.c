/* SPDX-License-Identifier: MIT */
/* core.client: outgoing HTTP calls.
 *
 *   start(o, token) -> call | nil, code, detail
 *     o: method url headers{ {name, value [, secret: its bytes follow]}, ... } body user password password_secret
 *        tls{ca, cert, key: secrets with PEM} timeout_ms connect_timeout_ms max_bytes max_redirects. SECRET_MISSING when
 *        there is none of a name
 *     event "call"(token, nil, status, headers, body) or (token, code, detail)
 *     headers: lower-case name -> value, repeated ones joined by ", ", Set-Cookie by "\n"
 *   call:cancel()     no event follows; harmless when it has ended */
#include "client/client.h"
#include "crypto/keystore.h"

#include "vm/bind.h"

#include <ctype.h>
#include <stdlib.h>

static const char class_name[] = "flowhost.call";

enum { MAX_HEADERS = 100, MAX_SECRETS = MAX_HEADERS + 4 };

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

/* Copies of secrets for as long as a request is made. Nothing throws while there are any. */
struct secrets {
    struct fh_keystore *keystore;
    struct fh_secret list[MAX_SECRETS];
    size_t count;
    const char *missing; /* name of the first one that is not there */
    int rc;              /* FH_E_NO_MEMORY when one could not be copied */
};

/* `prefix` and the bytes of the secret behind it. */
static struct fh_slice get_secret(struct secrets *secrets, struct fh_slice prefix, const char *name)
{
    struct fh_secret value = {NULL, 0};
    struct fh_secret *both = &secrets->list[secrets->count];
    struct fh_buf text;
    if (!secrets->keystore ||
        fh_keystore_get(secrets->keystore, fh_slice_from(name), &value) != 0) {
        secrets->missing = secrets->missing ? secrets->missing : name;
        return fh_slice_make("", 0);
    }
    fh_buf_init(&text, SIZE_MAX / 2);
    int rc = fh_buf_reserve(&text, prefix.len + value.len + 1);
    if (rc == 0) {
        fh_buf_push_slice(&text, prefix);
        fh_buf_push_slice(&text, fh_secret_slice(&value));
        rc = fh_secret_init(both, fh_buf_slice(&text));
    }
    secrets->count += rc == 0 ? 1 : 0;
    secrets->rc = rc == 0 ? secrets->rc : rc;
    fh_secret_wipe(text.data, text.len);
    fh_buf_deinit(&text);
    fh_secret_deinit(&value);
    return rc == 0 ? fh_secret_slice(both) : fh_slice_make("", 0);
}

static void free_secrets(struct secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++) {
        fh_secret_deinit(&secrets->list[i]);
    }
}

/* Names of the secrets of headers, [count] of them, NULL where there is none: read before any secret is opened. */
static size_t get_headers(lua_State *L, struct fh_client_header *headers, const char **secret_names)
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
            lua_rawgeti(L, -3, 3);
            headers[i].name = fh_bind_slice(L, -3);
            headers[i].value = fh_bind_slice(L, -2);
            secret_names[i] = lua_tostring(L, -1);
            lua_pop(L, 4);
        }
    }
    lua_pop(L, 1);
    return count;
}

/* What the table `tls` calls secrets. */
static void get_tls(lua_State *L, const char *names[3])
{
    static const char *const fields[] = {"ca", "cert", "key"};
    lua_getfield(L, 1, "tls");
    for (int i = 0; i < 3; i++) {
        names[i] = NULL;
        if (lua_istable(L, -1)) {
            lua_getfield(L, -1, fields[i]);
            names[i] = lua_tostring(L, -1);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

/* Puts the secrets into the request; rc as for fh_client_start, or FH_E_NOT_FOUND with `missing`. */
static int start_with_secrets(struct fh_vm *vm, struct fh_client_request *request,
                              struct fh_client_header *headers, const char **names,
                              const char *password, const char *const tls[3],
                              struct pending *pending, const char **missing)
{
    static const struct fh_slice none = {"", 0};
    struct secrets secrets = {.keystore = vm->context.keystore};
    for (size_t i = 0; i < request->header_count; i++) {
        if (names[i]) {
            headers[i].value = get_secret(&secrets, headers[i].value, names[i]);
        }
    }
    if (password) {
        request->password = get_secret(&secrets, none, password);
    }
    struct fh_slice *parts[] = {&request->tls_ca, &request->tls_cert, &request->tls_key};
    for (int i = 0; i < 3; i++) {
        if (tls[i]) {
            *parts[i] = get_secret(&secrets, none, tls[i]);
        }
    }
    int rc = secrets.missing ? FH_E_NOT_FOUND : secrets.rc;
    if (rc == 0) {
        rc = fh_client_start(vm->context.client, request, on_done, pending, &pending->call);
    }
    *missing = secrets.missing;
    free_secrets(&secrets);
    return rc;
}

static int start(lua_State *L)
{
    struct fh_vm *vm = fh_vm_of(L);
    struct fh_client_header headers[MAX_HEADERS];
    const char *secret_names[MAX_HEADERS];
    const char *tls[3];
    const char *missing = NULL;
    luaL_checktype(L, 1, LUA_TTABLE);
    double token = luaL_checknumber(L, 2);
    struct fh_client_request request = {
        .method = get_text(L, "method"),
        .url = get_text(L, "url"),
        .headers = headers,
        .header_count = get_headers(L, headers, secret_names),
        .body = get_text(L, "body"),
        .user = get_text(L, "user"),
        .password = get_text(L, "password"),
        .timeout_ms = get_number(L, "timeout_ms"),
        .connect_timeout_ms = get_number(L, "connect_timeout_ms"),
        .max_bytes = (size_t)get_number(L, "max_bytes"),
        .max_redirects = (unsigned)get_number(L, "max_redirects"),
    };
    request.has_body = request.body.data != NULL;
    get_tls(L, tls);
    const char *password = get_text(L, "password_secret").data;
    struct box *box = lua_newuserdata(L, sizeof(*box));
    box->pending = NULL;
    luaL_getmetatable(L, class_name);
    lua_setmetatable(L, -2);
    struct pending *pending = malloc(sizeof(*pending));
    if (!pending) {
        return fh_bind_fail(L, FH_E_NO_MEMORY, NULL);
    }
    *pending = (struct pending){.vm = vm, .box = box, .token = token};
    int rc =
        start_with_secrets(vm, &request, headers, secret_names, password, tls, pending, &missing);
    if (rc != 0) {
        free(pending);
        if (missing) {
            lua_pushnil(L);
            lua_pushliteral(L, "SECRET_MISSING");
            lua_pushfstring(L, "there is no secret '%s'", missing);
            return 3;
        }
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
