/* SPDX-License-Identifier: MIT */
/* HTTP client on libcurl's multi interface, driven by the shard's loop: kept-alive connections,
 * pooled easy handles, limits. All calls on the loop's thread. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct fh_loop;
struct fh_client;
struct fh_call;
struct fh_policy;

struct fh_client_config {
    unsigned max_connections;          /* in all; calls beyond it wait for one; 0: 1024 */
    unsigned max_connections_per_host; /* 0: 256 */
    unsigned max_idle_connections;     /* kept open between calls; 0: 256 */
    const char *user_agent;
    const struct fh_policy *policy; /* borrowed; NULL: calls may go everywhere */
};

struct fh_client_header {
    struct fh_slice name;
    struct fh_slice value;
};

/* Everything is copied by fh_client_start. */
struct fh_client_request {
    struct fh_slice method; /* e.g. "POST" */
    struct fh_slice url;    /* http or https only */
    const struct fh_client_header *headers;
    size_t header_count;
    struct fh_slice body; /* sent when has_body */
    bool has_body;
    struct fh_slice user; /* basic auth when user.data is set */
    struct fh_slice password;
    struct fh_slice tls_ca;   /* PEM; data NULL: the system's */
    struct fh_slice tls_cert; /* PEM of the client's own certificate, with its key */
    struct fh_slice tls_key;
    int64_t timeout_ms;         /* whole call; 0: none */
    int64_t connect_timeout_ms; /* 0: 10 s */
    size_t max_bytes;           /* of the answer's body after decompression; 0: 8 MiB */
    unsigned max_redirects;     /* 0: do not follow */
};

/* Borrowed for the duration of on_done. */
struct fh_client_response {
    int rc; /* 0, or FH_E_NETWORK, FH_E_TIMEOUT, FH_E_TOO_LARGE, FH_E_TLS, FH_E_INVALID (url, method), FH_E_CANCELLED on close */
    int status;
    const struct fh_client_header *headers; /* of the final answer, in order, names as received */
    size_t header_count;
    struct fh_slice body;
    const char *detail; /* a sentence when rc != 0, e.g. "connection refused by 127.0.0.1:9" */
};

typedef void (*fh_client_on_done)(void *arg, const struct fh_client_response *response);

int fh_client_open(struct fh_client **out, struct fh_loop *loop,
                   const struct fh_client_config *config, struct fh_error *err);

/* Calls under way end with FH_E_CANCELLED. */
void fh_client_close(struct fh_client *client);

/* `on_done` runs once, later, never from within fh_client_start; `*out` (may be NULL) is valid until then.
 * 0, or a code at once (on_done does not run then). A malformed url is reported through on_done. */
int fh_client_start(struct fh_client *client, const struct fh_client_request *request,
                    fh_client_on_done on_done, void *arg, struct fh_call **out);

/* The call is dropped; on_done does not run. */
void fh_call_cancel(struct fh_call *call);
