/* SPDX-License-Identifier: MIT */
/* A server and raw sockets to it, for the tests of core/http. Both share one thread: the client never
 * blocks, and whoever waits for bytes turns the loop meanwhile. */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "http/http.h"
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DEADLINE_MS = 10000,
    HELD_MAX = 32,
    MAX_BODY = 1000,
    MAX_HEADER = 4096,
    CLIENT_BYTES = 16 * 1024 * 1024,
};

#define HOST      "Host: test\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

/* --- fixture ---------------------------------------------------------------------------------- */

struct fixture {
    struct fh_loop *loop;
    struct fh_http *http;
    struct fh_hook hook;
    unsigned turns;
    void (*handle)(struct fixture *fixture, struct fh_http_request *request);
    struct fh_http_request *held[HELD_MAX];
    unsigned calls;
    unsigned closed;
    bool end_on_close;
    int written;
    int rooms;          /* calls of on_room */
    struct fh_buf seen; /* what a handler saw of the request */
};

struct client {
    int fd;
    bool is_closed; /* by the server */
    struct fh_buf got;
};

static inline void on_request(void *arg, struct fh_http_request *request)
{
    struct fixture *fixture = arg;
    fixture->handle(fixture, request);
    fixture->calls++;
}

static inline void count_turn(struct fh_hook *hook)
{
    FH_LIST_ENTRY(hook, struct fixture, hook)->turns++;
}

static inline int64_t now_ms(void)
{
    return fh_clock_mono_us(&fh_clock_system) / 1000;
}

static inline struct fh_http_config default_config(struct fixture *fixture)
{
    return (struct fh_http_config){
        .address = "127.0.0.1:0",
        .max_body_bytes = MAX_BODY,
        .max_header_bytes = MAX_HEADER,
        .max_connections = 100,
        .idle_timeout_s = 30,
        .handler = on_request,
        .arg = fixture,
    };
}

static inline void echo(struct fixture *fixture, struct fh_http_request *request)
{
    struct fh_http_header headers[] = {
        {FH_SLICE_LIT("Content-Type"), FH_SLICE_LIT("text/plain")},
        {FH_SLICE_LIT("X-Method"), fh_http_request_method(request)},
        {FH_SLICE_LIT("X-Path"), fh_http_request_path(request)},
    };
    (void)fixture;
    fh_http_respond(request, 200, headers, 3, fh_http_request_body(request));
}

static inline void hold(struct fixture *fixture, struct fh_http_request *request)
{
    assert_true(fixture->calls < HELD_MAX);
    fixture->held[fixture->calls] = request;
}

static inline void open_with(struct fixture *fixture, const struct fh_http_config *config)
{
    struct fh_error err = {0};
    assert_int_equal(fh_http_open(&fixture->http, fixture->loop, config, &err), 0);
}

static inline int setup_bare(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    assert_int_equal(fh_loop_open(&fixture->loop, NULL), 0);
    fh_hook_init(&fixture->hook, count_turn);
    fh_hook_start(fixture->loop, &fixture->hook);
    fh_buf_init(&fixture->seen, 1 << 20);
    fixture->handle = echo;
    *state = fixture;
    return 0;
}

static inline int setup(void **state)
{
    setup_bare(state);
    struct fh_http_config config = default_config(*state);
    open_with(*state, &config);
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    fh_http_close(fixture->http);
    fh_hook_stop(fixture->loop, &fixture->hook);
    fh_loop_close(fixture->loop);
    fh_buf_deinit(&fixture->seen);
    free(fixture);
    return 0;
}

static inline void respond_text(struct fh_http_request *request, const char *text)
{
    fh_http_respond(request, 200, NULL, 0, fh_slice_from(text));
}

/* --- client ----------------------------------------------------------------------------------- */

static inline struct client connect_to(struct fixture *fixture)
{
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((in_port_t)fh_http_get_port(fixture->http));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(client.fd >= 0);
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    fh_buf_init(&client.got, CLIENT_BYTES);
    return client;
}

static inline void hang_up(struct client *client)
{
    close(client->fd);
    fh_buf_deinit(&client->got);
}

static inline void turn(struct fixture *fixture)
{
    fh_loop_run_once(fixture->loop, 0);
}

/* Small enough for the socket's buffer. */
static inline void send_bytes(struct client *client, const void *data, size_t len)
{
    assert_int_equal(send(client->fd, data, len, MSG_NOSIGNAL), len);
}

static inline void send_text(struct client *client, const char *text)
{
    send_bytes(client, text, strlen(text));
}

/* As much as the server takes; turns the loop meanwhile. */
static inline void send_while_open(struct fixture *fixture, struct client *client, size_t len)
{
    char block[8192];
    int64_t deadline = now_ms() + DEADLINE_MS;
    memset(block, 'x', sizeof(block));
    while (len > 0 && now_ms() < deadline) {
        size_t want = len < sizeof(block) ? len : sizeof(block);
        ssize_t sent = send(client->fd, block, want, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) {
            return;
        }
        len -= sent > 0 ? (size_t)sent : 0;
        turn(fixture);
    }
    assert_int_equal(len, 0);
}

static inline void receive(struct client *client)
{
    char block[65536];
    ssize_t got;
    while (!client->is_closed &&
           (got = recv(client->fd, block, sizeof(block), MSG_DONTWAIT)) != -1) {
        client->is_closed = got == 0;
        assert_int_equal(fh_buf_push(&client->got, block, (size_t)got), 0);
    }
    if (!client->is_closed) {
        client->is_closed = errno != EAGAIN;
    }
}

static inline unsigned count(const struct client *client, const char *text)
{
    unsigned found = 0;
    const char *from = client->got.data;
    const char *end = from + client->got.len;
    while (from && (from = memmem(from, (size_t)(end - from), text, strlen(text)))) {
        found++;
        from++;
    }
    return found;
}

static inline void expect_times(struct fixture *fixture, struct client *client, const char *text,
                                unsigned times)
{
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (count(client, text) < times && now_ms() < deadline) {
        turn(fixture);
        receive(client);
    }
    if (count(client, text) != times) {
        print_error("wanted %u times: %s\ngot: %.*s\n", times, text, (int)client->got.len,
                    client->got.data ? client->got.data : "");
    }
    assert_int_equal(count(client, text), times);
}

static inline void expect(struct fixture *fixture, struct client *client, const char *text)
{
    expect_times(fixture, client, text, 1);
}

static inline void expect_closed(struct fixture *fixture, struct client *client)
{
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (!client->is_closed && now_ms() < deadline) {
        turn(fixture);
        receive(client);
    }
    if (!client->is_closed) {
        print_error("not closed, got: %.*s\n", (int)client->got.len, client->got.data);
    }
    assert_true(client->is_closed);
}

static inline void expect_calls(struct fixture *fixture, unsigned calls)
{
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (fixture->calls < calls && now_ms() < deadline) {
        turn(fixture);
    }
    assert_int_equal(fixture->calls, calls);
}

/* Sends `request`, expects `wanted` in what comes back until the server closes. */
static inline void expect_refusal(struct fixture *fixture, const char *request, const char *wanted)
{
    struct client client = connect_to(fixture);
    send_text(&client, request);
    expect_closed(fixture, &client);
    if (count(&client, wanted) == 0) {
        print_error("to %.200s\ncame %.*s\n", request, (int)client.got.len, client.got.data);
    }
    assert_true(count(&client, wanted) > 0); /* MHD doubles the head of some of its errors */
    assert_int_equal(fixture->calls, 0);
    hang_up(&client);
}

/* --- list of tests ------------------------------------------------------------------------------ */

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BARE_TEST(name) \
    cmocka_unit_test_setup_teardown(name, setup_bare, teardown) /* opens itself */
