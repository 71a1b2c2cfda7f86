/* SPDX-License-Identifier: MIT */
/* Streams of core.http to callers over the network. Those from within the process: test_vm.c. */
#include "vm_fixture.h"

#include "base/log.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct desk {
    struct bench *bench;
    struct fh_http *http;
    int fd; /* of the caller */
    char got[4096];
    size_t got_len;
};

static int desk_setup(void **state)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    desk->bench = bench_open(0, 0);
    desk->fd = -1;
    struct fh_http_config config = {
        .address = "127.0.0.1:0",
        .max_body_bytes = 1000,
        .max_header_bytes = 4096,
        .max_connections = 10,
        .idle_timeout_s = 30,
        .handler = fh_vm_on_http,
        .arg = desk->bench->vm,
    };
    assert_int_equal(fh_http_open(&desk->http, desk->bench->loop, &config, NULL), 0);
    bench_do(desk->bench, "gone = ''\n"
                          "core.on('gone', function(token) gone = gone .. token .. ' ' end)");
    *state = desk;
    return 0;
}

static int desk_teardown(void **state)
{
    struct desk *desk = *state;
    int top = lua_gettop(desk->bench->vm->L);
    fh_vm_mute(desk->bench->vm);
    fh_http_close(desk->http);
    bench_close(desk->bench);
    if (desk->fd >= 0) {
        close(desk->fd);
    }
    free(desk);
    return top;
}

static void call(struct desk *desk)
{
    static const char request[] = "GET /x HTTP/1.1\r\nHost: test\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((in_port_t)fh_http_get_port(desk->http));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    desk->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(desk->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(desk->fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
}

static void hang_up(struct desk *desk)
{
    close(desk->fd);
    desk->fd = -1;
}

/* Turns the loop until `text` has come. ctest ends it when it never does. */
static void expect(struct desk *desk, const char *text)
{
    while (!memmem(desk->got, desk->got_len, text, strlen(text))) {
        fh_loop_run_once(desk->bench->loop, 10);
        size_t room = sizeof(desk->got) - desk->got_len;
        ssize_t got = recv(desk->fd, desk->got + desk->got_len, room, MSG_DONTWAIT);
        desk->got_len += got > 0 ? (size_t)got : 0;
    }
}

static void expect_global(struct desk *desk, const char *name, const char *value)
{
    while (strcmp(bench_get(desk->bench, name), value) != 0) {
        fh_loop_run_once(desk->bench->loop, -1);
    }
}

static void serve_stream(struct desk *desk)
{
    bench_do(desk->bench, "core.on('http', function(request)\n"
                          "  stream = request:stream(200, { 'Content-Type', 'text/plain' }, 7)\n"
                          "  stream:write 'first'\n"
                          "end)");
}

static void what_is_written_is_sent(void **state)
{
    struct desk *desk = *state;
    serve_stream(desk);
    call(desk);
    expect(desk, "Content-Type: text/plain\r\n");
    expect(desk, "5\r\nfirst\r\n");
    bench_do(desk->bench, "assert(stream:is_open() and stream:write 'second')");
    expect(desk, "6\r\nsecond\r\n");
    bench_do(desk->bench, "stream:write 'last' stream:close() assert(not stream:is_open())");
    expect(desk, "4\r\nlast\r\n0\r\n\r\n");
    assert_string_equal(bench_get(desk->bench, "gone"), "");
    assert_int_equal(fh_http_get_pending(desk->http), 0);
}

static void a_caller_that_goes_away_is_told_of(void **state)
{
    struct desk *desk = *state;
    serve_stream(desk);
    call(desk);
    expect(desk, "first");
    hang_up(desk);
    expect_global(desk, "gone", "7 ");
    bench_do(desk->bench, "assert(not stream:is_open())\n"
                          "local ok, code = stream:write 'x'\n"
                          "assert(ok == nil and code == 'CLOSED')\n"
                          "stream:close()");
    assert_int_equal(fh_http_get_pending(desk->http), 0);
    assert_int_equal(fh_http_get_unsent(desk->http), 0);
}

/* The event's handler loses the stream, and it is collected right there. */
static void the_event_may_drop_the_stream(void **state)
{
    struct desk *desk = *state;
    serve_stream(desk);
    bench_do(desk->bench, "core.on('gone', function(token)\n"
                          "  stream = nil\n"
                          "  collectgarbage() collectgarbage()\n"
                          "  gone = 'dropped'\n"
                          "end)");
    call(desk);
    expect(desk, "first");
    hang_up(desk);
    expect_global(desk, "gone", "dropped");
}

static void without_a_token_nobody_is_told(void **state)
{
    struct desk *desk = *state;
    bench_do(desk->bench, "core.on('http', function(request)\n"
                          "  stream = request:stream(200)\n"
                          "  stream:write 'first'\n"
                          "end)");
    call(desk);
    expect(desk, "first");
    hang_up(desk);
    while (fh_http_get_unsent(desk->http) > 0) {
        fh_loop_run_once(desk->bench->loop, -1);
    }
    bench_do(desk->bench, "assert(not stream:is_open())");
    assert_string_equal(bench_get(desk->bench, "gone"), "");
}

static void a_stream_that_lua_loses_is_closed(void **state)
{
    struct desk *desk = *state;
    bench_do(desk->bench, "core.on('http', function(request)\n"
                          "  request:stream(200):write 'half'\n"
                          "  error 'lost'\n"
                          "end)");
    call(desk);
    expect(desk, "half");
    lua_gc(desk->bench->vm->L, LUA_GCCOLLECT, 0);
    lua_gc(desk->bench->vm->L, LUA_GCCOLLECT, 0);
    expect(desk, "\r\n0\r\n\r\n");
    assert_int_equal(fh_http_get_pending(desk->http), 0);
}

/* 8 MiB, as there is room. */
static void a_slow_caller_gets_it_all(void **state)
{
    struct desk *desk = *state;
    bench_do(desk->bench,
             "local block, left = ('b'):rep(256 * 1024), 32\n"
             "rooms, refused = 0, ''\n"
             "function pump()\n"
             "  while left > 0 do\n"
             "    local ok, code = stream:write(block)\n"
             "    if not ok then refused = code return stream:await_room(99) end\n"
             "    left = left - 1\n"
             "  end\n"
             "  stream:close()\n"
             "end\n"
             "core.on('room', function(token) rooms = rooms + 1 assert(token == 99) pump() end)\n"
             "core.on('http', function(request) stream = request:stream(200) pump() end)");
    call(desk);
    size_t received = 0;
    bool is_over = false;
    while (!is_over) {
        fh_loop_run_once(desk->bench->loop, 1);
        ssize_t got;
        while ((got = recv(desk->fd, desk->got, sizeof(desk->got), MSG_DONTWAIT)) > 0) {
            for (ssize_t i = 0; i < got; i++) {
                received += desk->got[i] == 'b';
            }
            is_over = got >= 5 && memcmp(desk->got + got - 5, "0\r\n\r\n", 5) == 0;
        }
    }
    assert_int_equal(received, 8 << 20);
    assert_string_equal(bench_get(desk->bench, "refused"), "TOO_LARGE");
    assert_true(atoi(bench_get(desk->bench, "rooms")) > 5);
}

/* As a host closes: the vm is muted, then the server goes, then the vm. */
static void a_stream_outlives_its_server(void **state)
{
    struct desk *desk = *state;
    serve_stream(desk);
    call(desk);
    expect(desk, "first");
    fh_vm_mute(desk->bench->vm);
    fh_http_close(desk->http);
    desk->http = NULL;
    bench_do(desk->bench, "assert(not stream:is_open() and stream:write 'x' == nil)");
    assert_string_equal(bench_get(desk->bench, "gone"), "");
}

int main(void)
{
#define WITH_DESK(test) cmocka_unit_test_setup_teardown(test, desk_setup, desk_teardown)
    const struct CMUnitTest tests[] = {
        WITH_DESK(what_is_written_is_sent),           WITH_DESK(a_caller_that_goes_away_is_told_of),
        WITH_DESK(the_event_may_drop_the_stream),     WITH_DESK(without_a_token_nobody_is_told),
        WITH_DESK(a_stream_that_lua_loses_is_closed), WITH_DESK(a_slow_caller_gets_it_all),
        WITH_DESK(a_stream_outlives_its_server),
    };
    fh_log_set(FH_LOG_OFF, FH_LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
