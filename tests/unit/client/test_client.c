/* SPDX-License-Identifier: MIT */
/* Connections, limits, cancelling and closing. */
#include "fixture.h"

enum { MANY = 100 };

/* --- connections ------------------------------------------------------------------------------ */

static void test_keep_alive(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 50; i++) {
        assert_alive(fixture);
    }
    assert_int_equal(peer_connections(fixture->peer), 1);
}

static void test_closed_while_idle(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        assert_string_equal(call(fixture, "/bye").body, "bye");
    }
    assert_alive(fixture);
    assert_int_equal(peer_connections(fixture->peer), 6);
}

/* The peer drops the second request of each connection unread, so to speak. */
static void test_closed_when_reused(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_request request = {
        .method = FH_SLICE_LIT("POST"), .body = FH_SLICE_LIT("again"), .has_body = true};
    for (int i = 0; i < 3; i++) {
        memset(fixture->peer->request, 0, sizeof(fixture->peer->request));
        assert_string_equal(call_with(fixture, "/once", request).body, "once");
        assert_true(peer_has_seen(fixture->peer, "\r\n\r\nagain"));
    }
    assert_int_equal(peer_connections(fixture->peer), 3);
    assert_int_equal(fixture->peer->seen, 5);
}

static void test_concurrent(void **state)
{
    struct fixture *fixture = *state;
    struct outcome *outcomes = calloc(MANY, sizeof(*outcomes));
    for (int round = 1; round <= 2; round++) {
        fixture->peer->barrier = round * MANY;
        memset(outcomes, 0, MANY * sizeof(*outcomes));
        for (int i = 0; i < MANY; i++) {
            start(fixture, "/barrier", &outcomes[i]);
        }
        run_until(fixture, &fixture->done, round * MANY);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(outcomes[i].rc, 0);
            assert_string_equal(outcomes[i].body, "ok");
        }
    }
    assert_int_equal(peer_connections(fixture->peer), MANY);
    free(outcomes);
}

static void run_limited(struct fixture *fixture, struct fh_client_config config)
{
    struct outcome outcomes[12] = {{0}};
    reopen(fixture, config);
    for (int i = 0; i < 12; i++) {
        start(fixture, "/hello", &outcomes[i]);
    }
    run_until(fixture, &fixture->done, 12);
    for (int i = 0; i < 12; i++) {
        assert_string_equal(outcomes[i].body, "hello");
    }
}

static void test_limit_per_host(void **state)
{
    struct fixture *fixture = *state;
    run_limited(fixture, (struct fh_client_config){.max_connections_per_host = 2});
    assert_int_equal(peer_connections(fixture->peer), 2);
}

static void test_limit_in_all(void **state)
{
    struct fixture *fixture = *state;
    run_limited(fixture, (struct fh_client_config){.max_connections = 3});
    assert_int_equal(peer_connections(fixture->peer), 3);
}

static void test_limit_idle(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcomes[6] = {{0}};
    reopen(fixture, (struct fh_client_config){.max_idle_connections = 1});
    fixture->peer->barrier = 3;
    for (int i = 0; i < 3; i++) {
        start(fixture, "/barrier", &outcomes[i]);
    }
    run_until(fixture, &fixture->done, 3);
    fixture->peer->barrier = 6;
    for (int i = 3; i < 6; i++) {
        start(fixture, "/barrier", &outcomes[i]);
    }
    run_until(fixture, &fixture->done, 6);
    assert_int_equal(peer_connections(fixture->peer), 5);
}

static void test_queued_call_times_out(void **state)
{
    struct fixture *fixture = *state;
    struct outcome first = {0};
    reopen(fixture, (struct fh_client_config){.max_connections = 1});
    start(fixture, "/hang", &first);
    struct fh_client_request request = get();
    request.timeout_ms = 20;
    assert_fails(call_with(fixture, "/hello", request), FH_E_TIMEOUT, "within 20 ms");
    struct outcome queued = {0};
    start(fixture, "/hello", &queued);
    fh_call_cancel(queued.call);
    struct outcome last = {0};
    start(fixture, "/hello", &last);
    fh_call_cancel(first.call);
    run_until(fixture, &fixture->done, 2);
    assert_string_equal(last.body, "hello");
    assert_false(first.is_done || queued.is_done);
}

/* --- cancel, close ---------------------------------------------------------------------------- */

static void test_cancel_stages(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {0};
    start(fixture, "/hello", &outcome); /* not yet begun */
    fh_call_cancel(outcome.call);
    start(fixture, "/hello", &outcome); /* connecting */
    fh_loop_run_once(fixture->loop, 0);
    fh_call_cancel(outcome.call);
    start(fixture, "/hang", &outcome); /* no answer yet */
    run_until(fixture, &fixture->peer->seen, 1);
    fh_call_cancel(outcome.call);
    int seen = fixture->peer->seen;
    start(fixture, "/half", &outcome); /* within the body */
    run_until(fixture, &fixture->peer->seen, seen + 1);
    fh_loop_run_once(fixture->loop, -1);
    fh_call_cancel(outcome.call);
    struct fh_client_request request = get();
    request.url = FH_SLICE_LIT("http://nobody.invalid/"); /* resolving */
    start_request(fixture, "", request, &outcome);
    fh_loop_run_once(fixture->loop, 0);
    fh_call_cancel(outcome.call);
    request.url = FH_SLICE_LIT("nonsense"); /* refused, not yet told */
    start_request(fixture, "", request, &outcome);
    fh_call_cancel(outcome.call);
    assert_alive(fixture);
    assert_false(outcome.is_done);
    assert_int_equal(fixture->done, 1);
}

static void test_cancel_from_on_done(void **state)
{
    struct fixture *fixture = *state;
    struct outcome victim = {0};
    start(fixture, "/hang", &victim);
    struct outcome killer = {.victim = victim.call};
    start(fixture, "/hello", &killer);
    run_until(fixture, &fixture->done, 1);
    struct fh_client_request request = get();
    request.url = FH_SLICE_LIT("nonsense");
    killer = (struct outcome){0};
    start_request(fixture, "", request, &killer);
    start_request(fixture, "", request, &victim);
    killer.victim = victim.call; /* both are due in the same turn */
    run_until(fixture, &fixture->done, 2);
    assert_alive(fixture);
    assert_false(victim.is_done);
}

/* Either of two calls that end together cancels the other, in whatever order curl reports them. */
static void test_cancel_of_a_finished_call(void **state)
{
    struct fixture *fixture = *state;
    fixture->peer->barrier = 2;
    struct outcome a = {0};
    struct outcome b = {0};
    start(fixture, "/barrier", &a);
    start(fixture, "/barrier", &b);
    a.victim = b.call;
    b.victim = a.call;
    run_until(fixture, &fixture->done, 1);
    assert_true(a.is_done != b.is_done);
    assert_alive(fixture);
    assert_int_equal(fixture->done, 2);
}

static void test_start_from_on_done(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome = {.restarts = true};
    start(fixture, "/hello", &outcome);
    run_until(fixture, &fixture->done, 2);
    assert_string_equal(outcome.body, "hello");
    assert_int_equal(peer_connections(fixture->peer), 1);
}

static void test_close_with_calls(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcomes[6] = {{0}};
    reopen(fixture, (struct fh_client_config){.max_connections = 3});
    for (int i = 0; i < 4; i++) {
        start(fixture, i % 2 ? "/hang" : "/half", &outcomes[i]);
    }
    run_until(fixture, &fixture->peer->seen, 3);
    start(fixture, "/hello", &outcomes[4]);
    struct fh_client_request request = get();
    request.url = FH_SLICE_LIT("nonsense");
    start_request(fixture, "", request, &outcomes[5]);
    fh_client_close(fixture->client);
    fixture->client = NULL;
    for (int i = 0; i < 6; i++) {
        assert_true(outcomes[i].is_done);
        assert_fails(outcomes[i], FH_E_CANCELLED, "closing");
    }
}

static void on_done_while_closing(void *arg, const struct fh_client_response *response)
{
    struct fixture *fixture = arg;
    struct fh_client_request request = get();
    request.url = FH_SLICE_LIT("http://127.0.0.1/");
    assert_int_equal(response->rc, FH_E_CANCELLED);
    assert_int_equal(fh_client_start(fixture->client, &request, on_done, NULL, NULL), FH_E_CLOSED);
}

static void test_no_start_while_closing(void **state)
{
    struct fixture *fixture = *state;
    struct fh_client_request request = get();
    request.url = FH_SLICE_LIT("http://127.0.0.1/");
    assert_int_equal(
        fh_client_start(fixture->client, &request, on_done_while_closing, fixture, NULL), 0);
    fh_client_close(fixture->client);
    fixture->client = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(test_keep_alive),
        CLIENT_TEST(test_closed_while_idle),
        CLIENT_TEST(test_closed_when_reused),
        CLIENT_TEST(test_concurrent),
        CLIENT_TEST(test_limit_per_host),
        CLIENT_TEST(test_limit_in_all),
        CLIENT_TEST(test_limit_idle),
        CLIENT_TEST(test_queued_call_times_out),
        CLIENT_TEST(test_cancel_stages),
        CLIENT_TEST(test_cancel_from_on_done),
        CLIENT_TEST(test_cancel_of_a_finished_call),
        CLIENT_TEST(test_start_from_on_done),
        CLIENT_TEST(test_close_with_calls),
        CLIENT_TEST(test_no_start_while_closing),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
