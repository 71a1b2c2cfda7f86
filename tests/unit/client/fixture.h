/* SPDX-License-Identifier: MIT */
/* What the tests of core/client share: a loop, a client and a peer for each test, and calls whose
 * outcome is kept for looking at. */
#pragma once

#include "client/client.h"
#include "loop/loop.h"
#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct fh_loop *loop;
    struct fh_client *client;
    struct peer *peer;
    int done;
};

/* What a call came to. */
struct outcome {
    struct fixture *fixture;
    struct fh_call *call;
    struct fh_call *victim; /* cancelled by on_done */
    bool restarts;          /* on_done starts the same once more */
    const char *path;
    bool is_done;
    int rc;
    int status;
    char headers[1024]; /* "name: value|..." */
    char body[256];
    size_t body_len;
    char detail[480];
};

static inline void open_client(struct fixture *fixture, struct fh_client_config config)
{
    struct fh_error err;
    config.user_agent = "flowhost-test";
    assert_int_equal(fh_client_open(&fixture->client, fixture->loop, &config, &err), 0);
}

static inline void reopen(struct fixture *fixture, struct fh_client_config config)
{
    fh_client_close(fixture->client);
    open_client(fixture, config);
}

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_int_equal(fh_loop_open(&fixture->loop, NULL), 0);
    fixture->peer = peer_start(fixture->loop);
    open_client(fixture, (struct fh_client_config){0});
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->client) {
        fh_client_close(fixture->client);
    }
    peer_stop(fixture->peer);
    fh_loop_close(fixture->loop);
    peer_free(fixture->peer);
    free(fixture);
    return 0;
}

static inline void start(struct fixture *fixture, const char *path, struct outcome *outcome);

static inline void on_done(void *arg, const struct fh_client_response *response)
{
    struct outcome *outcome = arg;
    assert_false(outcome->is_done);
    outcome->is_done = true;
    outcome->rc = response->rc;
    outcome->status = response->status;
    outcome->body_len = response->body.len;
    if (response->body.len > 0) {
        size_t kept = response->body.len < 255 ? response->body.len : 255;
        memcpy(outcome->body, response->body.data, kept);
    }
    for (size_t i = 0, at = 0; i < response->header_count; i++) {
        const struct fh_client_header *header = &response->headers[i];
        at += (size_t)snprintf(outcome->headers + at, sizeof(outcome->headers) - at, "%.*s: %.*s|",
                               (int)header->name.len, header->name.data, (int)header->value.len,
                               header->value.data);
    }
    snprintf(outcome->detail, sizeof(outcome->detail), "%s",
             response->detail ? response->detail : "");
    assert_int_equal(response->rc != 0, response->detail != NULL);
    outcome->fixture->done++;
    if (outcome->victim) {
        fh_call_cancel(outcome->victim);
    }
    if (outcome->restarts) {
        outcome->restarts = false;
        outcome->is_done = false;
        start(outcome->fixture, outcome->path, outcome);
    }
}

static inline struct fh_client_request get(void)
{
    return (struct fh_client_request){.method = FH_SLICE_LIT("GET")};
}

static inline void start_request(struct fixture *fixture, const char *path,
                                 struct fh_client_request request, struct outcome *outcome)
{
    char url[256];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", fixture->peer->port, path);
    request.url = request.url.data ? request.url : fh_slice_from(url);
    outcome->fixture = fixture;
    outcome->path = path;
    assert_int_equal(fh_client_start(fixture->client, &request, on_done, outcome, &outcome->call),
                     0);
    assert_false(outcome->is_done);
}

static inline void start(struct fixture *fixture, const char *path, struct outcome *outcome)
{
    start_request(fixture, path, get(), outcome);
}

static inline void run_until(struct fixture *fixture, const int *counter, int want)
{
    while (*counter < want) {
        fh_loop_run_once(fixture->loop, -1);
    }
}

static inline struct outcome call_with(struct fixture *fixture, const char *path,
                                       struct fh_client_request request)
{
    struct outcome outcome = {0};
    int done = fixture->done;
    start_request(fixture, path, request, &outcome);
    run_until(fixture, &fixture->done, done + 1);
    return outcome;
}

static inline struct outcome call(struct fixture *fixture, const char *path)
{
    return call_with(fixture, path, get());
}

static inline void assert_fails(struct outcome outcome, int rc, const char *detail)
{
    assert_int_equal(outcome.rc, rc);
    assert_non_null(strstr(outcome.detail, detail));
    assert_int_equal(outcome.status, 0);
    assert_int_equal(outcome.body_len, 0);
}

static inline void assert_alive(struct fixture *fixture)
{
    struct outcome outcome = call(fixture, "/hello");
    assert_int_equal(outcome.rc, 0);
    assert_int_equal(outcome.status, 200);
    assert_string_equal(outcome.body, "hello");
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
