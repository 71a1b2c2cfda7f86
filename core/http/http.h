/* SPDX-License-Identifier: MIT */
/* HTTP/1.1 server on libmicrohttpd, driven by the shard's loop: keep-alive, pipelining, limits.
 *
 *     headers ─► limits ─► body gathered ─► handler(req) ─► [suspended] ─► respond ─► sent
 *
 * The handler runs on the loop thread once per request, when the whole request is in; it must see
 * to it that fh_http_respond or fh_http_stream_end is called exactly once, now or later (the
 * connection is suspended meanwhile). The server answers by itself: 413 over max_body_bytes, 431 over
 * max_header_bytes, 400 malformed; over max_connections a connection is closed at once.
 * A caller that goes away does not cancel anything; the answer is dropped. Only that of a stream is
 * looked after meanwhile. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fh_loop;
struct fh_http;
struct fh_http_request;

struct fh_http_header {
    struct fh_slice name;
    struct fh_slice value;
};

typedef void (*fh_http_handler)(void *arg, struct fh_http_request *request);

struct fh_http_config {
    const char *
        address; /* "127.0.0.1:8080", "[::1]:8080", ":8080" is every address; port 0: any free one */
    bool reuse_port;         /* several shards listen on one port (SO_REUSEPORT) */
    bool claim_port;         /* the first of them: fails when anybody else has the port */
    size_t max_body_bytes;   /* 413 */
    size_t max_header_bytes; /* 431: request line and headers together */
    unsigned max_connections;
    unsigned
        idle_timeout_s; /* also for a request that trickles in; up to twice that then. 0: none */
    fh_http_handler handler;
    void *arg;
};

/* 0; FH_E_ADDRESS_IN_USE, FH_E_PERMISSION, FH_E_INVALID with a sentence that says what to do. */
int fh_http_open(struct fh_http **out, struct fh_loop *loop, const struct fh_http_config *config,
                 struct fh_error *err);

/* Stops taking connections; open ones are answered and then closed. */
void fh_http_stop_listening(struct fh_http *http);

/* Cuts what is open; on_closed of open streams runs. Not from inside the handler. Requests not answered
 * yet stay valid memory until they are (the answer is dropped); they have lost their headers then. */
void fh_http_close(struct fh_http *http);

unsigned fh_http_get_port(const struct fh_http *http);

/* Requests handed to the handler and not answered yet. */
unsigned fh_http_get_pending(const struct fh_http *http);

/* Those, and requests whose answer has not been sent to its end. */
unsigned fh_http_get_unsent(const struct fh_http *http);

/* --- the request: valid until answered ---------------------------------------------------------- */

struct fh_slice fh_http_request_method(const struct fh_http_request *request);
struct fh_slice fh_http_request_path(
    const struct fh_http_request
        *request); /* percent-decoded, without query; raw when the decoding is not valid */
struct fh_slice fh_http_request_body(const struct fh_http_request *request);

/* Value of the first header of that name (any case); data is NULL when absent. */
struct fh_slice fh_http_request_header(const struct fh_http_request *request, const char *name);

/* Names and values are valid during the call only. A broken escape in a query is left as it is. */
typedef void (*fh_http_visit)(void *arg, struct fh_slice name, struct fh_slice value);
void fh_http_request_each_header(struct fh_http_request *request, fh_http_visit visit, void *arg);
void fh_http_request_each_query(struct fh_http_request *request, fh_http_visit visit,
                                void *arg); /* decoded */
/* The caller's address without its port, as text; "" when it is not known. */
const char *fh_http_request_address(const struct fh_http_request *request);
bool fh_http_request_is_loopback(const struct fh_http_request *request);

/* --- the answer ------------------------------------------------------------------------------- */

/* Copies everything; `request` is gone afterwards. HEAD sends no body by itself. Content-Length and
 * Transfer-Encoding in `headers` are ignored, empty values and what HTTP does not allow left out;
 * above 8 KiB of headers the caller gets a 500. */
void fh_http_respond(struct fh_http_request *request, int status,
                     const struct fh_http_header *headers, size_t count, struct fh_slice body);

/* Answer of unknown length (chunked): start, write any number of times, end. `on_closed` (may be NULL) runs when the
 * caller went away before the end (HEAD: at once), or when the server closes; write and end stay allowed and do nothing
 * then, end must still be called, from inside on_closed if need be. write: FH_E_CLOSED then, FH_E_TOO_LARGE when the
 * caller reads too slowly and more than 1 MiB waits. A caller that closes its sending side after its first request was in
 * counts as gone. */
void fh_http_stream_start(struct fh_http_request *request, int status,
                          const struct fh_http_header *headers, size_t count,
                          void (*on_closed)(void *arg), void *arg);
int fh_http_stream_write(struct fh_http_request *request, struct fh_slice bytes);

/* After a write that was FH_E_TOO_LARGE: `on_room` runs once, with the arg of start, when at most half a MiB waits; not
 * when the caller goes away before. It may write and end. */
void fh_http_stream_await_room(struct fh_http_request *request, void (*on_room)(void *arg));
void fh_http_stream_end(struct fh_http_request *request);
