/* SPDX-License-Identifier: MIT */
/* The HTTP server against raw sockets. Server and client share this thread: the client never blocks,
 * and whoever waits for bytes turns the loop meanwhile. */
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
    struct fh_buf seen; /* what a handler saw of the request */
};

struct client {
    int fd;
    bool is_closed; /* by the server */
    struct fh_buf got;
};

static void on_request(void *arg, struct fh_http_request *request)
{
    struct fixture *fixture = arg;
    fixture->handle(fixture, request);
    fixture->calls++;
}

static void count_turn(struct fh_hook *hook)
{
    FH_LIST_ENTRY(hook, struct fixture, hook)->turns++;
}

static int64_t now_ms(void)
{
    return fh_clock_mono_us(&fh_clock_system) / 1000;
}

static struct fh_http_config default_config(struct fixture *fixture)
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

static void echo(struct fixture *fixture, struct fh_http_request *request)
{
    struct fh_http_header headers[] = {
        {FH_SLICE_LIT("Content-Type"), FH_SLICE_LIT("text/plain")},
        {FH_SLICE_LIT("X-Method"), fh_http_request_method(request)},
        {FH_SLICE_LIT("X-Path"), fh_http_request_path(request)},
    };
    (void)fixture;
    fh_http_respond(request, 200, headers, 3, fh_http_request_body(request));
}

static void hold(struct fixture *fixture, struct fh_http_request *request)
{
    assert_true(fixture->calls < HELD_MAX);
    fixture->held[fixture->calls] = request;
}

static void open_with(struct fixture *fixture, const struct fh_http_config *config)
{
    struct fh_error err = {0};
    assert_int_equal(fh_http_open(&fixture->http, fixture->loop, config, &err), 0);
}

static int setup_bare(void **state)
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

static int setup(void **state)
{
    setup_bare(state);
    struct fh_http_config config = default_config(*state);
    open_with(*state, &config);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    fh_http_close(fixture->http);
    fh_hook_stop(fixture->loop, &fixture->hook);
    fh_loop_close(fixture->loop);
    fh_buf_deinit(&fixture->seen);
    free(fixture);
    return 0;
}

static void respond_text(struct fh_http_request *request, const char *text)
{
    fh_http_respond(request, 200, NULL, 0, fh_slice_from(text));
}

/* --- client ----------------------------------------------------------------------------------- */

static struct client connect_to(struct fixture *fixture)
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

static void hang_up(struct client *client)
{
    close(client->fd);
    fh_buf_deinit(&client->got);
}

static void turn(struct fixture *fixture)
{
    fh_loop_run_once(fixture->loop, 0);
}

/* Small enough for the socket's buffer. */
static void send_bytes(struct client *client, const void *data, size_t len)
{
    assert_int_equal(send(client->fd, data, len, MSG_NOSIGNAL), len);
}

static void send_text(struct client *client, const char *text)
{
    send_bytes(client, text, strlen(text));
}

/* As much as the server takes; turns the loop meanwhile. */
static void send_while_open(struct fixture *fixture, struct client *client, size_t len)
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

static void receive(struct client *client)
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

static unsigned count(const struct client *client, const char *text)
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

static void expect_times(struct fixture *fixture, struct client *client, const char *text,
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

static void expect(struct fixture *fixture, struct client *client, const char *text)
{
    expect_times(fixture, client, text, 1);
}

static void expect_closed(struct fixture *fixture, struct client *client)
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

static void expect_calls(struct fixture *fixture, unsigned calls)
{
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (fixture->calls < calls && now_ms() < deadline) {
        turn(fixture);
    }
    assert_int_equal(fixture->calls, calls);
}

/* Sends `request`, expects `wanted` in what comes back until the server closes. */
static void expect_refusal(struct fixture *fixture, const char *request, const char *wanted)
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

/* --- whole requests --------------------------------------------------------------------------- */

static void test_get(void **state)
{
    struct client client = connect_to(*state);
    send_text(&client, GET("/a/b"));
    expect(*state, &client, "X-Path: /a/b\r\n");
    expect(*state, &client, "HTTP/1.1 200 OK\r\n");
    expect(*state, &client, "X-Method: GET\r\n");
    expect(*state, &client, "Content-Type: text/plain\r\n");
    expect(*state, &client, "Content-Length: 0\r\n");
    assert_false(client.is_closed);
    assert_int_equal(fh_http_get_pending(((struct fixture *)*state)->http), 0);
    hang_up(&client);
}

static void test_post(void **state)
{
    struct client client = connect_to(*state);
    send_text(&client, "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    expect(*state, &client, "\r\n\r\nhello");
    /* in pieces, on the same connection */
    send_text(&client, "POST /q HTTP/1.1\r\n" HOST "Content-Len");
    turn(*state);
    send_text(&client, "gth: 6\r\n\r\nwo");
    turn(*state);
    turn(*state);
    send_text(&client, "rlds");
    expect(*state, &client, "\r\n\r\nworlds");
    hang_up(&client);
}

static void test_chunked(void **state)
{
    struct client client = connect_to(*state);
    send_text(&client, "POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                       "5\r\nhello\r\n3\r\n, w\r\n");
    turn(*state);
    send_text(&client, "4\r\norld\r\n0\r\nTrailer: x\r\n\r\n" GET("/next"));
    expect(*state, &client, "hello, world");
    expect(*state, &client, "X-Path: /next\r\n");
    hang_up(&client);
}

static void test_keep_alive(void **state)
{
    struct client client = connect_to(*state);
    for (unsigned i = 1; i <= 50; i++) {
        send_text(&client, GET("/"));
        expect_times(*state, &client, "200 OK", i);
    }
    send_text(&client, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    expect_closed(*state, &client);
    expect_times(*state, &client, "200 OK", 51);
    hang_up(&client);
}

static void test_http_1_0(void **state)
{
    struct client client = connect_to(*state);
    send_text(&client, "GET / HTTP/1.0\r\n\r\n");
    expect_closed(*state, &client);
    expect(*state, &client, "200 OK");
    hang_up(&client);
}

static void test_expect_continue(void **state)
{
    struct client client = connect_to(*state);
    send_text(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n"
                       "Expect: 100-continue\r\n\r\n");
    expect(*state, &client, "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(&client, "data");
    expect(*state, &client, "\r\n\r\ndata");
    hang_up(&client);
}

static void test_head(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = hold;
    send_text(&client, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    expect_calls(fixture, 1);
    respond_text(fixture->held[0], "body");
    expect(fixture, &client, "Content-Length: 4\r\n");
    fixture->handle = echo;
    send_text(&client, GET("/after"));
    expect(fixture, &client, "X-Path: /after\r\n");
    assert_int_equal(count(&client, "body"), 0);
    hang_up(&client);
}

static void test_large_answer(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    size_t len = 8 * 1024 * 1024;
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, 'y', len);
    memcpy(body + len - 3, "end", 3);
    fixture->handle = hold;
    send_text(&client, GET("/"));
    expect_calls(fixture, 1);
    fh_http_respond(fixture->held[0], 200, NULL, 0, fh_slice_make(body, len));
    free(body);
    expect(fixture, &client, "yend");
    expect(fixture, &client, "Content-Length: 8388608\r\n");
    hang_up(&client);
}

static void test_many_spares(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[HELD_MAX];
    fixture->handle = hold;
    for (unsigned i = 0; i < HELD_MAX; i++) {
        clients[i] = connect_to(fixture);
        send_text(&clients[i], GET("/"));
    }
    expect_calls(fixture, HELD_MAX);
    assert_int_equal(fh_http_get_pending(fixture->http), HELD_MAX);
    for (unsigned i = 0; i < HELD_MAX; i++) {
        respond_text(fixture->held[i], "ok");
    }
    assert_int_equal(fh_http_get_pending(fixture->http), 0);
    for (unsigned i = 0; i < HELD_MAX; i++) {
        expect(fixture, &clients[i], "\r\n\r\nok");
        hang_up(&clients[i]);
    }
}

/* --- deferred answers --------------------------------------------------------------------------- */

static void test_pipelining(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    struct fh_buf all;
    char text[32];
    fh_buf_init(&all, 4096);
    fixture->handle = hold;
    for (int i = 0; i < 10; i++) {
        fh_buf_push_format(&all, "GET /%d HTTP/1.1\r\n" HOST "\r\n", i);
    }
    send_bytes(&client, all.data, all.len);
    for (unsigned i = 0; i < 10; i++) {
        expect_calls(fixture, i + 1);
        assert_int_equal(fh_http_request_path(fixture->held[i]).data[1], '0' + (int)i);
        snprintf(text, sizeof(text), "<answer %u>", i);
        respond_text(fixture->held[i], text);
    }
    expect(fixture, &client, "<answer 9>");
    const char *from = client.got.data;
    for (unsigned i = 0; i < 10; i++) {
        snprintf(text, sizeof(text), "<answer %u>", i);
        from = memmem(from, client.got.len - (size_t)(from - client.got.data), text, strlen(text));
        assert_non_null(from);
    }
    fh_buf_deinit(&all);
    hang_up(&client);
}

static void test_pipelining_at_once(void **state)
{
    struct client client = connect_to(*state);
    struct fh_buf all;
    fh_buf_init(&all, 1 << 20);
    for (int i = 0; i < 500; i++) {
        fh_buf_push_format(&all, "POST /%d HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", i);
    }
    send_bytes(&client, all.data, all.len);
    expect_times(*state, &client, "\r\n\r\nabc", 500);
    fh_buf_deinit(&all);
    hang_up(&client);
}

/* No descriptor but the server's own is ready and no timer is due: the answer must still leave. */
static void test_deferred_answer_leaves_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = hold;
    send_text(&client, GET("/"));
    expect_calls(fixture, 1);
    while (fh_loop_run_once(fixture->loop, 0), fixture->turns < 20) {
    }
    int64_t before = now_ms();
    respond_text(fixture->held[0], "now");
    fh_loop_run_once(fixture->loop, DEADLINE_MS); /* sleeps that long if the answer is forgotten */
    receive(&client);
    assert_true(now_ms() - before < 100);
    assert_int_equal(count(&client, "\r\n\r\nnow"), 1);
    hang_up(&client);
}

/* The same from a hook, which may run after the server's own. */
struct late {
    struct fh_hook hook;
    struct fh_http_request *request;
};

static void answer_before_sleep(struct fh_hook *hook)
{
    struct late *late = FH_LIST_ENTRY(hook, struct late, hook);
    if (late->request) {
        respond_text(late->request, "late");
        late->request = NULL;
    }
}

static void test_answer_from_a_hook(void **state)
{
    struct fixture *fixture = *state;
    for (int first = 0; first < 2; first++) {
        struct late late = {0};
        fh_hook_init(&late.hook, answer_before_sleep);
        if (first) { /* hooks of one loop have no order to rely on: try both */
            fh_http_close(fixture->http);
            fh_hook_start(fixture->loop, &late.hook);
            struct fh_http_config config = default_config(fixture);
            open_with(fixture, &config);
        } else {
            fh_hook_start(fixture->loop, &late.hook);
        }
        struct client client = connect_to(fixture);
        fixture->handle = hold;
        fixture->calls = 0;
        send_text(&client, GET("/"));
        expect_calls(fixture, 1);
        late.request = fixture->held[0];
        int64_t before = now_ms();
        fh_loop_run_once(fixture->loop, 0);
        fh_loop_run_once(fixture->loop, DEADLINE_MS);
        receive(&client);
        assert_true(now_ms() - before < DEADLINE_MS / 2);
        assert_int_equal(count(&client, "\r\n\r\nlate"), 1);
        fh_hook_stop(fixture->loop, &late.hook);
        hang_up(&client);
    }
}

static void answer_previous(struct fixture *fixture, struct fh_http_request *request)
{
    hold(fixture, request);
    if (fixture->calls > 0) {
        respond_text(fixture->held[fixture->calls - 1], "previous");
    }
}

static void test_answer_from_another_handler(void **state)
{
    struct fixture *fixture = *state;
    struct client first = connect_to(fixture);
    struct client second = connect_to(fixture);
    fixture->handle = answer_previous;
    send_text(&first, GET("/1"));
    expect_calls(fixture, 1);
    send_text(&second, GET("/2"));
    expect(fixture, &first, "\r\n\r\nprevious");
    respond_text(fixture->held[1], "last");
    expect(fixture, &second, "\r\n\r\nlast");
    hang_up(&first);
    hang_up(&second);
}

static void test_client_gone_before_answer(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < 4; i++) {
        struct client client = connect_to(fixture);
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        fixture->handle = hold;
        send_text(&client, GET("/"));
        expect_calls(fixture, i + 1);
        if (i % 2) {
            setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
        hang_up(&client);
        turn(fixture);
        assert_int_equal(fh_http_request_path(fixture->held[i]).len, 1);
        respond_text(fixture->held[i], "too late");
    }
    fixture->handle = echo;
    struct client client = connect_to(fixture);
    send_text(&client, GET("/still-there"));
    expect(fixture, &client, "/still-there");
    hang_up(&client);
}

static void test_close_with_unanswered_requests(void **state)
{
    struct fixture *fixture = *state;
    struct client first = connect_to(fixture);
    struct client second = connect_to(fixture);
    struct client third = connect_to(fixture);
    fixture->handle = hold;
    send_text(&first, GET("/one%20two?a=b"));
    expect_calls(fixture, 1);
    send_text(&second, "POST /2 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
    expect_calls(fixture, 2);
    send_text(&third, "POST /3 HTTP/1.1\r\n" HOST "Content-Length: 20\r\n\r\nhalf");
    turn(fixture);
    turn(fixture);
    fh_http_close(fixture->http);
    fixture->http = NULL;
    struct fh_slice path = fh_http_request_path(fixture->held[0]);
    assert_true(fh_slice_equal(path, FH_SLICE_LIT("/one two")));
    assert_true(fh_slice_equal(fh_http_request_body(fixture->held[1]), FH_SLICE_LIT("hi")));
    assert_true(fh_slice_equal(fh_http_request_method(fixture->held[1]), FH_SLICE_LIT("POST")));
    assert_null(fh_http_request_header(fixture->held[1], "Host").data);
    respond_text(fixture->held[0], "nobody listens");
    fh_http_stream_start(fixture->held[1], 200, NULL, 0, NULL, NULL);
    assert_int_equal(fh_http_stream_write(fixture->held[1], FH_SLICE_LIT("x")), FH_E_CLOSED);
    fh_http_stream_end(fixture->held[1]);
    expect_closed(fixture, &first);
    expect_closed(fixture, &second);
    expect_closed(fixture, &third);
    hang_up(&first);
    hang_up(&second);
    hang_up(&third);
}

static void test_stop_listening(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = hold;
    send_text(&client, GET("/"));
    expect_calls(fixture, 1);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((in_port_t)fh_http_get_port(fixture->http));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fh_http_stop_listening(fixture->http);
    fh_http_stop_listening(fixture->http);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
    close(fd);
    respond_text(fixture->held[0], "last one");
    expect_closed(fixture, &client);
    expect(fixture, &client, "Connection: close\r\n");
    expect(fixture, &client, "\r\n\r\nlast one");
    hang_up(&client);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void test_body_too_large(void **state)
{
    struct fixture *fixture = *state;
    expect_refusal(fixture, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n",
                   "\"status\":413,\"code\":\"BODY_TOO_LARGE\"");
    expect_refusal(fixture,
                   "POST / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n"
                   "Expect: 100-continue\r\n\r\n",
                   "HTTP/1.1 413 ");
    expect_refusal(fixture,
                   "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n",
                   " 413 ");
    struct client client = connect_to(fixture);
    send_text(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n");
    send_while_open(fixture, &client, 1000);
    expect(fixture, &client, "Content-Length: 1000\r\n");
    hang_up(&client);
}

/* The caller sends all of a large body first and reads the answer then: it must not be reset. */
static void test_refused_upload_can_read_why(void **state)
{
    struct client client = connect_to(*state);
    send_text(&client, "POST / HTTP/1.1\r\n" HOST "Content-Length: 20000000\r\n\r\n");
    send_while_open(*state, &client, 20000000);
    expect_closed(*state, &client);
    expect(*state, &client, "\"code\":\"BODY_TOO_LARGE\"");
    expect(*state, &client, "Connection: close\r\n");
    hang_up(&client);
}

static void test_chunked_body_too_large(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    send_text(&client, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n7d0\r\n");
    send_while_open(fixture, &client, 2000);
    send_text(&client, "\r\n0\r\n\r\n");
    expect(fixture, &client, "\"code\":\"BODY_TOO_LARGE\"");
    hang_up(&client);
    /* without end: cut */
    client = connect_to(fixture);
    send_text(&client, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n");
    send_while_open(fixture, &client, 20000000);
    expect_closed(fixture, &client);
    assert_int_equal(fixture->calls, 0);
    hang_up(&client);
}

static void test_headers_too_large(void **state)
{
    struct fixture *fixture = *state;
    struct fh_buf head;
    fh_buf_init(&head, 1 << 20);
    /* just over our limit, far over MHD's memory, as one header and as many; a long target */
    size_t sizes[] = {MAX_HEADER, 5 * MAX_HEADER};
    for (int i = 0; i < 2; i++) {
        fh_buf_clear(&head);
        fh_buf_push_format(&head, "GET / HTTP/1.1\r\n" HOST "X: %0*d\r\n\r\n", (int)sizes[i], 0);
        expect_refusal(fixture, head.data, "HTTP/1.1 431 ");
    }
    fh_buf_clear(&head);
    fh_buf_push_format(&head, "GET / HTTP/1.1\r\n" HOST);
    while (head.len < 5 * MAX_HEADER) {
        fh_buf_push_format(&head, "a: b\r\n");
    }
    fh_buf_push_format(&head, "\r\n");
    expect_refusal(fixture, head.data, "HTTP/1.1 431 ");
    fh_buf_clear(&head);
    fh_buf_push_format(&head, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", 5 * MAX_HEADER, 0);
    expect_refusal(fixture, head.data, "HTTP/1.1 414 ");
    fh_buf_deinit(&head);
}

static void test_malformed(void **state)
{
    static const char *const BAD[] = {
        "GET / FOO\r\n\r\n",
        GET("/a b"),
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST HOST "\r\n",
        "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        expect_refusal(*state, BAD[i], "HTTP/1.1 400 ");
    }
    expect_refusal(*state, "GET / HTTP/9.0\r\n\r\n", " 505 ");
    expect_refusal(*state, "ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1\r\n" HOST "\r\n", " 501 ");
}

/* The library forgets about a request whose query arguments it has no memory for and keeps the
 * processor busy with it; we do not let it see them. */
static void test_many_query_arguments(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        struct fh_buf head;
        struct client client = connect_to(fixture);
        fh_buf_init(&head, 1 << 20);
        fh_buf_push_format(&head, "GET /%c?", i ? '\0' : 'x');
        for (int j = 0; j < 1500; j++) {
            fh_buf_push_format(&head, "a&");
        }
        fh_buf_push_format(&head, " HTTP/1.1\r\n" HOST "\r\n");
        send_bytes(&client, head.data, head.len);
        if (i == 0) {
            expect(fixture, &client, "200 OK");
        } else {
            expect_closed(fixture, &client);
        }
        fh_buf_deinit(&head);
        hang_up(&client);
    }
}

static void test_too_many_connections(void **state)
{
    struct fixture *fixture = *state;
    struct fh_http_config config = default_config(fixture);
    config.max_connections = 2;
    open_with(fixture, &config);
    struct client first = connect_to(fixture);
    struct client second = connect_to(fixture);
    send_text(&first, GET("/"));
    send_text(&second, GET("/"));
    expect(fixture, &first, "200 OK");
    expect(fixture, &second, "200 OK");
    struct client third = connect_to(fixture);
    expect_closed(fixture, &third);
    hang_up(&third);
    hang_up(&first);
    int64_t deadline = now_ms() + DEADLINE_MS;
    bool is_served = false;
    while (!is_served && now_ms() < deadline) {
        third = connect_to(fixture);
        send_text(&third, GET("/"));
        while (!is_served && !third.is_closed) {
            turn(fixture);
            receive(&third);
            is_served = count(&third, "200 OK") == 1;
        }
        hang_up(&third);
    }
    assert_true(is_served);
    hang_up(&second);
}

/* --- accessors -------------------------------------------------------------------------------- */

static void note(void *arg, struct fh_slice name, struct fh_slice value)
{
    struct fixture *fixture = arg;
    fh_buf_push_byte(&fixture->seen, '[');
    fh_buf_push_slice(&fixture->seen, name);
    fh_buf_push_byte(&fixture->seen, '=');
    fh_buf_push_slice(&fixture->seen, value);
    fh_buf_push_byte(&fixture->seen, ']');
}

static void note_all(struct fixture *fixture, struct fh_http_request *request)
{
    fh_buf_clear(&fixture->seen);
    fh_buf_push_slice(&fixture->seen, fh_http_request_path(request));
    fh_http_request_each_query(request, note, fixture);
    echo(fixture, request);
}

static void expect_seen(struct fixture *fixture, const char *target, const char *wanted, size_t len)
{
    struct client client = connect_to(fixture);
    unsigned calls = fixture->calls;
    send_text(&client, "GET ");
    send_text(&client, target);
    send_text(&client, " HTTP/1.1\r\n" HOST "\r\n");
    expect_calls(fixture, calls + 1);
    if (!fh_slice_equal(fh_buf_slice(&fixture->seen), fh_slice_make(wanted, len))) {
        print_error("of %s saw %.*s\n", target, (int)fixture->seen.len, fixture->seen.data);
    }
    assert_true(fh_slice_equal(fh_buf_slice(&fixture->seen), fh_slice_make(wanted, len)));
    hang_up(&client);
}

#define SEEN(target, wanted) expect_seen(*state, target, wanted, sizeof(wanted) - 1)

static void test_target(void **state)
{
    ((struct fixture *)*state)->handle = note_all;
    SEEN("/", "/");
    SEEN("/a%20b/%C3%a9", "/a b/\xC3\xA9");
    SEEN("/a+b", "/a+b");
    SEEN("/a%2", "/a%2");
    SEEN("/%41%zz", "/%41%zz");
    SEEN("/%41%00", "/%41%00");
    SEEN("/%", "/%");
    SEEN("*", "*");
    SEEN("http://host:80/x?y=1", "/x[y=1]");
    SEEN("HTTPS://host?y=1", "/[y=1]");
    SEEN("http://host", "/");
    SEEN("/?", "/");
    SEEN("/?a=1&b=2", "/[a=1][b=2]");
    SEEN("/?a", "/[a=]");
    SEEN("/?=v&&c=&d", "/[=v][c=][d=]");
    SEEN("/?a=b=c?d", "/[a=b=c?d]");
    SEEN("/?x%20y=1+2%2B3&%26=%3d", "/[x y=1 2+3][&==]");
    SEEN("/?a=%00b&%00=%zz%4", "/[a=\0b][\0=%zz%4]");
    struct fh_buf target;
    struct fh_buf wanted;
    fh_buf_init(&target, 4096);
    fh_buf_init(&wanted, 4096);
    fh_buf_push_format(&target, "/?long=%02000d", 7);
    fh_buf_push_format(&wanted, "/[long=%02000d]", 7);
    expect_seen(*state, target.data, wanted.data, wanted.len);
    fh_buf_deinit(&target);
    fh_buf_deinit(&wanted);
}

static void note_headers(struct fixture *fixture, struct fh_http_request *request)
{
    fh_http_request_each_header(request, note, fixture);
    struct fh_slice value = fh_http_request_header(request, "x-ONE");
    assert_true(fh_slice_equal(value, FH_SLICE_LIT("1%20")));
    assert_null(fh_http_request_header(request, "missing").data);
    value = fh_http_request_header(request, "Empty");
    assert_non_null(value.data);
    assert_int_equal(value.len, 0);
    assert_true(fh_http_request_is_loopback(request));
    echo(fixture, request);
}

static void test_headers(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = note_headers;
    send_text(&client, "GET / HTTP/1.1\r\nHost: h\r\nX-One:  1%20 \t\r\nEmpty:\r\nX-One: 2\r\n"
                       "Cookie: a=b; c\r\n\r\n");
    expect_calls(fixture, 1);
    assert_true(
        fh_slice_equal(fh_buf_slice(&fixture->seen),
                       FH_SLICE_LIT("[Host=h][X-One=1%20][Empty=][X-One=2][Cookie=a=b; c]")));
    hang_up(&client);
}

static void answer_with_bad_headers(struct fixture *fixture, struct fh_http_request *request)
{
    static char large[8000];
    (void)fixture;
    memset(large, 'l', sizeof(large));
    struct fh_http_header headers[] = {
        {FH_SLICE_LIT("X-Good"), FH_SLICE_LIT("yes")},
        {FH_SLICE_LIT("X-Split"), FH_SLICE_LIT("a\r\nX-Injected: b")},
        {FH_SLICE_LIT("X-Nul"), FH_SLICE_LIT("a\0b")},
        {FH_SLICE_LIT("X Blank"), FH_SLICE_LIT("c")},
        {FH_SLICE_LIT("X-Empty"), FH_SLICE_LIT("")},
        {FH_SLICE_LIT("content-length"), FH_SLICE_LIT("777")},
        {FH_SLICE_LIT("Transfer-encoding"), FH_SLICE_LIT("chunked")},
        {FH_SLICE_LIT("Set-Cookie"), FH_SLICE_LIT("a")},
        {FH_SLICE_LIT("Set-Cookie"), FH_SLICE_LIT("b")},
        {FH_SLICE_LIT("X-Large"), fh_slice_make(large, 2000)},
        {FH_SLICE_LIT("X-Larger"), fh_slice_make(large, sizeof(large))},
    };
    size_t n = fh_http_request_path(request).len > 1 ? 11 : 10;
    fh_http_respond(request, n == 11 ? 200 : 42, headers, n, FH_SLICE_LIT("z"));
}

static void test_answer_headers(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = answer_with_bad_headers;
    send_text(&client, GET("/"));
    expect(fixture, &client, "\r\n\r\nz");
    expect(fixture, &client, "HTTP/1.1 500 "); /* 42 is no status */
    expect(fixture, &client, "X-Good: yes\r\n");
    expect(fixture, &client, "Content-Length: 1\r\n");
    expect(fixture, &client, "Set-Cookie: a\r\n");
    expect(fixture, &client, "Set-Cookie: b\r\n");
    expect(fixture, &client, "X-Large: lll");
    assert_int_equal(count(&client, "Injected"), 0);
    assert_int_equal(count(&client, "777"), 0);
    assert_int_equal(count(&client, "chunked"), 0);
    assert_int_equal(count(&client, "X-Empty"), 0);
    send_text(&client, GET("/larger"));
    expect(fixture, &client, "\"code\":\"ANSWER_HEADERS_TOO_LARGE\"");
    hang_up(&client);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void on_stream_closed(void *arg)
{
    struct fixture *fixture = arg;
    fixture->closed++;
    if (fixture->end_on_close) {
        fh_http_stream_end(fixture->held[0]);
    }
}

static void start_stream(struct fixture *fixture, struct fh_http_request *request)
{
    struct fh_http_header type = {FH_SLICE_LIT("Content-Type"), FH_SLICE_LIT("text/event-stream")};
    hold(fixture, request);
    fh_http_stream_start(request, 200, &type, 1, on_stream_closed, fixture);
}

static void write_text(struct fh_http_request *request, const char *text)
{
    assert_int_equal(fh_http_stream_write(request, fh_slice_from(text)), 0);
}

static void test_stream(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = start_stream;
    send_text(&client, GET("/"));
    expect(fixture, &client, "Transfer-Encoding: chunked\r\n");
    expect(fixture, &client, "Content-Type: text/event-stream\r\n");
    assert_int_equal(fh_http_get_pending(fixture->http), 1);
    write_text(fixture->held[0], "one");
    write_text(fixture->held[0], "two");
    write_text(fixture->held[0], "");
    expect(fixture, &client, "6\r\nonetwo\r\n");
    write_text(fixture->held[0], "three");
    expect(fixture, &client, "5\r\nthree\r\n");
    write_text(fixture->held[0], "four");
    fh_http_stream_end(fixture->held[0]);
    expect(fixture, &client, "4\r\nfour\r\n0\r\n\r\n");
    assert_int_equal(fixture->closed, 0);
    assert_int_equal(fh_http_get_pending(fixture->http), 0);
    fixture->handle = echo;
    send_text(&client, GET("/again"));
    expect(fixture, &client, "X-Path: /again\r\n");
    hang_up(&client);
}

static void test_stream_started_later(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = hold;
    send_text(&client, "GET / HTTP/1.0\r\n\r\n");
    expect_calls(fixture, 1);
    fh_http_stream_start(fixture->held[0], 200, NULL, 0, on_stream_closed, fixture);
    write_text(fixture->held[0], "<first>");
    expect(fixture, &client, "<first>");
    write_text(fixture->held[0], "<second>");
    fh_http_stream_end(fixture->held[0]);
    expect_closed(fixture, &client);
    expect(fixture, &client, "<first><second>");
    assert_int_equal(count(&client, "chunked"), 0);
    assert_int_equal(fixture->closed, 0);
    hang_up(&client);
}

static void test_stream_for_head_is_closed(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = start_stream;
    send_text(&client, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    expect(fixture, &client, "200 OK");
    expect_calls(fixture, 1);
    while (fixture->closed == 0) {
        turn(fixture);
    }
    assert_int_equal(fh_http_stream_write(fixture->held[0], FH_SLICE_LIT("x")), FH_E_CLOSED);
    fh_http_stream_end(fixture->held[0]);
    hang_up(&client);
}

static void test_slow_reader(void **state)
{
    struct fixture *fixture = *state;
    static char block[50000];
    struct client client = connect_to(fixture);
    size_t written = 0;
    int rc = 0;
    memset(block, 'b', sizeof(block));
    fixture->handle = start_stream;
    send_text(&client, GET("/"));
    expect_calls(fixture, 1);
    for (int i = 0; i < 10000 && rc == 0; i++) {
        rc = fh_http_stream_write(fixture->held[0], fh_slice_make(block, sizeof(block)));
        written += rc == 0 ? sizeof(block) : 0;
        turn(fixture);
    }
    assert_int_equal(rc, FH_E_TOO_LARGE);
    assert_true(written > 1000000);
    /* nothing is lost or doubled once the caller reads on */
    assert_int_equal(fh_http_stream_write(fixture->held[0], FH_SLICE_LIT("")), 0);
    fh_http_stream_end(fixture->held[0]);
    expect(fixture, &client, "\r\n0\r\n\r\n");
    size_t received = 0; /* chunk sizes are in upper case */
    const char *body = memmem(client.got.data, client.got.len, "\r\n\r\n", 4);
    assert_non_null(body);
    for (const char *at = body; at < client.got.data + client.got.len; at++) {
        received += *at == 'b';
    }
    assert_int_equal(received, written);
    hang_up(&client);
}

static void run_stream_until_closed(struct fixture *fixture)
{
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (fixture->closed == 0 && now_ms() < deadline) {
        if (fh_http_stream_write(fixture->held[0], FH_SLICE_LIT("ping")) != 0) {
            break;
        }
        turn(fixture);
    }
    assert_int_equal(fixture->closed, 1);
}

static void test_stream_client_gone(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = start_stream;
    send_text(&client, GET("/"));
    expect(fixture, &client, "200 OK");
    hang_up(&client);
    run_stream_until_closed(fixture);
    assert_int_equal(fh_http_stream_write(fixture->held[0], FH_SLICE_LIT("x")), FH_E_CLOSED);
    assert_int_equal(fh_http_get_pending(fixture->http), 1);
    fh_http_stream_end(fixture->held[0]);
    assert_int_equal(fh_http_get_pending(fixture->http), 0);
}

static void test_stream_ended_when_closed(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = start_stream;
    fixture->end_on_close = true;
    send_text(&client, GET("/"));
    expect(fixture, &client, "200 OK");
    hang_up(&client);
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (fixture->closed == 0 && now_ms() < deadline) {
        fh_http_stream_write(fixture->held[0], FH_SLICE_LIT("ping"));
        turn(fixture);
    }
    assert_int_equal(fixture->closed, 1);
    assert_int_equal(fh_http_get_pending(fixture->http), 0);
}

static void test_close_with_open_stream(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = start_stream;
    for (int i = 0; i < 2; i++) {
        send_text(&client, GET("/"));
        expect_calls(fixture, (unsigned)i + 1);
        write_text(fixture->held[i], "<data>");
        if (i == 0) {
            fh_http_stream_end(fixture->held[0]);
        }
    }
    expect_times(fixture, &client, "<data>", 2);
    fh_http_close(fixture->http);
    fixture->http = NULL;
    assert_int_equal(fixture->closed, 1);
    assert_int_equal(fh_http_stream_write(fixture->held[1], FH_SLICE_LIT("x")), FH_E_CLOSED);
    fh_http_stream_end(fixture->held[1]);
    expect_closed(fixture, &client);
    hang_up(&client);
}

/* --- listening -------------------------------------------------------------------------------- */

static int try_open(struct fixture *fixture, const char *address, bool reuse_port,
                    struct fh_error *err)
{
    struct fh_http *http = NULL;
    struct fh_http_config config = default_config(fixture);
    config.address = address;
    config.reuse_port = reuse_port;
    int rc = fh_http_open(&http, fixture->loop, &config, err);
    fh_http_close(http);
    return rc;
}

static void test_addresses(void **state)
{
    static const char *const BAD[] = {
        "",    "8080", "host:80", "1.2.3:80", "127.0.0.1:", "[::1:0",      "::1:0", ":65536",
        ":-1", ":8 ",  ":80x",    "[]:0",     ":000000",    "1.2.3.4:5:6", NULL};
    struct fixture *fixture = *state;
    struct fh_error err;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        assert_int_equal(try_open(fixture, BAD[i], false, &err), FH_E_INVALID);
        assert_non_null(strstr(err.detail, "--listen"));
    }
    assert_int_equal(try_open(fixture, "127.0.0.1:0", false, &err), 0);
    assert_int_equal(try_open(fixture, "localhost:0", false, &err), 0);
    assert_int_equal(try_open(fixture, ":0", false, &err), 0);
    assert_int_equal(try_open(fixture, "192.0.2.77:0", false, &err), FH_E_INVALID);
    assert_non_null(strstr(err.detail, "192.0.2.77:0"));
    char text[64];
    snprintf(text, sizeof(text), "127.0.0.1:%u", fh_http_get_port(fixture->http));
    assert_int_equal(try_open(fixture, text, false, &err), FH_E_ADDRESS_IN_USE);
    assert_non_null(strstr(err.detail, text));
    assert_non_null(strstr(err.detail, "choose another with --listen or stop the other program"));
}

static void test_every_address_takes_ipv4(void **state)
{
    struct fixture *fixture = *state;
    struct fh_http_config config = default_config(fixture);
    config.address = ":0";
    open_with(fixture, &config);
    struct client client = connect_to(fixture);
    fixture->handle = note_headers;
    send_text(&client, "GET / HTTP/1.1\r\n" HOST "X-One: 1%20\r\nEmpty:\r\n\r\n");
    expect(fixture, &client, "200 OK"); /* note_headers checks that it is loopback */
    hang_up(&client);
}

static void test_two_servers_share_a_port(void **state)
{
    struct fixture *fixture = *state;
    struct fh_http_config config = default_config(fixture);
    struct fh_http *other;
    char text[64];
    config.reuse_port = true;
    open_with(fixture, &config);
    snprintf(text, sizeof(text), "127.0.0.1:%u", fh_http_get_port(fixture->http));
    config.address = text;
    assert_int_equal(fh_http_open(&other, fixture->loop, &config, NULL), 0);
    assert_int_equal(fh_http_get_port(other), fh_http_get_port(fixture->http));
    for (int i = 0; i < 20; i++) {
        struct client client = connect_to(fixture);
        send_text(&client, GET("/"));
        expect(fixture, &client, "200 OK");
        hang_up(&client);
    }
    fh_http_close(other);
}

/* --- idling ----------------------------------------------------------------------------------- */

static void test_idle_connections_do_not_spin(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[4];
    fixture->handle = hold;
    for (int i = 0; i < 4; i++) { /* unused, half a request, waiting, answered */
        clients[i] = connect_to(fixture);
    }
    send_text(&clients[1], "GET / HTTP/1.1\r\nHo");
    send_text(&clients[2], GET("/"));
    expect_calls(fixture, 1);
    fixture->handle = echo;
    send_text(&clients[3], GET("/"));
    expect(fixture, &clients[3], "200 OK");
    for (int i = 0; i < 20; i++) {
        turn(fixture);
    }
    fixture->turns = 0;
    int64_t deadline = now_ms() + 300;
    for (int64_t left; (left = deadline - now_ms()) > 0;) {
        fh_loop_run_once(fixture->loop, (int)left);
    }
    assert_in_range(fixture->turns, 1, 3);
    respond_text(fixture->held[0], "");
    for (int i = 0; i < 4; i++) {
        hang_up(&clients[i]);
    }
}

/* A connection that says nothing, one that trickles, one with a request that takes its time. */
static void test_timeouts(void **state)
{
    struct fixture *fixture = *state;
    struct fh_http_config config = default_config(fixture);
    config.idle_timeout_s = 1;
    open_with(fixture, &config);
    struct client silent = connect_to(fixture);
    struct client trickling = connect_to(fixture);
    struct client waiting = connect_to(fixture);
    fixture->handle = hold;
    send_text(&waiting, GET("/"));
    send_text(&trickling, "GET / HTTP/1.1\r\nX: ");
    expect_calls(fixture, 1);
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (!(silent.is_closed && trickling.is_closed) && now_ms() < deadline) {
        send(trickling.fd, "x", 1, MSG_NOSIGNAL);
        fh_loop_run_once(fixture->loop, 20);
        receive(&silent);
        receive(&trickling);
        receive(&waiting);
    }
    assert_true(silent.is_closed);
    assert_true(trickling.is_closed);
    assert_false(waiting.is_closed);
    respond_text(fixture->held[0], "at last");
    expect(fixture, &waiting, "at last");
    hang_up(&silent);
    hang_up(&trickling);
    hang_up(&waiting);
}

#define TEST(name)      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BARE_TEST(name) cmocka_unit_test_setup_teardown(name, setup_bare, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_get),
        TEST(test_post),
        TEST(test_chunked),
        TEST(test_keep_alive),
        TEST(test_http_1_0),
        TEST(test_expect_continue),
        TEST(test_head),
        TEST(test_large_answer),
        TEST(test_many_spares),
        TEST(test_pipelining),
        TEST(test_pipelining_at_once),
        TEST(test_deferred_answer_leaves_at_once),
        TEST(test_answer_from_a_hook),
        TEST(test_answer_from_another_handler),
        TEST(test_client_gone_before_answer),
        TEST(test_close_with_unanswered_requests),
        TEST(test_stop_listening),
        TEST(test_body_too_large),
        TEST(test_refused_upload_can_read_why),
        TEST(test_chunked_body_too_large),
        TEST(test_headers_too_large),
        TEST(test_malformed),
        TEST(test_many_query_arguments),
        BARE_TEST(test_too_many_connections),
        TEST(test_target),
        TEST(test_headers),
        TEST(test_answer_headers),
        TEST(test_stream),
        TEST(test_stream_started_later),
        TEST(test_stream_for_head_is_closed),
        TEST(test_slow_reader),
        TEST(test_stream_client_gone),
        TEST(test_stream_ended_when_closed),
        TEST(test_close_with_open_stream),
        TEST(test_addresses),
        BARE_TEST(test_every_address_takes_ipv4),
        BARE_TEST(test_two_servers_share_a_port),
        TEST(test_idle_connections_do_not_spin),
        BARE_TEST(test_timeouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
