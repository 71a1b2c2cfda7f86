/* SPDX-License-Identifier: MIT */
/* Serving: connections, deferred answers, addresses, idling, closing. */
#include "http_fixture.h"

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

static void test_half_closed_caller(void **state)
{
    struct client client = connect_to(*state);
    send_text(&client, GET("/"));
    shutdown(client.fd, SHUT_WR); /* the server finds both at once */
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

static void answer_if_loopback(struct fixture *fixture, struct fh_http_request *request)
{
    (void)fixture;
    respond_text(request, fh_http_request_is_loopback(request) ? "from here" : "from elsewhere");
}

static void test_every_address_takes_ipv4(void **state)
{
    struct fixture *fixture = *state;
    struct fh_http_config config = default_config(fixture);
    config.address = ":0";
    open_with(fixture, &config);
    struct client client = connect_to(fixture);
    fixture->handle = answer_if_loopback;
    send_text(&client, GET("/"));
    expect(fixture, &client, "from here");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_get),
        TEST(test_post),
        TEST(test_chunked),
        TEST(test_keep_alive),
        TEST(test_http_1_0),
        TEST(test_half_closed_caller),
        TEST(test_expect_continue),
        TEST(test_many_spares),
        TEST(test_pipelining),
        TEST(test_pipelining_at_once),
        TEST(test_deferred_answer_leaves_at_once),
        TEST(test_answer_from_a_hook),
        TEST(test_answer_from_another_handler),
        TEST(test_client_gone_before_answer),
        TEST(test_close_with_unanswered_requests),
        TEST(test_stop_listening),
        TEST(test_addresses),
        BARE_TEST(test_every_address_takes_ipv4),
        BARE_TEST(test_two_servers_share_a_port),
        BARE_TEST(test_too_many_connections),
        TEST(test_idle_connections_do_not_spin),
        BARE_TEST(test_timeouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
