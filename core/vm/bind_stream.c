/* SPDX-License-Identifier: MIT */
/* Streams of core.http: answers that are written bit by bit. Nobody's while `http` and `on_answer` are NULL: closed, or
 * the caller has gone. */
#include "base/log.h"
#include "vm/bind.h"

enum { GATHERED_MAX_BYTES = 16 << 20 };

static const char class_name[] = "flowhost.stream";

struct fh_bind_stream {
    struct fh_vm *vm;
    struct fh_http_request *http;
    fh_vm_on_answer on_answer; /* of a request from within the process: told all of it at the end */
    void *arg;
    struct fh_buf gathered;
    int status;
    bool has_token;
    double token;      /* of "gone" */
    double room_token; /* of "room" */
};

struct fh_bind_stream *fh_bind_stream_push(lua_State *L, int token_index)
{
    double token = luaL_optnumber(L, token_index, 0);
    struct fh_bind_stream *stream = lua_newuserdata(L, sizeof(*stream));
    *stream = (struct fh_bind_stream){
        .vm = fh_vm_of(L), .has_token = !lua_isnoneornil(L, token_index), .token = token};
    fh_buf_init(&stream->gathered, GATHERED_MAX_BYTES);
    luaL_getmetatable(L, class_name);
    lua_setmetatable(L, -2);
    return stream;
}

static int push_token(lua_State *L, void *arg)
{
    lua_pushnumber(L, *(double *)arg);
    return 1;
}

/* The userdata may be collected by what the event does. */
static void on_gone(void *arg)
{
    struct fh_bind_stream *stream = arg;
    struct fh_http_request *http = stream->http;
    struct fh_vm *vm = stream->vm;
    bool has_token = stream->has_token;
    double token = stream->token;
    stream->http = NULL;
    fh_http_stream_end(http);
    if (has_token) {
        fh_vm_emit(vm, FH_EVENT_GONE, push_token, &token);
    }
}

static void on_room(void *arg)
{
    struct fh_bind_stream *stream = arg;
    double token = stream->room_token;
    fh_vm_emit(stream->vm, FH_EVENT_ROOM, push_token, &token);
}

void fh_bind_stream_start(struct fh_bind_stream *stream, struct fh_http_request *http, int status,
                          const struct fh_http_header *headers, size_t count)
{
    stream->http = http;
    fh_http_stream_start(http, status, headers, count, on_gone, stream);
}

void fh_bind_stream_gather(struct fh_bind_stream *stream, int status, fh_vm_on_answer on_answer,
                           void *arg)
{
    stream->status = status;
    stream->on_answer = on_answer;
    stream->arg = arg;
}

static bool is_open(const struct fh_bind_stream *stream)
{
    return stream->http || stream->on_answer;
}

/* `status` and `body` are for who waits within the process. */
static void end(struct fh_bind_stream *stream, int status, struct fh_slice body)
{
    struct fh_bind_stream ended = *stream;
    stream->http = NULL;
    stream->on_answer = NULL;
    fh_buf_init(&stream->gathered, GATHERED_MAX_BYTES);
    if (ended.http) {
        fh_http_stream_end(ended.http);
    } else if (ended.on_answer) {
        ended.on_answer(ended.arg, status, body);
    }
    fh_buf_deinit(&ended.gathered);
}

/* Of what is gathered nothing is taken before the end: there is no waiting for room. */
static int gather(struct fh_bind_stream *stream, struct fh_slice bytes)
{
    int rc = fh_buf_push_slice(&stream->gathered, bytes);
    return rc == FH_E_TOO_LARGE ? FH_E_NO_MEMORY : rc;
}

static int stream_write(lua_State *L)
{
    struct fh_bind_stream *stream = luaL_checkudata(L, 1, class_name);
    struct fh_slice bytes = fh_bind_slice(L, 2);
    int rc = FH_E_CLOSED;
    if (stream->http) {
        rc = fh_http_stream_write(stream->http, bytes);
    } else if (stream->on_answer) {
        rc = gather(stream, bytes);
    }
    if (rc != 0) {
        return fh_bind_fail(L, rc, NULL);
    }
    lua_pushboolean(L, true);
    return 1;
}

static int stream_await_room(lua_State *L)
{
    struct fh_bind_stream *stream = luaL_checkudata(L, 1, class_name);
    double token = luaL_checknumber(L, 2);
    if (stream->http) {
        stream->room_token = token;
        fh_http_stream_await_room(stream->http, on_room);
    }
    return 0;
}

static int stream_close(lua_State *L)
{
    struct fh_bind_stream *stream = luaL_checkudata(L, 1, class_name);
    end(stream, stream->status, fh_buf_slice(&stream->gathered));
    return 0;
}

static int stream_is_open(lua_State *L)
{
    lua_pushboolean(L, is_open(luaL_checkudata(L, 1, class_name)));
    return 1;
}

/* Lua has lost it, most likely to an error. */
static int stream_gc(lua_State *L)
{
    struct fh_bind_stream *stream = luaL_checkudata(L, 1, class_name);
    if (is_open(stream) && !stream->vm->is_muted) {
        fh_log(FH_LOG_ERROR, "a stream was dropped without being closed");
    }
    end(stream, 503, fh_slice_from(fh_bind_closed_body));
    return 0;
}

void fh_bind_stream_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"write", stream_write}, {"await_room", stream_await_room},
                                       {"close", stream_close}, {"is_open", stream_is_open},
                                       {"__gc", stream_gc},     {NULL, NULL}};
    fh_bind_class(L, class_name, methods);
}
