/* SPDX-License-Identifier: MIT */
/* Whole answers and streams. */
#include "http_fixture.h"

/* --- whole answers ---------------------------------------------------------------------- */

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

enum { ROOM_BLOCK_BYTES = 200 * 1024, ROOM_BLOCKS = 40 };

/* Writes as much as there is room for, and the end in the last call. */
static void write_blocks(void *arg)
{
    static char block[ROOM_BLOCK_BYTES];
    struct fixture *fixture = arg;
    memset(block, 'b', sizeof(block));
    fixture->rooms++;
    while (fixture->written < ROOM_BLOCKS) {
        int rc = fh_http_stream_write(fixture->held[0], fh_slice_make(block, sizeof(block)));
        if (rc != 0) {
            assert_int_equal(rc, FH_E_TOO_LARGE);
            fh_http_stream_await_room(fixture->held[0], write_blocks);
            return;
        }
        fixture->written++;
    }
    fh_http_stream_end(fixture->held[0]);
}

static void test_writing_as_there_is_room(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = start_stream;
    send_text(&client, GET("/"));
    expect_calls(fixture, 1);
    write_blocks(fixture);
    expect(fixture, &client, "\r\n0\r\n\r\n");
    assert_true(fixture->rooms > 5);
    size_t received = 0;
    for (const char *at = memmem(client.got.data, client.got.len, "\r\n\r\n", 4);
         at < client.got.data + client.got.len; at++) {
        received += *at == 'b';
    }
    assert_int_equal(received, ROOM_BLOCK_BYTES * ROOM_BLOCKS);
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

static void expect_gone(struct fixture *fixture)
{
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (fixture->closed == 0 && now_ms() < deadline) {
        fh_loop_run_once(fixture->loop, 100);
    }
    assert_int_equal(fixture->closed, 1);
}

/* Nothing is written that could fail. */
static void test_quiet_stream_client_gone(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = start_stream;
    send_text(&client, GET("/"));
    expect_calls(fixture, 1);
    write_text(fixture->held[0], "<first>");
    expect(fixture, &client, "<first>");
    hang_up(&client);
    expect_gone(fixture);
    assert_int_equal(fh_http_stream_write(fixture->held[0], FH_SLICE_LIT("x")), FH_E_CLOSED);
    fh_http_stream_end(fixture->held[0]);
    assert_int_equal(fh_http_get_unsent(fixture->http), 0);
}

static void test_quiet_stream_client_resets(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    struct linger at_once = {1, 0};
    fixture->handle = start_stream;
    send_text(&client, GET("/"));
    expect(fixture, &client, "200 OK");
    setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    hang_up(&client);
    expect_gone(fixture);
    fh_http_stream_end(fixture->held[0]);
}

/* Callers that close their sending side with the request, as `nc -N` does, read on. */
static void test_stream_to_a_half_closed_client(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = start_stream;
    send_text(&client, GET("/"));
    shutdown(client.fd, SHUT_WR);
    expect(fixture, &client, "200 OK");
    for (int i = 0; i < 3; i++) {
        write_text(fixture->held[0], "<more>");
        expect_times(fixture, &client, "<more>", (unsigned)i + 1);
        turn(fixture);
    }
    fh_http_stream_end(fixture->held[0]);
    expect(fixture, &client, "\r\n0\r\n\r\n");
    assert_int_equal(fixture->closed, 0);
    hang_up(&client);
}

/* What it sends during the stream is the next request. */
static void test_stream_client_goes_on_sending(void **state)
{
    struct fixture *fixture = *state;
    struct client client = connect_to(fixture);
    fixture->handle = start_stream;
    send_text(&client, GET("/"));
    expect(fixture, &client, "200 OK");
    fixture->handle = echo;
    send_text(&client, GET("/next"));
    for (int i = 0; i < 3; i++) {
        write_text(fixture->held[0], "<more>");
        expect_times(fixture, &client, "<more>", (unsigned)i + 1);
    }
    fh_http_stream_end(fixture->held[0]);
    expect(fixture, &client, "X-Path: /next\r\n");
    assert_int_equal(fixture->closed, 0);
    hang_up(&client);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_head),
        TEST(test_large_answer),
        TEST(test_answer_headers),
        TEST(test_stream),
        TEST(test_stream_started_later),
        TEST(test_stream_for_head_is_closed),
        TEST(test_slow_reader),
        TEST(test_writing_as_there_is_room),
        TEST(test_stream_client_gone),
        TEST(test_quiet_stream_client_gone),
        TEST(test_quiet_stream_client_resets),
        TEST(test_stream_to_a_half_closed_client),
        TEST(test_stream_client_goes_on_sending),
        TEST(test_stream_ended_when_closed),
        TEST(test_close_with_open_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
