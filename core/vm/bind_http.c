/* SPDX-License-Identifier: MIT */
/* core.http: requests that came in, from the network or from within the process.
 *
 *   event "http"(request, method, path, body)
 *   request:headers() -> { lower-case name = value }     repeated ones joined by ", "
 *   request:query() -> { name = value }                  the last one wins
 *   request:is_loopback() -> boolean      request:is_internal() -> boolean: of this process, as its program
 *   request:address() -> text             of the caller, without a port; "" from within the process
 *   request:respond(status, headers, body)               headers: { name, value, name, value, ... }
 *
 *   request:stream(status, headers, token) -> stream     answers bit by bit; token (or nil) is for the event "gone"
 *   stream:write(bytes) -> true | nil, code, text        CLOSED: the caller has gone, or stream:close() was called;
 *                                                        TOO_LARGE: it reads too slowly, more than 1 MiB waits;
 *                                                        NO_MEMORY: more than 16 MiB for one from within the process
 *   stream:await_room(token)                             after TOO_LARGE: event "room"(token) when much of it is sent
 *   stream:is_open() -> boolean
 *   stream:close()                                       harmless when repeated
 *   event "gone"(token)                                  the caller went away before the end, or the host closes
 *
 * A request that is collected unanswered is answered 500, a stream is closed then. One from within the process gets its
 * stream in one piece, at the end. */
#include "base/log.h"
#include "vm/bind.h"

#include <ctype.h>
#include <stdlib.h>

static const char class_name[] = "flowhost.request";

enum { MAX_HEADERS = 64 };

static const char failed_body[] =
    "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
    "\"code\":\"INTERNAL\",\"detail\":\"the host failed to answer; see its log\"}";

const char fh_bind_closed_body[] =
    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
    "\"code\":\"CLOSED\",\"detail\":\"the host closed before it could answer\"}";

/* A request of fh_vm_request. */
struct local {
    struct fh_slice method;
    struct fh_slice path;
    struct fh_slice query;
    struct fh_slice body;
    fh_vm_on_answer on_answer;
    void *arg;
};

/* One of the two, none once answered. */
struct box {
    struct fh_http_request *http;
    struct local *local;
};

/* What the gate hands over; `box` tells whether Lua has taken it. */
struct arrival {
    struct fh_http_request *http;
    struct local *local;
    bool is_taken;
};

static void answer(struct box *box, int status, const struct fh_http_header *headers, size_t count,
                   struct fh_slice body)
{
    struct box taken = *box;
    *box = (struct box){NULL, NULL};
    if (taken.http) {
        fh_http_respond(taken.http, status, headers, count, body);
    } else if (taken.local) {
        taken.local->on_answer(taken.local->arg, status, body);
        free(taken.local);
    }
}

static void answer_problem(struct box *box, int status, const char *body)
{
    const struct fh_http_header type = {FH_SLICE_LIT("Content-Type"),
                                        FH_SLICE_LIT("application/problem+json")};
    answer(box, status, &type, 1, fh_slice_from(body));
}

/* Lua did not. */
static void answer_failed(const struct fh_vm *vm, struct box *box)
{
    if (vm->is_muted) {
        answer_problem(box, 503, fh_bind_closed_body);
    } else {
        answer_problem(box, 500, failed_body);
    }
}

static struct box *check_box(lua_State *L)
{
    struct box *box = luaL_checkudata(L, 1, class_name);
    luaL_argcheck(L, box->http || box->local, 1, "request was answered already");
    return box;
}

static void set_pair(void *arg, struct fh_slice name, struct fh_slice value)
{
    lua_State *L = arg;
    fh_bind_push_slice(L, name);
    fh_bind_push_slice(L, value);
    lua_rawset(L, -3);
}

static void add_header(void *arg, struct fh_slice name, struct fh_slice value)
{
    lua_State *L = arg;
    char lower[128];
    size_t len = name.len < sizeof(lower) ? name.len : sizeof(lower);
    for (size_t i = 0; i < len; i++) {
        lower[i] = (char)tolower((unsigned char)name.data[i]);
    }
    lua_pushlstring(L, lower, len);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        fh_bind_push_slice(L, value);
    } else {
        lua_pushliteral(L, ", ");
        fh_bind_push_slice(L, value);
        lua_concat(L, 3);
    }
    lua_rawset(L, -3);
}

static int request_headers(lua_State *L)
{
    struct box *box = check_box(L);
    lua_newtable(L);
    if (box->http) {
        fh_http_request_each_header(box->http, add_header, L);
    }
    return 1;
}

/* Values of local requests are plain words of the program: no escapes. */
static void each_local_query(lua_State *L, struct fh_slice query)
{
    while (query.len > 0) {
        const char *end = memchr(query.data, '&', query.len);
        size_t len = end ? (size_t)(end - query.data) : query.len;
        const char *equals = memchr(query.data, '=', len);
        size_t name_len = equals ? (size_t)(equals - query.data) : len;
        size_t skip = equals ? name_len + 1 : len;
        set_pair(L, fh_slice_make(query.data, name_len),
                 fh_slice_make(query.data + skip, len - skip));
        query = end ? fh_slice_make(end + 1, query.len - len - 1) : (struct fh_slice){NULL, 0};
    }
}

static int request_query(lua_State *L)
{
    struct box *box = check_box(L);
    lua_newtable(L);
    if (box->http) {
        fh_http_request_each_query(box->http, set_pair, L);
    } else {
        each_local_query(L, box->local->query);
    }
    return 1;
}

static int request_is_internal(lua_State *L)
{
    lua_pushboolean(L, check_box(L)->local != NULL);
    return 1;
}

static int request_is_loopback(lua_State *L)
{
    struct box *box = check_box(L);
    lua_pushboolean(L, box->local || fh_http_request_is_loopback(box->http));
    return 1;
}

static int request_address(lua_State *L)
{
    const struct box *box = check_box(L);
    lua_pushstring(L, box->http ? fh_http_request_address(box->http) : "");
    return 1;
}

/* The slices last as long as the table at `index`, which may be nil. */
static size_t read_headers(lua_State *L, int index, struct fh_http_header headers[MAX_HEADERS])
{
    if (!lua_istable(L, index)) {
        return 0;
    }
    size_t count = lua_objlen(L, index) / 2;
    luaL_argcheck(L, count <= MAX_HEADERS, index, "more than 64 headers");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (int)(2 * i) + 1);
        lua_rawgeti(L, index, (int)(2 * i) + 2);
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, index,
                      "headers are strings");
        headers[i].name = fh_bind_slice(L, -2);
        headers[i].value = fh_bind_slice(L, -1);
        lua_pop(L, 2); /* the table holds them */
    }
    return count;
}

static int request_respond(lua_State *L)
{
    struct box *box = check_box(L);
    struct fh_http_header headers[MAX_HEADERS];
    int status = (int)luaL_checkinteger(L, 2);
    size_t count = read_headers(L, 3, headers);
    answer(box, status, headers, count, fh_bind_slice(L, 4));
    return 0;
}

static int request_stream(lua_State *L)
{
    struct box *box = check_box(L);
    struct fh_http_header headers[MAX_HEADERS];
    int status = (int)luaL_checkinteger(L, 2);
    size_t count = read_headers(L, 3, headers);
    struct fh_bind_stream *stream = fh_bind_stream_push(L, 4);
    struct box taken = *box;
    *box = (struct box){NULL, NULL};
    if (taken.http) {
        fh_bind_stream_start(stream, taken.http, status, headers, count);
    } else {
        fh_bind_stream_gather(stream, status, taken.local->on_answer, taken.local->arg);
        free(taken.local);
    }
    return 1;
}

static int request_gc(lua_State *L)
{
    struct box *box = luaL_checkudata(L, 1, class_name);
    if (box->http || box->local) {
        if (!fh_vm_of(L)->is_muted) {
            fh_log(FH_LOG_ERROR, "a request was dropped without an answer");
        }
        answer_failed(fh_vm_of(L), box);
    }
    return 0;
}

static int push_arrival(lua_State *L, void *arg)
{
    struct arrival *arrival = arg;
    struct box *box = lua_newuserdata(L, sizeof(*box));
    *box = (struct box){arrival->http, arrival->local};
    luaL_getmetatable(L, class_name);
    lua_setmetatable(L, -2);
    arrival->is_taken = true;
    struct fh_http_request *http = arrival->http;
    fh_bind_push_slice(L, http ? fh_http_request_method(http) : arrival->local->method);
    fh_bind_push_slice(L, http ? fh_http_request_path(http) : arrival->local->path);
    fh_bind_push_slice(L, http ? fh_http_request_body(http) : arrival->local->body);
    return 4;
}

static void arrive(struct fh_vm *vm, struct arrival *arrival)
{
    fh_vm_emit(vm, FH_EVENT_HTTP, push_arrival, arrival);
    if (!arrival->is_taken) {
        struct box box = {arrival->http, arrival->local};
        answer_failed(vm, &box);
    }
}

void fh_vm_on_http(void *arg, struct fh_http_request *request)
{
    struct arrival arrival = {.http = request};
    arrive(arg, &arrival);
}

static struct fh_slice copy_to(char **at, struct fh_slice bytes)
{
    char *begin = *at;
    if (bytes.len > 0) {
        memcpy(begin, bytes.data, bytes.len);
    }
    *at += bytes.len;
    return fh_slice_make(begin, bytes.len);
}

void fh_vm_request(struct fh_vm *vm, struct fh_slice method, struct fh_slice path,
                   struct fh_slice body, fh_vm_on_answer on_answer, void *arg)
{
    struct local *local = malloc(sizeof(*local) + method.len + path.len + body.len);
    if (!local) {
        on_answer(arg, 503, fh_slice_from(failed_body));
        return;
    }
    char *at = (char *)(local + 1);
    *local = (struct local){.on_answer = on_answer, .arg = arg};
    local->method = copy_to(&at, method);
    local->path = copy_to(&at, path);
    local->body = copy_to(&at, body);
    const char *mark = memchr(local->path.data, '?', local->path.len);
    if (mark) {
        size_t len = (size_t)(mark - local->path.data);
        local->query = fh_slice_make(mark + 1, local->path.len - len - 1);
        local->path.len = len;
    }
    struct arrival arrival = {.local = local};
    arrive(vm, &arrival);
}

void fh_bind_http_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"headers", request_headers},
                                       {"query", request_query},
                                       {"is_loopback", request_is_loopback},
                                       {"is_internal", request_is_internal},
                                       {"address", request_address},
                                       {"respond", request_respond},
                                       {"stream", request_stream},
                                       {"__gc", request_gc},
                                       {NULL, NULL}};
    fh_bind_class(L, class_name, methods);
    fh_bind_stream_open(L);
    lua_newtable(L);
}
