/* SPDX-License-Identifier: MIT */
/* What is refused, and what a handler can ask of a request. */
#include "http_fixture.h"

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

/* The library never answers when its memory does not hold the query's arguments; it gets none. */
static void test_many_query_arguments(void **state)
{
    struct client client = connect_to(*state);
    struct fh_buf head;
    fh_buf_init(&head, 1 << 20);
    fh_buf_push_format(&head, "GET /?");
    for (int i = 0; i < 1500; i++) {
        fh_buf_push_format(&head, "a&");
    }
    fh_buf_push_format(&head, " HTTP/1.1\r\n" HOST "\r\n");
    send_bytes(&client, head.data, head.len);
    expect(*state, &client, "200 OK");
    fh_buf_deinit(&head);
    hang_up(&client);
}

static void test_nul_in_target(void **state)
{
    static const char REQUEST[] = "GET /a\0b?c=d HTTP/1.1\r\n" HOST "\r\n";
    struct client client = connect_to(*state);
    send_bytes(&client, REQUEST, sizeof(REQUEST) - 1);
    expect_closed(*state, &client);
    expect(*state, &client, "HTTP/1.1 400 ");
    hang_up(&client);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_body_too_large),
        TEST(test_refused_upload_can_read_why),
        TEST(test_chunked_body_too_large),
        TEST(test_headers_too_large),
        TEST(test_malformed),
        TEST(test_many_query_arguments),
        TEST(test_nul_in_target),
        TEST(test_target),
        TEST(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
