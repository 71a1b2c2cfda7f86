/* SPDX-License-Identifier: MIT */
/* One call: what is sent, what comes back, how it fails. */
#include "fixture.h"

/* --- answers ---------------------------------------------------------------------------------- */

static void test_get(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = call(fixture, "/hello");
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "hello");
    assert_string_equal(outcome.headers, "Content-Length: 5|X-A: 1|x-a: 2|");
    assert_true(peer_has_seen(fixture->peer, "GET /hello HTTP/1.1\r\n"));
    assert_true(peer_has_seen(fixture->peer, "User-Agent: flowhost-test\r\n"));
    assert_true(peer_has_seen(fixture->peer, "Accept-Encoding: gzip, deflate\r\n"));
}

static void test_status_without_error(void **state)
{
    struct outcome outcome = call(*state, "/404");
    assert_int_equal(outcome.rc, 0);
    assert_int_equal(outcome.status, 404);
    assert_string_equal(outcome.body, "gone");
}

static void test_no_body(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = call(fixture, "/204");
    assert_int_equal(outcome.status, 204);
    assert_int_equal(outcome.body_len, 0);
    struct fh_client_request request = {.method = FH_SLICE_LIT("HEAD"), .max_bytes = 10};
    outcome = call_with(fixture, "/head", request);
    assert_int_equal(outcome.rc, 0);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.headers, "Content-Length: 99999999|");
    assert_true(peer_has_seen(fixture->peer, "HEAD /head HTTP/1.1\r\n"));
    assert_alive(fixture);
    assert_int_equal(peer_connections(fixture->peer), 1);
}

static void test_chunked(void **state)
{
    struct outcome outcome = call(*state, "/chunked");
    assert_string_equal(outcome.body, "hello, world");
    assert_null(strstr(outcome.headers, "late"));
}

static void test_gzip(void **state)
{
    struct outcome outcome = call(*state, "/gzip");
    assert_int_equal(outcome.rc, 0);
    assert_string_equal(outcome.body, "hello");
    assert_fails(call(*state, "/bad-gzip"), FH_E_NETWORK, "cannot be decompressed");
    assert_alive(*state);
}

static void test_only_final_headers(void **state)
{
    struct outcome outcome = call(*state, "/early");
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.headers, "Content-Length: 2|X-Fold: a b|X-Empty: |");
}

static void test_body_until_close(void **state)
{
    struct outcome outcome = call(*state, "/until-close");
    assert_int_equal(outcome.rc, 0);
    assert_string_equal(outcome.body, "all of it");
}

/* --- requests --------------------------------------------------------------------------------- */

static void test_post(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_header headers[] = {
        {FH_SLICE_LIT("X-One"), FH_SLICE_LIT(" 1")},
        {FH_SLICE_LIT("X-None"), FH_SLICE_LIT("  ")},
        {FH_SLICE_LIT("content-length"), FH_SLICE_LIT("3")},
        {FH_SLICE_LIT("Transfer-Encoding"), FH_SLICE_LIT("chunked")},
        {FH_SLICE_LIT("Expect"), FH_SLICE_LIT("100-continue")},
    };
    struct fh_client_request request = {.method = FH_SLICE_LIT("POST"),
                                        .headers = headers,
                                        .header_count = 5,
                                        .body = FH_SLICE_LIT("a body"),
                                        .has_body = true};
    assert_int_equal(call_with(fixture, "/hello", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "POST /hello HTTP/1.1\r\n"));
    assert_true(peer_has_seen(fixture->peer, "\r\nX-One: 1\r\n"));
    assert_true(peer_has_seen(fixture->peer, "\r\nX-None:\r\n"));
    assert_true(peer_has_seen(fixture->peer, "\r\nContent-Length: 6\r\n"));
    assert_true(peer_has_seen(fixture->peer, "\r\n\r\na body"));
    assert_false(peer_has_seen(fixture->peer, "Content-Type"));
    assert_false(peer_has_seen(fixture->peer, "content-length"));
    assert_false(peer_has_seen(fixture->peer, "Expect"));
    assert_false(peer_has_seen(fixture->peer, "chunked"));
}

static void test_content_type_of_caller(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_header header = {FH_SLICE_LIT("Content-Type"), FH_SLICE_LIT("text/x")};
    struct fh_client_request request = {
        .method = FH_SLICE_LIT("PATCH"), .headers = &header, .header_count = 1, .has_body = true};
    assert_int_equal(call_with(fixture, "/hello", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "PATCH /hello HTTP/1.1\r\n"));
    assert_true(peer_has_seen(fixture->peer, "\r\nContent-Type: text/x\r\n"));
    assert_true(peer_has_seen(fixture->peer, "\r\nContent-Length: 0\r\n"));
}

static void test_methods_without_body(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_request request = {.method = FH_SLICE_LIT("PUT")};
    assert_int_equal(call_with(fixture, "/hello", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "PUT /hello HTTP/1.1\r\n"));
    assert_true(peer_has_seen(fixture->peer, "\r\nContent-Length: 0\r\n"));
    request.method = FH_SLICE_LIT("DELETE");
    assert_int_equal(call_with(fixture, "/hello", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "DELETE /hello HTTP/1.1\r\n"));
    assert_false(peer_has_seen(fixture->peer, "Content-Length"));
    request.has_body = true;
    request.body = FH_SLICE_LIT("why");
    request.method = FH_SLICE_LIT("GET");
    assert_int_equal(call_with(fixture, "/hello", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "GET /hello HTTP/1.1\r\n"));
    assert_true(peer_has_seen(fixture->peer, "\r\n\r\nwhy"));
}

/* A pooled handle must keep nothing of the call before. */
static void test_nothing_left_over(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_header header = {FH_SLICE_LIT("X-Mine"), FH_SLICE_LIT("1")};
    struct fh_client_request request = {.method = FH_SLICE_LIT("POST"),
                                        .headers = &header,
                                        .header_count = 1,
                                        .body = FH_SLICE_LIT("body"),
                                        .has_body = true,
                                        .user = FH_SLICE_LIT("ann"),
                                        .password = FH_SLICE_LIT("s:cret")};
    assert_int_equal(call_with(fixture, "/hello", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "\r\nAuthorization: Basic YW5uOnM6Y3JldA==\r\n"));
    assert_int_equal(call(fixture, "/hello").status, 200);
    assert_true(peer_has_seen(fixture->peer, "GET /hello"));
    assert_false(peer_has_seen(fixture->peer, "Authorization"));
    assert_false(peer_has_seen(fixture->peer, "X-Mine"));
    assert_false(peer_has_seen(fixture->peer, "Content-"));
    char url[64];
    snprintf(url, sizeof(url), "http://bob:pw@127.0.0.1:%d/hello", fixture->peer->port);
    request = get();
    request.url = fh_slice_from(url);
    assert_int_equal(call_with(fixture, "", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "Authorization: Basic Ym9iOnB3"));
    assert_int_equal(call(fixture, "/hello").status, 200);
    assert_false(peer_has_seen(fixture->peer, "Authorization"));
}

static void test_large_body(void **state)
{
    struct fixture *fixture = *state;
    size_t len = 200 * 1024;
    char *body = malloc(len + 1);
    memset(body, 'b', len);
    memcpy(body + len - 5, "<end>", 5);
    struct fh_client_request request = {
        .method = FH_SLICE_LIT("PUT"), .body = fh_slice_make(body, len), .has_body = true};
    struct outcome outcome = {0};
    start_request(fixture, "/hello", request, &outcome);
    free(body); /* everything was copied */
    run_until(fixture, &fixture->done, 1);
    assert_int_equal(outcome.status, 200);
    assert_true(peer_has_seen(fixture->peer, "bbb<end>"));
}

static void test_header_injection_refused(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_header bad[] = {
        {FH_SLICE_LIT("X"), FH_SLICE_LIT("a\r\nY: b")}, {FH_SLICE_LIT("X"), FH_SLICE_LIT("a\rb")},
        {FH_SLICE_LIT("X"), FH_SLICE_LIT("a\nb")},      {FH_SLICE_LIT("X"), FH_SLICE_LIT("a\0b")},
        {FH_SLICE_LIT("X\r\nY"), FH_SLICE_LIT("a")},    {FH_SLICE_LIT("X\0"), FH_SLICE_LIT("a")},
        {FH_SLICE_LIT("X: a"), FH_SLICE_LIT("b")},      {FH_SLICE_LIT(""), FH_SLICE_LIT("b")},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fh_client_request request = get();
        request.url = FH_SLICE_LIT("http://127.0.0.1/");
        request.headers = &bad[i];
        request.header_count = 1;
        assert_int_equal(fh_client_start(fixture->client, &request, on_done, NULL, NULL),
                         FH_E_INVALID);
    }
    assert_alive(fixture);
}

static void test_unusable_requests(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct fh_slice url;
        const char *detail;
    } bad[] = {
        {FH_SLICE_LIT("http://a/\0"), "control character at byte 9"},
        {FH_SLICE_LIT("http://a/\r\nX: y"), "control character at byte 9"},
        {FH_SLICE_LIT("http://a/b c"), "a space at byte 10"},
        {FH_SLICE_LIT("ftp://a/"), "must begin with http:// or https://"},
        {FH_SLICE_LIT("file:///etc/passwd"), "must begin with http:// or https://"},
        {FH_SLICE_LIT("a/b"), "must begin with http:// or https://"},
        {FH_SLICE_LIT("\t"), "control character"},
        {FH_SLICE_LIT("http://"), "must begin with"},
        {FH_SLICE_LIT("http://[::1/"), "malformed url"},
        {FH_SLICE_LIT("http://a:99999999/"), "malformed url"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fh_client_request request = get();
        request.url = bad[i].url;
        assert_fails(call_with(fixture, "", request), FH_E_INVALID, bad[i].detail);
    }
    struct fh_client_request request = {.method = FH_SLICE_LIT("GET /x")};
    assert_fails(call_with(fixture, "/hello", request), FH_E_INVALID, "method");
    request = (struct fh_client_request){.method = FH_SLICE_LIT("HEAD"), .has_body = true};
    assert_fails(call_with(fixture, "/hello", request), FH_E_INVALID, "HEAD");
    request = get();
    request.user = FH_SLICE_LIT("a\0b");
    assert_fails(call_with(fixture, "/hello", request), FH_E_INVALID, "NUL");
    assert_int_equal(fixture->peer->seen, 0);
    assert_alive(fixture);
}

/* --- redirects -------------------------------------------------------------------------------- */

static void test_redirects(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = call(fixture, "/moved");
    assert_int_equal(outcome.status, 302);
    assert_string_equal(outcome.body, "no");
    struct fh_client_request request = get();
    request.max_redirects = 3;
    outcome = call_with(fixture, "/moved", request);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "hello");
    assert_null(strstr(outcome.headers, "X-Old"));
    assert_fails(call_with(fixture, "/round", request), FH_E_NETWORK, "too many redirects");
    assert_fails(call_with(fixture, "/to-file", request), FH_E_NETWORK, "");
    assert_alive(fixture);
}

static void test_redirected_methods(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_request request = {.method = FH_SLICE_LIT("POST"),
                                        .body = FH_SLICE_LIT("body"),
                                        .has_body = true,
                                        .max_redirects = 1};
    assert_int_equal(call_with(fixture, "/moved", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "GET /hello"));
    request.method = FH_SLICE_LIT("PUT");
    assert_int_equal(call_with(fixture, "/moved", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "PUT /hello"));
    assert_true(peer_has_seen(fixture->peer, "\r\n\r\nbody"));
    assert_int_equal(call_with(fixture, "/other", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "GET /hello"));
    assert_false(peer_has_seen(fixture->peer, "body"));
    request.method = FH_SLICE_LIT("DELETE");
    request.has_body = false;
    assert_int_equal(call_with(fixture, "/other", request).status, 200);
    assert_true(peer_has_seen(fixture->peer, "GET /hello"));
}

/* --- failures --------------------------------------------------------------------------------- */

static void test_broken_answers(void **state)
{
    struct fixture *fixture = *state;
    char peer[64];
    snprintf(peer, sizeof(peer), "127.0.0.1:%d", fixture->peer->port);
    assert_fails(call(fixture, "/cut"), FH_E_NETWORK, peer);
    assert_fails(call(fixture, "/cut-chunk"), FH_E_NETWORK, peer);
    assert_fails(call(fixture, "/empty"), FH_E_NETWORK, "connection closed without an answer by");
    assert_fails(call(fixture, "/garbage"), FH_E_NETWORK, peer);
    assert_alive(fixture);
}

static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    int port;
    int fd = peer_bind(&port); /* nobody listens */
    char url[64];
    char detail[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    snprintf(detail, sizeof(detail), "connection refused by 127.0.0.1:%d", port);
    struct fh_client_request request = get();
    request.url = fh_slice_from(url);
    assert_fails(call_with(fixture, "", request), FH_E_NETWORK, detail);
    close(fd);
    assert_alive(fixture);
}

static void test_unknown_host(void **state)
{
    struct fh_client_request request = get();
    request.url = FH_SLICE_LIT("http://nobody.invalid:81/");
    assert_fails(call_with(*state, "", request), FH_E_NETWORK,
                 "cannot resolve the host name of nobody.invalid:81");
}

/* "localhost" is ::1 first, where nobody listens: the descriptor's number is used twice. */
static void test_second_address(void **state)
{
    struct fixture *fixture = *state;
    char url[64];
    snprintf(url, sizeof(url), "http://localhost:%d/hello", fixture->peer->port);
    struct fh_client_request request = get();
    request.url = fh_slice_from(url);
    assert_int_equal(call_with(fixture, "", request).status, 200);
}

static void test_not_tls(void **state)
{
    struct fixture *fixture = *state;
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", fixture->peer->port);
    struct fh_client_request request = get();
    request.url = fh_slice_from(url);
    assert_fails(call_with(fixture, "", request), FH_E_TLS, "TLS handshake failed with 127.0.0.1:");
    assert_alive(fixture);
}

static void test_too_large(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_request request = get();
    request.max_bytes = 999;
    const char *sentence = "the answer's body is larger than 999 bytes";
    assert_fails(call_with(fixture, "/announced", request), FH_E_TOO_LARGE, sentence);
    assert_fails(call_with(fixture, "/endless", request), FH_E_TOO_LARGE, sentence);
    request.max_bytes = 4;
    assert_fails(call_with(fixture, "/gzip", request), FH_E_TOO_LARGE, "4 bytes");
    request.max_bytes = 5;
    assert_string_equal(call_with(fixture, "/gzip", request).body, "hello");
    request.max_bytes = 0;
    assert_fails(call_with(fixture, "/endless", request), FH_E_TOO_LARGE, "8388608 bytes");
    assert_fails(call(fixture, "/long-head"), FH_E_TOO_LARGE, "headers are larger");
    assert_alive(fixture);
}

static void test_timeout(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_request request = get();
    request.timeout_ms = 20;
    assert_fails(call_with(fixture, "/hang", request), FH_E_TIMEOUT,
                 "within 20 ms (timeout of the whole call)");
    assert_fails(call_with(fixture, "/half", request), FH_E_TIMEOUT, "within 20 ms");
    assert_alive(fixture);
}

/* A listener whose queue is full lets nobody in. */
static void test_connect_timeout(void **state)
{
    struct fixture *fixture = *state;
    int port;
    int listener = peer_bind(&port);
    int crowd[4];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(listen(listener, 0), 0);
    for (int i = 0; i < 4; i++) {
        crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(crowd[i], (struct sockaddr *)&address, sizeof(address));
    }
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    struct fh_client_request request = get();
    request.url = fh_slice_from(url);
    request.connect_timeout_ms = 30;
    assert_fails(call_with(fixture, "", request), FH_E_TIMEOUT, "within 30 ms (connect timeout)");
    for (int i = 0; i < 4; i++) {
        close(crowd[i]);
    }
    close(listener);
    assert_alive(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(test_get),
        CLIENT_TEST(test_status_without_error),
        CLIENT_TEST(test_no_body),
        CLIENT_TEST(test_chunked),
        CLIENT_TEST(test_gzip),
        CLIENT_TEST(test_only_final_headers),
        CLIENT_TEST(test_body_until_close),
        CLIENT_TEST(test_post),
        CLIENT_TEST(test_content_type_of_caller),
        CLIENT_TEST(test_methods_without_body),
        CLIENT_TEST(test_nothing_left_over),
        CLIENT_TEST(test_large_body),
        CLIENT_TEST(test_header_injection_refused),
        CLIENT_TEST(test_unusable_requests),
        CLIENT_TEST(test_redirects),
        CLIENT_TEST(test_redirected_methods),
        CLIENT_TEST(test_broken_answers),
        CLIENT_TEST(test_refused),
        CLIENT_TEST(test_unknown_host),
        CLIENT_TEST(test_second_address),
        CLIENT_TEST(test_not_tls),
        CLIENT_TEST(test_too_large),
        CLIENT_TEST(test_timeout),
        CLIENT_TEST(test_connect_timeout),
    };
    return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
